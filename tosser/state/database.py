"""One SQLite connection, for one thread at a time: WAL, synchronous FULL, numbered migrations.

Every call is one transaction: a function of the connection that is committed, and on the disk, when the call returns;
when it raises, nothing of it remains. Any thread may call, and waits its turn. ``sqlite3`` errors become `StateError`.
"""

from __future__ import annotations

import sqlite3
from importlib import resources
from threading import Lock
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from tosser.disk import FILE_MODE
from tosser.errors import StateDamaged, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

P = ParamSpec("P")
T = TypeVar("T")

BUSY_SECONDS = 30.0
"""How long a call waits for another process (a command of ours beside the daemon) to end its transaction."""
CACHE_KIB = 65536
_PRIMARY_CODE = 0xFF
"""The part of an SQLite result code that tells the kind; the rest tells the circumstances."""
CHECKPOINT_PAGES = 4000
"""Pages of 4 KiB in the log before they go to the database: events that are delivered by then never do."""


class Database:
    """The state database.

    Args:
        path: the file; created, with its tables, when absent.
        read_only: open an existing database for looking only.

    Raises:
        StateError: it cannot be opened, is damaged, or was written by a newer version.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"
        self._closed = False
        self._turn = Lock()
        self._connection = _open(path, read_only=read_only)

    def call(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run the function in a transaction and give what it returns.

        Raises:
            StateError: the database could not do it, or is closed; nothing of the transaction remains.
        """
        with self._turn:
            if self._closed:
                raise StateError(f"{self.path}: closed")
            return self._transact(lambda connection: function(connection, *args, **kwargs))

    def close(self) -> None:
        """Close the file after the calls already made; closing again does nothing."""
        with self._turn:
            self._closed = True
            self._connection.close()

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            self._connection.execute(self._begin)
            try:
                result = work(self._connection)
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise _mapped(self.path, error) from error
        return result

    def verify(self) -> None:
        """Look all of the file over for damage: pages, tables, and the order in them; a second for each 200 MB or so.

        Raises:
            StateError: it is damaged.
        """
        with self._turn:
            found = _quick_check(self._connection, self.path)
        if found != "ok":
            raise _damaged(self.path, found)


def _open(path: Path, *, read_only: bool) -> sqlite3.Connection:
    if read_only and not path.exists():
        raise StateError(f"{path}: there is no state database yet; the daemon or a first toss makes it")
    try:
        if not path.exists():
            path.touch(FILE_MODE)
        connection = sqlite3.connect(
            _uri(path, read_only=read_only),
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            _set_up(connection, path, read_only=read_only)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise _mapped(path, error, "cannot be used as the state database: ") from error
    except OSError as error:
        raise StateError(f"{path}: cannot be used as the state database: {error}") from error
    return connection


def _quick_check(connection: sqlite3.Connection, path: Path) -> str:
    try:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise _mapped(path, error) from error
    return " ".join(str(found).split())


def _mapped(path: Path, error: sqlite3.Error, where: str = "") -> StateError:
    """Make one sentence of what SQLite says; of damage one that says what to do."""
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return _damaged(path, str(error))
    return StateError(f"{path}: {where}{error}")


def _damaged(path: Path, what: str) -> StateError:
    return StateDamaged(
        f"{path}: cannot be used as the state database, it is damaged: {what}; stop tosser, then restore it, its -wal "
        "and its -shm from a backup, or move them away to begin without history: see docs/operations.md, "
        '"Restoring the state database"'
    )


def _uri(path: Path, *, read_only: bool) -> str:
    """Say how the file is to be opened.

    Looking at a database in WAL mode writes files beside it, unless SQLite is told that nothing changes it: so it is
    told, when nobody has it open.
    """
    if not read_only:
        mode = "mode=rw"
    elif path.with_name(f"{path.name}-wal").exists():
        mode = "mode=ro"
    else:
        mode = "mode=ro&immutable=1"
    return f"{path.absolute().as_uri()}?{mode}"


def _set_up(connection: sqlite3.Connection, path: Path, *, read_only: bool) -> None:
    """Choose how to write, and bring the tables up to date."""
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute("PRAGMA temp_store = MEMORY")
    steps = _migrations()
    newest = max(steps)
    version = _version(connection)
    if version > newest:
        raise StateError(
            f"{path}: written by a newer tosser (schema {version}, this one knows {newest}); upgrade tosser"
        )
    if read_only:
        if version < newest:
            raise StateError(
                f"{path}: written by an older tosser (schema {version}); start the daemon or toss once to update it"
            )
        return
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StateError(f"{path}: its file system has no shared memory, which SQLite needs; is it a network's?")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    if version < newest:
        _migrate(connection, steps)


def _migrate(connection: sqlite3.Connection, steps: dict[int, str]) -> None:
    """Take the steps that are missing, all or none; another process may have taken them meanwhile."""
    connection.execute("BEGIN IMMEDIATE")
    version = _version(connection)
    for number in sorted(steps):
        if number > version:
            for statement in _statements(steps[number]):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _migrations() -> dict[int, str]:
    """The SQL of every migration, by number."""
    files = resources.files("tosser.state.migrations").iterdir()
    return {int(file.name[:4]): file.read_text("utf-8") for file in files if file.name.endswith(".sql")}


def _statements(sql: str) -> Iterator[str]:
    """Divide a script; ``executescript`` would end the transaction."""
    statement = ""
    for part in sql.split(";"):
        statement += f"{part};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
