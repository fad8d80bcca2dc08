"""The cases, and what the design wants of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tests.bench.daemons import Arriving, Events, Latency, StartUp
from tests.bench.outcome import CRASHMAIL, DISK, MIB, TOSSER, Bench
from tests.bench.race import Entry, Race
from tests.bench.systems import CrashmailSystem, System, Tosser
from tests.corpus import DOWNLINKS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.mail import Mail, Post
    from tests.bench.outcome import Outcome

UNSYNCED = f"{TOSSER}, sync: none"
EMPTY = ", empty"
"""Added to the names of contestants that start from empty bases, where others do not."""


class Case(Protocol):
    """Something that can be measured."""

    @property
    def name(self) -> str:
        """On the command line."""

    @property
    def title(self) -> str:
        """What it does, in a line."""

    @property
    def long(self) -> bool:
        """Whether it is left out unless it is asked for."""

    def run(self, bench: Bench) -> Outcome:
        """Run it."""


def _tosser(links: int = 0, *, bundles: bool = False, sync: str = "full", **toss: object) -> Callable[[Bench], System]:
    def build(bench: Bench) -> System:
        own = {"sync": sync, **toss}
        sections = bench.sections | {"toss": own | bench.sections.get("toss", {})}
        return Tosser(bench.root, downlinks=DOWNLINKS[:links], bundles=bundles, **sections)

    return build


def _crashmail(links: int = 0, *, bundles: bool = False) -> Callable[[Bench], System]:
    return lambda bench: CrashmailSystem(bench.root, downlinks=DOWNLINKS[:links], bundles=bundles)


def _duel(links: int = 0, *, bundles: bool = False) -> tuple[Entry, ...]:
    return (
        Entry(CRASHMAIL, _crashmail(links, bundles=bundles)),
        Entry(TOSSER, _tosser(links, bundles=bundles)),
    )


def _same(make: Callable[[Post], Mail]) -> Callable[[Post, int], Mail]:
    """Toss the same mail in every round."""
    return lambda post, _round: make(post)


def _packets(messages: int) -> Callable[[Post, int], Mail]:
    return _same(lambda post: post.packets(messages))


def _exporting(name: str, links: int, messages: int, *, disk: bool = False) -> Race:
    return Race(
        name,
        f"{messages:,} messages into 50 JAM areas and on to {links} links, in packets",
        _packets(messages),
        (*_duel(links), Entry(UNSYNCED, _tosser(links, sync="none"))),
        copies=links,
        disk=disk,
    )


def _bundling(name: str, links: int, messages: int) -> Race:
    return Race(
        name,
        f"{messages:,} messages into 50 JAM areas and on to {links} links, in ZIP bundles",
        _packets(messages),
        _duel(links, bundles=True),
        copies=links,
    )


def _growing(name: str, existing: int, messages: int, *, beside: bool) -> Race:
    full = (Entry(TOSSER, _tosser(), prefill=existing), Entry(TOSSER + EMPTY, _tosser()))
    theirs = (Entry(CRASHMAIL, _crashmail(), prefill=existing), Entry(CRASHMAIL + EMPTY, _crashmail()))
    return Race(
        name,
        f"{messages:,} more messages into {existing:,} existing ones, and into empty bases",
        lambda post, number: post.packets(messages, seed=number + 1),
        (*theirs, *full) if beside else full,
    )


CASES: tuple[Case, ...] = (
    Race("import", "50,000 messages into 50 JAM areas, from empty", _packets(50_000), _duel()),
    _exporting("links-5", 5, 50_000),
    _exporting("links-50", 50, 10_000, disk=True),
    _bundling("zip-5", 5, 10_000),
    _bundling("zip-50", 50, 10_000),
    Race("dupes", "10,000 messages, every second one a dupe", _same(lambda post: post.half_dupes(10_000)), _duel()),
    Race("bundles-in", "10,000 messages that come in 4 ZIP bundles", _same(lambda post: post.bundles(10_000)), _duel()),
    _growing("growth-200k", 200_000, 10_000, beside=True),
    _growing("growth-2m", 2_000_000, 10_000, beside=False),
    Race("one-packet", "one packet of 100,000 messages", _same(lambda post: post.one_packet(100_000)), _duel()),
    Race("small", "2,000 packets of one message at once", _same(lambda post: post.single_messages(2_000)), _duel()),
    Events(10_000),
    Latency(200),
    Arriving(2_000),
    StartUp(5_000, 200),
    Race(
        "batches",
        "10,000 messages, tosser with other batch sizes",
        _packets(10_000),
        tuple(
            Entry(f"{size:,} messages, sync: {sync}", _tosser(sync=sync, batch_messages=size))
            for size in (100, 300, 1_000, 3_000, 10_000)
            for sync in ("full", "none")
        ),
        long=True,
    ),
    Race(
        "zip-levels",
        "10,000 messages on to 5 links in ZIP bundles, tosser with other levels",
        _packets(10_000),
        tuple(Entry(f"level {level}", _tosser(5, bundles=True, zip_level=level)) for level in (1, 2, 3, 4, 6, 9)),
        copies=5,
        long=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Target:
    """One line of what the design wants.

    Attributes:
        case: that shows it.
        work: what is done.
        unit: of the limit.
        limit: the least, or the most.
        measured: finds the figure in the outcome of the case.
        at_least: whether the limit is the least; else it is the most.
    """

    case: str
    work: str
    unit: str
    limit: float
    measured: Callable[[Outcome], float]
    at_least: bool = True

    def met(self, measured: float) -> bool:
        """Whether a figure is good enough."""
        return measured >= self.limit if self.at_least else measured <= self.limit


def _times(label: str, other: str = CRASHMAIL) -> Callable[[Outcome], float]:
    return lambda outcome: outcome.times(label, other).median


def _slower(label: str, other: str) -> Callable[[Outcome], float]:
    return lambda outcome: outcome.times(other, label).median


def _figure(name: str) -> Callable[[Outcome], float]:
    return lambda outcome: outcome.figures[name]


def _rate(outcome: Outcome) -> float:
    row = outcome.row(TOSSER)
    return row.messages / row.seconds.median


def _peak(outcome: Outcome) -> float:
    return max(usage.peak for usage in outcome.row(TOSSER).usages) / MIB


TARGETS = (
    Target("import", "import, 50,000 messages", "x crashmail", 1.2, _times(TOSSER)),
    Target("links-5", "+ 5 links, 50,000 messages", "x crashmail", 1.1, _times(TOSSER)),
    Target("links-5", "the same, sync: none", "x crashmail", 1.5, _times(UNSYNCED)),
    Target("links-50", "+ 50 links, 10,000 messages", "x time of disk", 1.25, _slower(TOSSER, DISK), at_least=False),
    Target("links-50", "the same, sync: none", "x crashmail", 2.5, _times(UNSYNCED)),
    Target("zip-5", "+ 5 links in ZIP bundles, 10,000 messages", "x crashmail", 5, _times(TOSSER)),
    Target("zip-50", "+ 50 links in ZIP bundles, 10,000 messages", "x crashmail", 10, _times(TOSSER)),
    Target(
        "growth-200k", "10,000 into 200,000", "x time from empty", 1.1, _slower(TOSSER, TOSSER + EMPTY), at_least=False
    ),
    Target("growth-200k", "the same", "x crashmail", 2, _times(TOSSER)),
    Target(
        "growth-2m", "10,000 into 2,000,000", "x time from empty", 1.1, _slower(TOSSER, TOSSER + EMPTY), at_least=False
    ),
    Target("events", "events received, end to end", "messages/s", 5_000, _rate),
    Target("one-packet", "one packet of 100,000 messages", "MiB", 256, _peak, at_least=False),
    Target("latency", "rename to event, median", "ms", 50, _figure("median, ms"), at_least=False),
    Target("latency", "rename to event, p99", "ms", 200, _figure("p99, ms"), at_least=False),
    Target("start-up", "start with 5,000 areas and 200 links", "s", 1, _figure("median, s"), at_least=False),
)
"""Section 8 of the design, line by line."""
