"""What is left in a JAM base of an append that was cut off by a signal, or by a power cut that kept part of it.

Looking changes nothing. A record is ours when its subfields, its text and its date are those of one of our messages;
the numbers and times in its header do not count, and each record counts for one message.
"""

from __future__ import annotations

import os
from binascii import crc32
from struct import iter_unpack
from typing import TYPE_CHECKING

from msgspec import Struct, field

from tosser.codec.jam import (
    DELETED_INDEX_RECORD,
    INDEX_RECORD_LENGTH,
    MESSAGE_HEADER_LENGTH,
    JamAttribute,
    MessageHeader,
    Subfield,
    build_subfields,
    parse_index,
    parse_subfields,
    subfields_length,
)
from tosser.errors import JamError
from tosser.stores.jam_reader import read_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tosser.codec.jam import FixedHeader
    from tosser.codec.jam_message import JamRecord
    from tosser.stores.base import BasePosition
    from tosser.stores.jam_files import JamFiles, Sizes


class Remains(Struct):
    """What stands in a base from a recorded position on.

    Attributes:
        wanted: how many messages the append had.
        moved: the base was packed or renumbered, so the position means nothing and all of the base was searched.
        start: offset in the index from which it was searched.
        numbers: number in the base of each of our messages that is there, by its place in the append.
        broken: positions in the index that lead to nothing, or to a message of ours with holes.
        foreign: how many messages of others are there, older ones that were written there once more among them.
        index: the index from ``start`` on as it should be, where part of a record in it puts the rest out of step.
        active: what the header should count, ``None`` where that cannot be known.
    """

    wanted: int
    moved: bool
    start: int
    numbers: dict[int, int] = field(default_factory=dict)
    broken: list[int] = field(default_factory=list)
    foreign: int = 0
    index: bytes | None = None
    active: int | None = None

    @property
    def whole(self) -> bool:
        """Whether all of our messages are there, and nothing needs mending."""
        return len(self.numbers) == self.wanted and not self.broken and self.index is None

    @property
    def ours_alone(self) -> bool:
        """Whether everything from the position on may be cut off, because nobody else's message is there."""
        return not self.moved and not self.foreign


def mark_of_last(files: JamFiles, sizes: Sizes, index_length: int) -> int | None:
    """What tells the last message of so many bytes of index from any other: a CRC of its subfields and its date.

    Returns:
        0 where there is no message or none that can be read, ``None`` where it has been deleted.
    """
    data = os.pread(files.jdx, INDEX_RECORD_LENGTH, max(index_length - INDEX_RECORD_LENGTH, 0))
    if data == DELETED_INDEX_RECORD:
        return None
    if not index_length or len(data) < INDEX_RECORD_LENGTH:
        return 0
    try:
        header, subfields, _ = read_at(files, sizes, parse_index(data)[0].header_offset)
    except JamError:
        return 0
    return crc32(build_subfields(subfields), header.written)


def count_index(files: JamFiles) -> int:
    """How many index records are not those of deleted messages."""
    index = os.pread(files.jdx, files.sizes().jdx, 0)
    return len(index) // INDEX_RECORD_LENGTH - _count_deleted(index)


def _count_deleted(index: bytes) -> int:
    return sum(record == DELETED_INDEX_RECORD for (record,) in iter_unpack("8s", index))


def look_for(files: JamFiles, since: BasePosition, records: Sequence[JamRecord]) -> Remains:
    """Find out what stands in a base, locked by the caller, since a position.

    Args:
        files: the base.
        since: where it ended before the append.
        records: those of the append, in order.

    Raises:
        JamError: the base has no header.
    """
    fixed = files.fixed_header()
    sizes = files.sizes()
    moved = _was_moved(files, since, fixed, sizes)
    remains = Remains(len(records), moved, 0 if moved else since.jdx)
    index = os.pread(files.jdx, sizes.jdx - remains.start, remains.start)
    if len(index) % INDEX_RECORD_LENGTH:
        index = remains.index = _in_step(index, files, sizes)
    overwritten = frozenset() if moved else _overwritten(_walk(files, sizes, index, remains.start))
    search = _Search(records)
    if not moved:
        remains.foreign += _rewritten(files, since)
    living = 0
    for position, found in _walk(files, sizes, index, remains.start):
        place = search.take(found) if found and position not in overwritten else None
        if place is not None:
            remains.numbers[place] = fixed.base_number + position
        elif found is None or position in overwritten or search.has_with_holes(found):
            if not moved:
                remains.broken.append(position)
            continue
        else:
            remains.foreign += 1
        living += not (found and found.deleted)
    if not moved:
        remains.active = since.count + living
    return remains


def _was_moved(files: JamFiles, since: BasePosition, fixed: FixedHeader, sizes: Sizes) -> bool:
    """Whether the base before the position is no longer what it was; a message deleted in place does not count."""
    if not since.jhr:
        return False
    if fixed.base_number != since.base_number or sizes.jdx < since.jdx:
        return True
    mark = mark_of_last(files, sizes, since.jdx)
    if sizes.jhr < since.jhr or sizes.jdt < since.jdt:
        return not mark or mark != since.last  # a packer that keeps the places in the index, as ours does, moves none
    return mark not in {since.last, None}


