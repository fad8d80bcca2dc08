"""Building bundles, good and bad, and expecting refusals."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.mail import packed, packet
from tosser.errors import ArchiveError
from tosser.inbound.unpack import ArchiveLimits, open_members

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tosser.codec.bundle import ArchiveType
    from tosser.inbound.unpack import Archiver
    from tosser.reason import Reason

Place = Callable[[bytes], Path]
"""Puts a file into a work directory; see the fixture ``place``."""

PACKET = packet([packed(b"AREA:TQW_GEN\rHello\r")])
BUNDLE = "0000ffff.mo0"
LIMITS = ArchiveLimits(members=100, member_bytes=200_000, total_bytes=500_000, ratio=100)


def zip_of(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Build a ZIP file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def tar_of(*members: tuple[str, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    """Build a tar file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:", format=form) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1.5
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def contents(
    path: Path,
    name: str = BUNDLE,
    limits: ArchiveLimits = LIMITS,
    archivers: Mapping[ArchiveType, Archiver] | None = None,
) -> list[tuple[str, Reason | None, bytes]]:
    """Open a file and read all its members: name, problem, bytes."""
    found = []
    with open_members(path, name, limits, archivers or {}) as members:
        for member in members:
            with member.open() as stream:
                data = stream.read()
            assert len(data) == member.size
            found.append((member.name, member.problem.reason if member.problem else None, data))
    return found


@contextmanager
def refused(reason: Reason, match: str | None = None) -> Iterator[None]:
    """Expect a bundle to be refused whole, for this reason."""
    with pytest.raises(ArchiveError, match=match) as caught:
        yield
    assert caught.value.reason is reason, caught.value
