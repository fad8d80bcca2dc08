"""Messages in ``.jhr`` that the index of a JAM base does not lead to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tosser.codec.jam import (
    DELETED_INDEX_RECORD,
    FIXED_HEADER_LENGTH,
    MESSAGE_HEADER_LENGTH,
    NONE,
    SIGNATURE,
    SubfieldId,
    build_index_record,
    jam_crc,
    parse_fixed_header,
)
from tosser.stores.jam_walk import Headers, look

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tosser.stores.jam_walk import Sight

_SEARCHED = 1 << 16
MOST_GAP = 1_000_000
"""Places of an index that may lie between two messages; a number further off is no number."""


def headers_in(headers: Headers) -> Iterator[Sight]:
    """Go through ``.jhr`` from header to header, looking for the next where one does not follow on the other."""
    at = FIXED_HEADER_LENGTH
    while at <= headers.size - MESSAGE_HEADER_LENGTH:
        sight = look(headers, NONE, 0, NONE, at)
        if sight.header is not None and not sight.problem and sight.length <= headers.size - at:
            receiver = (data for each, data in sight.subfields(headers) if each == SubfieldId.RECEIVERNAME)
            sight.user_crc = jam_crc(next(receiver, b""))
            yield sight
            at += sight.length
            continue
        found = headers.read(at + 1, _SEARCHED).find(SIGNATURE)
        at += 1 + (found if found >= 0 else _SEARCHED - len(SIGNATURE) + 1)


def orphans(headers: Headers, known: Collection[int], base_number: int) -> dict[int, Sight]:
    """Give the messages whose header is at no known offset and not marked as deleted, by their place in the index.

    The place is that of the number in the header; of several with one number the last that was written counts.
    """
    found: dict[int, Sight] = {}
    for sight in headers_in(headers):
        if sight.header is None or sight.deleted or sight.offset in known:
            continue
        position = sight.header.number - base_number
        if position >= 0:
            sight.position = position
            found[position] = sight
    return found


def index_of_all(descriptor: int) -> bytes:
    """Make an index of all messages in ``.jhr`` that are not marked as deleted, by their numbers.

    Raises:
        JamError: there is no base header.
    """
    base_number = parse_fixed_header(os.pread(descriptor, FIXED_HEADER_LENGTH, 0)).base_number
    found = orphans(Headers(descriptor), (), base_number)
    records: list[bytes] = []
    for position in sorted(found):
        if position - len(records) > MOST_GAP:
            break
        records += [DELETED_INDEX_RECORD] * (position - len(records))
        records.append(build_index_record(found[position].user_crc, found[position].offset))
    return b"".join(records)
