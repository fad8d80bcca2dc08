"""Sending on: the packets of a batch are staged with it, and shipped when the inbounds have nothing more.

A link whose flow files another program has locked waits, and the others do not; a link that is no longer in the
configuration keeps what is staged for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from tosser.address import Address
from tosser.daemon.dispatch import key_of, queues
from tosser.errors import LinkBusy
from tosser.rules.outgoing import OutPacket, draw_packets
from tosser.rules.shipping import PacketOut
from tosser.state.pauses import Pause

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tosser.daemon.dispatch import Queue
    from tosser.outbound.ship import Shipper
    from tosser.outbound.staging import Staging
    from tosser.rules.batch import Piece
    from tosser.rules.decision import Decision
    from tosser.rules.network import Link, Rulebook
    from tosser.rules.shipping import LinkKey
    from tosser.state.state import State

log = structlog.get_logger()


@dataclass(slots=True)
class ShipmentReport:
    """What one round of shipping came to.

    Attributes:
        packets: how many packets are where the mailer finds them now.
        busy: links that are locked, and so wait.
    """

    packets: int = 0
    busy: list[str] = field(default_factory=list)


class Sending:
    """Makes, stages and ships packets.

    Args:
        rules: the sysop's world.
        state: says which links are paused.
        outbound: its root; ``None`` without one.
        staging: where finished packets wait; ``None`` without an outbound.
        shipper: hands them to the mailer; ``None`` without an outbound.
    """

    def __init__(
        self, rules: Rulebook, state: State, outbound: Path | None, staging: Staging | None, shipper: Shipper | None
    ) -> None:
        self._rules = rules
        self._state = state
        self._outbound = outbound
        self._staging = staging
        self._shipper = shipper

    def use(self, rules: Rulebook) -> None:
        """Work by other rules from now on."""
        self._rules = rules

    def draw(self, pieces: Sequence[Piece], decision: Decision) -> list[OutPacket]:
        """Compose the packets that a decision sends on."""
        created = datetime.fromtimestamp(decision.decided)  # noqa: DTZ006 - packet headers have local time
        return draw_packets(pieces, decision, self._rules, created)

    def stage(self, packets: Sequence[OutPacket], first: int) -> list[PacketOut]:
        """Put packets where they wait, durably, under serial numbers from ``first`` on; may be repeated.

        Raises:
            OSError: the disk failed.
        """
        if self._staging is None or not packets:
            return []
        made = [
            PacketOut(serial, key_of(packet.link), packet.size, packet.messages)
            for serial, packet in enumerate(packets, first)
        ]
        self._staging.write([(out.serial, packet.chunks) for out, packet in zip(made, packets, strict=True)])
        return made

    def ship(self, beat: Callable[[], None]) -> ShipmentReport:
        """Hand what is staged to the mailer, link by link.

        Raises:
            StateError: the state database cannot be used.
            OSError: the disk failed; what was not shipped waits.
        """
        report = ShipmentReport()
        if self._shipper is None:
            return report
        for key in self._shipper.links_waiting():
            link = self._link(key)
            if link is None:
                continue
            try:
                shipped = self._shipper.ship(link)
            except LinkBusy as error:
                log.info("link_busy", link=key.address, network=key.network, error=str(error))
                report.busy.append(key.address)
                continue
            if shipped.packets:
                log.info("link_served", link=key.address, network=key.network, packets=shipped.packets)
            report.packets += shipped.packets
            beat()
        return report

    def pause_overloaded(self, now: float) -> None:
        """Pause the links for which too much waits, or waits for too long, where that is configured.

        Raises:
            StateError: the state database cannot be used.
        """
        limited = [link for link in self._rules.links.values() if link.pause_age or link.pause_size]
        if self._outbound is None or not limited:
            return
        for queue in queues(self._outbound, self._rules, self._state):
            why = _overload(queue, now)
            if why and not queue.link.paused:
                key = key_of(queue.link)
                log.warning("link_paused", link=key.address, network=key.network, why=why)
                self._state.pause_link(Pause(key, now, "auto", why))

    def _link(self, key: LinkKey) -> Link | None:
        links = self._rules.links_at(Address.parse(key.address))
        return next((link for link in links if link.network == key.network), None)


def _overload(queue: Queue, now: float) -> str:
    """Say why a link is to be paused; empty when it is not."""
    link, total = queue.link, queue.total
    if link.pause_size is not None and total.bytes > link.pause_size:
        return f"{total.bytes} bytes wait for it, and the limit is {link.pause_size}"
    if link.pause_age is not None and total.oldest is not None and now - total.oldest > link.pause_age:
        return f"mail has waited for it for {(now - total.oldest) / 86400:.1f} days"
    return ""
