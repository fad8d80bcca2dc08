from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from tosser.address import Address
from tosser.daemon.outbox import StateOutbox
from tosser.daemon.sending import Standing
from tosser.events.event import Node, source_of
from tosser.rules.decision import Decision
from tosser.state.state import Results, State
from tosser.state.totals import AreaTally, LinkTally

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NODE = Node("ftn", source_of(Address(1337, 1, 200, domain="tqwnet")))
LAST = {"number": 7, "from": "Ada", "to": "All", "subject": "Hello", "msgid": None}
AREA, LINK = "ftn/tqwnet/area/TQW_GEN/state", "ftn/tqwnet/link/f100.n1.z1337/state"


def _two_wait(network: str, address: Address) -> Standing:
    """Tell of two files for the paused link."""
    assert (network, str(address)) == ("tqwnet", "1337:1/100")
    return Standing(files=2, bytes=4711, paused=True)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    """An empty state."""
    made = State(tmp_path)
    yield made
    made.close()


def record(state: State, *, areas: list[AreaTally] | None = None, links: list[LinkTally] | None = None) -> None:
    """Carry out a batch that came to these totals."""
    entry, _ = state.commit(Decision(0.0, []), {})
    state.applied(entry, Results(areas=areas or [], links=links or [], finished=1.0))


def totals(state: State) -> None:
    """Note an area and a link."""
    area = AreaTally("tqwnet", "TQW_GEN", stored=3, duplicates=1, last_at=1_794_571_200.0, last=LAST)
    link = LinkTally("1337:1/100", "tqwnet")
    link.packets, link.messages, link.last_in, link.last_file = 1, 4, 1_794_571_200.0, "0000fff4.pkt"
    record(state, areas=[area], links=[link])


def test_totals_become_events_until_the_broker_has_them(state: State) -> None:
    """Each change of totals is due once, in its present version, unless its topic is held back."""

    async def run() -> None:
        outbox = StateOutbox(state, NODE, _two_wait)
        assert await outbox.next_states(10, ()) == []
        await asyncio.to_thread(totals, state)
        due = await outbox.next_states(10, ())
        assert [each.topic for each in due] == [AREA, LINK]
        area, link = (json.loads(each.payload)["data"] for each in due)
        assert area["totals"] == {"stored": 3, "duplicate": 1}
        assert (area["last"]["subject"], area["last"]["time"]) == ("Hello", "2026-11-13T12:00:00.000Z")
        assert (link["received"]["name"], link["sent"], link["messages"]) == ("0000fff4.pkt", None, 4)
        assert (link["backlog"], link["paused"]) == ({"files": 2, "bytes": 4711}, True)
        assert [each.topic for each in await outbox.next_states(10, (AREA,))] == [LINK]
        assert [each.topic for each in await outbox.next_states(1, ())] == [AREA]

        await outbox.states_published([(each.topic, each.version) for each in due])
        assert await outbox.next_states(10, ()) == []
        await outbox.forget_published()
        assert [each.topic for each in await outbox.next_states(10, ())] == [AREA, LINK]

    asyncio.run(run())


def test_a_change_meanwhile_is_due_again(state: State) -> None:
    """What changed between sending and acknowledging is sent again."""

    async def run() -> None:
        outbox = StateOutbox(state, NODE, _two_wait)
        await asyncio.to_thread(totals, state)
        due = await outbox.next_states(10, ())
        await asyncio.to_thread(totals, state)
        await outbox.states_published([(each.topic, each.version) for each in due])
        again = await outbox.next_states(10, ())
        assert [each.topic for each in again] == [AREA, LINK]
        assert json.loads(again[0].payload)["data"]["totals"]["stored"] == 6
        assert again[0].version > due[0].version

    asyncio.run(run())


def test_what_has_no_topic_is_passed_over(state: State) -> None:
    """Netmail has no area, and a link whose address cannot be read has no topic: neither is told nor in the way."""

    async def run() -> None:
        netmail = AreaTally("", "", stored=1, last_at=1.0, last=LAST)
        await asyncio.to_thread(record, state, areas=[netmail], links=[LinkTally("unreadable", "tqwnet")])
        outbox = StateOutbox(state, NODE, _two_wait)
        assert await outbox.next_states(10, ()) == []
        await outbox.states_published([("ftn/status", 1)])

    asyncio.run(run())
