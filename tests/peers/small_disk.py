"""A real file system of a few MiB under some directories of a node, in a mount namespace of its own.

Only programs started through `SmallDisk.inside` have it; the test reaches its files by `SmallDisk.seen`. It is a tmpfs
(no root is needed where the system lets users make namespaces) and is gone with the process that holds it.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.peers.programs import require

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SCRIPT = """set -e
disk=$1; size=$2; shift 2
mount -t tmpfs -o "size=$size,mode=0750" tosser-test "$disk"
for directory; do
    inside=$disk/$(basename "$directory")
    mkdir "$inside"
    mount --bind "$inside" "$directory"
done
echo ready
exec cat
"""


class SmallDisk:
    """A mounted small file system; use `small_disk`."""

    def __init__(self, process: int, disk: Path) -> None:
        """Take the process that holds it, and where it is mounted."""
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        self.inside = (require("nsenter", "util-linux"), "--target", str(process), *user, "--mount", "--")
        self._root = Path(f"/proc/{process}/root")
        self._filler = self.seen(disk) / "filler"

    def seen(self, path: Path) -> Path:
        """Say by which path the test finds a file that programs inside find by this one."""
        return self._root / path.relative_to("/")

    @property
    def free(self) -> int:
        """Bytes that are free."""
        found = os.statvfs(self._filler.parent)
        return found.f_bavail * found.f_frsize

    def fill(self, leave: int) -> None:
        """Fill it until just so many bytes are free."""
        with self._filler.open("ab", buffering=0) as filler:
            while self.free > leave:
                filler.write(bytes(min(self.free - leave, 64 * 1024)))

    def make_room(self) -> None:
        """Remove what filled it."""
        self._filler.unlink()


@contextmanager
def small_disk(disk: Path, size: str, directories: Sequence[Path]) -> Iterator[SmallDisk]:
    """Have these directories on one small file system, which is mounted at ``disk``.

    Raises:
        AssertionError: this system does not allow it.
    """
    for directory in (disk, *directories):
        directory.mkdir(exist_ok=True)
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command = [
        require("unshare", "util-linux"),
        *user,
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        _SCRIPT,
        "sh",
    ]
    command += [str(disk), size, *map(str, directories)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stderr is not None
        answer = holder.stdout.readline()
        try:
            assert answer == b"ready\n", f"no small file system can be mounted here: {holder.stderr.read().decode()}"
            yield SmallDisk(holder.pid, disk)
        finally:
            holder.stdin.close()
