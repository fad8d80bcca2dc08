"""Which file systems are on other machines: inotify tells of no change made there, and their clock is not ours."""

from __future__ import annotations

import os
import re
from pathlib import Path

_REMOTE = frozenset(
    {"9p", "afs", "ceph", "cifs", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "ncpfs", "nfs", "nfs4"}
    | {"smb3", "smbfs", "virtiofs", "vboxsf"}
)
_MOUNTS = Path("/proc/self/mounts")
_ESCAPE = re.compile(rb"\\([0-7]{3})")


def is_remote(directory: Path) -> bool:
    """Tell whether a directory is on a network file system, as far as this machine knows its mounts."""
    try:
        mounts = _MOUNTS.read_bytes()
    except OSError:  # no /proc, or no descriptor left
        return False
    return file_system_type(os.fsencode(os.path.realpath(directory)), mounts) in _REMOTE


def file_system_type(path: bytes, mounts: bytes) -> str:
    """Give the type of the file system an absolute path is on, from a mount table in the form of fstab(5)."""
    found, longest = "", -1
    for line in mounts.splitlines():
        fields = line.split(b" ")
        if len(fields) < 3:  # noqa: PLR2004 - device, mount point, type
            continue
        point = _ESCAPE.sub(lambda match: bytes([int(match[1], 8) & 0xFF]), fields[1])
        inside = path == point or path.startswith(point.rstrip(b"/") + b"/")
        if inside and len(point) >= longest:
            found, longest = fields[2].decode("ascii", "replace"), len(point)
    return found