def _rewritten(files: JamFiles, since: BasePosition) -> int:
    """Count the older messages whose header was written once more behind the position: it had grown."""
    index = os.pread(files.jdx, since.jdx, 0)
    behind = sum(record.header_offset >= since.jhr for record in parse_index(index))
    return behind - _count_deleted(index)


class _Found(Struct):
    """A record that was read."""

    offset: int
    header: MessageHeader
    subfields: list[Subfield]
    text: bytes

    @property
    def deleted(self) -> bool:
        return bool(self.header.attribute & JamAttribute.DELETED)


def _walk(files: JamFiles, sizes: Sizes, index: bytes, start: int) -> Iterator[tuple[int, _Found | None]]:
    """Go through part of an index, passing over deleted messages; nothing for what cannot be read."""
    for at in range(0, len(index), INDEX_RECORD_LENGTH):
        if not index.startswith(DELETED_INDEX_RECORD, at):
            yield (start + at) // INDEX_RECORD_LENGTH, _read(files, sizes, index[at : at + INDEX_RECORD_LENGTH])


def _read(files: JamFiles, sizes: Sizes, record: bytes) -> _Found | None:
    """Read what an index record leads to; a header with nothing but zeros behind it counts as nothing."""
    offset = parse_index(record)[0].header_offset
    try:
        header, subfields, text = read_at(files, sizes, offset)
    except JamError:
        return None
    if not any(data for _, data in subfields) and not text.strip(b"\0"):
        return None
    return _Found(offset, header, subfields, text)


def _overwritten(records: Iterable[tuple[int, _Found | None]]) -> frozenset[int]:
    """Positions of records whose header or text another program has written over, after a power cut lost them.

    Headers and texts are only ever appended, so no two overlap; where they do, the later in the index is what was
    written there.
    """
    headers: list[tuple[int, int, int]] = []
    texts: list[tuple[int, int, int]] = []
    for position, found in records:
        if found is not None:
            end = found.offset + MESSAGE_HEADER_LENGTH + subfields_length(found.subfields)
            headers.append((found.offset, end, position))
        if found is not None and found.text:
            texts.append((found.header.text_offset, found.header.text_offset + len(found.text), position))
    lost: set[int] = set()
    for spans in (headers, texts):
        reach, owner = 0, -1
        for begin, end, position in sorted(spans):
            if begin < reach:
                lost.add(min(position, owner))
            if end > reach:
                reach, owner = end, position
    return frozenset(lost)


def _in_step(index: bytes, files: JamFiles, sizes: Sizes) -> bytes:
    """Take the part of a record out of an index that a power cut left there; others may have written behind it."""
    odd = len(index) % INDEX_RECORD_LENGTH
    for at in range(0, len(index) - odd, INDEX_RECORD_LENGTH):
        record, later = (index[start : start + INDEX_RECORD_LENGTH] for start in (at, at + odd))
        if record != DELETED_INDEX_RECORD and _read(files, sizes, record) is None and _read(files, sizes, later):
            return index[:at] + index[at + odd :]
    return index[:-odd]


class _Search:
    """Our messages that have not been found yet."""

    def __init__(self, records: Sequence[JamRecord]) -> None:
        self._records = records
        self._by_subfields: dict[tuple[Subfield, ...], list[int]] = {}
        self._by_length: dict[int, list[int]] = {}
        for place, record in enumerate(records):
            self._by_subfields.setdefault(_key(parse_subfields(record.subfields)), []).append(place)
            self._by_length.setdefault(len(record.subfields), []).append(place)

    def take(self, found: _Found) -> int | None:
        """Give the place of the message that a record holds, once; one deleted meanwhile may have lost its text."""
        places = self._by_subfields.get(_key(found.subfields), [])
        for place in places:
            record = self._records[place]
            same_text = found.text == record.text or (found.deleted and not found.text)
            if same_text and record.written in {None, found.header.written}:
                places.remove(place)
                return place
        return None

    def has_with_holes(self, found: _Found) -> bool:
        """Whether a record is one of our messages cut short, or with zeros where blocks never reached the disk."""
        subfields = build_subfields(found.subfields)
        for place in self._by_length.get(found.header.subfield_length, ()):
            record = self._records[place]
            whole = subfields == record.subfields and found.text == record.text
            dated = record.written in {None, found.header.written} or not found.header.written
            holed_text = not found.text or _is_holed(found.text, record.text)
            if dated and not whole and holed_text and _is_holed(subfields, record.subfields[: len(subfields)]):
                return True
        return False


def _is_holed(there: bytes, ours: bytes) -> bool:
    return len(there) == len(ours) and all(byte in {0, own} for byte, own in zip(there, ours, strict=True))


def _key(subfields: list[Subfield]) -> tuple[Subfield, ...]:
    """Subfields as they are compared: without their order, in which another version of ours may have differed."""
    return tuple(sorted(subfields))
