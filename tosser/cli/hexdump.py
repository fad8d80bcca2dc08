"""The bytes of a packet for people: rows of offset, hexadecimal and ASCII, with the password left out."""

from __future__ import annotations

_ROW = 16
_PASSWORD = slice(26, 34)
"""Where a packet header of any type has its password (FTS-0001)."""


class HexDump:
    """Writes bytes of one packet; its password, if it has one, is masked.

    Args:
        data: all of the packet.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        masked = range(*_PASSWORD.indices(len(data)))
        self._masked = masked if any(data[_PASSWORD]) else range(0)

    def rows(self, start: int, end: int) -> list[str]:
        """Write the bytes from ``start`` to ``end`` in rows of 16."""
        return [self._row(at, min(at + _ROW, end)) for at in range(start, end, _ROW)]

    def digits(self, start: int, end: int) -> str:
        """Write the bytes from ``start`` to ``end`` as hexadecimal digits only."""
        return "".join(self._pairs(start, end))

    def _pairs(self, start: int, end: int) -> list[str]:
        return ["**" if at in self._masked else f"{self._data[at]:02x}" for at in range(start, end)]

    def _row(self, start: int, end: int) -> str:
        text = "".join("*" if at in self._masked else _ascii(self._data[at]) for at in range(start, end))
        return f"{start:08x}  {' '.join(self._pairs(start, end)):<{3 * _ROW - 1}}  {text}"


def _ascii(value: int) -> str:
    char = chr(value)
    return char if char.isascii() and char.isprintable() else "."
