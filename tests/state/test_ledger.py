"""The inbound ledger: attempts, progress, outcomes."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.corpus import HUB
from tests.rules.world import NOW, make_file
from tosser.errors import StateError
from tosser.reason import FileState, Reason
from tosser.rules.decision import Decision, FileOutcome, FileProgress, SetAside
from tosser.rules.network import InboundClass
from tosser.state.state import DATABASE_NAME, Results

if TYPE_CHECKING:
    from pathlib import Path

    from tosser.state.state import State

DAY = 86400
ASIDE = SetAside("one", 3, "a\xfc.pkt", FileState.UNCLAIMED, Reason.UNKNOWN_SENDER, "who?", 7, HUB, tossed=True)
PROGRESS = [
    FileProgress(),
    FileProgress(2, 3000, {"accepted": 2999, "duplicate": 1}, None, HUB),
    FileProgress(0, 1, {}, ASIDE, None),
]


def outcome(claim: str = "one", state: FileState = FileState.TOSSED) -> FileOutcome:
    """The end of a file."""
    return FileOutcome(claim, state, None, "", None, HUB, "ab" * 32, 1, {"accepted": 2})


def finish(state: State, *outcomes: FileOutcome, finished: float = NOW) -> None:
    """Decide on files and end them at once."""
    files = [make_file(each.claim) for each in outcomes]
    entry, _ = state.commit(Decision(NOW, files, outcomes=list(outcomes)), {})
    state.applied(entry, Results(outcomes=outcomes, finished=finished))


# --- attempts


def test_attempts_are_counted(state: State) -> None:
    """Each attempt at a file without a verdict counts, for each file by itself."""
    assert [state.try_again(make_file()) for _ in range(3)] == [1, 2, 3]
    assert state.try_again(make_file("two")) == 1
    assert state.overview().open_files == 2


def test_a_decision_ends_the_count(state: State) -> None:
    """Once something was decided about a file, its attempts begin anew."""
    for _ in range(3):
        state.try_again(make_file())
    state.commit(Decision(NOW, [make_file()], progress={"one": FileProgress(0, 5)}), {})
    assert state.try_again(make_file()) == 1
    assert state.progress_of(["one"]) == {"one": FileProgress(0, 5)}


# --- progress


@pytest.mark.parametrize("progress", PROGRESS)
def test_progress_comes_back(state: State, progress: FileProgress) -> None:
    """Where a file stands is remembered in every detail."""
    state.commit(Decision(NOW, [make_file()], progress={"one": progress}), {})
    assert state.progress_of(["two", "one"]) == {"one": progress}


def test_progress_goes_on_and_ends(state: State) -> None:
    """The latest progress counts, and none when the file has ended."""
    for member in (1, 2):
        state.commit(Decision(NOW, [make_file()], progress={"one": FileProgress(member)}), {})
        assert state.progress_of(["one"])["one"].member == member
    finish(state, outcome())
    assert state.progress_of(["one"]) == {}


@pytest.mark.parametrize("text", ["{", '{"member": "x"}', "[]"])
def test_unreadable_progress(tmp_path: Path, state: State, text: str) -> None:
    """Progress that is none is told in a sentence that names the file."""
    state.commit(Decision(NOW, [make_file()], progress={"one": FileProgress()}), {})
    connection = sqlite3.connect(tmp_path / DATABASE_NAME)
    connection.execute("UPDATE files SET progress = ?", (text,))
    connection.commit()
    connection.close()
    with pytest.raises(StateError, match="progress of file one"):
        state.progress_of(["one"])


# --- outcomes

OUTCOMES = [
    outcome(),
    replace(outcome(), state=FileState.EMPTY, counts={}, sender=None, packets=0, digest=""),
    FileOutcome("one", FileState.QUARANTINED, Reason.DAMAGED, "what", 2**33, HUB, "cd" * 32, 2, {}, kept=True),
    FileOutcome("one", FileState.NTU, Reason.NOT_FOR_US, "addressed elsewhere", None, HUB, "cd" * 32, 1, {}, kept=True),
    FileOutcome("one", FileState.TOSSED, Reason.TRUNCATED, "what", 0, HUB, "ef" * 32, 9, {"loop": 1, "netmail": 3}),
]


@pytest.mark.parametrize("ended", OUTCOMES)
def test_outcome_comes_back(state: State, ended: FileOutcome) -> None:
    """How a file ended is remembered in every detail."""
    finish(state, ended)
    assert state.outcomes_of(["zero", "one", "two"]) == {"one": ended}
    found = state.outcomes_of(["one"])["one"]
    assert (type(found.state), found.kept, found.kept_as) == (FileState, ended.kept, ended.kept_as)


def test_open_files_have_no_outcome(state: State) -> None:
    """A file that is decided on but not carried out has not ended."""
    state.commit(Decision(NOW, [make_file()], outcomes=[outcome()]), {})
    assert state.outcomes_of(["one"]) == {}
    assert state.latest_files(9) == []
    assert state.overview().open_files == 1


def test_latest_files(state: State) -> None:
    """The files that finished last come first, with all that is known of them."""
    for number, claim in enumerate(("one", "two", "three")):
        finish(state, outcome(claim), finished=NOW + number)
    finish(state, OUTCOMES[2], finished=NOW + 9)
    assert [entry.claim for entry in state.latest_files(9)] == ["one", "three", "two"]
    (entry,) = state.latest_files(1)
    file = make_file()
    assert (entry.name, entry.inbound, entry.cls, entry.size, entry.arrived) == (
        file.name, "/in", InboundClass.SECURE, file.size, file.arrived,
    )  # fmt: skip
    assert (entry.state, entry.reason, entry.what, entry.offset) == ("quarantined", "damaged", "what", 2**33)
    assert (entry.sender, entry.digest, entry.packets, entry.attempts) == (HUB, "cd" * 32, 2, 0)
    assert (entry.finished, entry.counts) == (NOW + 9, {})


def test_ledger_is_pruned(state: State) -> None:
    """Lines of files that finished long ago go; those of open files stay for as long as it takes."""
    finish(state, outcome("old"), finished=NOW - 90 * DAY - 1)
    finish(state, outcome("new"), finished=NOW - 90 * DAY)
    state.try_again(make_file("open"))
    state.keep_house({}, 0, ledger_days=90, now=NOW)
    assert [entry.claim for entry in state.latest_files(9)] == ["new"]
    assert state.overview().open_files == 1


def test_names_of_all_kinds(state: State) -> None:
    """Names and sentences may have any characters."""
    odd = replace(make_file(), name="'; DROP TABLE files; --\n\u20ac\\xff", inbound="/in/\u0416")
    ended = replace(OUTCOMES[2], what='"quoted" \u2028 and 100%')
    entry, _ = state.commit(Decision(NOW, [odd], outcomes=[ended]), {})
    assert state.open_batches()[0].decision.files == [odd]
    state.applied(entry, Results(outcomes=[ended], finished=NOW))
    (line,) = state.latest_files(1)
    assert (line.name, line.inbound, line.what) == (odd.name, odd.inbound, ended.what)
