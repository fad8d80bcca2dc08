"""Netmail as ``*.MSG`` files in a directory (FTS-0001), which other programs read, write and delete at any time.

There is no lock. Each file appears whole under a number that nobody had, so nobody loses a message to another program
that takes the same number. What a crash left of an append is found by what it says, not by its number: other programs
delete and renumber.
"""

from __future__ import annotations

import os
import re
import threading
from binascii import crc32
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from tosser import disk
from tosser.codec.kludge import find_value
from tosser.codec.msg import (
    ATTRIBUTE_OFFSET,
    HEADER_LENGTH,
    IN_TRANSIT,
    SENT,
    StoredMessage,
    build_msg,
    from_stored,
    parse_msg,
    to_stored,
)
from tosser.errors import MsgError, StoreError, said
from tosser.stores.base import BasePosition

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from tosser.codec.stored import BaseMessage
    from tosser.stores.base import Storable

_NAME = re.compile(r"0*([1-9]\d{0,8})\.msg", re.IGNORECASE)
_HIGHEST = 999_999_999
_TEMPORARY = ".tosser.tmp"
"""Where a message is written before it gets its number; what a killed process leaves there is removed."""
_WRITING = threading.Lock()
"""For the one temporary name; the whole program has one base of this kind."""

_Content: TypeAlias = tuple[bytes, bytes, bytes, bytes, bytes]
_Numbered: TypeAlias = tuple[int, "Path"]


