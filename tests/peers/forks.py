"""Commands of tosser in processes of their own that have all its imports behind them, for tests with many nodes.

Each is forked from a process that did nothing but import; what it does, and that it ends, is as from the command line.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from typing import TYPE_CHECKING

from tests.peers.daemon import COMMAND_SECONDS, Result
from tosser.cli.main import COMMANDS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.daemon import Node

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [*(f"tosser.cli.{name}" for name in ("files", *COMMANDS)), "tosser.daemon.oneshot", "yaml", "isal.isal_zlib"]
)


def run_forked(system: Node, *arguments: str) -> Result:
    """Run one command of a node to its end, as `Node.run` does."""
    outputs = system.root / "forked.out", system.root / "forked.err"
    command = system.command(*arguments)
    process = _FORKS.Process(target=_run, args=(command, outputs, system.environment))
    process.start()
    process.join(COMMAND_SECONDS)
    code = process.exitcode
    process.kill()
    process.join()
    process.close()
    assert code is not None, f"{command} takes longer than {COMMAND_SECONDS} s"
    return Result(code, *(path.read_text("utf-8") for path in outputs))


def _run(command: list[str], outputs: tuple[Path, Path], environment: dict[str, str]) -> None:
    """Be the command."""
    os.environ.update(environment)
    time.tzset()
    for number, path in enumerate(outputs, start=1):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.argv = command
    from tosser.cli.main import main  # noqa: PLC0415 - here it costs nothing, elsewhere a second

    main()
