"""From staged packets to what the mailer finds, link by link, each packet exactly once.

All of this happens under the link's lock, except in file boxes, which need none. New bundles are written whole beside
their places (a bundle that is added to is written anew); the state notes in one transaction which packets are in them;
they get their names; flow files name them; then the state forgets the packets, and the staged files go. Whoever is
killed in between leaves one of four cases:

* the state knows of no bundle: what is beside a place is removed, and the packets are packed anew;
* the bundle is still beside its place: it gets its name now. Unless it was to replace one that the mailer has sent
  meanwhile: then the packets are packed anew;
* the bundle has its name, or had: a mailer sends only what a flow file names, so if the file is there it is named now,
  if it was not before, and if it is gone it has been sent;
* the state knows of no packet whose file is staged: it is removed at the next start.

So nothing depends on the lock outliving us, nor on what a foreign archiver can tell about its archives.
"""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext, suppress
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from tosser import disk
from tosser.codec.flow import Flavour, bso_stem
from tosser.outbound.bso import Backlog, sum_up
from tosser.outbound.flowfile import FlowFiles, absolute_paths
from tosser.outbound.packing import BarePacker, Shipment, discard
from tosser.outbound.places import Place, has_content, temporary
from tosser.outbound.program import ProgramPacker
from tosser.outbound.sharing import make_shared
from tosser.outbound.zipping import ZipPacker
from tosser.rules.shipping import NAMES_KEPT, LinkKey, Placement

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from tosser.outbound.bso import Bso
    from tosser.outbound.packing import Packer
    from tosser.outbound.program import PackProgram
    from tosser.outbound.staging import Staging
    from tosser.rules.network import Link
    from tosser.rules.shipping import BundleName, StagedMail, StagedPacket

_ATTEMPTS = 3
"""Packing is tried once more than this."""
ROUND_BYTES = 64 * 1024 * 1024
"""Packets shipped at a time, give or take one."""


class Register(Protocol):
    """What is remembered of packets on their way; `tosser.state.state.State` is one. Each call is one transaction."""

    def staged(self, link: LinkKey) -> list[StagedPacket]:
        """List the packets that wait for a link, in the order in which they were made."""

    def staged_mail(self) -> list[StagedMail]:
        """Sum up what waits, for every link that anything waits for."""

    def placed_paths(self) -> set[str]:
        """List where packets are going that are placed."""

    def bundles_in(self, directory: str) -> list[BundleName]:
        """List the bundles of a directory whose names are taken, the latest last."""

    def place(self, link: LinkKey, placements: Sequence[Placement], now: float) -> None:
        """Note that bundles are whole beside their places."""

    def take_back(self, serials: Iterable[int]) -> None:
        """Note that packets are not going where they were placed: they wait again."""

    def shipped(self, link: LinkKey, files: Mapping[int, str], now: float) -> None:
        """Forget packets that are where the mailer finds them, and count them; ``files`` says what each is in."""

    def packets_lost(self, serials: Iterable[int]) -> None:
        """Forget packets that somebody removed before they were shipped."""

    def files_sent(self, serials: Iterable[int]) -> None:
        """Forget files that flow files name."""


class ShipReport(Struct):
    """What shipping to one link came to.

    Attributes:
        packets: how many are where the mailer finds them now.
        bundles: how many bundles were made or added to.
        files: the bundles, and packets on their own.
        lost: how many packets were no longer there, or not as they had been; that is not our doing.
        names_used_up: whether all ordinary names for bundles of today are used up.
    """

    packets: int = 0
    bundles: int = 0
    files: list[Path] = field(default_factory=list)
    lost: int = 0
    names_used_up: bool = False


