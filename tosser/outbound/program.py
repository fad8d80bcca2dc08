"""Bundles of other formats, packed by programs of the sysop's choice.

A program adds one packet at a time to an archive in a directory of its own, under short names with the extension it
expects; the archive is what it says it made, if its first bytes are those of the format.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from msgspec import Struct

from tosser import disk
from tosser.codec.bundle import HEAD_SIZE, ArchiveType, identify
from tosser.errors import ProgramError
from tosser.outbound.packing import Shipment, discard, sync_and_close
from tosser.outbound.places import temporary
from tosser.outbound.staging import packet_name
from tosser.programs import Bounds, fill_in, find_program, run_program

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tosser.outbound.places import Place
    from tosser.outbound.staging import Staging
    from tosser.rules.shipping import StagedPacket

_MOST_BYTES = 2**31 - 1
"""Of one archive: more than any link allows."""
_OVERHEAD = 512
"""Bytes by which a packet that cannot be packed may make an archive larger than its own size."""


class PackProgram(Struct, frozen=True):
    """A program that packs.

    Attributes:
        name: of its entry in the configuration.
        kind: the format it makes; its value is the extension the program expects.
        pack: the program and its arguments; ``{archive}`` stands for the archive, made when absent, ``{packet}`` for
            the file to add.
        timeout: seconds it may take for one packet.
    """

    name: str
    kind: ArchiveType
    pack: tuple[str, ...]
    timeout: float


class ProgramPacker:
    """Makes bundles by an external program.

    Args:
        program: which one.
        staging: where the packets are.
        synced: whether what it writes is on the disk when it returns.
    """

    def __init__(self, program: PackProgram, staging: Staging, *, synced: bool = True) -> None:
        self.name = program.name
        self._program = program
        self._staging = staging
        self._synced = synced

    def pack(self, packets: Sequence[StagedPacket], place: Place, newest: Path | None) -> list[Shipment]:
        """Have packets put into bundles, and those beside their places."""
        scratch = self._staging.scratch()
        shipments: list[Shipment] = []
        archive = scratch / f"bundle.{self._program.kind}"
        try:
            for packet in packets:
                full = shipments and not _fits(archive, packet, place)
                if full:
                    self._set_beside(archive, shipments[-1], place)
                if full or not shipments:
                    shipments.append(self._begin(archive, packet, place, newest if not shipments else None))
                self._add(archive, packet)
                shipments[-1].packets.append(packet)
            if shipments:
                self._set_beside(archive, shipments[-1], place)
        except BaseException:
            discard(shipments)
            raise
        finally:
            shutil.rmtree(scratch)
        return shipments

    def _begin(self, archive: Path, packet: StagedPacket, place: Place, newest: Path | None) -> Shipment:
        if newest is not None and _fits(newest, packet, place):
            shutil.copyfile(newest, archive)
            return Shipment(newest, added=True)
        return Shipment(place.name_bundle(), boxed=place.boxed)

    def _add(self, archive: Path, packet: StagedPacket) -> None:
        directory = archive.with_name("d")
        directory.mkdir(exist_ok=True)
        copy = directory / packet_name(packet.serial)
        shutil.copyfile(self._staging.path(packet.serial), copy)
        role = f"archiver {self.name}"
        program = find_program(self._program.pack[0], role)
        values = {"archive": f"../{archive.name}", "packet": copy.name}
        bounds = Bounds(self._program.timeout, _MOST_BYTES)
        run_program(role, [program, *fill_in(self._program.pack[1:], values)], directory, bounds)
        copy.unlink(missing_ok=True)
        if not archive.is_file() or identify(_head(archive)) is not self._program.kind:
            raise ProgramError(f"{role} ended well and left no {self._program.kind} archive")

    def _set_beside(self, archive: Path, shipment: Shipment, place: Place) -> None:
        """Put the archive on the disk, beside its place."""
        target = temporary(shipment.target)
        disk.duplicate(archive, target, place.mode, sync=self._synced)
        sync_and_close(os.open(target, os.O_RDONLY | os.O_CLOEXEC), sync=self._synced)
        archive.unlink()


def _fits(archive: Path, packet: StagedPacket, place: Place) -> bool:
    return archive.stat().st_size + packet.size + _OVERHEAD <= place.link.max_bundle


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(HEAD_SIZE)
