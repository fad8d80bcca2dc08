"""The state as the publisher needs it: totals become retained events here, when they are published and not before."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.address import Address
from tosser.daemon.conditions import told
from tosser.errors import AddressError, StoreError
from tosser.events.states import LastFile, LastMessage, area_state_event, link_state_event
from tosser.events.topics import Kind, Topic
from tosser.reason import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from tosser.daemon.sending import Standing
    from tosser.events.event import Event, Node
    from tosser.state.outbox import StoredEvent
    from tosser.state.state import State
    from tosser.state.totals import AreaTotals, LinkTotals


class StateOfTopic(Struct, frozen=True):
    """A retained event whose present version the broker does not have."""

    topic: str
    payload: bytes
    version: int


class StateOutbox:
    """Implements `tosser.events.outbox.Outbox` on the state database.

    Args:
        state: the database.
        node: who speaks.
        standing: tells what waits for a link, and whether it is paused, by its network and its address.
    """

    def __init__(self, state: State, node: Node, standing: Callable[[str, Address], Standing]) -> None:
        self._state = state
        self._node = node
        self._standing = standing

    async def next_events(self, after: int, limit: int, skip_topics: Collection[str]) -> Sequence[StoredEvent]:
        """List waiting events in order."""
        return await asyncio.to_thread(self._state.next_events, after, limit, skip_topics)

    async def delivered(self, seqs: Sequence[int]) -> None:
        """Forget events the broker has."""
        await asyncio.to_thread(self._state.events_delivered, seqs)

    async def refused(self, seq: int, code: int, name: str) -> None:  # noqa: ARG002 - the code says it all
        """Note that the broker said no to an event."""
        await asyncio.to_thread(self._state.event_refused, seq, code)

    async def next_states(self, limit: int, skip_topics: Collection[str]) -> Sequence[StateOfTopic]:
        """List states of which the broker does not have the present version."""
        return await asyncio.to_thread(self._next_states, limit, skip_topics)

    def _next_states(self, limit: int, skip_topics: Collection[str]) -> list[StateOfTopic]:
        areas, links = self._state.unpublished_totals(limit + len(skip_topics))
        events = [(self._area(area), area.version) for area in areas if area.network]
        events += [(event, link.version) for link in links if (event := self._link(link)) is not None]
        rows = [StateOfTopic(event.topic, event.payload, version) for event, version in events]
        return [row for row in rows if row.topic not in skip_topics][:limit]

    async def states_published(self, versions: Sequence[tuple[str, int]]) -> None:
        """Note which version of each topic the broker has."""
        areas: list[tuple[str, str, int]] = []
        links: list[tuple[str, str, int]] = []
        for text, version in versions:
            topic = Topic.parse(text, self._node.prefix)
            if topic.kind is Kind.AREA_STATE:
                areas.append((topic.network, topic.tag, version))
            elif topic.address is not None:
                links.append((topic.network, str(topic.address), version))
        await asyncio.to_thread(self._state.totals_published, areas, links)

    async def forget_published(self) -> None:
        """Forget which states the broker has, and tell again what is wrong."""
        await asyncio.to_thread(self._forget_published)

    def _forget_published(self) -> None:
        present = [told(self._node, condition, active=True) for condition in self._state.conditions()]
        self._state.forget_published(present, time.time())

    def _area(self, area: AreaTotals) -> Event:
        last = area.last
        return area_state_event(
            self._node,
            id=f"area/{area.network}/{area.tag}/{area.version}",
            time=area.last_at or time.time(),
            network=area.network,
            area=area.tag,
            totals={"stored": area.stored, Reason.DUPLICATE.value: area.duplicates},
            last=LastMessage(
                last["number"], last["from"], last["to"], last["subject"], last["msgid"], area.last_at or 0.0
            )
            if last
            else None,
        )

    def _link(self, link: LinkTotals) -> Event | None:
        """Make the event of a link; none while nobody can tell how it stands."""
        try:
            address = Address.parse(link.address)
            standing = self._standing(link.network, address)
        except (AddressError, OSError, StoreError):
            return None
        sent = LastFile(link.last_out_file, link.last_out) if link.last_out_file and link.last_out else None
        received = LastFile(link.last_file, link.last_in) if link.last_file and link.last_in else None
        return link_state_event(
            self._node, id=f"link/{link.network}/{link.address}/{link.version}", time=link.last_in or time.time(),
            network=link.network, link=address, received=received, sent=sent, packets=link.packets,
            messages=link.messages, backlog_files=standing.files, backlog_bytes=standing.bytes, paused=standing.paused,
            held=standing.held,
        )  # fmt: skip
