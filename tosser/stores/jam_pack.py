"""Packing a JAM base: what deleted messages left behind is given back to the disk.

Nothing is renamed and no place in the index is given up, so numbers, last-read marks and high-water marks stay valid,
and programs that have the files open go on with the files that are packed. Messages are moved by copying: headers
and texts are written where nothing lives, synced, and only then does the index, whose records of eight bytes are
written whole, point to the copies. Whatever moment it ends at, every record of the index leads to its whole message;
what is left over is only room, and the next packing takes it. ``docs/decisions/packing.md`` has the reasons.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.codec.jam import (
    DELETED_INDEX_RECORD,
    FIXED_HEADER_LENGTH,
    MESSAGE_HEADER_LENGTH,
    NONE,
    SIGNATURE,
    HeaderField,
    build_field,
    build_index_record,
    parse_subfields,
    subfields_length,
)
from tosser.errors import StoreError
from tosser.stores.jam_files import Sizes
from tosser.stores.jam_walk import Headers, check_whole_records, count_change, no_progress, walk, write_index

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tosser.stores.jam_files import JamFiles
    from tosser.stores.jam_walk import Progress, Sight

_CHUNK = 4 << 20
"""Bytes moved at a time."""


class Packed(Struct, frozen=True):
    """What a packing came to.

    Attributes:
        messages: how many are in the base.
        cleared: places in the index that led to a message marked as deleted, and no longer do.
        before: lengths of the files before.
        after: lengths now.
    """

    messages: int
    cleared: int
    before: Sizes
    after: Sizes


class _Unit(Struct):
    """A message as it is moved."""

    position: int
    user_crc: int
    offset: int
    length: int
    text_offset: int
    text_length: int


class _Layout(Struct, frozen=True):
    """Where the living messages of a base are, and how much room they need."""

    units: list[_Unit]
    deleted: list[int]

    @property
    def needed(self) -> Sizes:
        """Lengths of the files without unused room; that of the index does not change."""
        return Sizes(
            FIXED_HEADER_LENGTH + sum(unit.length for unit in self.units),
            sum(unit.text_length for unit in self.units),
            0,
        )


def unused(files: JamFiles) -> tuple[int, int]:
    """Tell how many bytes a packing would give back, and how many the base has; it is held open by the caller.

    Raises:
        StoreError: as `pack`.
    """
    sizes, needed = files.sizes(), _survey(files).needed
    total = sizes.jhr + sizes.jdt
    return max(total - needed.jhr - needed.jdt, 0), total


def pack(files: JamFiles, progress: Progress = no_progress) -> Packed:
    """Give back what no message uses; the base is locked by the caller.

    Raises:
        StoreError: a record of the index leads to nothing, or there is no room; the base is as it was.
    """
    before = files.sizes()
    layout = _survey(files)
    if layout.deleted:
        write_index(files, dict.fromkeys(layout.deleted, DELETED_INDEX_RECORD))
        count_change(files, len(layout.units))
    units, place = _rest(layout.units)
    end = Sizes(place.jhr + sum(unit.length for unit in units), place.jdt + sum(unit.text_length for unit in units), 0)
    files.sync_for_all()  # what the index on the disk leads to is not to be written over, or cut off
    if units:
        steps = _Steps(progress, sum(unit.length + unit.text_length for unit in units))
        if min(unit.offset for unit in units) < end.jhr or _first_text(units) < end.jdt:
            _stage(files, units, end, before, steps)
        _move(files, units, place, steps)
        count_change(files, len(layout.units))
    elif files.fixed_header().active != len(layout.units):
        count_change(files, len(layout.units))
    files.sync()
    files.cut_back(Sizes(end.jhr, end.jdt, before.jdx))
    files.sync()
    return Packed(len(layout.units), len(layout.deleted), before, files.sizes())


def _survey(files: JamFiles) -> _Layout:
    check_whole_records(files)
    base_number = files.fixed_header().base_number
    units: list[_Unit] = []
    deleted: list[int] = []
    headers = Headers(files.jhr)
    for sight in walk(files, headers):
        if sight.deleted:
            deleted.append(sight.position)
        elif sight.header is None or sight.problem:
            number = base_number + sight.position
            what = f"the base is broken: message {number}: {sight.problem}; it has to be repaired first"
            raise StoreError(files.path, what)
        else:
            units.append(
                _Unit(
                    sight.position, sight.user_crc, sight.offset, _length(sight, headers),
                    sight.header.text_offset, sight.header.text_length,
                )
            )  # fmt: skip
    units.sort(key=lambda unit: unit.offset)
    _clip(files, units)
    return _Layout(units, deleted)


def _length(sight: Sight, headers: Headers) -> int:
    """Tell how long a header with its subfields is: 64-bit builds of jamlib state so much that the next is in it."""
    data = headers.read(sight.offset, sight.length)
    if SIGNATURE in data[MESSAGE_HEADER_LENGTH:]:
        end = MESSAGE_HEADER_LENGTH + subfields_length(parse_subfields(data[MESSAGE_HEADER_LENGTH:]))
        if data.startswith(SIGNATURE, end):
            return end
    return sight.length


def _clip(files: JamFiles, units: Sequence[_Unit]) -> None:
    """Let each header end where the next begins at the latest.

    Raises:
        StoreError: they overlap further.
    """
    behind = following = NONE
    for unit in reversed(units):
        if behind > unit.offset:
            following = behind
        if following - unit.offset < MESSAGE_HEADER_LENGTH:
            what = f"the base is broken: headers at offsets {unit.offset} and {following} overlap"
            raise StoreError(files.path, f"{what}; it has to be repaired first")
        unit.length = min(unit.length, following - unit.offset)
        behind = unit.offset


def _rest(units: list[_Unit]) -> tuple[list[_Unit], Sizes]:
    """Give the messages that do not stand where they belong, and where the first of them belongs."""
    place = Sizes(FIXED_HEADER_LENGTH, 0, 0)
    for index, unit in enumerate(units):
        in_place = unit.text_offset == place.jdt or (not unit.text_length and unit.text_offset < place.jdt)
        if unit.offset != place.jhr or not in_place:
            return units[index:], place
        place = Sizes(place.jhr + unit.length, place.jdt + unit.text_length, 0)
    return [], place


def _first_text(units: Sequence[_Unit]) -> int:
    return min((unit.text_offset for unit in units if unit.text_length), default=NONE)


def _stage(files: JamFiles, units: Sequence[_Unit], end: Sizes, before: Sizes, steps: _Steps) -> None:
    """Move messages behind everything else, so that nothing lives where they belong."""
    behind = Sizes(max(before.jhr, end.jhr), max(before.jdt, end.jdt), 0)
    headers, texts = sum(unit.length for unit in units), sum(unit.text_length for unit in units)
    if max(behind.jhr + headers, behind.jdt + texts) > NONE:
        what = "the base is too large to be packed: old and new texts together have to stay below 4 GiB; purge it first"
        raise StoreError(files.path, what)
    steps.total *= 2
    try:
        _move(files, units, behind, steps)
    except (OSError, StoreError):
        if not _points_behind(units, behind):
            files.cut_back(before)
        raise
    count_change(files)


def _points_behind(units: Sequence[_Unit], behind: Sizes) -> bool:
    """Whether the index may lead to the copies already."""
    return any(unit.offset >= behind.jhr for unit in units)


def _move(files: JamFiles, units: Sequence[_Unit], to: Sizes, steps: _Steps) -> None:
    """Copy messages to where nothing lives, wait for the disk, then let the index lead there."""
    moved: list[tuple[int, int]] = []
    header_at, text_at = to.jhr, to.jdt
    for chunk in _chunks(units):
        headers: list[bytes] = []
        texts: list[bytes] = []
        chunk_at = Sizes(header_at, text_at, 0)
        for unit in chunk:
            texts.append(os.pread(files.jdt, unit.text_length, unit.text_offset))
            headers.append(_header(files, unit, text_at))
            moved.append((header_at, text_at))
            header_at += unit.length
            text_at += unit.text_length
        files.write(jdt=(chunk_at.jdt, b"".join(texts)), jhr=(chunk_at.jhr, b"".join(headers)))
        steps.take(sum(unit.length + unit.text_length for unit in chunk))
    files.sync()
    for unit, (offset, text_offset) in zip(units, moved, strict=True):
        unit.offset, unit.text_offset = offset, text_offset
    write_index(files, {unit.position: build_index_record(unit.user_crc, unit.offset) for unit in units})
    files.sync()


def _header(files: JamFiles, unit: _Unit, text_at: int) -> bytes:
    """Read a header with its subfields, to be written where its text stands elsewhere."""
    header = bytearray(os.pread(files.jhr, unit.length, unit.offset))
    changes = ((HeaderField.SUBFIELD_LENGTH, unit.length - MESSAGE_HEADER_LENGTH), (HeaderField.TEXT_OFFSET, text_at))
    for field, value in changes:
        header[field : field + 4] = build_field(value)
    return bytes(header)


def _chunks(units: Sequence[_Unit]) -> Iterator[list[_Unit]]:
    chunk: list[_Unit] = []
    size = 0
    for unit in units:
        chunk.append(unit)
        size += unit.length + unit.text_length
        if size >= _CHUNK:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


class _Steps(Struct):
    """How far the moving is."""

    progress: Progress
    total: int
    done: int = 0

    def take(self, size: int) -> None:
        """Note that so many bytes are moved."""
        self.done += size
        self.progress(self.done, self.total)
