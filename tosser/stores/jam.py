"""A JAM message base (JAM-001), shared with readers, editors and other tossers while we write to it.

Messages are appended in groups under the lock: one write to each file, texts first, counters last. What cannot be
written whole is cut off again. A base that is broken is refused, never repaired; only what a crash of our own left
behind is put right, by `JamBase.resume`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tosser.codec.jam import (
    COUNTERS_OFFSET,
    DELETED_INDEX_RECORD,
    FIXED_HEADER_LENGTH,
    INDEX_RECORD_LENGTH,
    MESSAGE_HEADER_LENGTH,
    NONE,
    build_counters,
    build_index_record,
)
from tosser.codec.jam_message import build_record
from tosser.errors import JamError, StoreError
from tosser.stores.base import BasePosition
from tosser.stores.jam_files import Sizes, jam_time, shared_files
from tosser.stores.jam_resume import Remains, count_index, look_for, mark_of_last
from tosser.stores.jam_sent import mark_sent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tosser.codec.jam_message import JamRecord
    from tosser.codec.stored import BaseMessage
    from tosser.stores.base import Storable


class JamBase:
    """The base at a path (without suffix); a `tosser.stores.base.MessageBase`.

    Any number of these may exist for one path: they share descriptors, lock and what is due to be synced.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files = shared_files(path)

    def position(self) -> BasePosition:
        """Tell where the base ends now; all zero where there is none."""
        if not self._files.exists():
            self._files.refuse_remains()
            return BasePosition()
        with self._files.reading():
            sizes = self._files.sizes()
            if self._files.is_blank(sizes):
                return BasePosition()
            self._check(sizes)
            header = self._files.fixed_header()
            last = mark_of_last(self._files, sizes, sizes.jdx) or 0
            return BasePosition(header.active, header.base_number, *sizes, last)

    def append(self, messages: Sequence[Storable], *, wait: float) -> list[int]:
        """Add messages, all of them or none, and give their numbers."""
        if not messages:
            return []
        records = [each.record or build_record(each.message) for each in messages]
        with self._files.locked(wait):
            return self._write(records, messages, self._files.begin())

    def resume(self, since: BasePosition, messages: Sequence[Storable], *, wait: float) -> list[int]:
        """Finish an append that may have been cut off anywhere, and give the numbers of the messages."""
        if not messages:
            return []
        records = [each.record or build_record(each.message) for each in messages]
        with self._files.locked(wait, partial=since.jhr == 0):
            if since.jhr == 0 and not self._has_header():
                self._files.cut_back(Sizes(0, 0, 0))  # creation was cut off: nobody can have written here since
            self._files.begin()
            remains = look_for(self._files, since, records)
            if not remains.whole and remains.ours_alone:
                self._take_back(since)
                return self._write(records, messages, self._files.sizes())
            if not remains.moved:
                self._files.write_again(Sizes(since.jhr, since.jdt, since.jdx))
            if remains.whole:
                self._count(remains)
                return [remains.numbers[place] for place in range(len(messages))]
            self._mend(remains)
            missing = [place for place in range(len(messages)) if place not in remains.numbers]
            late = [messages[place] for place in missing]
            added = self._write([records[place] for place in missing], late, self._files.sizes())
            numbers = remains.numbers | dict(zip(missing, added, strict=True))
            return [numbers[place] for place in range(len(messages))]

    def mark_sent(self, messages: Sequence[BaseMessage], *, wait: float) -> int:
        """Mark netmail that is in transit as sent; returns how many of the messages were found."""
        return mark_sent(self._path, messages, wait=wait)

    def sync(self) -> None:
        """Wait until all that was written since the last sync is on the disk."""
        self._files.sync()

    def close(self) -> None:
        """Let go of the files."""
        self._files.close()

    # --- with the lock held

    def _write(self, records: Sequence[JamRecord], messages: Sequence[Storable], sizes: Sizes) -> list[int]:
        """Append records to files of these lengths, all or none of them."""
        self._check(sizes)
        fixed = self._files.fixed_header()
        first = fixed.base_number + sizes.jdx // INDEX_RECORD_LENGTH
        self._check_room(sizes, first, records)
        number, header_at, text_at = first, sizes.jhr, sizes.jdt
        headers: list[bytes] = []
        index: list[bytes] = []
        stamps = {arrived: jam_time(arrived) for arrived in {message.arrived for message in messages}}
        for record, message in zip(records, messages, strict=True):
            index.append(build_index_record(record.user_crc, header_at))
            header = record.header(number, text_at, stamps[message.arrived])
            headers += (header, record.subfields)
            number += 1
            header_at += len(header) + len(record.subfields)
            text_at += len(record.text)
        try:
            self._files.write(
                jdt=(sizes.jdt, b"".join([record.text for record in records])),
                jhr=(sizes.jhr, b"".join(headers)),
                jdx=(sizes.jdx, b"".join(index)),
            )
            self._set_counters(fixed.mod_counter + 1, fixed.active + len(records))
        except OSError:
            self._files.cut_back(sizes)
            raise
        return list(range(first, number))

    def _set_counters(self, mod_counter: int, active: int) -> None:
        self._files.write(jhr=(COUNTERS_OFFSET, build_counters(mod_counter, active)))

    def _check(self, sizes: Sizes) -> None:
        if sizes.jhr < FIXED_HEADER_LENGTH:
            raise StoreError(self._path, f"the base is broken: its header is cut to {sizes.jhr} bytes")
        if sizes.jdx % INDEX_RECORD_LENGTH:
            raise StoreError(self._path, f"the base is broken: its index of {sizes.jdx} bytes ends inside a record")

    def _check_room(self, sizes: Sizes, first: int, records: Sequence[JamRecord]) -> None:
        """Offsets and numbers are 32 bits wide in JAM."""
        headers = sum([MESSAGE_HEADER_LENGTH + len(record.subfields) for record in records])
        texts = sum([len(record.text) for record in records])
        if max(sizes.jhr + headers, sizes.jdt + texts) > NONE:
            raise StoreError(self._path, "the base is full: a file of a JAM base has at most 4 GiB")
        if first + len(records) > NONE:
            raise StoreError(self._path, "the base is full: its message numbers are used up")

    # --- after a crash, with the lock held

    def _has_header(self) -> bool:
        try:
            self._files.fixed_header()
        except JamError:
            return False
        return self._files.sizes().jhr >= FIXED_HEADER_LENGTH

    def _take_back(self, since: BasePosition) -> None:
        """Cut off all that was written since a position."""
        self._files.cut_back(Sizes(max(since.jhr, FIXED_HEADER_LENGTH), since.jdt, since.jdx))
        self._set_counters(self._files.fixed_header().mod_counter + 1, since.count)

    def _mend(self, remains: Remains) -> None:
        """Make a base that others have written to since a sound one again, losing nothing of theirs."""
        if remains.index is not None:
            self._files.write(jdx=(remains.start, remains.index))
            sizes = self._files.sizes()
            self._files.cut_back(sizes._replace(jdx=remains.start + len(remains.index)))
        for position in remains.broken:
            self._files.write(jdx=(position * INDEX_RECORD_LENGTH, DELETED_INDEX_RECORD))
        self._count(remains)

    def _count(self, remains: Remains) -> None:
        """Count adopted messages that the header does not: it is written last, so it may have been lost alone.

        A count that agrees with the index is right, and one that is further off has a cause we do not know.
        """
        fixed = self._files.fixed_header()
        if remains.active in {None, fixed.active} or fixed.active == count_index(self._files):
            return
        if remains.active - len(remains.numbers) <= fixed.active:
            self._set_counters(fixed.mod_counter + 1, remains.active)
