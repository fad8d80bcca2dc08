"""What a quarantine note tells of the bytes it is about: size, digest, and a look at the place where reading failed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, BinaryIO

from tosser.codec.bundle import HEAD_SIZE, ArchiveType, identify

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 256 * 1024
_BEFORE, _SHOWN = 32, 128
"""Bytes shown in front of the place, and in all."""
_LINE = 16
_PASSWORD = range(26, 34)
"""Where the header of a packet has its password (FTS-0001), which is never shown."""
_ARCHIVE_SHOWN = _LINE
"""Bytes shown of an archive: enough to tell what it is, and too few for the header of a packet stored in it."""


class Survey:
    """Looks at bytes as they go by.

    Args:
        offset: where reading failed, in bytes; ``None`` shows the start.

    Attributes:
        size: bytes so far.
    """

    def __init__(self, offset: int | None) -> None:
        self.size = 0
        self._offset = offset
        self._hash = hashlib.sha256()
        self._head = b""
        self._from = max(0, (offset or 0) - _BEFORE) // _LINE * _LINE
        self._window = b""

    def through(self, stream: BinaryIO) -> Iterator[bytes]:
        """Pass on the bytes of a stream, piece by piece."""
        while chunk := stream.read(_CHUNK):
            self._hash.update(chunk)
            self._head += chunk[: HEAD_SIZE - len(self._head)]
            first = max(0, self._from + len(self._window) - self.size)
            self._window += chunk[first : first + _SHOWN - len(self._window)]
            self.size += len(chunk)
            yield chunk

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes so far, hexadecimal."""
        return self._hash.hexdigest()

    @property
    def excerpt(self) -> str:
        """Lines of offset, hexadecimal and ASCII, around the place; passwords of packets are masked."""
        archive = identify(self._head) not in {None, ArchiveType.PACKET}
        shown = min(len(self._window), _ARCHIVE_SHOWN if archive else _SHOWN)
        masked = self._passwords()
        lines = []
        for at in range(0, shown, _LINE):
            places = range(self._from + at, self._from + min(at + _LINE, shown))
            values = [None if place in masked else self._window[place - self._from] for place in places]
            digits = " ".join("**" if value is None else f"{value:02x}" for value in values)
            text = "".join("*" if value is None else _ascii(value) for value in values)
            lines.append(f"{self._from + at:08x}  {digits:<{_LINE * 3 - 1}}  {text}")
        return "\n".join(lines)

    def _passwords(self) -> set[int]:
        """Tell where passwords may be: in the first header, also of an unknown type, and in one at the place itself."""
        masked = set(_PASSWORD)
        place = self._offset or 0
        if identify(self._window[place - self._from :]) is ArchiveType.PACKET:
            masked.update(place + each for each in _PASSWORD)
        return masked


def _ascii(value: int) -> str:
    char = chr(value)
    return char if char.isascii() and char.isprintable() else "."
