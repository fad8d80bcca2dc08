"""The tosser in a world that misbehaves: a driver that spoils its disk and its clock while it runs.

Run as a program, ``python faulty.py CONTROL ARGUMENT...`` is the command line of the tosser, with every function of
`tosser.disk` and the clock behind a control file, which a test writes anew at any moment::

    {"faults": [["sync_file", "*/bases/*", "EIO"]], "clock": 0, "constants": {"tosser.daemon.service.RETRY_SECONDS": 1}}

A fault is the name of a function, a pattern for its first path, and the error it has. Constants are set at the start:
how long the tosser waits before it tries again is not what these tests are about.
"""

from __future__ import annotations

import errno
import fnmatch
import importlib
import json
import os
import sys
import time
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

FUNCTIONS = (
    "make_directory", "rename", "claim", "unlink", "write_at", "write_pieces", "truncate", "sync_file",
    "sync_directory", "create", "duplicate", "write_new",
)  # fmt: skip
QUICK = {
    "tosser.daemon.service.RETRY_SECONDS": 0.2,
    "tosser.daemon.suspects.UNREADABLE_SECONDS": 0.2,
    "tosser.inbound.spool._RETRY_AFTER": 0.2,
    "tosser.state.database.BUSY_SECONDS": 0.3,
    "tosser.events.publisher._UNUSABLE_REST": 0.2,
}


@dataclass(slots=True)
class Control:
    """The control file, on the test's side."""

    path: Path
    constants: dict[str, float] = field(default_factory=lambda: dict(QUICK))
    clock: float = 0.0
    faults: list[tuple[str, str, str]] = field(default_factory=list)

    def write(self) -> None:
        """Let the driver know, whole or not at all."""
        document = {"faults": self.faults, "clock": self.clock, "constants": self.constants}
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps(document), "utf-8")
        fresh.rename(self.path)

    def spoil(self, *faults: tuple[str, str, str]) -> None:
        """Have these faults and no other from now on."""
        self.faults = list(faults)
        self.write()

    def set_clock(self, ahead: float) -> None:
        """Set the clock so many seconds ahead of the right time."""
        self.clock = ahead
        self.write()

    @property
    def launcher(self) -> tuple[str, ...]:
        """What stands before the arguments of the tosser."""
        self.write()
        return (sys.executable, str(Path(__file__)), str(self.path))


def _read(control: Path) -> dict[str, Any]:
    with control.open("rb", buffering=0) as stream:
        document: dict[str, Any] = json.loads(stream.read())
    return document


def _spoilt(function: Callable[..., Any], control: Path) -> Callable[..., Any]:
    name = function.__name__

    @wraps(function)
    def spoilt(first: int | Path, *others: Any, **named: Any) -> Any:  # noqa: ANN401 - any function of the module
        for wanted, pattern, code in _read(control)["faults"]:
            path = str(Path(f"/proc/self/fd/{first}").readlink() if isinstance(first, int) else first)
            if wanted == name and fnmatch.fnmatch(path, pattern):
                number = getattr(errno, code)
                raise OSError(number, os.strerror(number), path)
        return function(first, *others, **named)

    return spoilt


def _spoil_clock(control: Path) -> None:
    true_time = time.time
    time.time = lambda: true_time() + _read(control)["clock"]


def main(control: Path, arguments: list[str]) -> None:
    """Be the tosser."""
    disk = importlib.import_module("tosser.disk")
    for name in FUNCTIONS:
        setattr(disk, name, _spoilt(getattr(disk, name), control))
    _spoil_clock(control)
    for path, value in _read(control)["constants"].items():
        module, _, constant = path.rpartition(".")
        setattr(importlib.import_module(module), constant, value)
    sys.argv = ["tosser", *arguments]
    importlib.import_module("tosser.cli.main").main()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
