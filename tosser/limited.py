"""Run a program under resource limits: ``limited.py CPU_SECONDS FILE_BYTES MEMORY_BYTES PROGRAM [ARGUMENT ...]``.

Started as a script of its own by `tosser.programs`, so that the limits are there before the program is and no
Python code runs between fork and exec of a process with threads. Imports nothing of this package.
"""

from __future__ import annotations

import os
import resource
import signal
import sys


def main() -> None:
    """Set the limits, then become the program."""
    cpu, file_bytes, memory = (int(text) for text in sys.argv[1:4])
    _limit(resource.RLIMIT_CPU, cpu)
    _limit(resource.RLIMIT_FSIZE, file_bytes)
    _limit(resource.RLIMIT_AS, memory)
    _limit(resource.RLIMIT_CORE, 0)
    # Python ignores these two, and an ignored signal stays ignored in the program.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    os.execvp(sys.argv[4], sys.argv[4:])  # noqa: S606 - the sysop's own command, and no shell is the point


def _limit(which: int, value: int) -> None:
    """Set a limit, or leave it where it is lower already: only root may raise one."""
    hard = resource.getrlimit(which)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(which, (value, value))


if __name__ == "__main__":
    main()
