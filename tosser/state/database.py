"""One SQLite connection on one thread: WAL, synchronous FULL, numbered migrations.

Every call is one transaction: a function of the connection that runs on the database thread and is committed when it
returns, rolled back when it raises. ``sqlite3`` errors become `StateError`.
"""

from __future__ import annotations

import sqlite3
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import resources
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from tosser.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

P = ParamSpec("P")
T = TypeVar("T")

BUSY_SECONDS = 30.0
"""How long a call waits for another process (a command of ours beside the daemon) to end its transaction."""
CACHE_KIB = 65536


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
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tosser-state")
        try:
            self._connection = self._thread.submit(_open, path, read_only=read_only).result()
        except BaseException:
            self._thread.shutdown()
            raise

    def submit(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Run the function in a transaction on the database thread."""
        return self._thread.submit(self._transact, function, *args, **kwargs)

    def call(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run the function in a transaction and wait for what it returns.

        Raises:
            StateError: the database could not do it; nothing of the transaction remains.
        """
        return self.submit(function, *args, **kwargs).result()

    def close(self) -> None:
        """End the thread after the calls already submitted, and close the file."""
        self._thread.submit(self._connection.close).result()
        self._thread.shutdown()

    def _transact(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        try:
            with self._connection:
                self._connection.execute(self._begin)
                return function(self._connection, *args, **kwargs)
        except sqlite3.Error as error:
            raise StateError(f"{self.path}: {error}") from error


def _open(path: Path, *, read_only: bool) -> sqlite3.Connection:
    try:
        if read_only:
            connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)
        else:
            connection = sqlite3.connect(path, timeout=BUSY_SECONDS)
            path.chmod(0o640)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        connection.isolation_level = None
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute("PRAGMA temp_store = MEMORY")
        _migrate(connection, path, read_only=read_only)
    except (sqlite3.Error, OSError) as error:
        raise StateError(f"{path}: cannot be used as the state database: {error}") from error
    return connection


def _migrate(connection: sqlite3.Connection, path: Path, *, read_only: bool) -> None:
    steps = sorted(
        item.name for item in resources.files("tosser.state.migrations").iterdir() if item.name.endswith(".sql")
    )
    newest = int(steps[-1][:4])
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > newest:
        raise StateError(
            f"{path}: written by a newer tosser (schema {version}, this one knows {newest}); upgrade tosser"
        )
    if read_only and version < newest:
        raise StateError(
            f"{path}: written by an older tosser (schema {version}); start the daemon or toss once to update it"
        )
    for step in steps:
        number = int(step[:4])
        if number > version:
            sql = resources.files("tosser.state.migrations").joinpath(step).read_text("utf-8")
            connection.executescript(f"BEGIN IMMEDIATE;\n{sql}\nPRAGMA user_version = {number};\nCOMMIT;")
