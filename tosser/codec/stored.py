"""A message as a message base keeps it, whatever the format of the base."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tosser.address import Address


class MessageKind(StrEnum):
    """What sort of mail a message is."""

    ECHO = "echo"
    NETMAIL = "netmail"


class BaseMessage(Struct):
    """One message on its way into a base, or read back from one.

    Attributes:
        kind: echomail or netmail.
        sender: name of the author, bytes as received.
        to: name of the addressee, bytes as received.
        subject: bytes as received.
        kludges: control lines without ^A, such as ``b"MSGID: 1337:1/100 1234abcd"``, Via lines among them.
        body: the text with CR line ends, tearline and Origin included.
        seen_by: what follows the colon of each SEEN-BY line.
        path: what follows the colon of each PATH line.
        origin: address of the author, as far as it is known.
        dest: address of the addressee of netmail.
        written: wall clock of the author, without zone; ``None`` stands for the time of arrival.
        arrived: Unix time (UTC seconds) at which the message was accepted here.
        attributes: FTS-0001 attribute bits, already cleared of what must not come from outside.
        in_transit: netmail for another system, kept here on its way.
    """

    kind: MessageKind
    sender: bytes
    to: bytes
    subject: bytes
    kludges: Sequence[bytes]
    body: bytes
    seen_by: Sequence[bytes]
    path: Sequence[bytes]
    origin: Address | None
    dest: Address | None
    written: datetime | None
    arrived: int
    attributes: int
    in_transit: bool = False

    @property
    def message(self) -> BaseMessage:
        """Itself, for who stores it."""
        return self

    @property
    def record(self) -> None:
        """It is made of it when it is stored."""
        return
