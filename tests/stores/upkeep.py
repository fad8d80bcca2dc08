"""What tests of the care of bases share: a base with a past, and what is in it by a reader that is not ours."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from tests.peers import jam_writer
from tests.stores.samples import SUFFIXES, file_of, samples
from tosser.stores.jam import JamBase
from tosser.stores.jam_files import shared_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tosser.stores.jam_files import JamFiles

_DELETED = 0x80000000


class Stored(NamedTuple):
    """A message as it is stored: all of its header but where the text stands, its subfields, its text."""

    header: bytes
    subfields: bytes
    text: bytes


def stored(path: Path) -> dict[int, Stored]:
    """Read every message that is not deleted by the letter of JAM-001, with nothing of our code."""
    headers, texts, index = (file_of(path, suffix).read_bytes() for suffix in SUFFIXES[:3])
    first = struct.unpack_from("<I", headers, 20)[0]
    found: dict[int, Stored] = {}
    assert len(index) % 8 == 0
    for at in range(0, len(index), 8):
        crc, offset = struct.unpack_from("<II", index, at)
        if (crc, offset) == (0xFFFFFFFF, 0xFFFFFFFF):
            continue
        assert headers[offset : offset + 4] == b"JAM\0"
        length, attribute = (struct.unpack_from("<I", headers, offset + field)[0] for field in (8, 52))
        text_offset, text_length = struct.unpack_from("<II", headers, offset + 60)
        if attribute & _DELETED:
            continue
        assert offset + 76 + length <= len(headers)
        assert text_offset + text_length <= len(texts)
        header = headers[offset : offset + 60] + headers[offset + 64 : offset + 76] + index[at : at + 4]
        subfields = headers[offset + 76 : offset + 76 + length]
        found[first + at // 8] = Stored(header, subfields, texts[text_offset : text_offset + text_length])
    return found


def counted(path: Path) -> int:
    """Read ActiveMsgs."""
    return int(struct.unpack_from("<I", file_of(path, ".jhr").read_bytes(), 12)[0])


def with_a_past(path: Path, count: int = 12, size: int = 200) -> Path:
    """Make a base of ours and of another program, from which that program has deleted every third message."""
    JamBase(path).append(samples(count // 2, size=size), wait=1)
    for number in range(count // 2):
        jam_writer.append(path, b"Bob", b"theirs %d" % number, b"their text %d\r" % number + b"=" * size)
    JamBase(path).append(samples(count // 2, count, size=size), wait=1)
    for position in range(0, count, 3):
        jam_writer.delete(path, position)
    return path


def held(path: Path, wait: float = 1) -> AbstractContextManager[None]:
    """Hold the lock of a base."""
    return shared_files(path).locked(wait)


def files_of(path: Path) -> JamFiles:
    """Give the files of a base as this process shares them."""
    return shared_files(path)


def copies(path: Path, into: Path, name: str) -> Iterator[Path]:
    """Copy the files of a base."""
    for suffix in SUFFIXES:
        target = into / f"{name}{suffix}"
        target.write_bytes(file_of(path, suffix).read_bytes())
        yield target
