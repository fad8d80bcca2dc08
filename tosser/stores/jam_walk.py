"""Going through the headers of a JAM base in large reads, for work on the base as a whole.

The caller holds the base locked, or takes it that what others change meanwhile is seen before or after the change.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.codec.jam import (
    COUNTERS_OFFSET,
    DELETED_INDEX_RECORD,
    FIXED_HEADER_LENGTH,
    INDEX_RECORD_LENGTH,
    MESSAGE_HEADER_LENGTH,
    HeaderField,
    JamAttribute,
    MessageHeader,
    build_counters,
    build_field,
    parse_index,
    parse_message_header,
    parse_subfields,
)
from tosser.errors import JamError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tosser.codec.jam import Subfield
    from tosser.stores.jam_files import JamFiles

    Progress = Callable[[int, int], None]
    """Told how much of how much is done."""

_BLOCK = 1 << 20
_INDEX_RECORDS = 8192
"""Index records read at a time."""
_MOST_SUBFIELDS = 1 << 20
_MOST_TEXT = 1 << 26


def no_progress(done: int, total: int) -> None:
    """Tell nobody."""


class Headers:
    """Reads pieces of ``.jhr``, given by its descriptor, that mostly follow each other."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.size = os.fstat(descriptor).st_size
        self._start = 0
        self._block = b""

    def read(self, offset: int, length: int) -> bytes:
        """Give the bytes at an offset, fewer where the file ends."""
        at = offset - self._start
        if at < 0 or at + length > len(self._block):
            self._start, at = offset, 0
            self._block = os.pread(self.descriptor, max(length, _BLOCK), offset)
        return self._block[at : at + length]


class Sight(Struct):
    """What one record of the index leads to.

    Attributes:
        position: place in the index, from 0.
        user_crc: from the index.
        offset: of the header in ``.jhr``, from the index.
        header: the message header; ``None`` where there is none.
        length: bytes of header and subfields that are there.
        problem: why it cannot be read, as a sentence without full stop; empty where it can.
    """

    position: int
    user_crc: int
    offset: int
    header: MessageHeader | None
    length: int = 0
    problem: str = ""

    @property
    def deleted(self) -> bool:
        """Whether the header says that the message is deleted."""
        return self.header is not None and bool(self.header.attribute & JamAttribute.DELETED)

    def subfields(self, headers: Headers) -> list[Subfield]:
        """Read the subfields."""
        return parse_subfields(headers.read(self.offset, self.length)[MESSAGE_HEADER_LENGTH:])


def places(files: JamFiles) -> int:
    """Count the whole records of the index."""
    return files.sizes().jdx // INDEX_RECORD_LENGTH


def walk(files: JamFiles, headers: Headers, start: int = 0) -> Iterator[Sight]:
    """Go through the index from a position, passing over places without a message."""
    texts = files.sizes().jdt
    end = places(files)
    for first in range(start, end, _INDEX_RECORDS):
        count = min(_INDEX_RECORDS, end - first)
        data = os.pread(files.jdx, count * INDEX_RECORD_LENGTH, first * INDEX_RECORD_LENGTH)
        for position, (user_crc, offset) in enumerate(parse_index(data), first):
            at = (position - first) * INDEX_RECORD_LENGTH
            if data[at : at + INDEX_RECORD_LENGTH] != DELETED_INDEX_RECORD:
                yield look(headers, texts, position, user_crc, offset)


def look(headers: Headers, texts: int, position: int, user_crc: int, offset: int) -> Sight:
    """Look at what stands at an offset of ``.jhr``; ``texts`` is the length of ``.jdt``."""
    if not FIXED_HEADER_LENGTH <= offset <= headers.size - MESSAGE_HEADER_LENGTH:
        what = f"the index points to offset {offset} of {headers.size} bytes of headers"
        return Sight(position, user_crc, offset, None, 0, what)
    try:
        header = parse_message_header(headers.read(offset, MESSAGE_HEADER_LENGTH))
    except JamError as error:
        return Sight(position, user_crc, offset, None, 0, f"there is no header at offset {offset}: {error.what}")
    sight = Sight(position, user_crc, offset, header)
    sight.length = min(MESSAGE_HEADER_LENGTH + header.subfield_length, headers.size - offset)
    if header.subfield_length > _MOST_SUBFIELDS:
        sight.problem = f"{header.subfield_length} bytes of subfields are more than there can be"
    elif header.text_length > _MOST_TEXT:
        sight.problem = f"{header.text_length} bytes of text are more than there can be"
    elif header.text_length and header.text_offset + header.text_length > texts and not sight.deleted:
        sight.problem = f"its text ends at offset {header.text_offset + header.text_length} of {texts} bytes of texts"
    return sight


def check_whole_records(files: JamFiles) -> None:
    """Refuse a base whose index ends inside a record, or that has no header.

    Raises:
        StoreError: it does.
    """
    sizes = files.sizes()
    if sizes.jhr < FIXED_HEADER_LENGTH:
        raise StoreError(files.path, f"the base is broken: its header is cut to {sizes.jhr} bytes")
    if sizes.jdx % INDEX_RECORD_LENGTH:
        raise StoreError(files.path, f"the base is broken: its index of {sizes.jdx} bytes ends inside a record")


def write_field(files: JamFiles, offset: int, field: HeaderField, value: int) -> None:
    """Change one field of the header at an offset, in place."""
    files.write(jhr=(offset + field, build_field(value)))


def write_index(files: JamFiles, records: dict[int, bytes]) -> None:
    """Change index records in place, each by its position; those that follow each other in one write."""
    run: list[bytes] = []
    start = 0
    for position in sorted(records):
        if run and position != start + len(run):
            files.write(jdx=(start * INDEX_RECORD_LENGTH, b"".join(run)))
            run = []
        if not run:
            start = position
        run.append(records[position])
    if run:
        files.write(jdx=(start * INDEX_RECORD_LENGTH, b"".join(run)))


def count_change(files: JamFiles, active: int | None = None) -> None:
    """Note in the fixed header that the base was changed, and how many messages it has where that changed too."""
    fixed = files.fixed_header()
    files.write(
        jhr=(COUNTERS_OFFSET, build_counters(fixed.mod_counter + 1, fixed.active if active is None else active))
    )