class Shipper:
    """Hands staged packets to the mailer. Blocks, but does not wait for locks; one link at a time.

    Args:
        bso: the outbound.
        staging: where the packets are.
        register: what is remembered of them.
        programs: archivers other than ZIP, by their names in the configuration.
        level: how hard ZIP bundles are packed, as for `tosser.codec.zip.pack_member`.
        synced: whether everything is on the disk before the next step relies on it.
        clock: gives Unix seconds.
    """

    def __init__(
        self,
        bso: Bso,
        staging: Staging,
        register: Register,
        *,
        programs: Mapping[str, PackProgram] | None = None,
        level: int = 2,
        synced: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bso = bso
        self._staging = staging
        self._register = register
        self._synced = synced
        self._clock = clock
        self._zip = ZipPacker(staging, level, synced=synced)
        packers: list[Packer] = [self._zip]
        packers += [ProgramPacker(program, staging, synced=synced) for program in (programs or {}).values()]
        self._packers = {packer.name: packer for packer in packers} | {"none": BarePacker(staging, synced=synced)}
        self._working = threading.Lock()
        self._remover = ThreadPoolExecutor(1, thread_name_prefix="tosser-remove")
        self._left: set[int] = set()
        self._removals: list[Future[None]] = []
        self._coming: dict[LinkKey, list[StagedPacket]] = {}
        """Of the links that are still to be served in this round."""

    def prepare(self, link: Link, serial: int, size: int, content: Callable[[], bytes]) -> None:
        """Begin what can be done for a packet while it is staged, and before it is shipped."""
        if link.archiver == self._zip.name:
            self._zip.prepare(serial, size, self._clock(), content)
        else:
            self._zip.drop(serial)

    @contextmanager
    def round(self, links: Iterable[Link] = ()) -> Iterator[Callable[[Link], ShipReport]]:
        """Serve several links: gives `ship`, which leaves to the end what may be left to the end.

        Args:
            links: who is served, in this order: packets of the next ones are deflated meanwhile.

        Raises:
            OSError: at the end: what was shipped cannot be removed from where it was staged. That does no harm, and is
                tried again in the next round, or at the next start.
        """
        self._removals.clear()
        self._remove(self._left)
        self._coming = {
            LinkKey.of(link): [packet for packet in self._staged(link) if not (packet.name or packet.path)]
            for link in links
            if link.archiver == self._zip.name
        }
        try:
            yield self._ship
        finally:
            self._zip.forget()
            wait(self._removals)
            for removal in self._removals:
                removal.result()
            self._left.clear()

    def links_waiting(self) -> list[LinkKey]:
        """List the links that anything waits for."""
        return [mail.link for mail in self._register.staged_mail()]

    def backlog(self, link: Link) -> Backlog:
        """Sum up what waits for a link: staged, in the outbound and in its file box."""
        key = LinkKey.of(link)
        staged = [mail for mail in self._register.staged_mail() if mail.link == key and mail.packets]
        waiting = [Backlog(mail.packets, mail.size, mail.oldest) for mail in staged]
        return sum([self._bso.backlog(link.address), box_backlog(link), *waiting], Backlog())

    def ship(self, link: Link) -> ShipReport:
        """Hand everything that waits for a link to the mailer, after finishing what a killed process began.

        Raises:
            LinkBusy: another program is at work on the link's mail; nothing was changed.
            StoreError: the outbound cannot hold it.
            ProgramError: the link's archiver failed; its packets wait.
            StateError: the state database cannot be used.
            OSError: the disk failed; what was not shipped waits, or will be finished the next time.
        """
        with self.round() as ship:
            return ship(link)

    def _ship(self, link: Link) -> ShipReport:
        self._zip.prepare_staged(chain.from_iterable(self._coming.values()))
        self._coming.pop(LinkKey.of(link), None)
        packets = self._staged(link)
        if not packets:
            return ShipReport()
        boxed = link.filebox and not any(packet.name or (packet.path and not packet.boxed) for packet in packets)
        report = ShipReport()
        with self._working, nullcontext() if boxed else self._bso.lock(link.address):
            for flavour in sorted({packet.flavour or link.flavour for packet in packets}, key=list(Flavour).index):
                self._ship_flavour(replace(link, flavour=flavour), link.flavour, packets, report)
        return report

    def _staged(self, link: Link) -> list[StagedPacket]:
        """List what waits for a link; to a system that is no link only its netmail is sent."""
        return [packet for packet in self._register.staged(LinkKey.of(link)) if link.known or packet.flavour]

    def _ship_flavour(self, link: Link, usual: Flavour, packets: Iterable[StagedPacket], report: ShipReport) -> None:
        """Hand over what has the flavour that the link is given with."""

        def of_flavour(packets: Iterable[StagedPacket]) -> list[StagedPacket]:
            return [packet for packet in packets if (packet.flavour or usual) is link.flavour]

        delivery = _Delivery(
            self._bso, self._staging, self._register, link, self._remove,
            now=self._clock(), report=report, synced=self._synced,
        )  # fmt: skip
        packets = of_flavour(packets)
        delivery.send_files([packet for packet in packets if packet.name])
        packets = [packet for packet in packets if not packet.name]
        delivery.recover(packets)
        if any(packet.path for packet in packets):
            packets = [packet for packet in of_flavour(self._staged(link)) if not packet.name]
        for some in _rounds(packets):
            delivery.deliver(some, self._packers[link.archiver])

    def _remove(self, serials: Collection[int]) -> None:
        """Remove shipped packets from the staging directory, meanwhile: freeing what they take up needs time."""
        if serials:
            self._left.update(serials)
            self._removals.append(self._remover.submit(self._staging.remove, tuple(serials)))


class _Delivery:
    """Ships to one link; whoever makes one holds the link's lock, unless all is about its file box."""

    def __init__(
        self,
        bso: Bso,
        staging: Staging,
        register: Register,
        link: Link,
        remove: Callable[[Collection[int]], None],
        *,
        now: float,
        report: ShipReport,
        synced: bool,
    ) -> None:
        self.report = report
        self._bso = bso
        self._staging = staging
        self._register = register
        self._link = link
        self._key = LinkKey.of(link)
        self._remove = remove
        self._now = now
        self._synced = synced
        self._outbound = bso.directory_of(link.address)
        self._open_flows: FlowFiles | None = None

    @property
    def _flows(self) -> FlowFiles:
        """The flow files, as they are since the lock was taken."""
        if self._open_flows is None:
            self._open_flows = FlowFiles(self._outbound, bso_stem(self._link.address), synced=self._synced)
        return self._open_flows

    # --- what a killed process began

    def recover(self, packets: Iterable[StagedPacket]) -> None:
        """Finish what is placed, or take it back."""
        shipments = []
        placed = sorted((packet for packet in packets if packet.path), key=_place_of)
        for path, some in groupby(placed, key=_place_of):
            group = list(some)
            shipment = Shipment(Path(path), added=group[0].added, boxed=group[0].boxed, packets=group)
            beside = temporary(shipment.target)
            if group[0].added and beside.exists() and not self._waits(shipment.target):
                self._register.take_back(shipment.serials)  # first: without its bundle it would count as sent
                disk.unlink(beside)
            else:
                shipments.append(shipment)
        if shipments:
            self._publish(shipments)

    def _waits(self, bundle: Path) -> bool:
        """Tell whether a bundle has not been sent."""
        return has_content(bundle) and bundle in absolute_paths(self._flows.waiting())

    # --- files that go with netmail

    def send_files(self, files: Sequence[StagedPacket]) -> None:
        """Have files sent from where they are; one that is gone was sent by a mailer before we were killed."""
        if not files:
            return
        paths = [self._staging.file_path(file.name) for file in files]
        present = [path for path in paths if path.exists()]
        if present:
            self._flows.add(self._link.flavour, present)
        self._register.files_sent(file.serial for file in files)
        self.report.files += present

    # --- what is new

    def deliver(self, packets: Sequence[StagedPacket], packer: Packer) -> None:
        """Pack packets and have them sent."""
        present = [packet for packet in packets if self._staging.size(packet.serial) == packet.size]
        if len(present) < len(packets):
            missing = {packet.serial for packet in packets} - {packet.serial for packet in present}
            self._register.packets_lost(missing)
            self._staging.remove(missing)
            self.report.lost += len(missing)
        if not present:
            return
        place, shipments = self._pack(present, packer)
        if self._synced:
            disk.sync_directory(place.directory)
        self.report.names_used_up = bool(packer.name) and place.names_used_up
        placements = [
            Placement(str(shipment.target), shipment.serials, packer.name, shipment.added, shipment.boxed)
            for shipment in shipments
        ]
        self._register.place(self._key, placements, self._now)
        self.report.bundles += len(shipments) if packer.name else 0
        self._publish(shipments)

    def _pack(self, packets: Sequence[StagedPacket], packer: Packer) -> tuple[Place, list[Shipment]]:
        """Pack packets beside their places; a mailer may remove an empty file box at any moment."""
        for _ in range(_ATTEMPTS):
            with suppress(FileNotFoundError):
                return self._pack_once(packets, packer)
        return self._pack_once(packets, packer)

    def _pack_once(self, packets: Sequence[StagedPacket], packer: Packer) -> tuple[Place, list[Shipment]]:
        place = self._survey()
        return place, packer.pack(packets, place, self._newest(place, packer))

    def _survey(self) -> Place:
        """Look at where the bundles go, and remove what a killed process left there."""
        boxed = bool(self._link.filebox)
        directory = Path(self._link.filebox) if boxed else self._outbound
        if boxed:
            make_shared(directory, directory.parent)
        place = Place.survey(directory, self._link, self._now, boxed=boxed)
        bundles = self._register.bundles_in(str(directory))
        place.avoid(bundle.path for bundle in bundles if bundle.created > self._now - NAMES_KEPT)
        if not boxed:
            place.avoid(os.fsdecode(path) for path in self._flows.named())
        if place.temporaries:
            placed = self._register.placed_paths()
            names = {Path(path).name for path in placed}
            discard(Shipment(target) for target in place.temporaries if target.name not in names)
            place.avoid(placed)
        return place

    def _newest(self, place: Place, packer: Packer) -> Path | None:
        """Find the last bundle that waits to be sent and may be added to: ours, of today, by the same archiver."""
        if place.boxed or not packer.name:
            return None
        waiting = set(absolute_paths(self._flows.waiting(self._link.flavour)))
        fitting = [
            Path(bundle.path)
            for bundle in self._register.bundles_in(str(place.directory))
            if bundle.link == self._key and bundle.archiver == packer.name and place.is_today(bundle.created)
        ]
        return next((path for path in reversed(fitting) if path in waiting and has_content(path)), None)

    # --- both

    def _publish(self, shipments: Sequence[Shipment]) -> None:
        """Give placed bundles their names, have flow files name them, and forget the packets."""
        changed = set()
        for shipment in shipments:
            beside = temporary(shipment.target)
            if beside.exists():
                disk.rename(beside, shipment.target)
                changed.add(shipment.target.parent)
        if self._synced:
            for directory in changed:
                disk.sync_directory(directory)
        named = [shipment.target for shipment in shipments if not shipment.boxed and has_content(shipment.target)]
        if named:
            self._flows.add(self._link.flavour, named)
        files = {serial: shipment.target.name for shipment in shipments for serial in shipment.serials}
        self._register.shipped(self._key, files, self._now)
        self._remove(files)
        self.report.packets += len(files)
        self.report.files += [shipment.target for shipment in shipments]


def box_backlog(link: Link) -> Backlog:
    """Sum up what waits in a link's file box, if it has one."""
    try:
        return (
            sum_up(path for path in Path(link.filebox).iterdir() if path.name[0] != ".") if link.filebox else Backlog()
        )
    except (FileNotFoundError, NotADirectoryError):
        return Backlog()


def _place_of(packet: StagedPacket) -> str:
    return packet.path or ""


def _rounds(packets: Iterable[StagedPacket]) -> Iterator[list[StagedPacket]]:
    """Divide packets into runs of about `ROUND_BYTES`."""
    some: list[StagedPacket] = []
    size = 0
    for packet in packets:
        some.append(packet)
        size += packet.size
        if size >= ROUND_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some
