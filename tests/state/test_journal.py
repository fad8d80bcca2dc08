"""Decisions are recorded whole or not at all, come back as they were, and are carried out once."""

from __future__ import annotations

import copy
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from tests.rules.world import NOW, decide_batch, echo, make_batch, make_file, make_piece, make_pieces, usual_rules
from tosser.errors import StateError
from tosser.reason import FileState
from tosser.rules.decision import Decision
from tosser.rules.plan import draw_up
from tosser.state.state import DATABASE_NAME, Results, State
from tosser.state.totals import AreaTally, LinkTally

if TYPE_CHECKING:
    from pathlib import Path

RULES = usual_rules()
LARGE: dict[str, Any] = {"size": "large"}
MANY: dict[str, Any] = {"packets": "many"}
STORED: dict[str, Any] = {"stored": "many"}
"""What no table takes for a number."""
POSITIONS = {"/bases/tqw_tech": {"count": 7, "jhr": 2**40}, "": {}}


def decide_on(claim: str = "one", *areas: str) -> Decision:
    """Decide on a packet with a message for each area."""
    raw = [echo(area, number) for number, area in enumerate(areas or ("TQW_TECH",))]
    return decide_batch(make_batch([make_piece(raw, claim=claim)]), RULES)


def results(decision: Decision) -> Results:
    """Something to record of everything that can be recorded."""
    return Results(
        outcomes=decision.outcomes,
        events=[("id/1", "ftn/x", b"{}"), ("id/2", "ftn/y", b"{}")],
        areas=[AreaTally("tqwnet", "TQW_TECH", stored=1, last_at=NOW, last={"number": 1})],
        links=[LinkTally("1337:1/100", "tqwnet", packets=1, messages=1, last_in=NOW, last_file="one.pkt")],
        counters={"message.accepted": 1},
        finished=NOW,
    )


def contents(state: State) -> dict[str, list[Any]]:
    """Everything in every table, except rows that say nothing."""

    def read(connection: sqlite3.Connection) -> dict[str, list[Any]]:
        names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for (name,) in names.fetchall()}  # noqa: S608 - names of tables

    return state._database.call(read)


# --- there and back


def test_open_batches_come_back(tmp_path: Path) -> None:
    """What was decided and not carried out is there after a restart, word for word, oldest first."""
    first = State(tmp_path)
    decisions = [decide_on("one", "TQW_TECH", "NO_SUCH", "TQW_GEN"), decide_on("two"), Decision(NOW, [])]
    entries = [
        first.commit(decision, positions)[0] for decision, positions in zip(decisions, (POSITIONS, {}, {}), strict=True)
    ]
    first.close()
    second = State(tmp_path)
    found = second.open_batches()
    assert [batch.id for batch in found] == entries == sorted(entries)
    assert [batch.positions for batch in found] == [POSITIONS, {}, {}]
    assert second.open_bases() == {"/bases/tqw_tech"}
    for decision in decisions:
        decision.dupe_keys.clear()
        decision.trace_keys = b""
    assert [batch.decision for batch in found] == decisions
    second.close()


def test_recorded_decision_gives_the_same_plan(state: State) -> None:
    """A plan drawn up from the journal and the input read again is the plan that was made first."""
    raw = [echo(area, number) for number, area in enumerate(("TQW_TECH", "NO_SUCH", "PASSED_ON", "TQW_TECH", "PAUSED"))]
    pieces = [make_pieces(raw, 2), make_pieces(raw, 2)]
    decision = decide_batch(make_batch(pieces[0]), RULES)
    state.commit(decision, {})
    (batch,) = state.open_batches()
    before, after = (
        {
            target: [entry.message for entry in entries]
            for target, entries in draw_up(read, taken, RULES).appends.items()
        }
        for read, taken in ((pieces[0], decision), (pieces[1], batch.decision))
    )
    assert list(before) == list(after)
    assert before == after


def test_dupe_keys_are_known_with_the_decision(state: State) -> None:
    """From the moment a decision is durable its messages are known."""
    decision = decide_on("one", "TQW_TECH", "TQW_GEN")
    keys = {key for _, _, key in decision.dupe_keys}
    assert state.known_dupes(keys) == set()
    state.commit(decision, {})
    assert state.known_dupes(keys) == keys
    again = decide_batch(make_batch([make_piece([echo(number=0)])]), RULES, state.known_dupes(keys))
    assert again.outcomes[0].state is FileState.DUPLICATE


