"""A second process, told what to do in a few lines of Python, that says when it has done it and waits."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
WAIT = "print('ready', flush=True); sys.stdin.readline()"
"""The line at which the process waits until it is told to go on, or is killed."""


@contextmanager
def second_process(code: str, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Run code, whose arguments are ``sys.argv[1:]``, up to its line `WAIT`; it goes on when the block ends."""
    command = [sys.executable, "-c", f"import sys\n{code}", *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.communicate("\n", timeout=60)
