"""Run a program under resource limits: ``limited.py CPU_SECONDS FILE_BYTES MEMORY_BYTES PROGRAM [ARGUMENT ...]``.

Started as a script of its own by `tosser.inbound.external`, so that the limits are there before the program is and no
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
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Python ignores these two, and an ignored signal stays ignored in the program.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    os.execvp(sys.argv[4], sys.argv[4:])  # noqa: S606 - the sysop's own command, and no shell is the point


if __name__ == "__main__":
    main()
