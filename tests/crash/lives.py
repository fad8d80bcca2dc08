"""Processes that run one command of tosser, forked from one that has imported all of it and done nothing else.

What runs is the command line's own code, from its arguments on, in a process that can be killed. Two things differ from
a start by hand: the imports are done, and events wait for no broker and calls for no hook.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from typing import TYPE_CHECKING

import tosser.daemon.app
import tosser.inbound.unpack  # noqa: F401 - as the one above: what is imported here no process has to import
from tests.crash.seam import Seam
from tosser.cli.main import main
from tosser.daemon import oneshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.crash.seam import Death
    from tests.peers.daemon import Node

_QUIET = 0.4
"""Seconds."""
_LONGEST_LIFE = 30.0
"""Of a daemon that nobody kills, in seconds."""
KILLED = -9
"""Status of a process that was killed."""


def live(system: Node, *arguments: str, death: Death | None = None, trace: Path | None = None) -> int:
    """Run a command to its end, or to its death; gives the exit code, `KILLED` when it died."""

    def command() -> None:
        oneshot.PUBLISH_SECONDS = oneshot.HOOK_SECONDS = 0.0
        Seam(system.state, death, trace).install()
        sys.argv = ["tosser"]
        main(["--config", str(system.config), *arguments])

    return in_process(command, log=system.root.with_name(f"{system.root.name}.log"))


def live_as_daemon(system: Node, *, death: Death | None, trace: Path) -> int:
    """Run the daemon to its death, or until it has nothing to do and is told to stop; gives what `live` gives."""
    trace.unlink(missing_ok=True)

    def daemon() -> None:
        Seam(system.state, death, trace).install()
        sys.argv = ["tosser"]
        main(["--config", str(system.config), "run"])

    process = _start(daemon, system.root.with_name(f"{system.root.name}.log"))
    deadline = time.monotonic() + _LONGEST_LIFE
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        overdue = time.monotonic() > deadline
        if overdue or (_is_quiet(trace) and not any(path.is_file() for path in system.secure.rglob("*"))):
            os.kill(process, signal.SIGKILL if overdue else signal.SIGTERM)
            _, status = os.waitpid(process, 0)
            assert not overdue, "the daemon does not come to an end of its work"
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)


def _is_quiet(trace: Path) -> bool:
    """Tell whether a daemon has begun to work, and has changed nothing for a moment."""
    return trace.exists() and trace.stat().st_size > 0 and time.time() - trace.stat().st_mtime > _QUIET


def in_process(work: Callable[[], None], *, log: Path) -> int:
    """Do something in a process of its own; gives its exit code, `KILLED` when it was killed."""
    _, status = os.waitpid(_start(work, log), 0)
    return os.waitstatus_to_exitcode(status)


def _start(work: Callable[[], None], log: Path) -> int:
    process = os.fork()
    if not process:
        _be(work, log)
    return process


def _be(work: Callable[[], None], log: Path) -> None:
    """Be that process."""
    code = 70
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        try:
            work()
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:  # noqa: BLE001 - the process ends here, whatever it was
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
