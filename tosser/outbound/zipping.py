"""ZIP bundles, packed in process: packets are deflated on all processors, and members that are there are copied.

Deflating is most of the work of sending, and needs neither the disk nor the interpreter: it begins as soon as a packet
is to be staged, and goes on while the disk takes that in and other mail is tossed.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

from tosser import disk
from tosser.codec.zip import END_SIZE, MOST_BYTES, ZipWriter, find_directory, pack_member
from tosser.errors import FormatError
from tosser.outbound.packing import Shipment, discard, sync_and_close
from tosser.outbound.places import local_time, temporary
from tosser.outbound.staging import packet_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from tosser.codec.zip import ZipMember
    from tosser.outbound.places import Place
    from tosser.outbound.staging import Staging
    from tosser.rules.shipping import StagedPacket

_COPY_SIZE = 1024 * 1024
_AHEAD = 8
"""Packets deflated, or being so, before the first of them is written."""
_MOST_PREPARED = 96 * 1024 * 1024
"""Bytes of packets that are deflated before they are asked for; what comes of them is in memory till then."""


class ZipPacker:
    """Makes ZIP bundles.

    Args:
        staging: where the packets are.
        level: as for `tosser.codec.zip.pack_member`.
        synced: whether what it writes is on the disk when it returns.
    """

    name = "zip"

    def __init__(self, staging: Staging, level: int, *, synced: bool = True) -> None:
        self._staging = staging
        self._level = level
        self._synced = synced
        self._pool = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="tosser-zip")
        self._prepared: dict[int, tuple[Future[ZipMember], int]] = {}
        self._room = _MOST_PREPARED

    def prepare(self, serial: int, size: int, created: float, content: Callable[[], bytes]) -> None:
        """Begin to deflate a packet that is to be packed soon, unless enough is prepared already.

        Args:
            serial: its number.
            size: bytes of it.
            created: Unix seconds.
            content: gives its bytes, which are, or will be, those that are staged.
        """
        self.drop(serial)
        if size <= self._room:
            self._room -= size
            self._prepared[serial] = self._pool.submit(self._member, serial, created, content), size

    def prepare_staged(self, packets: Iterable[StagedPacket]) -> None:
        """Begin to deflate staged packets that are to be packed next, up to the first that there is no room for."""
        for packet in packets:
            if packet.serial not in self._prepared:
                if packet.size > self._room:
                    break
                self.prepare(packet.serial, packet.size, packet.created, self._staging.path(packet.serial).read_bytes)

    def drop(self, serial: int) -> Future[ZipMember] | None:
        """Forget what was prepared of a packet: it is used now, or what has its number may be another one."""
        future, size = self._prepared.pop(serial, (None, 0))
        self._room += size
        return future

    def forget(self) -> None:
        """Forget what was prepared and not packed."""
        for future, _ in self._prepared.values():
            future.cancel()
        self._prepared.clear()
        self._room = _MOST_PREPARED

    def pack(self, packets: Sequence[StagedPacket], place: Place, newest: Path | None) -> list[Shipment]:
        """Put packets into ZIP bundles beside their places."""
        shipments: list[Shipment] = []
        archive: _Archive | None = None
        try:
            for packet, member in self._members(packets):
                if archive is None or not archive.takes(member, place.link.max_bundle):
                    if archive is not None:
                        full, archive = archive, None
                        full.close(sync=self._synced)
                    archive = _open_archive(newest if not shipments else None, place, member)
                    shipments.append(archive.shipment)
                archive.add(packet, member)
            if archive is not None:
                last, archive = archive, None
                last.close(sync=self._synced)
        except BaseException:
            if archive is not None:
                archive.abandon()
            discard(shipments)
            raise
        return shipments

    def _members(self, packets: Sequence[StagedPacket]) -> Iterator[tuple[StagedPacket, ZipMember]]:
        """Give packets deflated, some of them ahead of the one that is wanted next."""
        rest = iter(packets)
        waiting = [(packet, self._deflated(packet)) for packet in islice(rest, _AHEAD)]
        while waiting:
            packet, future = waiting.pop(0)
            yield packet, future.result()
            waiting += [(packet, self._deflated(packet)) for packet in islice(rest, 1)]

    def _deflated(self, packet: StagedPacket) -> Future[ZipMember]:
        prepared = self.drop(packet.serial)
        read = self._staging.path(packet.serial).read_bytes
        return prepared or self._pool.submit(self._member, packet.serial, packet.created, read)

    def _member(self, serial: int, created: float, content: Callable[[], bytes]) -> ZipMember:
        return pack_member(packet_name(serial), content(), local_time(created), self._level)


class _Archive:
    """A bundle that is being written beside its place."""

    def __init__(self, shipment: Shipment, writer: ZipWriter, descriptor: int, offset: int) -> None:
        self.shipment = shipment
        self._writer = writer
        self._descriptor = descriptor
        self._offset = offset

    def takes(self, member: ZipMember, limit: int) -> bool:
        """Tell whether a member fits."""
        return self._writer.takes(member, limit)

    def add(self, packet: StagedPacket, member: ZipMember) -> None:
        """Write a member."""
        for piece in self._writer.add(member):
            disk.write_at(self._descriptor, piece, self._offset)
            self._offset += len(piece)
        self.shipment.packets.append(packet)

    def close(self, *, sync: bool) -> None:
        """Write the end."""
        try:
            disk.write_at(self._descriptor, self._writer.end(), self._offset)
        except BaseException:
            self.abandon()
            raise
        sync_and_close(self._descriptor, sync=sync)

    def abandon(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)


def _open_archive(newest: Path | None, place: Place, first: ZipMember) -> _Archive:
    """Begin a bundle, or go on with the newest where the first member still fits."""
    archive = _continue(newest, place, first) if newest is not None else None
    if archive is None:
        shipment = Shipment(place.name_bundle(), boxed=place.boxed)
        archive = _Archive(shipment, ZipWriter(), disk.create(temporary(shipment.target), place.mode), 0)
    return archive


def _continue(path: Path, place: Place, first: ZipMember) -> _Archive | None:
    """Copy a bundle to go on with; ``None`` when it is full, or is not what we write."""
    with path.open("rb") as source:
        size = os.fstat(source.fileno()).st_size
        if size > MOST_BYTES:
            return None
        try:
            directory = find_directory(os.pread(source.fileno(), END_SIZE, max(0, size - END_SIZE)), size)
            writer = ZipWriter(directory, os.pread(source.fileno(), directory.size, directory.offset))
        except FormatError:
            return None
        if not writer.takes(first, place.link.max_bundle):
            return None
        descriptor = disk.create(temporary(path), place.mode)
        try:
            for offset in range(0, directory.offset, _COPY_SIZE):
                chunk = os.pread(source.fileno(), min(_COPY_SIZE, directory.offset - offset), offset)
                disk.write_at(descriptor, chunk, offset)
        except BaseException:
            os.close(descriptor)
            disk.unlink(temporary(path))
            raise
    return _Archive(Shipment(path, added=True), writer, descriptor, directory.offset)