class MsgBase:
    """The messages of a directory; a `tosser.stores.base.MessageBase`.

    In a `BasePosition`, ``count`` is the number of messages, ``base_number`` the highest number, and ``last`` a CRC of
    what the message with that number says.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._due = False

    def position(self) -> BasePosition:
        """Tell where the base ends now; all zero where there is none."""
        with self._mapped():
            files = self._files()
            if not files:
                return BasePosition()
            highest, last = files[-1]
            return BasePosition(len(files), highest, last=_mark(last))

    def append(self, messages: Sequence[Storable], *, wait: float) -> list[int]:  # noqa: ARG002 - nobody has a lock
        """Add messages, all of them or none, and give their numbers."""
        if not messages:
            return []
        built = [_stored(each.message) for each in messages]
        with self._mapped(), _WRITING:
            return self._write(built)

    def resume(self, since: BasePosition, messages: Sequence[Storable], *, wait: float) -> list[int]:  # noqa: ARG002
        """Finish an append that may have been cut off anywhere, and give the numbers of the messages."""
        if not messages:
            return []
        built = [_stored(each.message) for each in messages]
        with self._mapped(), _WRITING:
            files = self._files()
            kept = since.last in {_mark(file) for number, file in files if number == since.base_number}
            start = since.base_number if kept else 0  # others have deleted or renumbered: look at all of them
            numbers = _find([(number, file) for number, file in files if number > start], built)
            if numbers:
                self._due = True  # a killed process may not have had their names on the disk
            missing = [place for place in range(len(built)) if place not in numbers]
            added = self._write([built[place] for place in missing])
            numbers |= dict(zip(missing, added, strict=True))
            return [numbers[place] for place in range(len(built))]

    def mark_sent(self, messages: Iterable[BaseMessage], *, wait: float) -> int:  # noqa: ARG002 - nobody has a lock
        """Mark messages that are in transit as sent; returns how many were found."""
        wanted = [_identity(_stored(message)) for message in messages]
        marked = 0
        with self._mapped():
            for _, file in self._files():
                stored = _read(file)
                if stored and stored.attributes & IN_TRANSIT and _identity(stored) in wanted:
                    wanted.remove(_identity(stored))
                    marked += _set_attributes(file, (stored.attributes & ~IN_TRANSIT) | SENT)
        return marked

    def message(self, number: int) -> BaseMessage | None:
        """Give the message with a number; ``None`` where there is none that can be read.

        Raises:
            StoreError: the directory cannot be read.
        """
        with self._mapped():
            found = (_message(file) for at, file in self._files() if at == number)
            return next((message for message in found if message is not None), None)

    def find(self, msgid: bytes) -> BaseMessage | None:
        """Give the latest message with a MSGID, or ``None``.

        Raises:
            StoreError: the directory cannot be read.
        """
        with self._mapped():
            for file in (file for _, file in reversed(self._files())):
                message = _message(file)
                if message and find_value(message.kludges, b"MSGID") == msgid:
                    return message
        return None

    def sync(self) -> None:
        """Wait until the names of all that was written are on the disk; what is in the files is there already."""
        if self._due:
            with self._mapped():
                disk.sync_directory(self._path)
            self._due = False

    def close(self) -> None:
        """Nothing is open."""

    def _files(self) -> list[_Numbered]:
        """The files in the order of their numbers; two may have the same, such as ``7.msg`` and ``7.MSG``."""
        try:
            found = [(int(match[1]), path) for path in self._path.iterdir() if (match := _NAME.fullmatch(path.name))]
        except FileNotFoundError:
            return []
        return sorted(found)

    def _write(self, messages: Sequence[StoredMessage]) -> list[int]:
        """Write messages behind all that are there; those before one that cannot be written are taken back."""
        temporary = self._path / _TEMPORARY
        disk.make_directory(self._path)
        disk.unlink(temporary)  # not to be emptied and written to: it may be another name of a finished message
        files = self._files()
        number = files[-1][0] if files else 0
        written: list[int] = []
        try:
            for message in messages:
                number = self._write_one(build_msg(message), number + 1, temporary)
                written.append(number)
        except (OSError, StoreError):
            for each in written:
                disk.unlink(self._file(each))
            raise
        self._due = self._due or bool(written)
        return written

    def _write_one(self, data: bytes, number: int, temporary: Path) -> int:
        """Write a message under the first number from one on that is free."""
        while number <= _HIGHEST:
            try:
                disk.write_new(self._file(number), data, temporary)
            except FileExistsError:
                number += 1
            else:
                return number
        raise StoreError(self._path, "the base is full: its message numbers are used up")

    def _file(self, number: int) -> Path:
        return self._path / f"{number}.msg"

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        """Turn what the system raises into one sentence about the base."""
        try:
            yield
        except OSError as error:
            raise StoreError(self._path, f"the base cannot be used: {said(error)}") from error


def _stored(message: BaseMessage) -> StoredMessage:
    return to_stored(message, datetime.fromtimestamp(message.arrived))  # noqa: DTZ006 - the format has the local clock


def _find(files: Iterable[_Numbered], wanted: Sequence[StoredMessage]) -> dict[int, int]:
    """Find the numbers of messages that are there, by their place; each file counts for one of them."""
    places: dict[_Content, list[int]] = {}
    for place, message in enumerate(wanted):
        places.setdefault(_content(message), []).append(place)
    longest = max(len(message.text) for message in wanted)
    numbers: dict[int, int] = {}
    for number, file in files:
        stored = _read(file, HEADER_LENGTH + longest + 1)
        waiting = places.get(_content(stored)) if stored else None
        if waiting:
            numbers[waiting.pop(0)] = number
    return numbers


def _mark(file: Path) -> int:
    """What tells a message from any other; 0 for one that cannot be read."""
    stored = _read(file)
    return crc32(b"\0".join(_content(stored))) if stored else 0


def _read(file: Path, limit: int = -1) -> StoredMessage | None:
    """Read a message; ``None`` for what is none, is gone by now, or is kept from us by another program."""
    try:
        with file.open("rb") as stream:
            return parse_msg(stream.read(limit))
    except (FileNotFoundError, PermissionError, IsADirectoryError, MsgError):
        return None


def _message(file: Path) -> BaseMessage | None:
    stored = _read(file)
    return from_stored(stored, 0) if stored else None


def _set_attributes(file: Path, attributes: int) -> bool:
    """Change the attribute word in place; tells whether the file was still there."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return False
    try:
        disk.write_at(descriptor, attributes.to_bytes(2, "little"), ATTRIBUTE_OFFSET)
    finally:
        os.close(descriptor)
    return True


def _content(stored: StoredMessage) -> _Content:
    """What makes it this message and no other: what other programs set while they handle it is no part of it."""
    return stored.sender, stored.to, stored.subject, stored.date, stored.text


def _identity(stored: StoredMessage) -> _Content:
    """What the copy that is in transit and the message that has gone on have in common."""
    message = from_stored(stored, 0)
    msgid = find_value(message.kludges, b"MSGID") or b""
    return msgid, message.sender, message.to, message.subject, message.body
