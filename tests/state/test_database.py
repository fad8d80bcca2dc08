"""The connection: transactions, migrations, damaged and foreign files, other processes."""

from __future__ import annotations

import sqlite3
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from tests.state.processes import WAIT, second_process
from tosser.errors import StateDamaged, StateError
from tosser.state import database
from tosser.state.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOLD = f"""import sqlite3
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
connection.execute("INSERT INTO counters VALUES ('theirs', 1)")
{WAIT}
connection.execute("COMMIT")
connection.close()
"""  # noqa: S608 - a program, not a statement
"""Begins to write, waits, and ends the transaction."""
DONE = f"""from pathlib import Path
from tests.state.test_database import add
from tosser.state.database import Database
Database(Path(sys.argv[1])).call(add, 'done')
{WAIT}
"""
"""Writes, ends the transaction, and waits."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is to be."""
    return tmp_path / "tosser.db"


@pytest.fixture
def opened(path: Path) -> Iterator[Database]:
    """A new database."""
    opened = Database(path)
    yield opened
    opened.close()


def add(connection: sqlite3.Connection, name: str, value: int = 1) -> None:
    """Write something."""
    connection.execute("INSERT INTO counters (name, value) VALUES (?, ?)", (name, value))


def add_many(connection: sqlite3.Connection) -> None:
    """Write so much that the second half of the file is nothing but rows, none of which needs more than its page."""
    for number in range(1000):
        add(connection, f"{number:0400}")


def names(connection: sqlite3.Connection) -> list[str]:
    """Read what was written."""
    return [name for (name,) in connection.execute("SELECT name FROM counters ORDER BY name")]


def add_and_fail(connection: sqlite3.Connection, error: BaseException) -> None:
    """Write something, and fail before the end of the transaction."""
    add(connection, "half")
    raise error


def pragma(connection: sqlite3.Connection, name: str) -> object:
    """Ask for a setting."""
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


# --- transactions


def test_what_returned_is_kept(path: Path) -> None:
    """A call that returned has written, also for whoever opens the database later."""
    first = Database(path)
    first.call(add, "one")
    first.call(add, "two", value=2)
    first.close()
    second = Database(path)
    assert second.call(names) == ["one", "two"]
    second.close()


@pytest.mark.parametrize(
    "error", [ValueError("ours"), sqlite3.OperationalError("theirs"), KeyboardInterrupt(), StateError("a sentence")]
)
def test_what_failed_never_was(opened: Database, error: BaseException) -> None:
    """A call that raises has changed nothing, whatever it raises, and the database goes on."""
    expected = StateError if isinstance(error, sqlite3.Error) else type(error)
    with pytest.raises(expected):
        opened.call(add_and_fail, error)
    assert opened.call(names) == []
    opened.call(add, "after")
    assert opened.call(names) == ["after"]


@pytest.mark.parametrize(
    "statement", ["SELECT * FROM nothing", "not SQL", "INSERT INTO counters VALUES ('x', 'no number')"]
)
def test_errors_of_sqlite_are_ours(opened: Database, path: Path, statement: str) -> None:
    """What SQLite refuses is a StateError that names the file."""
    with pytest.raises(StateError, match=str(path)) as caught:
        opened.call(sqlite3.Connection.execute, statement)
    assert isinstance(caught.value.__cause__, sqlite3.Error)


def test_calls_of_many_threads(opened: Database) -> None:
    """Calls may come from any thread; each is a transaction of its own."""
    threads = [
        threading.Thread(target=lambda start=start: [opened.call(add, f"{start:02}{each}") for each in range(10)])
        for start in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened.call(names)) == 80


def test_power_cuts_are_survived(opened: Database) -> None:
    """Every commit is synced: WAL, and synchronous FULL."""
    assert opened.call(pragma, "journal_mode") == "wal"
    assert opened.call(pragma, "synchronous") == 2


