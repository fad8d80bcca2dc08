"""Directories that a mailer shares with us: it must be able to read, strike out and delete what we put there.

How open such a directory is, is the sysop's decision. What we make in an outbound is as open as its root: directories
have its mode; files may be read and written by those who may list and change it, whatever our umask.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from tosser import disk

if TYPE_CHECKING:
    from pathlib import Path

_OWN_MODE = 0o2770
"""Of an outbound that is not there yet: it is for a group."""


def file_mode(directory: Path) -> int:
    """Give the mode for files in a shared directory."""
    return stat.S_IMODE(directory.stat().st_mode) & 0o666


def make_shared(directory: Path, root: Path) -> None:
    """Make a directory, and those above it, as open as the outbound's root; existing ones stay as they are.

    A name that is made here is on the disk: what is synced in a directory is lost with it.

    Raises:
        OSError: it cannot be made; ``FileNotFoundError`` also when somebody removes one above it meanwhile.
    """
    if directory.is_dir():
        return
    if not directory.parent.is_dir():
        make_shared(directory.parent, root)
    mode = stat.S_IMODE(root.stat().st_mode) if root.is_dir() else _OWN_MODE
    try:
        disk.make_one_directory(directory, mode & 0o777)
    except FileExistsError:
        return
    # The sandbox of the unit (RestrictSUIDSGID) forbids to set the set-group-ID bit, even where it is inherited.
    if stat.S_IMODE(directory.stat().st_mode) != mode:
        disk.set_mode(directory, mode)
    disk.sync_directory(directory.parent)
