"""Every error this package raises on purpose, in one tree.

::

    TosserError
    ├── ConfigError        the configuration cannot be used; lists every problem found
    ├── FormatError        bytes or text are not what a standard says; knows the offset
    │   ├── AddressError   not an FTN address
    │   ├── PacketError    not a packet, or a damaged one
    │   ├── KludgeError    a control line that breaks its grammar
    │   ├── JamError       not a JAM record
    │   └── MsgError       not a stored message
    ├── InputError         the system cannot read an inbound file
    ├── ArchiveError       a bundle that cannot or must not be unpacked
    ├── QuarantineError    an entry of the quarantine that is not there, or cannot be put back
    ├── ProgramError       an external program is missing, failed or took too long
    ├── StoreError         a message base or an outbound cannot be read or written
    │   ├── StoreLocked    another program holds the lock of a base
    │   └── LinkBusy       another program is at work on the outbound of a link
    ├── StateError         our own database cannot be used
    │   ├── StateDamaged   it is damaged, and has to be restored
    │   └── StateLocked    another tosser holds the state directory
    ├── BrokerError        there is no working connection to the broker
    ├── PostError          a message cannot be posted as it was asked for
    └── PublishRefused     the broker answered "no" to one publish

Errors are for people: each prints as one sentence that says where and why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tosser.reason import PostReason, Reason


class TosserError(Exception):
    """Base of all errors of this package; never raised itself."""

    def __reduce__(self) -> tuple[object, ...]:
        """Have it raised in another process as it is: what it says, and its attributes."""
        return _again, (type(self), str(self), vars(self))


def _again(kind: type[TosserError], text: str, attributes: dict[str, object]) -> TosserError:
    error = kind.__new__(kind, text)
    vars(error).update(attributes)
    return error


class ConfigProblem(Struct, frozen=True):
    """One mistake in the configuration, placed where a person can find it.

    Attributes:
        path: file the mistake is in.
        line: line number from 1; 0 when the whole file is meant.
        column: column number from 1; 0 when the whole line is meant.
        where: dotted place in the document, such as ``links[2].packet_password``.
        what: what is wrong, as a sentence without full stop.
        hint: a suggestion, or the empty string.
    """

    path: str
    line: int
    column: int
    where: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        """Render as ``file:line:column where: what (hint)``."""
        place = f"{self.path}:{self.line}:{self.column}" if self.line else self.path
        where = f" {self.where}:" if self.where else ":"
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}{where} {self.what}{hint}"


class ConfigError(TosserError):
    """The configuration cannot be used; ``problems`` holds every mistake that was found, in file order."""

    def __init__(self, problems: Sequence[ConfigProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class FormatError(TosserError):
    """Bytes or text that break the standard they should follow.

    Attributes:
        what: what is wrong, as a sentence without full stop.
        offset: byte offset from the start of the parsed data, or ``None`` where there is no meaningful place.
        reason: code under which the data is set aside, where the caller sets it aside.
    """

    def __init__(self, what: str, offset: int | None = None, reason: Reason | None = None) -> None:
        self.what = what
        self.offset = offset
        self.reason = reason
        super().__init__(what if offset is None else f"{what} at offset {offset}")


class AddressError(FormatError):
    """Text that is not an FTN address or address pattern."""


class PacketError(FormatError):
    """Bytes that are not a packet, or a damaged one; ``reason`` is always set."""

    reason: Reason

    def __init__(self, what: str, offset: int, reason: Reason) -> None:
        super().__init__(what, offset, reason)


class KludgeError(FormatError):
    """A control line whose value breaks the grammar of its tag."""


class JamError(FormatError):
    """Bytes that are not the JAM record they should be."""


class MsgError(FormatError):
    """Bytes that are not a stored message (``*.MSG``)."""


class ArchiveError(TosserError):
    """A bundle that cannot be unpacked, or must not be; ``reason`` is the quarantine code."""

    def __init__(self, what: str, reason: Reason) -> None:
        self.what = what
        self.reason = reason
        super().__init__(what)


class QuarantineError(TosserError):
    """An entry of the quarantine is not there, or cannot be put back where it came from."""


class InputError(TosserError):
    """The system cannot read a claimed file, which stays where it is; ``claim`` tells which file."""

    def __init__(self, claim: str, name: str, what: str) -> None:
        self.claim = claim
        self.name = name
        self.what = what
        super().__init__(f"{name}: cannot be read: {what}")


class ProgramError(TosserError):
    """An external program is missing, failed, or took too long; ``status`` is what it ended with, if it did."""

    def __init__(self, what: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(what)


class StoreError(TosserError):
    """A message base or an outbound cannot be read or written."""

    def __init__(self, path: Path | str, what: str) -> None:
        self.path = path
        self.what = what
        super().__init__(f"{path}: {what}")


class StoreLocked(StoreError):  # noqa: N818 - a state of the world that is waited out, not a mistake
    """Another program held the lock of a message base for longer than we wait."""


class LinkBusy(StoreError):  # noqa: N818 - as StoreLocked
    """Another program is at work on the outbound of a link: its mail has to wait."""


class StateError(TosserError):
    """The state database or its directory cannot be used."""


class StateDamaged(StateError):  # noqa: N818 - as StoreLocked
    """The state database is damaged; it takes a person to restore it."""


class StateLocked(StateError):  # noqa: N818 - as StoreLocked
    """Another tosser works on the same state directory."""


class BrokerError(TosserError):
    """There is no working connection to the broker, or no longer.

    Attributes:
        what: what went wrong, as a sentence without full stop.
        advice: what the sysop can do about it; empty where waiting is all.
        code: the broker's reason code (MQTT 5, 2.4), or ``None`` where it gave none.
    """

    def __init__(self, what: str, advice: str = "", code: int | None = None) -> None:
        self.what = what
        self.advice = advice
        self.code = code
        super().__init__(f"{what} ({advice})" if advice else what)


class PostError(TosserError):
    """A message cannot be posted as it was asked for; nothing was.

    Attributes:
        what: why, as a sentence without full stop.
        reason: the same as a code.
    """

    def __init__(self, what: str, reason: PostReason) -> None:
        self.what = what
        self.reason = reason
        super().__init__(what)


class PublishRefused(TosserError):  # noqa: N818 - the broker's answer, not our mistake
    """The broker answered one publish with a failure reason code (MQTT 5, 3.4.2.1)."""

    def __init__(self, topic: str, code: int, name: str) -> None:
        self.topic = topic
        self.code = code
        self.name = name
        super().__init__(f"broker refused {topic}: {name} (0x{code:02x})")


def said(error: OSError, path: Path | str | None = None) -> str:
    """Make a sentence of what the system says: where, if that is known, and what."""
    where = error.filename or path
    what = error.strerror or str(error)
    return f"{where}: {what}" if where else what