def test_killed_process(path: Path) -> None:
    """What was committed survives a process that is killed; what was begun does not."""
    Database(path).close()
    with second_process(HOLD, path) as process:
        process.kill()
    database_after = Database(path)
    assert database_after.call(names) == []
    database_after.close()
    with second_process(DONE, path) as process:
        process.kill()
    database_after = Database(path, read_only=True)
    assert database_after.call(names) == ["done"]
    database_after.close()


# --- other processes


def test_a_writer_is_waited_for(opened: Database, path: Path) -> None:
    """A call waits until another process has ended its transaction, and then sees what that wrote."""
    seen: list[str] = []
    waiting = threading.Thread(target=lambda: seen.extend(opened.call(names)))
    with second_process(HOLD, path):
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
    waiting.join()
    assert seen == ["theirs"]


def test_a_writer_is_not_waited_for_forever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the other does not end, the call gives up with a sentence, and the next one may succeed."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    impatient = Database(path)
    with second_process(HOLD, path), pytest.raises(StateError, match="database is locked"):
        impatient.call(add, "ours")
    assert impatient.call(names) == ["theirs"]
    impatient.close()


def test_readers_do_not_wait(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who only looks sees the last whole transaction, while another process writes."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.0)
    Database(path).close()
    with second_process(HOLD, path):
        looking = Database(path, read_only=True)
        assert looking.call(names) == []
    assert looking.call(names) == ["theirs"]
    looking.close()


def test_read_only(opened: Database, path: Path) -> None:
    """Who only looks cannot write, and sees what others write meanwhile."""
    looking = Database(path, read_only=True)
    with pytest.raises(StateError, match="readonly"):
        looking.call(add, "x")
    opened.call(add, "y")
    assert looking.call(names) == ["y"]
    looking.close()


# --- opening and closing


def test_close(path: Path) -> None:
    """Closing twice does no harm, nor after an error; a closed database says so."""
    closing = Database(path)
    with pytest.raises(ValueError, match="ours"):
        closing.call(add_and_fail, ValueError("ours"))
    closing.close()
    closing.close()
    with pytest.raises(StateError, match="closed"):
        closing.call(names)


def test_nothing_is_left_open(path: Path) -> None:
    """When the last one closes it, a database is one file; and nobody outside the group may read it."""
    Database(path).close()
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert stat.S_IMODE(path.stat().st_mode) & 0o137 == 0


@pytest.mark.parametrize("content", [b"not a database at all\n" * 500, b"SQLite format 3\0" + b"\xff" * 5000])
@pytest.mark.parametrize("read_only", [False, True])
def test_damaged_file(path: Path, content: bytes, read_only: bool) -> None:  # noqa: FBT001 - a column of the table
    """A file that is no database is refused with a sentence, and left as it is."""
    path.write_bytes(content)
    with pytest.raises(StateError, match="cannot be used as the state database"):
        Database(path, read_only=read_only)
    assert path.read_bytes() == content


def test_damaged_pages(path: Path) -> None:
    """Damage that shows only in use is a StateError as well."""
    damaging = Database(path)
    damaging.call(add_many)
    damaging.close()
    data = bytearray(path.read_bytes())
    half = len(data) // 2
    data[half:] = b"\xaa" * (len(data) - half)
    path.write_bytes(data)
    damaged = Database(path)
    with pytest.raises(StateError, match="malformed"):
        damaged.call(names)
    damaged.close()


def test_places_where_none_can_be(tmp_path: Path) -> None:
    """A missing directory, or a directory in its place, is told in a sentence."""
    (tmp_path / "directory").mkdir()
    for place in (tmp_path / "missing" / "tosser.db", tmp_path / "directory"):
        with pytest.raises(StateError, match="cannot be used as the state database"):
            Database(place)


def test_nothing_to_look_at(path: Path) -> None:
    """Looking at a database that is not there says so and makes none."""
    with pytest.raises(StateError, match="no state database yet"):
        Database(path, read_only=True)
    assert list(path.parent.iterdir()) == []


def test_odd_names(tmp_path: Path) -> None:
    """A path may have characters that mean something in a URI."""
    directory = tmp_path / "50% off?mode=memory#x"
    directory.mkdir()
    for read_only in (False, True):
        Database(directory / "tosser.db", read_only=read_only).close()
    assert [file.name for file in directory.iterdir()] == ["tosser.db"]


# --- migrations


def version(path: Path) -> int:
    """The schema number of a file."""
    connection = sqlite3.connect(path)
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    return int(number)


def set_version(path: Path, number: int) -> None:
    """Pretend that a file is of another version."""
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {number}")
    connection.close()


def test_migrations_are_numbered(path: Path) -> None:
    """The numbers of the migrations have no gap, and a new database is of the last one."""
    Database(path).close()
    numbers = sorted(database._migrations())
    assert numbers == list(range(1, len(numbers) + 1))
    assert version(path) == numbers[-1]


def test_migrations_in_order(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An old database gets the steps it lacks, in order, and keeps what is in it."""
    old = Database(path)
    old.call(add, "old")
    old.close()
    steps = database._migrations()
    newest = max(steps)
    steps[newest + 2] = "UPDATE more SET text = text || '; two' -- a comment; with a semicolon\n;"
    steps[newest + 1] = (
        "CREATE TABLE more (text TEXT);\n\nINSERT INTO more\nVALUES ('one'); INSERT INTO more VALUES ('x');\n"
    )
    monkeypatch.setattr(database, "_migrations", lambda: steps)
    with pytest.raises(StateError, match="start the daemon or toss once"):
        Database(path, read_only=True)
    new = Database(path)
    assert new.call(lambda connection: connection.execute("SELECT text FROM more").fetchall()) == [
        ("one; two",),
        ("x; two",),
    ]
    assert new.call(names) == ["old"]
    new.close()
    assert version(path) == newest + 2


def test_migrations_all_or_none(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that fails takes those before it back, and the database can be opened again."""
    Database(path).close()
    steps = database._migrations()
    newest = max(steps)
    broken = steps | {newest + 1: "CREATE TABLE more (x);\n", newest + 2: "CREATE TABLE y (x);\nnot SQL;\n"}
    with monkeypatch.context() as patched:
        patched.setattr(database, "_migrations", lambda: broken)
        with pytest.raises(StateError, match="syntax error"):
            Database(path)
    assert version(path) == newest
    again = Database(path)
    again.call(sqlite3.Connection.execute, "CREATE TABLE more (x)")
    again.close()


def test_migrations_by_another_process(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that another process took while this one waited are not taken twice."""
    Database(path).close()
    newest = version(path)
    versions = iter([0])
    real = database._version
    monkeypatch.setattr(database, "_version", lambda connection: next(versions, None) or real(connection))
    monkeypatch.setattr(database, "_migrations", lambda: {newest: "CREATE TABLE counters (x);\n"})
    late = Database(path)
    assert late.call(names) == []
    late.close()


@pytest.mark.parametrize("read_only", [False, True])
def test_newer_schema(path: Path, read_only: bool) -> None:  # noqa: FBT001 - a column of the table
    """A database of a newer tosser is not touched."""
    Database(path).close()
    set_version(path, 9999)
    with pytest.raises(StateError, match=r"newer tosser \(schema 9999, .*upgrade"):
        Database(path, read_only=read_only)
    assert version(path) == 9999


def test_damage_that_shows_later(path: Path) -> None:
    """A page that turns out to be damaged while the database is open is told with what to do; and a look finds it."""
    database = Database(path)
    database.call(
        lambda connection: connection.executemany(
            "INSERT INTO counters (name, value) VALUES (?, ?)", [(f"{number:0100}", number) for number in range(5000)]
        )
    )
    database.close()
    database = Database(path)
    database.verify()
    database.close()
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xa5" * 100_000)
    database = Database(path)
    try:
        with pytest.raises(StateDamaged, match=r"it is damaged: .*; stop tosser, .* see docs/operations\.md"):
            database.call(lambda connection: connection.execute("SELECT sum(value) FROM counters").fetchone())
        with pytest.raises(StateDamaged, match="it is damaged: "):
            database.verify()
    finally:
        database.close()
