"""tar and tar.gz bundles, read in process (POSIX.1-2001 ustar and pax, GNU long names).

The header walk is our own because it is bounded and linear whatever the bytes are. Refused whole: links and special
files, names that lead elsewhere, sparse members, damaged or cut archives.
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.codec.bundle import is_unsafe_member
from tosser.errors import ArchiveError
from tosser.inbound.parts import CHUNK, Window, part_of
from tosser.reason import Reason

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

    from tosser.inbound.parts import Part, Sink
    from tosser.inbound.unpack import ArchiveLimits

_BLOCK = 512
_GZIP = 16 + zlib.MAX_WBITS
"""Has zlib read the header and the checksum of a gzip member."""
_LONGEST_EXTRA = 64 * 1024
"""Bytes of one pax header or long name."""
_REGULAR = frozenset(b"0\x007")
_DIRECTORY = ord("5")
_PAX = ord("x")
_PAX_GLOBAL = ord("g")
_LONG_NAME = ord("L")
_LONG_LINK = ord("K")
_TELLING = frozenset((b"path", b"size"))
_SPARSE = "sparse"
_EXTRAS = frozenset((_PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_LINK))
"""Headers in front of the real one; a member has one of each at most."""
_OCTAL = re.compile(rb" *([0-7]*)(?:[ \x00].*)?", re.DOTALL)
_BASE_256 = b"\x80"
_TYPE_AT = 156
_CHECKSUM = slice(148, 156)


class _Header(Struct):
    name: str
    size: int
    type: int
    data: int


def gunzip(file: io.FileIO, size: int, sink: Sink, limits: ArchiveLimits) -> Part:
    """Unpack a gzip file of ``size`` bytes into one part.

    Raises:
        ArchiveError: it is damaged, cut, or larger than the limits.
        OSError: the disk failed.
    """
    try:
        return sink.take("", _inflate(Window(file, 0, size), limits.members), size, limits.total_bytes)
    except zlib.error as error:
        raise ArchiveError(f"not a sound gzip file: {error}", Reason.ARCHIVE_DAMAGED) from error


def _inflate(window: Window, most: int) -> Iterator[bytes]:
    """Give the bytes of all gzip members (RFC 1952); zeros behind a member are padding.

    By zlib itself: `gzip` reads a name in a header byte by byte, and a hostile one may be as long as the file.
    """
    unpacker = None
    data = b""
    count = 0
    while data := data or window.read(CHUNK):
        if unpacker is None:
            data = data.lstrip(b"\0")
            if not data:
                continue
            count += 1
            if count > most:
                raise ArchiveError(f"more than {most} gzip members", Reason.ARCHIVE_LIMITS)
            unpacker = zlib.decompressobj(_GZIP)
        yield unpacker.decompress(data, CHUNK)
        data = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
        unpacker = None if unpacker.eof else unpacker
    while unpacker is not None and not unpacker.eof:
        rest = unpacker.decompress(b"", CHUNK)
        if not rest:
            raise ArchiveError("not a sound gzip file: it is cut", Reason.ARCHIVE_DAMAGED)
        yield rest


def is_empty_tar(part: Part) -> bool:
    """Tell whether a part is a tar file of nothing: it begins with the end mark, so nothing else tells it."""
    with part.open() as stream:
        return stream.read(_BLOCK) == bytes(_BLOCK)


def untar(file: io.FileIO, start: int, size: int, limits: ArchiveLimits) -> list[Part]:
    """Find the members of a tar file that is a stretch of an open file; their bytes stay where they are.

    Raises:
        ArchiveError: the archive is refused, with the quarantine code.
    """
    parts = []
    for header in _headers(Window(file, start, size), size, limits.members):
        if is_unsafe_member(header.name):
            raise ArchiveError(f"the member name {header.name!r} leads out of the archive", Reason.ARCHIVE_UNSAFE)
        if header.type == _DIRECTORY:
            continue
        if header.type not in _REGULAR:
            raise ArchiveError(f"member {header.name!r} is a link or a special file", Reason.ARCHIVE_UNSAFE)
        if header.size > limits.member_bytes:
            raise ArchiveError(f"member {header.name!r} has {header.size} bytes", Reason.ARCHIVE_LIMITS)
        parts.append(part_of(file, header.name, start + header.data, header.size))
    return parts


def _headers(window: Window, size: int, most: int) -> Iterator[_Header]:
    """Walk the headers up to the end mark, with long names and pax records applied.

    Some writers leave the mark out, so the end of the file between two members will do.
    """
    extra: dict[str, str] = {}
    count = headers = at = 0
    while at < size:
        window.seek(at)
        block = window.read(_BLOCK)
        if block == bytes(_BLOCK):
            return
        header = _parse_header(block, at)
        is_member = header.type not in _EXTRAS
        count += is_member
        headers += 1
        if count > most or headers > most * (1 + len(_EXTRAS)):
            raise ArchiveError(f"more than {most} members", Reason.ARCHIVE_LIMITS)
        if is_member:
            _apply(header, extra)
            extra = {}
        if header.size > size - header.data:
            raise ArchiveError(f"cut inside member {header.name!r}", Reason.ARCHIVE_DAMAGED)
        if is_member:
            yield header
        else:
            extra |= _read_extra(window, header)
        at = header.data + -(-header.size // _BLOCK) * _BLOCK


def _parse_header(block: bytes, at: int) -> _Header:
    """Read one header block, found ``at`` bytes from the start.

    Raises:
        ArchiveError: it is cut, its checksum is wrong, or a number is none.
    """
    if len(block) < _BLOCK:
        raise ArchiveError("cut inside a member header", Reason.ARCHIVE_DAMAGED)
    blanked = block[: _CHECKSUM.start] + b" " * 8 + block[_CHECKSUM.stop :]
    if sum(blanked) != _number(block[_CHECKSUM]):
        raise ArchiveError(f"no member header at offset {at}", Reason.ARCHIVE_DAMAGED)
    name = _text(block[:100])
    prefix = _text(block[345:500]) if block.startswith(b"ustar\x00", 257) else ""
    kind = block[_TYPE_AT]
    size = 0 if kind == _DIRECTORY else _number(block[124:136])
    return _Header(f"{prefix}/{name}" if prefix else name, size, kind, at + _BLOCK)


def _text(field: bytes) -> str:
    return field.split(b"\x00", 1)[0].decode("utf-8", "replace")


def _number(field: bytes) -> int:
    """Read an octal number, or GNU's base 256 where the first bit is set; negative ones are refused as no number."""
    if field[:1] == _BASE_256:
        return int.from_bytes(field[1:])
    match = _OCTAL.fullmatch(field)
    if match is None:
        raise ArchiveError(f"a member header has no number in {field!r}", Reason.ARCHIVE_DAMAGED)
    return int(match[1] or b"0", 8)


