"""What every message base can do, whatever its format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct
from msgspec.structs import asdict

from tosser.codec.stored import BaseMessage, MessageKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tosser.codec.jam_message import JamRecord

__all__ = ["BaseMessage", "BasePosition", "MessageBase", "MessageKind"]


class BasePosition(Struct, frozen=True):
    """Where a base ended before an append, recorded so that the append can be finished after a crash.

    The names are those of JAM; a base of another format uses what it needs of them. All zero: there was no base.

    Attributes:
        count: active messages, as the header counts them.
        base_number: number of the first message of the index.
        jhr: bytes of headers.
        jdt: bytes of texts.
        jdx: bytes of index.
        last: a CRC of the last message, by which a packed base is recognised; 0 without one.
    """

    count: int = 0
    base_number: int = 0
    jhr: int = 0
    jdt: int = 0
    jdx: int = 0
    last: int = 0

    def to_json(self) -> dict[str, int]:
        """Give the fields as a plain dictionary."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, int]) -> BasePosition:
        """Make a position of what `to_json` gave."""
        return cls(**fields)


class Storable(Protocol):
    """What a base takes: a message, or what is as good as one.

    Attributes:
        message: the message.
        record: what a JAM base makes of it, where that was made in advance.
        arrived: as in the message.
    """

    @property
    def message(self) -> BaseMessage: ...

    @property
    def record(self) -> JamRecord | None: ...

    @property
    def arrived(self) -> int: ...


class MessageBase(Protocol):
    """A message base. Its methods block; one base may be used by several threads."""

    def position(self) -> BasePosition:
        """Tell where the base ends now.

        Raises:
            StoreError: the base is broken.
        """
        ...

    def append(self, messages: Sequence[Storable], *, wait: float) -> list[int]:
        """Add messages, all of them or none, and give their numbers.

        Args:
            messages: in the order in which they are to stand.
            wait: seconds to wait for another program's lock.

        Raises:
            StoreLocked: another program kept the lock for longer than that; nothing was written.
            StoreError: the base is broken, or could not be written; it is as it was before.
        """
        ...

    def resume(self, since: BasePosition, messages: Sequence[Storable], *, wait: float) -> list[int]:
        """Finish an append that may have been cut off anywhere, and give the numbers of the messages.

        What stands in the base from the recorded position on is adopted, what is missing is appended; so it may be
        called again and again.

        Args:
            since: the position before the append.
            messages: those of the append, the same and in the same order.
            wait: seconds to wait for another program's lock.

        Raises:
            StoreLocked: as `append`.
            StoreError: as `append`.
        """
        ...

    def mark_sent(self, messages: Sequence[BaseMessage], *, wait: float) -> int:
        """Mark netmail that is in transit as sent; returns how many of the messages were found.

        Args:
            messages: as they were stored; each stands for one.
            wait: seconds to wait for another program's lock.

        Raises:
            StoreLocked: another program kept the lock for longer than that; nothing was marked.
            StoreError: the base is broken.
        """
        ...

    def sync(self) -> None:
        """Wait until all that was written since the last sync is on the disk.

        Raises:
            StoreError: the disk refused; what was written stays due.
        """
        ...

    def close(self) -> None:
        """Let go of the files. The base stays usable: what needs them opens them again."""
        ...
