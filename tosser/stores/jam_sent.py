"""Marking netmail in a JAM base as sent: what was kept in transit and has gone on is a record from then on.

Another program may have packed the base, or changed or deleted the message; so it is looked for by what it says, and
what is not found is left alone. Marking again does nothing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias

from msgspec.structs import replace

from tosser.codec.jam import INDEX_RECORD_LENGTH, JamAttribute, build_message_header, parse_index
from tosser.codec.kludge import find_value
from tosser.stores.jam_files import shared_files
from tosser.stores.jam_reader import JamReader

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tosser.codec.stored import BaseMessage
    from tosser.stores.jam_files import JamFiles
    from tosser.stores.jam_reader import JamMessage

_Identity: TypeAlias = tuple[bytes, bytes, bytes, bytes, bytes]


def mark_sent(path: Path, messages: Iterable[BaseMessage], *, wait: float) -> int:
    """Mark messages that are in transit as sent; returns how many were found.

    Args:
        path: of the base, without suffix.
        messages: as they were stored; each stands for one.
        wait: seconds to wait for another program's lock.

    Raises:
        StoreLocked: another program kept the lock for longer than that; nothing was marked.
        StoreError: the base is broken.
    """
    wanted = [_identity(message) for message in messages]
    files = shared_files(path)
    if not files.exists():
        return 0
    marked = 0
    with files.locked(wait):
        for found in JamReader(path).messages():
            if found.header.attribute & JamAttribute.INTRANSIT and _identity(found.message) in wanted:
                wanted.remove(_identity(found.message))
                _mark(files, found)
                marked += 1
    return marked


def _identity(message: BaseMessage) -> _Identity:
    msgid = find_value(message.kludges, b"MSGID") or b""
    return msgid, message.sender, message.to, message.subject, message.body


def _mark(files: JamFiles, found: JamMessage) -> None:
    record = os.pread(files.jdx, INDEX_RECORD_LENGTH, found.position * INDEX_RECORD_LENGTH)
    offset = parse_index(record)[0].header_offset
    attribute = (found.header.attribute & ~JamAttribute.INTRANSIT) | JamAttribute.SENT
    files.write(jhr=(offset, build_message_header(replace(found.header, attribute=attribute))))
