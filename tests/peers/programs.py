"""Finding the real programs that tests talk to."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"))
VENV_PROGRAMS = Path(sys.executable).parent
"""Where this Python's own programs are: ``tosser``, and ``jamnntpd-i386``, which ``make test`` puts there."""


def require(program: str, package: str) -> str:
    """Find a program of a Debian package, also among the system programs that are not on an ordinary user's PATH.

    Raises:
        AssertionError: it is not there; a test without its peer fails, for a skipped test says nothing.
    """
    found = shutil.which(program, path=_PATH)
    if found is None:
        raise AssertionError(f"{program} is missing: apt-get install {package} (make test does it as root)")
    return found


def require_own(program: str) -> str:
    """Find a program of the virtual environment.

    Raises:
        AssertionError: it is not there.
    """
    found = VENV_PROGRAMS / program
    if not found.exists():
        raise AssertionError(f"{program} is missing from the virtual environment: run make test")
    return str(found)
