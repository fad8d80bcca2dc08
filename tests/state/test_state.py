"""The state as a whole: the overview, what is wrong at the moment, housekeeping, and errors of the disk."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from tests.rules.world import NOW, make_file
from tests.state.processes import WAIT, second_process
from tosser.address import Address
from tosser.errors import StateError
from tosser.reason import FileState, Reason
from tosser.rules.answering import Answer, AnswerKind
from tosser.rules.decision import Decision, FileOutcome
from tosser.rules.hooks import Fate
from tosser.rules.scanning import NOWHERE
from tosser.rules.shipping import LinkKey, Placement
from tosser.state.answers import RobotMail
from tosser.state.commands import Carried, Command
from tosser.state.conditions import Condition
from tosser.state.holds import Hold
from tosser.state.hooks import HookCall
from tosser.state.pauses import Pause
from tosser.state.scans import ScannedMail
from tosser.state.state import DATABASE_NAME, Overview, Results, State
from tosser.state.totals import AreaTally

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LINK = LinkKey("tqwnet", "1337:1/100")
_AT = Address.parse("1337:1/100")
ANSWER = Answer(AnswerKind.PONG, "claim", 0, 0, _AT, _AT, Reason.NETMAIL, "key")
COMMAND = Command("bot", "one", b"digest", messages=1, limit=1)
OUTCOME = FileOutcome("one", FileState.TOSSED, None, "", None, None, "", 1, {})
TOSS = f"""from pathlib import Path
from tests.rules.world import NOW
from tosser.rules.decision import Decision
from tosser.rules.shipping import LinkKey, Placement
from tosser.state.state import Results, State
state = State(Path(sys.argv[1]))
entry, _ = state.commit(Decision(NOW, [], dupe_keys=[("tqwnet", "TECH", b"k" * 16)]), {{"/base": {{"count": 1}}}})
{WAIT}
state.applied(entry, Results())
{WAIT}
"""
"""Commits a decision, waits, carries it out, waits."""

CALLS: dict[str, Callable[[State], object]] = {
    "known_dupes": lambda state: state.known_dupes([b"k"]),
    "progress_of": lambda state: state.progress_of(["one"]),
    "commit": lambda state: state.commit(Decision(NOW, [make_file()]), {}),
    "locate": lambda state: state.locate(1, "/base", {"count": 1}),
    "renumber": lambda state: state.renumber(1, 2, NOW),
    "applied": lambda state: state.applied(1, Results(outcomes=[OUTCOME])),
    "open_batches": lambda state: state.open_batches(),
    "open_bases": lambda state: state.open_bases(),
    "try_again": lambda state: state.try_again(make_file()),
    "outcomes_of": lambda state: state.outcomes_of(["one"]),
    "outbound_identity": lambda state: state.outbound_identity(),
    "staged": lambda state: state.staged(LINK),
    "staged_mail": lambda state: state.staged_mail(),
    "staged_serials": lambda state: state.staged_serials(),
    "placed_paths": lambda state: state.placed_paths(),
    "bundles_in": lambda state: state.bundles_in("/out"),
    "place": lambda state: state.place(LINK, [Placement("/out/0000ff9c.mo0", (1,), "zip")], NOW),
    "take_back": lambda state: state.take_back([1]),
    "shipped": lambda state: state.shipped(LINK, {1: "0000ff9c.mo0"}, NOW),
    "packets_lost": lambda state: state.packets_lost([1]),
    "files_sent": lambda state: state.files_sent([1]),
    "pause_link": lambda state: state.pause_link(Pause(LINK, NOW, "auto", "too much waits")),
    "resume_link": lambda state: state.resume_link(LINK),
    "touch_links": lambda state: state.touch_links([LINK]),
    "paused_links": lambda state: state.paused_links(),
    "hold_link": lambda state: state.hold_link(Hold(LINK, NOW, "auto", "it sends too much")),
    "release_link": lambda state: state.release_link(LINK, NOW),
    "held_links": lambda state: state.held_links(),
    "intake_within_hour": lambda state: state.intake_within_hour([LINK], NOW),
    "next_events": lambda state: state.next_events(0, 1, ["t"]),
    "events_delivered": lambda state: state.events_delivered([1]),
    "event_refused": lambda state: state.event_refused(1, 0x87),
    "bound_outbox": lambda state: state.bound_outbox(1, NOW),
    "unpublished_totals": lambda state: state.unpublished_totals(1),
    "add_events": lambda state: state.add_events([("id", "t", b"")], NOW),
    "totals_published": lambda state: state.totals_published([("n", "t", 1)], [("n", "a", 1)]),
    "forget_published": lambda state: state.forget_published([], NOW),
    "overview": lambda state: state.overview(),
    "set_condition": lambda state: state.set_condition("toss", "x", NOW),
    "conditions": lambda state: state.conditions(),
    "last_housekeeping": lambda state: state.last_housekeeping(),
    "message_serials": lambda state: state.message_serials(1, NOW),
    "scan_position": lambda state: state.scan_position("/base"),
    "advance_scan": lambda state: state.advance_scan("/base", NOWHERE),
    "scanned": lambda state: state.scanned("/base", NOWHERE, [ScannedMail(1, "/base", 1, b"digest", b"packet")], NOW),
    "scanned_left": lambda state: state.scanned_left("/base"),
    "scanned_bases_left": lambda state: state.scanned_bases_left(),
    "scanned_done": lambda state: state.scanned_done([1]),
    "scanned_before": lambda state: state.scanned_before("/base", [b"digest"]),
    "answered_before": lambda state: state.answered_before([ANSWER], NOW),
    "next_hook_call": lambda state: state.next_hook_call("hook"),
    "end_hook_call": lambda state: state.end_hook_call(HookCall(1, "hook", "id", b"", NOW), Fate.DONE),
    "hook_failed": lambda state: state.hook_failed("hook", NOW),
    "bound_hooks": lambda state: state.bound_hooks({"hook": 1}),
    "forget_other_hooks": lambda state: state.forget_other_hooks(["hook"]),
    "file_names": lambda state: state.file_names("/in"),
    "command_answer": lambda state: state.command_answer("bot", "one"),
    "record_command": lambda state: state.record_command(COMMAND, NOW, lambda _: Carried("{}", "post-1", b"packet")),
    "waiting_commands": lambda state: state.waiting_commands(),
    "command_dropped": lambda state: state.command_dropped("post-1"),
    "count_commands": lambda state: state.count_commands({"malformed": 1}),
    "begin_hand_over": lambda state: state.begin_hand_over(),
    "end_hand_over": lambda state: state.end_hand_over(RobotMail("robot", "about", b"")),
    "find_traces": lambda state: state.find_traces([b"12345678"], None),
    "traces_since": lambda state: state.traces_since(),
    "file_entry": lambda state: state.file_entry("claim"),
    "waiting_event": lambda state: state.waiting_event("id"),
    "remembered": lambda state: state.remembered(b"key"),
    "latest_files": lambda state: state.latest_files(1),
    "keep_house": lambda state: state.keep_house({("n", "t"): 1}, 1, 1, NOW),
}
"""Every method but ``close`` and ``verify``, which are no transactions."""
LOOKING = {
    "answered_before",
    "begin_hand_over",
    "bound_hooks",
    "next_hook_call",
    "command_answer",
    "waiting_commands",
    "file_entry",
    "file_names",
    "find_traces",
    "remembered",
    "traces_since",
    "waiting_event",
    "known_dupes", "progress_of", "open_batches", "open_bases", "outcomes_of", "next_events", "unpublished_totals",
    "overview",
    "latest_files", "staged", "staged_mail", "staged_serials", "placed_paths",
    "scan_position", "scanned_left", "scanned_bases_left", "scanned_before",
    "bundles_in", "paused_links", "held_links", "intake_within_hour", "conditions", "last_housekeeping",
}  # fmt: skip
"""Those that change nothing."""


def test_every_method_is_in_the_table() -> None:
    """The following tests leave no method out."""
    methods = {name for name in vars(State) if not name.startswith("_")}
    assert methods - {"close", "verify"} == CALLS.keys()


@pytest.mark.parametrize("name", CALLS)
def test_new_state(state: State, name: str) -> None:
    """Each method works on a state that knows nothing yet; only what is about a batch there is not is refused."""
    if name in {"applied", "locate", "renumber"}:
        with pytest.raises(StateError, match="not in the journal"):
            CALLS[name](state)
    else:
        CALLS[name](state)


@pytest.mark.parametrize("name", CALLS)
def test_broken_state(tmp_path: Path, name: str) -> None:
    """Whatever SQLite says, a method raises StateError; after that the state can be closed."""
    state = State(tmp_path)
    connection = sqlite3.connect(tmp_path / DATABASE_NAME)
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    for (table,) in tables.fetchall():
        connection.execute(f"DROP TABLE {table}")
    connection.close()
    with pytest.raises(StateError, match=DATABASE_NAME):
        CALLS[name](state)
    state.close()


@pytest.mark.parametrize("name", CALLS)
def test_closed_state(tmp_path: Path, name: str) -> None:
    """A closed state says that it is closed."""
    state = State(tmp_path)
    state.close()
    with pytest.raises(StateError, match="closed"):
        CALLS[name](state)


@pytest.mark.parametrize("name", CALLS)
def test_state_for_looking(tmp_path: Path, state: State, name: str) -> None:
    """Who opened the state for looking can look, beside the daemon, and change nothing."""
    state.commit(Decision(NOW, []), {})
    looking = State(tmp_path, read_only=True)
    if name in LOOKING:
        CALLS[name](looking)
    else:
        with pytest.raises(StateError, match="readonly"):
            CALLS[name](looking)
    looking.close()
    assert len(state.open_batches()) == 1


def test_looking_beside_the_daemon(tmp_path: Path) -> None:
    """Who looks sees each step of another process once it is whole."""
    State(tmp_path).close()
    with second_process(TOSS, tmp_path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        looking = State(tmp_path, read_only=True)
        assert [batch.positions for batch in looking.open_batches()] == [{"/base": {"count": 1}}]
        assert looking.known_dupes([b"k" * 16]) == {b"k" * 16}
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ready\n"
        assert looking.open_batches() == []
        looking.close()


def test_killed_between_two_steps(tmp_path: Path) -> None:
    """A process that is killed after its decision leaves it in the journal, with its keys known."""
    with second_process(TOSS, tmp_path) as process:
        process.kill()
    state = State(tmp_path)
    (batch,) = state.open_batches()
    assert state.known_dupes([b"k" * 16]) == {b"k" * 16}
    state.applied(batch.id, Results(areas=[AreaTally("tqwnet", "TECH", stored=1)]))
    assert [area.stored for area in state.overview().areas] == [1]
    state.close()


def test_overview_of_nothing(state: State) -> None:
    """A new state has nothing to tell."""
    assert state.overview() == Overview([], [], {}, 0, None, [], 0, 0, [], [])


def test_conditions(state: State) -> None:
    """What is wrong is told with the moment it began, until it is well again."""
    state.set_condition("toss", "the disk is full", 10.0)
    state.set_condition("broker", "no connection", 5.0)
    state.set_condition("toss", "the base is locked", 20.0)
    assert state.overview().conditions == [
        Condition("broker", "no connection", 5.0, 5.0),
        Condition("toss", "the base is locked", 10.0, 20.0),
    ]
    state.set_condition("toss", "", 30.0)
    state.set_condition("inbound", "", 30.0)
    assert [condition.subject for condition in state.overview().conditions] == ["broker"]
    state.set_condition("toss", "again", 40.0)
    assert state.overview().conditions[-1] == Condition("toss", "again", 40.0, 40.0)


def test_housekeeping_leaves_work_alone(state: State) -> None:
    """However old, what is still to be done stays: open batches, open files, waiting events, what is wrong."""
    state.commit(Decision(1.0, [make_file()], dupe_keys=[("tqwnet", "TECH", b"k" * 16)]), {})
    state.add_events([("id", "topic", b"{}")], 1.0)
    state.set_condition("toss", "wrong", 1.0)
    assert state.keep_house({}, default=1, ledger_days=1, now=NOW) == 1
    overview = state.overview()
    assert (overview.open_batches, overview.open_files, overview.outbox_events) == (1, 1, 1)
    assert overview.conditions == [Condition("toss", "wrong", 1.0, 1.0)]
