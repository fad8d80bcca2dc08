"""Reply links of a JAM base: ReplyTo, Reply1st and ReplyNext from MSGID and REPLY.

The CRCs in the headers only say where to look; a link is made when the values themselves are the same. Links are
numbers of messages, and lie within headers that do not move for them; nothing else is written.
``docs/decisions/reply-links.md`` has the reasons.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, field

from tosser.codec.jam import (
    DELETED_INDEX_RECORD,
    FIXED_HEADER_LENGTH,
    INDEX_RECORD_LENGTH,
    MESSAGE_HEADER_LENGTH,
    NONE,
    SIGNATURE,
    HeaderField,
    JamAttribute,
    SubfieldId,
    find_subfield,
    parse_index,
)
from tosser.stores.jam_walk import Headers, check_whole_records, count_change, look, no_progress, places, write_field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tosser.stores.jam_files import JamFiles
    from tosser.stores.jam_walk import Progress

WINDOW = 2000
"""Messages before the new ones that are looked at with them; older ones are rarely answered, and cost as much."""
_FIRST_READ = 1024
"""Bytes read for a header with its subfields; nearly all are shorter."""
_LENGTH = struct.Struct("<I")
_DELETED = int(JamAttribute.DELETED)
_QUICK = struct.Struct("<4s12x5I16xI")
"""Of a message header: signature, MSGIDcrc, REPLYcrc, ReplyTo, Reply1st, ReplyNext, Attribute."""


class Links(NamedTuple):
    """The three links of a message; 0 stands for none."""

    to: int = 0
    first: int = 0
    next: int = 0


_NO_LINKS = Links()


class _Scan(Struct):
    """The living messages from a place in the index on, as far as links need them.

    Attributes:
        offsets: of the headers, by number.
        by_msgid: the first message with a MSGID of this CRC.
        replies: CRC of REPLY, by number of the message that has one.
        links: those that are there.
    """

    headers: Headers
    offsets: dict[int, int] = field(default_factory=dict)
    by_msgid: dict[int, int] = field(default_factory=dict)
    replies: dict[int, int] = field(default_factory=dict)
    links: dict[int, Links] = field(default_factory=dict)

    def parent_of(self, number: int) -> int:
        """Find the message that another one answers, by its REPLY; 0 where it is not there."""
        parent = self.by_msgid.get(self.replies.get(number, NONE), number)
        if parent == number:
            return 0
        wanted = self._value(number, SubfieldId.REPLYID)
        return parent if wanted and wanted == self._value(parent, SubfieldId.MSGID) else 0

    def _value(self, number: int, identifier: SubfieldId) -> bytes:
        """Give a subfield as it is compared: without letter case; empty where it is not there."""
        offset = self.offsets[number]
        data = os.pread(self.headers.descriptor, _FIRST_READ, offset)
        if len(data) < MESSAGE_HEADER_LENGTH:
            return b""  # somebody cut the file without having the lock
        end = MESSAGE_HEADER_LENGTH + _LENGTH.unpack_from(data, HeaderField.SUBFIELD_LENGTH)[0]
        if end > len(data):
            data += os.pread(self.headers.descriptor, end - len(data), offset + len(data))
        return find_subfield(data[MESSAGE_HEADER_LENGTH:end], identifier).strip().lower()


def link_new(files: JamFiles, first_new: int, window: int = WINDOW) -> int:
    """Link messages from a number on, and those shortly before them; the base is locked by the caller.

    Args:
        files: the base.
        first_new: number of the first message that was not linked yet.
        window: how many messages before that are looked at.

    Returns:
        How many messages were linked to the one they answer.

    Raises:
        StoreError: the base is broken.
    """
    check_whole_records(files)
    base_number = files.fixed_header().base_number
    scan = _read(files, max(min(first_new - base_number, places(files)) - window, 0))
    chains = _Chains(files, scan, base_number)
    linked = 0
    for number in scan.replies:
        if not scan.links.get(number, _NO_LINKS).to:
            parent = scan.parent_of(number)
            if parent:
                chains.append(parent, number)
                linked += 1
    if linked:
        count_change(files)
    return linked


def relink(files: JamFiles, progress: Progress = no_progress) -> int:
    """Make all links of a base anew; the base is locked by the caller.

    A message answers the one its REPLY names; where that is not there, the one it was linked to before, which another
    program may have found by subject. Links to messages that are gone are taken out.

    Returns:
        How many messages have other links now.

    Raises:
        StoreError: the base is broken.
    """
    check_whole_records(files)
    scan = _read(files, 0)
    wanted = _wanted(scan)
    changed = 0
    numbers = sorted(scan.links.keys() | wanted.keys())
    for done, number in enumerate(numbers):
        old, new = scan.links.get(number, _NO_LINKS), wanted.get(number, _NO_LINKS)
        if old != new:
            _write(files, scan.offsets[number], old, new)
            changed += 1
        progress(done, len(numbers))
    if changed:
        count_change(files)
    return changed


def _wanted(scan: _Scan) -> Mapping[int, Links]:
    """Tell the links that messages should have, those of messages without any left out."""
    answers: dict[int, list[int]] = {}
    parents: dict[int, int] = {}
    for number in sorted(scan.links.keys() | scan.replies.keys()):
        before = scan.links.get(number, _NO_LINKS).to
        parent = scan.parent_of(number) or (before if before in scan.offsets and before != number else 0)
        if parent:
            parents[number] = parent
            answers.setdefault(parent, []).append(number)
    following = {
        number: behind
        for numbers in answers.values()
        for number, behind in zip(numbers, [*numbers[1:], 0], strict=True)
    }
    return {
        number: Links(parents.get(number, 0), answers.get(number, [0])[0], following.get(number, 0))
        for number in parents.keys() | answers.keys()
    }


def _read(files: JamFiles, start: int) -> _Scan:
    """Read the living messages from a place in the index on; those that cannot be read are passed over."""
    headers = Headers(files.jhr)
    scan = _Scan(headers)
    end = places(files)
    index = os.pread(files.jdx, (end - start) * INDEX_RECORD_LENGTH, start * INDEX_RECORD_LENGTH)
    offsets, by_msgid, last = scan.offsets, scan.by_msgid, headers.size - MESSAGE_HEADER_LENGTH
    for number, (_, offset) in enumerate(parse_index(index), files.fixed_header().base_number + start):
        if not FIXED_HEADER_LENGTH <= offset <= last:
            continue
        data = headers.read(offset, _QUICK.size)
        if len(data) < _QUICK.size:
            continue  # somebody cut the file without having the lock
        signature, msgid, reply, to, first, behind, attribute = _QUICK.unpack(data)
        if signature != SIGNATURE or attribute & _DELETED:
            continue
        offsets[number] = offset
        if msgid != NONE:
            by_msgid.setdefault(msgid, number)
        if reply != NONE:
            scan.replies[number] = reply
        if to or first or behind:
            scan.links[number] = Links(to, first, behind)
    return scan


def _write(files: JamFiles, offset: int, old: Links, new: Links) -> None:
    """Write those links of a message that are others now."""
    fields = (HeaderField.REPLY_TO, HeaderField.REPLY_FIRST, HeaderField.REPLY_NEXT)
    for which, before, after in zip(fields, old, new, strict=True):
        if before != after:
            write_field(files, offset, which, after)


class _Chains:
    """Puts messages at the end of the chain of answers to a message."""

    def __init__(self, files: JamFiles, scan: _Scan, base_number: int) -> None:
        self._files = files
        self._scan = scan
        self._base_number = base_number
        self._known: dict[int, list[int]] = {}

    def append(self, parent: int, number: int) -> None:
        """Link a message that has no ReplyTo yet.

        Its own link is written last: if that does not happen, the next time finds it in the chain.
        """
        chain = self._chain(parent)
        if number not in chain:
            if chain:
                self._change(chain[-1], self._links(chain[-1])._replace(next=number))
            else:
                self._change(parent, self._links(parent)._replace(first=number))
            chain.append(number)
        self._change(number, self._links(number)._replace(to=parent))

    def _chain(self, parent: int) -> list[int]:
        """List the answers to a message; a chain ends where it leads to nothing, or in a circle."""
        chain = self._known.get(parent)
        if chain is None:
            chain = self._known[parent] = []
            number = self._links(parent).first
            while number and number != parent and number not in chain and self._find(number):
                chain.append(number)
                number = self._links(number).next
        return chain

    def _find(self, number: int) -> bool:
        """Tell whether there is a living message of this number; it may be one before those that were read."""
        if number in self._scan.offsets:
            return True
        position = number - self._base_number
        if not 0 <= position < places(self._files):
            return False
        record = os.pread(self._files.jdx, INDEX_RECORD_LENGTH, position * INDEX_RECORD_LENGTH)
        if record == DELETED_INDEX_RECORD:
            return False
        sight = look(self._scan.headers, NONE, position, *parse_index(record)[0])
        if sight.header is None or sight.deleted:
            return False
        self._scan.offsets[number] = sight.offset
        self._scan.links[number] = Links(sight.header.reply_to, sight.header.reply_first, sight.header.reply_next)
        return True

    def _links(self, number: int) -> Links:
        return self._scan.links.get(number, _NO_LINKS)

    def _change(self, number: int, links: Links) -> None:
        _write(self._files, self._scan.offsets[number], self._links(number), links)
        self._scan.links[number] = links
