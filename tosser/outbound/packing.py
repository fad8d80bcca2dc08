"""Packets into bundles, each written whole beside its place: what the archivers have in common, and `BarePacker`.

A bundle is closed when the next packet would make it larger than the link allows; a packet larger than that has one of
its own. Bundles that are already there are added to by writing them anew, so that the old one is what it was until all
is well.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct, field

from tosser import disk
from tosser.outbound.places import temporary

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tosser.outbound.places import Place
    from tosser.outbound.staging import Staging
    from tosser.rules.shipping import StagedPacket


class Shipment(Struct):
    """A bundle, or a packet on its own, that is whole beside its place, or will be.

    Attributes:
        target: its place.
        added: whether it stands there already, with other packets.
        boxed: whether that is in a file box.
        packets: what is new in it.
    """

    target: Path
    added: bool = False
    boxed: bool = False
    packets: list[StagedPacket] = field(default_factory=list)

    @property
    def serials(self) -> tuple[int, ...]:
        """The numbers of the packets that are new in it."""
        return tuple(packet.serial for packet in self.packets)


class Packer(Protocol):
    """Makes bundles of packets."""

    @property
    def name(self) -> str:
        """What it is called in the configuration; empty when it makes no bundles."""

    def pack(self, packets: Sequence[StagedPacket], place: Place, newest: Path | None) -> list[Shipment]:
        """Put packets into bundles, in their order, and those on the disk beside their places.

        Args:
            packets: all staged, and as large as they should be.
            place: where the bundles will be.
            newest: the last bundle there, if it may be added to.

        Raises:
            ProgramError: an external program failed.
            OSError: the disk failed; then nothing is left beside any place.
        """


class BarePacker:
    """Gives every packet a name of its own in the outbound.

    Args:
        staging: where the packets are.
        synced: whether what it writes is on the disk when it returns.
    """

    name = ""

    def __init__(self, staging: Staging, *, synced: bool = True) -> None:
        self._staging = staging
        self._synced = synced

    def pack(self, packets: Sequence[StagedPacket], place: Place, newest: Path | None) -> list[Shipment]:  # noqa: ARG002 - there is nothing to add to
        """Name packets, beside their places."""
        shipments: list[Shipment] = []
        try:
            for packet in packets:
                shipments.append(Shipment(place.name_packet(packet.serial), boxed=place.boxed, packets=[packet]))
                target = temporary(shipments[-1].target)
                disk.duplicate(self._staging.path(packet.serial), target, place.mode, sync=self._synced)
        except BaseException:
            discard(shipments)
            raise
        return shipments


def discard(shipments: Iterable[Shipment]) -> None:
    """Remove what was written beside the places of shipments."""
    for shipment in shipments:
        disk.unlink(temporary(shipment.target))


def sync_and_close(descriptor: int, *, sync: bool) -> None:
    """Close a file, after its bytes are on the disk."""
    try:
        if sync:
            disk.sync_file(descriptor)
    finally:
        os.close(descriptor)
