"""The benchmark itself: its arithmetic, its accounts, and a case of each kind with tiny numbers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.bench.__main__ import main, verdicts
from tests.bench.cases import CASES, TARGETS, Target
from tests.bench.daemons import Events
from tests.bench.figures import Series, percentile, ratios
from tests.bench.mail import Post
from tests.bench.measure import BenchError, Usage, calls_in
from tests.bench.outcome import CRASHMAIL, DISK, TOSSER, Bench, Outcome, Row, table
from tests.bench.packets import count_messages
from tests.bench.race import Entry, Race
from tests.bench.systems import CrashmailSystem, Tosser
from tests.corpus import DOWNLINKS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FOR_TWO = DOWNLINKS[:2]


def row(label: str, *seconds: float) -> Row:
    """Make the runs of a contestant that worked through 100 messages each time."""
    return Row(label, 100, tuple(Usage(taken, 1.0, 0.5, 2**20, 1000) for taken in seconds))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """One run of everything."""
    return Bench(tmp_path, Post(tmp_path / "mail"), 1)


@pytest.mark.parametrize(
    ("values", "median", "spread"),
    [((3.0,), 3.0, 0.0), ((4.0, 1.0, 2.0), 2.0, 1.5), ((1.0, 2.0, 3.0, 6.0), 2.5, 2.0), ((0.0, 0.0), 0.0, 0.0)],
)
def test_medians_and_spread(values: tuple[float, ...], median: float, spread: float) -> None:
    """The median is the middle value or the mean of two, the spread is the range as a share of it."""
    series = Series(values)

    assert (series.median, series.spread) == (median, spread)
    assert (series.low, series.high) == (min(values), max(values))


def test_ratios_are_taken_round_by_round() -> None:
    """A slow round that slows both does not show in their ratio."""
    assert ratios([2.0, 20.0, 6.0], [1.0, 10.0, 2.0]).values == (2.0, 2.0, 3.0)


def test_rounds_must_pair_up() -> None:
    """Ratios of unequal numbers of runs would compare different rounds."""
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        ratios([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="needs a measurement"):
        ratios([], [])


@pytest.mark.parametrize(("percent", "expected"), [(0, 1), (1, 1), (50, 50), (99, 99), (99.5, 100), (100, 100)])
def test_percentiles(percent: float, expected: float) -> None:
    """A percentile is one of the values: the smallest that so many per cent of them do not exceed."""
    assert percentile(range(100, 0, -1), percent) == expected


@pytest.mark.parametrize(("values", "percent"), [((), 50), ((1.0,), -1), ((1.0,), 101)])
def test_percentiles_of_nothing(values: tuple[float, ...], percent: float) -> None:
    """No values, and no percentage, have no percentile."""
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, percent)


def test_syncs_are_added_up() -> None:
    """Calls of all kinds of sync count, with and without errors; the total of the summary does not."""
    summary = """\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 85.50    0.007500         187        40           fsync
 14.50    0.001200         600         2         1 fdatasync
