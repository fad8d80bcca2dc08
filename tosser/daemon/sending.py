"""Sending on: the packets of a batch are staged with it, and shipped when the inbounds have nothing more.

A link whose flow files another program has locked waits, and the others do not; a link that is no longer in the
configuration keeps what is staged for it.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from msgspec import Struct, field

from tosser.address import Address
from tosser.daemon.conditions import CLOCK
from tosser.errors import LinkBusy, ProgramError, StoreError, said
from tosser.inbound.work import WORK_DIRECTORY
from tosser.rules.outgoing import OutPacket, draw_packets
from tosser.rules.shipping import LinkKey, PacketOut
from tosser.state.pauses import Pause

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from tosser.daemon.conditions import Conditions
    from tosser.outbound.bso import Backlog
    from tosser.outbound.ship import Shipper, ShipReport
    from tosser.outbound.staging import Staging
    from tosser.rules.batch import Piece
    from tosser.rules.decision import Decision
    from tosser.rules.network import Link, Rulebook
    from tosser.state.state import State

log = structlog.get_logger()


class ShipmentReport(Struct):
    """What one round of shipping came to.

    Attributes:
        packets: how many packets are where the mailer finds them now.
        busy: links that are locked, and so wait.
        failed: why other links could not be served.
    """

    packets: int = 0
    busy: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


class Outgoing(Struct, frozen=True):
    """The outbound.

    Attributes:
        staging: where finished packets wait.
        shipper: hands them to the mailer.
    """

    staging: Staging
    shipper: Shipper


class Standing(Struct, frozen=True):
    """How a link stands: what waits for it, whether it gets nothing for now, and whether nothing is tossed from it."""

    files: int = 0
    bytes: int = 0
    paused: bool = False
    held: bool = False


class Sending:
    """Makes, stages and ships packets.

    Args:
        rules: the sysop's world.
        state: says which links are paused.
        outgoing: the outbound; ``None`` without one.
        conditions: takes what is wrong.
    """

    def __init__(self, rules: Rulebook, state: State, outgoing: Outgoing | None, conditions: Conditions) -> None:
        self._rules = rules
        self._state = state
        self._conditions = conditions
        self._held: frozenset[LinkKey] = frozenset()
        self._outgoing = outgoing
        self._tidy = False
        self._standings: dict[LinkKey, Standing] = {}

    def use(self, rules: Rulebook, held: Collection[LinkKey]) -> None:
        """Work by other rules from now on; ``held`` are the links that nothing is tossed from."""
        self._rules = rules
        self._held = frozenset(held)

    def draw(self, pieces: Sequence[Piece], decision: Decision) -> list[OutPacket]:
        """Compose the packets that a decision sends on."""
        created = datetime.fromtimestamp(decision.decided)  # noqa: DTZ006 - packet headers have local time
        return draw_packets(pieces, decision, self._rules, created)

    def stage(self, packets: Sequence[OutPacket], first: int) -> list[PacketOut]:
        """Put packets where they wait, durably, under serial numbers from ``first`` on; may be repeated.

        Raises:
            OSError: the disk failed.
        """
        if self._outgoing is None or not packets:
            return []
        staging = self._outgoing.staging
        numbered = list(enumerate(packets, first))
        for serial, packet in numbered:
            if not packet.file:
                self._outgoing.shipper.prepare(packet.link, serial, packet.size, packet.content)
        staging.write([(serial, packet.blocks()) for serial, packet in numbered if not packet.file])
        made = []
        for serial, packet in numbered:
            size = _adopt(packet, staging) if packet.file else packet.size
            if size or not packet.file:
                key = LinkKey.of(packet.link)
                made.append(PacketOut(serial, key, size, packet.messages, packet.flavour, packet.name))
            else:
                log.error("attachment_lost", file=packet.file, why="somebody removed it while its netmail was tossed")
        return made

    def ship(self, beat: Callable[[], None]) -> ShipmentReport:
        """Hand what is staged to the mailer, link by link.

        Raises:
            StateError: the state database cannot be used.
            OSError: the disk failed; what was not shipped waits.
        """
        report = ShipmentReport()
        if self._outgoing is None:
            return report
        self._remove_orphans(self._outgoing.staging)
        shipper = self._outgoing.shipper
        links = [link for key in shipper.links_waiting() if (link := self._link(key)) is not None]
        with shipper.round(links) as ship:
            for link in links:
                self._ship_to(link, ship, report)
                beat()
        return report

    def _ship_to(self, link: Link, ship: Callable[[Link], ShipReport], report: ShipmentReport) -> None:
        told = log.bind(link=str(link.address.without_domain), network=link.network)
        try:
            shipped = ship(link)
        except LinkBusy as error:
            told.info("link_busy", error=str(error))
            report.busy.append(str(link.address.without_domain))
            return
        except (ProgramError, StoreError, OSError) as error:
            sentence = said(error) if isinstance(error, OSError) else str(error)
            told.error("link_not_served", error=sentence, mail="kept")
            report.failed.append(f"{link.address.without_domain}: {sentence}")
            return
        if shipped.lost:
            told.error("packets_lost", packets=shipped.lost, why="somebody removed them from the staging directory")
        if shipped.packets:
            told.info("link_served", packets=shipped.packets, files=[path.name for path in shipped.files])
            self._tell_names(link, shipped)
        report.packets += shipped.packets

    def _tell_names(self, link: Link, shipped: ShipReport) -> None:
        """Say when the names for bundles run out."""
        used_up = "all 36 names of the day are in use or were a short while ago; the time names bundles until then"
        self._conditions.say({f"bundle names of {link.address}": used_up if shipped.names_used_up else ""})

    def _remove_orphans(self, staging: Staging) -> None:
        """Clear, once, what a killed process staged for a batch that was then carried out with other packets."""
        if not self._tidy:
            removed = staging.remove_orphans(self._state.staged_serials())
            self._tidy = True
            if removed:
                log.info("staged_orphans_removed", packets=removed)

    def pause_overloaded(self, now: float) -> None:
        """Pause the links for which too much waits, or waits for too long, where that is configured.

        For how long is not asked while the clock cannot be trusted.

        Raises:
            StateError: the state database cannot be used.
        """
        if self._outgoing is None:
            return
        by_age = not self._conditions.present.get(CLOCK)
        for link in self._rules.links.values():
            if link.paused or not (link.pause_age or link.pause_size):
                continue
            why = _overload(link, self._outgoing.shipper.backlog(link), now, by_age=by_age)
            if why:
                key = LinkKey.of(link)
                log.warning("link_paused", link=key.address, network=key.network, why=why)
                self._state.pause_link(Pause(key, now, "auto", why))

    def standing(self, network: str, address: Address) -> Standing:
        """Tell how a link stands; one that is no longer in the configuration has nothing waiting."""
        key = LinkKey(network, str(address.without_domain))
        link, held = self._link(key), key in self._held
        if link is None or not link.known or self._outgoing is None:
            return Standing(paused=link is not None and link.paused, held=held)
        waits = self._outgoing.shipper.backlog(link)
        return Standing(waits.files, waits.bytes, link.paused, held)

    def note_standings(self) -> None:
        """Have the state of every link published whose backlog has changed: a mailer takes mail without telling us.

        Raises:
            StateError: the state database cannot be used.
        """
        now = {LinkKey.of(link): self.standing(link.network, link.address) for link in self._rules.links.values()}
        changed = [key for key, standing in now.items() if standing != self._standings.get(key, Standing())]
        self._standings = now
        if changed:
            self._state.touch_links(changed)

    def _link(self, key: LinkKey) -> Link | None:
        address = Address.parse(key.address)
        found = next((link for link in self._rules.links_at(address) if link.network == key.network), None)
        if found is not None:
            return found
        stranger = self._rules.stranger(address)
        return stranger if stranger and stranger.network == key.network else None


def _adopt(packet: OutPacket, staging: Staging) -> int:
    """Take a file that goes with a netmail out of its inbound, by way of the work directory there."""
    source = Path(packet.file)
    claimed = source.parent / WORK_DIRECTORY / f"attached-{packet.name.partition('/')[0]}"
    return staging.adopt(source, claimed, packet.name)


def _overload(link: Link, waits: Backlog, now: float, *, by_age: bool) -> str:
    """Say why a link is to be paused; empty when it is not."""
    if link.pause_size is not None and waits.bytes > link.pause_size:
        return f"{waits.bytes} bytes wait for it, and the limit is {link.pause_size}"
    if by_age and link.pause_age is not None and waits.oldest is not None and now - waits.oldest > link.pause_age:
        return f"mail has waited for it for {(now - waits.oldest) / 86400:.1f} days"
    return ""
