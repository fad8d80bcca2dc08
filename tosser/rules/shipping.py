"""Packets on their way to a link, as values: staged, placed beside where the mailer will find them, shipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

if TYPE_CHECKING:
    from tosser.codec.flow import Flavour
    from tosser.rules.network import Link


NAMES_KEPT = 48 * 3600.0
"""Seconds for which the name of a bundle is not given again."""


class LinkKey(NamedTuple):
    """How a link is known where its mail is counted: the name of its network, and its address without domain."""

    network: str
    address: str

    @classmethod
    def of(cls, link: Link) -> LinkKey:
        """Give the key of a link."""
        return cls(link.network, str(link.address.without_domain))


class PacketOut(Struct, frozen=True):
    """A packet that a batch made for a link.

    Attributes:
        serial: from the range that was handed out with the decision.
        link: who gets it.
        size: bytes.
        messages: how many are in it.
        flavour: how urgently it is sent; ``None`` as the link's other mail.
        name: where it is, if it is a file that goes with a netmail; empty for a packet.
    """

    serial: int
    link: LinkKey
    size: int
    messages: int
    flavour: Flavour | None = None
    name: str = ""


class StagedPacket(Struct, frozen=True):
    """A packet that waits to be shipped.

    Attributes:
        serial: its number, which is its name.
        size: bytes.
        messages: how many are in it.
        created: Unix seconds.
        path: the bundle or packet it is placed in; ``None`` while it is not.
        added: whether that bundle stood there before, with other packets.
        boxed: whether it lies in a file box, so that no flow file names it.
        flavour: how urgently it is sent; ``None`` as the link's other mail.
        name: where it is, if it is a file that goes with a netmail; empty for a packet.
    """

    serial: int
    size: int
    messages: int
    created: float
    path: str | None = None
    added: bool = False
    boxed: bool = False
    flavour: Flavour | None = None
    name: str = ""


class Placement(Struct, frozen=True):
    """A bundle, or a packet on its own, that is whole beside its place.

    Attributes:
        path: where it will be.
        serials: the packets that are in it.
        archiver: what packed it; empty for a packet on its own.
        added: whether it stood there before, with other packets.
        boxed: whether that is in a file box.
    """

    path: str
    serials: tuple[int, ...]
    archiver: str = ""
    added: bool = False
    boxed: bool = False


class BundleName(Struct, frozen=True):
    """A bundle whose name is taken.

    Attributes:
        path: where it is, or was.
        link: who gets it.
        archiver: what packed it.
        created: when it was begun, Unix seconds.
    """

    path: str
    link: LinkKey
    archiver: str
    created: float


class StagedMail(Struct, frozen=True):
    """What waits to be shipped to one link.

    Attributes:
        link: who gets it.
        packets: how many are not placed.
        size: their bytes.
        oldest: when the oldest of all, placed or not, was made, Unix seconds.
    """

    link: LinkKey
    packets: int
    size: int
    oldest: float
