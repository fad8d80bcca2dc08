"""Commands of tosser in processes of their own that have all its imports behind them: a start takes most of their time.

Each is forked from a process that did nothing but import; what it does, and that it ends, is as from the command line.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import threading
import time
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING

from tosser.cli.main import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [*(f"tosser.cli.{name}" for name in ("files", *COMMANDS)), "tosser.daemon.oneshot", "yaml", "isal.isal_zlib"]
)
_ASKING = threading.Lock()  # every start asks after all other processes, and two who read one exit code spoil it
_MEASURED = "COVERAGE_PROCESS_CONFIG"


def can_fork() -> bool:
    """Tell whether a fork is as good as a start; what ``make coverage`` measures is what is started."""
    return _MEASURED not in os.environ


def run_forked(
    words: Sequence[str], *, stdin: bytes | None, environment: Mapping[str, str], directory: Path, seconds: float
) -> tuple[int, bytes, bytes]:
    """Run a command line to its end; gives its exit code and what it wrote to standard output and error.

    Args:
        words: the program's name and its arguments.
        stdin: what it reads.
        environment: all of it.
        directory: where it runs.
        seconds: how long it may take.
    """
    with tempfile.TemporaryDirectory(prefix="tosser-run-") as scratch:
        given, *outputs = (Path(scratch) / name for name in ("in", "out", "err"))
        given.write_bytes(stdin or b"")
        process = _FORKS.Process(target=_run, args=(list(words), given, outputs, dict(environment), directory))
        with _ASKING:
            process.start()
        wait([process.sentinel], seconds)
        with _ASKING:
            code = process.exitcode
            process.kill()
            process.join()
            process.close()
        assert code is not None, f"{words} takes longer than {seconds} s"
        return code, outputs[0].read_bytes(), outputs[1].read_bytes()


def _run(words: list[str], given: Path, outputs: Sequence[Path], environment: dict[str, str], directory: Path) -> None:
    """Be the command."""
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(directory)
    os.dup2(os.open(given, os.O_RDONLY), 0)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    for number, path in enumerate(outputs, start=1):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.argv = words
    from tosser.__main__ import main  # noqa: PLC0415 - here it costs nothing, elsewhere a second

    main()