------ ----------- ----------- --------- --------- ----------------
100.00    0.008700         207        42         1 total
"""

    assert calls_in(summary) == 42
    assert calls_in("") == 0


def test_outcomes_are_held_against_the_targets() -> None:
    """Each target whose case was measured is met or not; the limit itself is good enough, both ways."""
    imported = Outcome("import", "", [row(CRASHMAIL, 1.2, 2.4), row(TOSSER, 1.0, 2.0)])
    delays = Outcome("latency", "", figures={"median, ms": 50.0, "p99, ms": 200.1})

    found = {work: verdict for work, _, _, verdict in verdicts({"import": imported, "latency": delays})}

    assert found == {
        "import, 50,000 messages": "met",
        "rename to event, median": "met",
        "rename to event, p99": "NOT MET",
    }


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.work)
def test_every_target_is_measured(target: Target) -> None:
    """The case of a target exists, and has what the target looks at."""
    case = next(case for case in CASES if case.name == target.case)
    rows = [row(entry.label, 1.0) for entry in case.entries] if isinstance(case, Race) else [row(TOSSER, 1.0)]
    rows += [row(DISK, 1.0)] if isinstance(case, Race) and case.disk else []
    figures = {"median, ms": 1.0, "p99, ms": 1.0, "median, s": 1.0}

    assert target.measured(Outcome(case.name, case.title, rows, figures)) > 0


def test_tables_are_aligned() -> None:
    """Names stand to the left, numbers to the right."""
    assert table(("", "s"), [("a", "10.0"), ("bcd", "1.0")]) == ["          s", "  a    10.0", "  bcd   1.0"]


def test_mail_is_what_it_says(bench: Bench) -> None:
    """Packets, bundles, one packet and prefilling hold the number of messages they state."""
    post = bench.post
    for mail in (post.packets(30, per_packet=10), post.bundles(30), post.one_packet(30), post.prefill(30)):
        assert sum(map(count_messages, mail.files)) == mail.messages == mail.distinct == 30
    assert len(post.single_messages(3).files) == 3


def test_mail_is_the_same_every_time(tmp_path: Path) -> None:
    """Two generators write the same bytes; another seed writes others."""
    first, again = (Post(tmp_path / name).packets(10).files[0].read_bytes() for name in ("a", "b"))

    assert first == again
    assert first != Post(tmp_path / "a").packets(10, seed=2).files[0].read_bytes()


def test_a_cut_packet_is_noticed(tmp_path: Path, bench: Bench) -> None:
    """What a contestant left behind counts only if it can be walked through to its end."""
    whole = bench.post.packets(2).files[0].read_bytes()
    cut = tmp_path / "cut.pkt"
    for size in (len(whole) - 1, len(whole) - 10):
        cut.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="packet"):
            count_messages(cut)


def duel(bench: Bench) -> tuple[Entry, Entry]:
    """Let crashmail and tosser send all areas to two links."""
    return (
        Entry(CRASHMAIL, lambda _: CrashmailSystem(bench.root, downlinks=FOR_TWO)),
        Entry(TOSSER, lambda _: Tosser(bench.root, downlinks=FOR_TWO)),
    )


def test_a_race(bench: Bench) -> None:
    """crashmail, tosser and the disk do the same small work, half of it dupes, and are all measured."""
    race = Race("tiny", "", lambda post, _: post.half_dupes(60), duel(bench), copies=2, disk=True)

    outcome = race.run(bench)

    assert [row.label for row in outcome.rows] == [CRASHMAIL, TOSSER, DISK]
    assert all(usage.seconds > 0 and usage.written > 0 for row in outcome.rows for usage in row.usages)
    assert outcome.row(TOSSER).usages[0].cpu > 0
    assert outcome.row(TOSSER).usages[0].peak > 2**20
    assert f"  {TOSSER} against {CRASHMAIL}" in "\n".join(outcome.lines())
    assert json.loads(json.dumps(outcome.to_json()))["rows"][TOSSER]["messages"] == 60
    assert {path.name for path in bench.root.iterdir()} == {"mail"}


class Forgetful:
    """A contestant that stores everything and sends a message less than it should."""

    def take(self, files: Iterable[Path]) -> None:
        """Get ten messages."""

    def run(self) -> Usage:
        """Take no time."""
        return Usage(0.1, 0.1, 0.0, 0, 0)

    def run_counting(self) -> int | None:
        """Sync nothing."""
        return 0

    def stored(self) -> int:
        """Have everything."""
        return 10

    def sent(self) -> int:
        """Have sent to one link less."""
        return 10

    def left(self) -> list[int]:
        """Leave nothing."""
        return []

    def close(self) -> None:
        """Have no directory."""


def test_lost_mail_is_no_run(bench: Bench) -> None:
    """A contestant that does not do all of the work is not timed."""
    race = Race("tiny", "", lambda post, _: post.packets(10), (Entry(TOSSER, lambda _: Forgetful()),), copies=2)

    with pytest.raises(BenchError, match="tosser sent 10 messages of 20"):
        race.run(bench)


def test_events_are_counted(bench: Bench) -> None:
    """The daemon, a real mosquitto and the counting subscriber: every message is told of."""
    outcome = Events(20).run(bench)

    assert outcome.row(TOSSER).messages == 20
    assert outcome.row(TOSSER).seconds.median > 0


def test_a_history_is_kept_out_of_the_source(capsys: pytest.CaptureFixture[str]) -> None:
    """Figures of somebody's machine have no place in the repository."""
    with pytest.raises(SystemExit):
        main(["--json", __file__ + ".json"])

    assert "keep histories elsewhere" in capsys.readouterr().err


def test_options_are_understood(capsys: pytest.CaptureFixture[str]) -> None:
    """Runs are at least one, settings have a section, and the help lists all cases."""
    for wrong in (["--runs", "0"], ["--set", "sync=none"], ["--set", "toss.sync"], ["--case", "none"]):
        with pytest.raises(SystemExit, match="2"):
            main(wrong)
    capsys.readouterr()
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])

    listed = capsys.readouterr().out
    assert [case.name for case in CASES if f"  {case.name} " not in listed] == []
