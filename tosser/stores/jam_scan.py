"""Local mail in a JAM base that was not sent yet: finding it, and marking it as sent (JAM-001, "Scan for export").

What other programs write is found by its bits: LOCAL, and neither SENT nor DELETED. The place in the index says what
number a message has, since MessageNumber of some writers is wrong. The caller holds the base locked.

A message that lacked something is written once more, whole, at the end of the files; then its index record is switched
to that, and the header that was there before is marked as deleted. Each of these is on the disk before the next begins,
so a reader, and a power cut, finds the one or the other.
"""

from __future__ import annotations

import os
from binascii import crc32
from hashlib import blake2b
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from tosser.codec.jam import (
    DELETED_INDEX_RECORD,
    INDEX_RECORD_LENGTH,
    NONE,
    JamAttribute,
    SubfieldId,
    build_index_record,
    build_message_header,
    build_subfields,
    jam_crc,
    parse_index,
)
from tosser.codec.jam_message import kludge_subfields
from tosser.errors import JamError, StoreError
from tosser.rules.scanning import ScanPosition, additions_to
from tosser.stores.jam_files import jam_time
from tosser.stores.jam_reader import JamMessage, read_at
from tosser.stores.jam_walk import (
    Headers,
    check_whole_records,
    count_change,
    look,
    places,
    walk,
    write_index,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tosser.codec.jam import MessageHeader, Subfield
    from tosser.codec.packed_message import PackedMessage
    from tosser.codec.stored import BaseMessage
    from tosser.stores.jam_files import JamFiles
    from tosser.stores.jam_walk import Sight

_DONE = JamAttribute.SENT | JamAttribute.DELETED
_NOT_YET = JamAttribute.HOLD | JamAttribute.LOCKED
_NAMES = (SubfieldId.SENDERNAME, SubfieldId.RECEIVERNAME, SubfieldId.SUBJECT)
_DIGEST_SIZE = 16


class Sightings(Struct):
    """What was found in a base.

    Attributes:
        position: where to go on the next time; where it was when not all that is there was taken.
        found: messages that are to be sent, in the order of the index.
        count: how many there are; more than were taken where there is a bound.
        moved: whether the whole base was looked at: that was asked for, or it was renumbered, or is another one.
        older: how many were passed over then because they may have been there before the first look.
        too_long: how many were passed over because of their length.
    """

    position: ScanPosition
    found: list[JamMessage] = field(default_factory=list)
    count: int = 0
    moved: bool = False
    older: int = 0
    too_long: int = 0


class Completion(Struct, frozen=True):
    """One message that is to be marked as sent.

    Attributes:
        number: where it was.
        digest: what tells it from any other, by `digest_of`, as it was found.
        sent: what was sent, which has all that it lacked; ``None`` where it lacks nothing.
    """

    number: int
    digest: bytes
    sent: PackedMessage | None = None


def digest_of(message: JamMessage) -> bytes:
    """Give what tells a message that is not sent yet from any other, wherever in the base it stands."""
    names = b"\0".join(_names(message.subfields))
    return blake2b(b"%d\0%b\0%b" % (message.header.written, names, message.text), digest_size=_DIGEST_SIZE).digest()


def end_of(files: JamFiles, since: float) -> ScanPosition:
    """Give the position behind all that is there.

    Raises:
        StoreError: the base is broken.
    """
    check_whole_records(files)
    fixed = files.fixed_header()
    end = places(files)
    return ScanPosition(since, fixed.created, fixed.base_number + end, (_mark_at(files, end - 1) if end else 0) or 0)


class Wanted(Struct, frozen=True):
    """What is looked for.

    Attributes:
        longest: bytes of text beyond which a message is passed over.
        netmail: whether it is netmail; else it is anything but that.
        leaves: tells whether a message is to leave at all.
    """

    longest: int
    netmail: bool = False
    leaves: Callable[[BaseMessage], bool] = lambda _message: True


def seek(files: JamFiles, position: ScanPosition, most: int, wanted: Wanted, *, everything: bool = False) -> Sightings:
    """Find messages that are to be sent.

    Args:
        files: the base.
        position: what of it was looked at before.
        most: so many are taken at the most; all are counted.
        wanted: what is looked for.
        everything: look at the whole base, whatever was there before the first look.

    Raises:
        StoreError: the base is broken.
    """
    end = end_of(files, position.since)
    base_number = files.fixed_header().base_number
    moved = everything or _was_moved(files, position, end, base_number)
    cutoff = jam_time(int(position.since)) if moved and not everything else 0
    sights = _all_from(
        files, Headers(files.jhr), 0 if moved else position.next - base_number, () if moved else position.waiting
    )
    result = Sightings(end, moved=moved)
    waiting: list[int] = []
    for sight in sights:
        header = sight.header
        if header is None or sight.problem or not _is_unsent(header):
            continue
        if bool(header.attribute & JamAttribute.TYPENET) is not wanted.netmail:
            continue
        if max(header.written, header.processed) < cutoff:
            result.older += 1
        elif header.text_length > wanted.longest:
            result.too_long += 1
        elif header.attribute & _NOT_YET:
            waiting.append(base_number + sight.position)
        else:
            message = _message_at(files, base_number + sight.position)
            if message is not None and wanted.leaves(message.message):
                result.count += 1
                if len(result.found) < most:
                    result.found.append(message)
    result.position = replace(end, waiting=tuple(waiting)) if result.count == len(result.found) else position
    return result


def msgid_at(files: JamFiles, number: int) -> bytes | None:
    """Give the MSGID of a message; ``None`` where there is none."""
    message = _message_at(files, number)
    fields = () if message is None else message.subfields
    return next((data.strip() for identifier, data in fields if identifier == SubfieldId.MSGID), None)


def mark_as_sent(files: JamFiles, completions: Sequence[Completion], now: int, *, synced: bool) -> list[int | None]:
    """Mark messages as sent, and add what they lacked; may be repeated.

    Another program may have packed the base, or changed or deleted the message; so it is looked for by what it says,
    and what is not found is left alone.

    Args:
        files: the base.
        completions: the messages.
        now: Unix seconds.
        synced: whether each step has to be on the disk before the next.

    Returns:
        For each the number it has now; ``None`` where it was marked before, or is not to be found.

    Raises:
        StoreError: the base is broken or full, or cannot be written; then it is as it was.
    """
    check_whole_records(files)
    found = _find(files, completions)
    stamp = jam_time(now)
    changes = [_change(message, completion, stamp) for message, completion in found.values()]
    _write_anew(files, [change for change in changes if change.grown], synced=synced)
    for change in changes:
        if not change.grown:
            files.write(jhr=(_offset_of(files, change.message), build_message_header(change.header)))
    if changes:
        count_change(files)
        _settle(files, synced=synced)
    return [found[at][0].number if at in found else None for at in range(len(completions))]


# --- where to look


def _all_from(files: JamFiles, headers: Headers, start: int, waiting: Sequence[int]) -> Iterator[Sight]:
    """Go through the messages that were not to be sent yet the last time, and then through those that are new."""
    base_number, texts = files.fixed_header().base_number, files.sizes().jdt
    start = max(start, 0)
    for number in waiting:
        record = _index_record(files, number - base_number)
        if number - base_number < start and record not in {b"", DELETED_INDEX_RECORD}:
            yield look(headers, texts, number - base_number, *parse_index(record)[0])
    yield from walk(files, headers, start)


def _was_moved(files: JamFiles, position: ScanPosition, end: ScanPosition, base_number: int) -> bool:
    """Whether numbers no longer mean what they did: it is another base, or a packer has numbered it anew."""
    if end.created != position.created or end.next < position.next:
        return True
    last = position.next - 1 - base_number
    return last >= 0 and bool(position.mark) and _mark_at(files, last) not in {None, position.mark}


def _mark_at(files: JamFiles, position: int) -> int | None:
    """What tells the message at a place in the index from another; ``None`` where there is none that can be read."""
    record = _index_record(files, position)
    if record in {b"", DELETED_INDEX_RECORD}:
        return None
    sight = look(Headers(files.jhr), NONE, position, *parse_index(record)[0])
    if sight.header is None or sight.problem:
        return None
    return crc32(b"\0".join(_names(sight.subfields(Headers(files.jhr)))), sight.header.written) or 1


def _names(subfields: Sequence[Subfield]) -> list[bytes]:
    return [next((data for each, data in subfields if each == identifier), b"") for identifier in _NAMES]


def _index_record(files: JamFiles, position: int) -> bytes:
    """Read an index record; empty where there is none."""
    if position < 0:
        return b""
    record = os.pread(files.jdx, INDEX_RECORD_LENGTH, position * INDEX_RECORD_LENGTH)
    return record if len(record) == INDEX_RECORD_LENGTH else b""


def _message_at(files: JamFiles, number: int) -> JamMessage | None:
    """Read the message of a number; ``None`` where there is none that can be read, or it is deleted."""
    position = number - files.fixed_header().base_number
    record = _index_record(files, position)
    if record in {b"", DELETED_INDEX_RECORD}:
        return None
    try:
        found = read_at(files, files.sizes(), parse_index(record)[0].header_offset)
    except JamError:
        return None
    message = JamMessage(position, number, *found)
    return None if message.deleted else message


# --- marking


def _find(files: JamFiles, completions: Sequence[Completion]) -> dict[int, tuple[JamMessage, Completion]]:
    """Find the messages that are still to be marked, by their place among the completions."""
    found: dict[int, tuple[JamMessage, Completion]] = {}
    lost: dict[bytes, list[int]] = {}
    for at, completion in enumerate(completions):
        message = _message_at(files, completion.number)
        if message is not None and _is_unsent(message.header) and digest_of(message) == completion.digest:
            found[at] = message, completion
        else:
            lost.setdefault(completion.digest, []).append(at)
    taken = {message.position for message, _ in found.values()}
    for message in _unsent(files) if lost else ():
        places_of = lost.get(digest_of(message), [])
        if places_of and message.position not in taken:
            at = places_of.pop(0)
            found[at] = message, completions[at]
    return found


def _is_unsent(header: MessageHeader) -> bool:
    return bool(header.attribute & JamAttribute.LOCAL) and not header.attribute & _DONE


def _unsent(files: JamFiles) -> Iterator[JamMessage]:
    base_number = files.fixed_header().base_number
    for sight in walk(files, Headers(files.jhr)):
        if sight.header is not None and not sight.problem and _is_unsent(sight.header):
            message = _message_at(files, base_number + sight.position)
            if message is not None:
                yield message


def _offset_of(files: JamFiles, message: JamMessage) -> int:
    return parse_index(_index_record(files, message.position))[0].header_offset


class _Change(Struct, frozen=True):
    """A message as it will be.

    Attributes:
        message: as it is.
        header: its header, but for the place of a text that is new.
        subfields: its subfields.
        text: its text, where that is new; else ``None``.
    """

    message: JamMessage
    header: MessageHeader
    subfields: bytes
    text: bytes | None

    @property
    def grown(self) -> bool:
        """Whether it takes more than two fields of its header to make it so."""
        renumbered = self.header.number != self.message.header.number
        return self.text is not None or self.subfields != build_subfields(self.message.subfields) or renumbered


def _change(message: JamMessage, completion: Completion, stamp: int) -> _Change:
    kludges: Sequence[bytes] = ()
    text: bytes | None = None
    if completion.sent is not None:
        kludges, text = additions_to(message.message, completion.sent)
    fields = [*message.subfields, *kludge_subfields(kludges)]
    attribute = message.header.attribute | JamAttribute.SENT
    header = replace(
        message.header,
        subfield_length=len(build_subfields(fields)),
        msgid_crc=_crc_of(fields, SubfieldId.MSGID),
        reply_crc=_crc_of(fields, SubfieldId.REPLYID),
        processed=stamp,
        number=message.number,
        attribute=attribute if text is None else attribute & ~JamAttribute.ESCAPED,
    )
    return _Change(message, header, build_subfields(fields), text)


def _write_anew(files: JamFiles, changes: Sequence[_Change], *, synced: bool) -> None:
    """Write messages once more, whole, and let the index lead to that."""
    if not changes:
        return
    sizes = files.sizes()
    header_at, text_at = sizes.jhr, sizes.jdt
    headers, texts = bytearray(), bytearray()
    records: dict[int, bytes] = {}
    old: list[tuple[int, bytes]] = []
    for change in changes:
        message, header = change.message, change.header
        if change.text is not None:
            header = replace(header, text_offset=text_at + len(texts), text_length=len(change.text))
            texts += change.text
        user_crc, offset = parse_index(_index_record(files, message.position))[0]
        gone = replace(message.header, attribute=message.header.attribute | JamAttribute.DELETED, text_length=0)
        old.append((offset, build_message_header(gone)))
        records[message.position] = build_index_record(user_crc, header_at + len(headers))
        headers += build_message_header(header) + change.subfields
    if max(header_at + len(headers), text_at + len(texts)) > NONE:
        raise StoreError(files.path, "the base is full: a file of a JAM base has at most 4 GiB")
    try:
        files.write(jdt=(text_at, bytes(texts)), jhr=(header_at, bytes(headers)))
    except OSError:
        files.cut_back(sizes)
        raise
    _settle(files, synced=synced)
    write_index(files, records)
    _settle(files, synced=synced)
    for piece in old:
        files.write(jhr=piece)


def _settle(files: JamFiles, *, synced: bool) -> None:
    """Have what was written on the disk before what follows."""
    if synced:
        files.sync()


def _crc_of(fields: Sequence[Subfield], identifier: SubfieldId) -> int:
    return next((jam_crc(data) for each, data in fields if each == identifier), NONE)