def test_carried_out(state: State) -> None:
    """A decision that was carried out is no longer in the journal, and its results are where they belong."""
    decision = decide_on()
    entry, _ = state.commit(decision, POSITIONS)
    state.applied(entry, results(decision))
    assert state.open_batches() == []
    overview = state.overview()
    assert (overview.open_batches, overview.open_files, overview.outbox_events) == (0, 0, 2)
    assert overview.counters == {"message.accepted": 1}
    assert state.outcomes_of(["one"])["one"].state is FileState.TOSSED
    assert [event.id for event in state.next_events(0, 10)] == ["id/1", "id/2"]


def test_numbers_are_never_given_again(tmp_path: Path) -> None:
    """The id of a batch is not that of an earlier one, also after a restart with an empty journal."""
    entries = []
    for claim in ("one", "two"):
        state = State(tmp_path)
        decision = decide_on(claim)
        entries.append(state.commit(decision, {})[0])
        state.applied(entries[-1], results(decision))
        state.close()
    assert entries[0] < entries[1]


# --- whole or not at all


@pytest.mark.parametrize(
    "breaks",
    [
        {"positions": {"/bases/x": {"count": object()}}},
        {"dupe_keys": [("tqwnet", "TQW_TECH", b"k" * 16), ("tqwnet", "TQW_TECH", "no bytes")]},
        {"files": [make_file("one"), replace(make_file("two"), **LARGE)]},
    ],
    ids=["positions", "dupe keys", "files"],
)
def test_commit_whole_or_not_at_all(state: State, breaks: dict[str, Any]) -> None:
    """If any part of a decision cannot be recorded, none is, and the next decision can be."""
    before = contents(state)
    decision = decide_on()
    broken = copy.copy(decision)
    for name in breaks.keys() & {"dupe_keys", "files"}:
        setattr(broken, name, breaks[name])
    with pytest.raises((StateError, TypeError)):
        state.commit(broken, breaks.get("positions", {}))
    assert contents(state) == before
    state.commit(decision, {})
    assert len(state.open_batches()) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("outcomes", [replace(decide_on().outcomes[0], **MANY)]),
        ("events", [("id/1", "ftn/x", b"{}"), ("id/2", "ftn/x", "no bytes")]),
        ("areas", [replace(AreaTally("tqwnet", "TQW_TECH"), **STORED)]),
        ("links", [replace(LinkTally("1337:1/100", "tqwnet"), **MANY)]),
        ("counters", {"message.accepted": "many"}),
    ],
)
def test_results_whole_or_not_at_all(state: State, name: str, value: Any) -> None:  # noqa: ANN401 - of many types
    """If any part of the results cannot be recorded, the batch stays open and nothing is counted."""
    decision = decide_on()
    entry, _ = state.commit(decision, POSITIONS)
    before = contents(state)
    broken = results(decision)
    setattr(broken, name, value)
    with pytest.raises(StateError):
        state.applied(entry, broken)
    assert contents(state) == before
    state.applied(entry, results(decision))
    assert state.open_batches() == []


@pytest.mark.parametrize(
    "statement", ["DELETE FROM batches", "INSERT INTO outbox", "UPDATE files", "INSERT INTO areas"]
)
def test_failure_at_each_step(state: State, statement: str) -> None:
    """Wherever the recording of results fails, nothing of it remains."""
    decision = decide_on()
    entry, _ = state.commit(decision, POSITIONS)
    before = contents(state)
    kind, table = statement.split(maxsplit=1)[0], statement.rsplit(maxsplit=1)[-1]
    trigger = f"CREATE TRIGGER fail BEFORE {kind} ON {table} BEGIN SELECT raise(ABORT, 'the disk is full'); END"
    state._database.call(sqlite3.Connection.execute, trigger)
    with pytest.raises(StateError, match="the disk is full"):
        state.applied(entry, results(decision))
    state._database.call(sqlite3.Connection.execute, "DROP TRIGGER fail")
    assert contents(state) == before


def test_results_are_recorded_once(state: State) -> None:
    """Results that were recorded before are refused, so that nothing is counted or told twice."""
    decision = decide_on()
    entry, _ = state.commit(decision, {})
    state.applied(entry, results(decision))
    before = contents(state)
    with pytest.raises(StateError, match=f"batch {entry} is not in the journal"):
        state.applied(entry, results(decision))
    assert contents(state) == before


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"decided": "soon", "files": []}'])
def test_unreadable_journal(tmp_path: Path, text: str) -> None:
    """A journal entry that is not one is told in a sentence, and stays."""
    state = State(tmp_path)
    entry, _ = state.commit(decide_on(), {})
    connection = sqlite3.connect(tmp_path / DATABASE_NAME)
    connection.execute("UPDATE batches SET decision = ?", (text,))
    connection.commit()
    connection.close()
    with pytest.raises(StateError, match=f"batch {entry} in the journal is not what this version"):
        state.open_batches()
    assert state.overview().open_batches == 1
    state.close()
