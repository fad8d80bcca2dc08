"""Reading a JAM base that may hold anything: garbage records are passed over with a reason, nothing is repaired.

The position in the index decides what number a message has, since MessageNumber and the counters of some writers are
wrong. Reading takes no lock; what other programs change meanwhile is seen before or after the change.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Self

from msgspec import Struct

from tosser.codec.jam import (
    DELETED_INDEX_RECORD,
    FIXED_HEADER_LENGTH,
    INDEX_RECORD_LENGTH,
    MESSAGE_HEADER_LENGTH,
    FixedHeader,
    JamAttribute,
    MessageHeader,
    Subfield,
    SubfieldId,
    parse_index,
    parse_message_header,
    parse_subfields,
    subfields_length,
)
from tosser.codec.jam_message import read_message
from tosser.errors import JamError, StoreError
from tosser.stores.jam_files import shared_files, unix_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from tosser.codec.stored import BaseMessage
    from tosser.stores.jam_files import JamFiles, Sizes

_FIRST_READ = 1024
"""Bytes read for a header with its subfields; nearly all are shorter."""
_MOST_SUBFIELDS = 1 << 20
_MOST_TEXT = 1 << 26
_INDEX_READ = 8192
"""Index records read at a time."""


class JamMessage(Struct):
    """One message as it stands in a base.

    Attributes:
        position: place in the index, from 0.
        number: message number, which follows from the position.
        header: the message header as stored.
        subfields: the subfields in the order of storage.
        text: the text as stored, CR line ends.
    """

    position: int
    number: int
    header: MessageHeader
    subfields: list[Subfield]
    text: bytes

    @property
    def deleted(self) -> bool:
        """Whether the message is marked as deleted."""
        return bool(self.header.attribute & JamAttribute.DELETED)

    @property
    def message(self) -> BaseMessage:
        """The message as mail."""
        return read_message(self.header, self.subfields, self.text, unix_time(self.header.processed))


class Unreadable(Struct, frozen=True):
    """An index record that leads to no message.

    Attributes:
        position: place in the index, from 0.
        number: number the message would have.
        reason: why, as a sentence without full stop.
    """

    position: int
    number: int
    reason: str


def read_at(files: JamFiles, sizes: Sizes, offset: int) -> tuple[MessageHeader, list[Subfield], bytes]:
    """Read the header, the subfields and the text of the message whose header stands at an offset of ``.jhr``.

    The last message may say that it has more subfields than there are, if those that are there end with the file.

    Args:
        files: the base, held open by the caller.
        sizes: its lengths.
        offset: from the index.

    Raises:
        JamError: what is there is no message, or reaches beyond the files.
    """
    if not FIXED_HEADER_LENGTH <= offset <= sizes.jhr - MESSAGE_HEADER_LENGTH:
        raise JamError(f"the index points to offset {offset} of {sizes.jhr} bytes of headers")
    data = os.pread(files.jhr, _FIRST_READ, offset)
    header = parse_message_header(data)
    if header.subfield_length > _MOST_SUBFIELDS:
        raise JamError(f"{header.subfield_length} bytes of subfields are more than there can be", offset)
    end = min(MESSAGE_HEADER_LENGTH + header.subfield_length, sizes.jhr - offset)
    if end > len(data):
        data += os.pread(files.jhr, end - len(data), offset + len(data))
    subfields = parse_subfields(data[MESSAGE_HEADER_LENGTH:end])
    present = end - MESSAGE_HEADER_LENGTH
    if present < header.subfield_length and present != subfields_length(subfields):
        raise JamError(f"of {header.subfield_length} bytes of subfields there are {present}", offset)
    behind = header.text_offset + header.text_length
    if header.text_length > _MOST_TEXT or (header.text_length and behind > sizes.jdt):
        raise JamError(f"{header.text_length} bytes of text at {header.text_offset} are more than there can be", offset)
    return header, subfields, os.pread(files.jdt, header.text_length, header.text_offset)


class JamReader:
    """Reads the base at a path (without suffix); as a context manager it lets go of the files at the end.

    Every method raises `StoreError` where the base as a whole is missing, unreadable or no JAM base.
    """

    def __init__(self, path: Path) -> None:
        self._files = shared_files(path)

    def __enter__(self) -> Self:
        """Nothing is opened before it is needed."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the files."""
        self.close()

    def close(self) -> None:
        """Let go of the files; who else uses the base in this process opens them again."""
        self._files.close()

    def header(self) -> FixedHeader:
        """The fixed header."""
        with self._files.reading():
            return self._files.fixed_header()

    def count(self) -> int:
        """How many places the index has, those of deleted messages among them."""
        with self._files.reading():
            return self._files.sizes().jdx // INDEX_RECORD_LENGTH

    def records(self, start: int = 0) -> Iterator[JamMessage | Unreadable]:
        """Go through the index from a position; places of deleted messages that left nothing behind are passed over."""
        while True:
            with self._files.reading():
                base_number = self._files.fixed_header().base_number
                chunk = os.pread(self._files.jdx, _INDEX_READ * INDEX_RECORD_LENGTH, start * INDEX_RECORD_LENGTH)
            whole = len(chunk) - len(chunk) % INDEX_RECORD_LENGTH
            if not whole:
                return
            for position, (_, offset) in enumerate(parse_index(chunk[:whole]), start):
                at = (position - start) * INDEX_RECORD_LENGTH
                if chunk[at : at + INDEX_RECORD_LENGTH] == DELETED_INDEX_RECORD:
                    continue
                yield self._record(position, base_number + position, offset)
            start += whole // INDEX_RECORD_LENGTH

    def message(self, number: int) -> JamMessage:
        """Read one message by its number; it may be marked as deleted.

        Raises:
            StoreError: also where the base has no such message.
        """
        with self._files.reading():
            position = number - self._files.fixed_header().base_number
            if position >= 0:
                data = os.pread(self._files.jdx, INDEX_RECORD_LENGTH, position * INDEX_RECORD_LENGTH)
                if len(data) == INDEX_RECORD_LENGTH and data != DELETED_INDEX_RECORD:
                    return JamMessage(
                        position, number, *read_at(self._files, self._files.sizes(), parse_index(data)[0].header_offset)
                    )
        raise StoreError(self._files.path, f"there is no message {number}")

    def messages(self, start: int = 0) -> Iterator[JamMessage]:
        """Go through the messages that can be read and are not deleted, from a position of the index."""
        for record in self.records(start):
            if isinstance(record, JamMessage) and not record.deleted:
                yield record

    def find(self, msgid: bytes) -> JamMessage | None:
        """Find the newest message with this MSGID that is not deleted; reads the whole base."""
        found = None
        for message in self.messages():
            if any(field.id == SubfieldId.MSGID and field.data.strip() == msgid for field in message.subfields):
                found = message
        return found

    def _record(self, position: int, number: int, offset: int) -> JamMessage | Unreadable:
        with self._files.reading():
            try:
                return JamMessage(position, number, *read_at(self._files, self._files.sizes(), offset))
            except JamError as error:
                return Unreadable(position, number, str(error))