def _read_extra(window: Window, header: _Header) -> dict[str, str]:
    """Read what a header in front of the real one says about its name, size and being sparse."""
    if header.size > _LONGEST_EXTRA:
        raise ArchiveError(f"a member header of {header.size} bytes", Reason.ARCHIVE_LIMITS)
    data = window.read(header.size)
    if header.type == _LONG_NAME:
        return {"path": _text(data)}
    if header.type != _PAX:
        return {}
    found = {}
    at = 0
    while at < len(data):
        blank = data.find(b" ", at, at + 8)
        length = data[at:blank]
        if blank < 0 or not length.isdigit() or not blank - at < int(length) <= len(data) - at:
            raise ArchiveError("a pax header that does not follow its form", Reason.ARCHIVE_DAMAGED)
        key, _, value = data[blank + 1 : at + int(length)].removesuffix(b"\n").partition(b"=")
        if key in _TELLING or key.startswith(b"GNU.sparse."):
            found[_SPARSE if key not in _TELLING else key.decode("ascii")] = value.decode("utf-8", "replace")
        at += int(length)
    return found


def _apply(header: _Header, extra: dict[str, str]) -> None:
    """Let the extra header correct the plain one.

    Raises:
        ArchiveError: a sparse member, or a size that is no number.
    """
    if _SPARSE in extra:
        raise ArchiveError(f"member {header.name!r} is sparse", Reason.ARCHIVE_UNSAFE)
    header.name = extra.get("path", header.name)
    size = extra.get("size")
    if size is not None:
        if not (size.isascii() and size.isdigit() and len(size) < 20):  # noqa: PLR2004 - digits of a 64-bit number
            raise ArchiveError(f"a member of size {size[:40]!r}", Reason.ARCHIVE_DAMAGED)
        header.size = int(size)
