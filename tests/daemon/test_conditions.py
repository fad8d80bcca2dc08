"""Conditions between the daemon, a database that comes and goes, and the outbox."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from tests.daemon.inside import parts_of
from tosser.daemon.conditions import STATE, Conditions
from tosser.daemon.metrics import StateCollector
from tosser.daemon.outbox import StateOutbox
from tosser.daemon.sending import Standing
from tosser.errors import StateError
from tosser.events.event import Node as Speaker
from tosser.outbound.ship import ShipReport
from tosser.state.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.peers.daemon import Node

NODE = Speaker("ftn", "ftn://tqwnet/1337:1/200")


class Fragile(State):
    """A database that can be broken and repaired."""

    broken = ""

    def set_condition(self, *arguments: Any, **named: Any) -> bool:  # noqa: ANN401 - as the original
        """Note it, or fail."""
        if self.broken:
            raise StateError(self.broken)
        return super().set_condition(*arguments, **named)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Fragile]:
    """An empty state."""
    made = Fragile(tmp_path)
    yield made
    made.close()


def events(state: State) -> list[tuple[str, bool, str]]:
    """List the events in the outbox: topic, whether it is so, the sentence."""
    found = state.next_events(0, 100)
    assert all(event.retain for event in found)
    data = [json.loads(event.payload)["data"] for event in found]
    return [(event.topic, each["active"], each["text"]) for event, each in zip(found, data, strict=True)]


def test_each_change_is_one_event(state: Fragile) -> None:
    """What begins, changes and ends is told, once each; what is well and stays so is not."""
    conditions = Conditions(state, NODE)
    with capture_logs() as logs:
        for text in ("", "full", "full", "fuller", "", ""):
            conditions.say({"hold of 1337:1/100 in tqwnet": text})
    topic = "ftn/condition/hold of 1337:1%2F100 in tqwnet"
    assert events(state) == [(topic, True, "full"), (topic, True, "fuller"), (topic, False, "fuller")]
    assert [line["event"] for line in logs] == ["condition", "condition", "condition_ended"]
    first, second, third = (json.loads(event.payload)["data"] for event in state.next_events(0, 9))
    assert first["since"] == second["since"] == third["since"]
    assert third["ended"] is not None


def test_what_an_earlier_life_left(state: Fragile) -> None:
    """A condition of an earlier process goes on without another event, and its end is told."""
    Conditions(state, NODE).say({"toss": "stopped", "inbound": "gone"})
    again = Conditions(state, NODE)
    again.say({"toss": "stopped", "inbound": ""})
    assert [event[:2] for event in events(state)] == [
        ("ftn/condition/toss", True), ("ftn/condition/inbound", True), ("ftn/condition/inbound", False),
    ]  # fmt: skip


def test_a_database_that_cannot_be_written(state: Fragile) -> None:
    """Meanwhile others hear of it; afterwards all that happened follows, in order, the trouble itself included."""
    told: list[str] = []
    conditions = Conditions(state, NODE, told.append)
    conditions.say({"toss": "", "space": "little room"})
    state.broken = "disk full"
    conditions.say({"toss": "stopped"})
    conditions.say({"toss": "stopped by something else"})
    conditions.say({"toss": "stopped by something else", "space": ""})
    assert conditions.present == {"toss": "stopped by something else", "space": "", STATE: "disk full"}
    assert set(told) == {"disk full"}
    state.broken = ""
    conditions.say({})
    assert told[-1] == ""
    assert events(state) == [
        ("ftn/condition/space", True, "little room"),
        ("ftn/condition/toss", True, "stopped"),
        ("ftn/condition/state", True, "disk full"),
        ("ftn/condition/toss", True, "stopped by something else"),
        ("ftn/condition/space", False, "little room"),
        ("ftn/condition/state", False, "disk full"),
    ]
    assert [condition.subject for condition in state.conditions()] == ["toss"]


def test_a_sentence_that_nobody_heard_of(state: Fragile) -> None:
    """While nothing can be written, only the last of several sentences in a row about a subject is kept."""
    conditions = Conditions(state, NODE)
    state.broken = "disk full"
    for number in range(5):
        conditions.say({STATE: f"{number}"})
    state.broken = ""
    conditions.say({})
    assert len(events(state)) <= 3


def test_a_new_connection_hears_of_it_again(state: Fragile) -> None:
    """What is wrong is told again on each connection, with the same id, unless it still waits for the broker."""

    async def run() -> None:
        outbox = StateOutbox(state, NODE, lambda _network, _address: Standing())
        await outbox.forget_published()
        assert len(state.next_events(0, 9)) == 1
        (event,) = state.next_events(0, 9)
        await outbox.delivered([event.seq])
        await outbox.forget_published()
        (again,) = state.next_events(0, 9)
        assert (again.id, again.topic, again.payload, again.retain) == (event.id, event.topic, event.payload, True)

    Conditions(state, NODE).say({"toss": "stopped"})
    asyncio.run(run())


def test_without_a_broker(state: Fragile) -> None:
    """Without a broker conditions are noted, and no event is made."""
    conditions = Conditions(state, None)
    conditions.say({"toss": "stopped"})
    assert state.next_events(0, 9) == []
    assert [condition.text for condition in state.conditions()] == ["stopped"]
    conditions.speak_as(NODE)
    conditions.say({"toss": ""})
    assert len(state.next_events(0, 9)) == 1


def test_the_names_of_bundles(system: Node) -> None:
    """That the names of a day are used up is a condition, and ends with the first bundle that has an ordinary name."""
    subject = "bundle names of 1337:1/100@tqwnet"
    with parts_of(system) as parts:
        (link,) = parts.rules.links.values()
        parts.sending._tell_names(link, ShipReport(names_used_up=True))
        assert parts.conditions.present[subject].startswith("all 36 names of the day are in use")
        parts.sending._tell_names(link, ShipReport())
        assert parts.conditions.present[subject] == ""


def test_figures_without_a_database(tmp_path: Path) -> None:
    """A scrape that cannot read the database still tells what is wrong, and whether the broker is there."""
    collector = StateCollector(
        tmp_path, present=lambda: {STATE: "locked", "toss": ""}, connected=lambda: True, waiting=lambda: 7.0
    )
    samples = {(s.name, *s.labels.values()): s.value for family in collector.collect() for s in family.samples}
    assert samples == {
        ("tosser_broker_connected",): 1.0, ("tosser_inbound_oldest_seconds",): 7.0, ("tosser_condition", STATE): 1.0,
    }  # fmt: skip
