"""A trial: does a file harm the process that reads it? Asked of files whose reading ended without a verdict before.

The trial is a process of its own, bounded in memory and time. If it dies, the file did it; if we die with it, somebody
killed us both, which proves nothing against the file.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import to_builtins

from tosser.codec.bundle import ArchiveType
from tosser.inbound.unpack import ArchiveLimits, Archiver

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tosser.inbound.reading import ReadingLimits
    from tosser.inbound.spool import ClaimedFile

SECONDS = 600.0
MEMORY = 2 * 1024 * 1024 * 1024
"""Bytes of address space; reading takes a tenth of it."""


def try_reading(file: ClaimedFile, limits: ReadingLimits, archivers: Mapping[ArchiveType, Archiver]) -> bool:
    """Tell whether a process of its own can read the file to its end."""
    order = {
        "path": str(file.path),
        "name": file.name,
        "limits": to_builtins(limits),
        "archivers": {kind.value: to_builtins(archiver) for kind, archiver in archivers.items()},
    }
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", __name__],
            input=json.dumps(order).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def main() -> None:
    """Read the file that standard input names; ends normally if that can be done."""
    from tosser.inbound.reading import Reader, ReadingLimits  # noqa: PLC0415 - it imports this module
    from tosser.inbound.spool import ClaimedFile, Inbound  # noqa: PLC0415 - as above
    from tosser.rules.network import InboundClass  # noqa: PLC0415 - as above

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    order = json.load(sys.stdin)
    limits = ReadingLimits(**order["limits"] | {"archive": ArchiveLimits(**order["limits"]["archive"])})
    archivers = {
        ArchiveType(kind): Archiver(**given | {"unpack": tuple(given["unpack"])})
        for kind, given in order["archivers"].items()
    }
    path = Path(order["path"])
    inbound = Inbound(path.parent, InboundClass.SECURE)
    file = ClaimedFile("trial", order["name"], inbound, path, path.stat().st_size, 0.0)
    for _ in Reader(limits, archivers, 1000).batches([file], {}):
        pass


if __name__ == "__main__":
    main()
