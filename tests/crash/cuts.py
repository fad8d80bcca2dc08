"""The power is cut at any step: states of the disk as `tests.crash.medium` builds them, each recovered from.

Three kinds of moments: in a toss; in the toss after a kill, when the disk has not yet got what the killed one wrote;
and in the toss after an earlier cut.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

from tests.crash.kills import Undisturbed
from tests.crash.lives import KILLED, live
from tests.crash.medium import Medium, whole
from tests.crash.scenes import SCENES, prepare, write_tree
from tests.crash.seam import COMMIT, Moment, read_trace

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from tests.crash.medium import Database
    from tests.crash.report import Report, Share
    from tests.crash.scenes import Tree
    from tests.crash.seam import Death, Step

STATES, AFTER_KILL, AFTER_CUT = (
    "states of the disk explored", "states explored after a kill", "states explored after an earlier cut",
)  # fmt: skip
_MIXTURES = 3
_TORN = 2
_STATES_A_LIFE, _MOMENTS_A_LIFE = 12, 8
"""How many states are tried of each life after a kill or a cut, and at how many moments of it."""
_EARLY, _EARLY_SHARE = 20, 0.2
"""How many deaths are at the start, before anything says that somebody was here, and how often one of them is drawn."""
_UNSYNCED_SHARE = 0.6
"""How often one just before a sync is drawn, when most of what was done is in the cache only."""


class State(NamedTuple):
    """A state of the disk, how it came about, and whether nothing is there that was not synced."""

    where: str
    tree: Tree
    bare: bool


def cut_everywhere(report: Report, share: Share, *, limit: int | None, seed: int) -> None:
    """Cut the power at every step of a toss, and recover from the states of the disk, or from ``limit`` a scene."""
    for name in SCENES:
        usual = Undisturbed.run(prepare(name, share.home))
        rng = random.Random(seed)
        moments = range(len(usual.steps) + 1)
        some = None if limit is None else rng.sample(moments, min(limit, len(moments)))
        states = list(states_of(Medium(str(usual.scene.node.root), usual.scene.tree), usual.steps, rng, some))
        if limit is not None:
            rng.shuffle(states)
        for state in states[share.of(limit)]:
            report.counts[STATES] += 1
            _recover(usual, state, report)


def cut_after_kills(report: Report, share: Share, *, limit: int, seed: int) -> None:
    """Kill a toss somewhere and cut the power somewhere in the next; ``limit`` states a scene."""
    rng = random.Random(f"{seed}/{share.worker}")
    for name in SCENES:
        usual = Undisturbed.run(prepare(name, share.home))
        deaths = usual.deaths()
        early, unsynced = deaths[:_EARLY], [death for death in deaths if _before_a_sync(death, usual.steps)]
        weights = _EARLY_SHARE, _UNSYNCED_SHARE, 1 - _EARLY_SHARE - _UNSYNCED_SHARE
        trace = share.home / "trace"
        for _ in range(share.count(limit // _STATES_A_LIFE)):
            death = rng.choice(rng.choices((early, unsynced, deaths), weights)[0])
            usual.scene.set_up()
            assert live(usual.scene.node, "toss", death=death, trace=trace) == KILLED
            medium = Medium(str(usual.scene.node.root), usual.scene.tree)
            _take_killed(medium, read_trace(trace))
            live(usual.scene.node, "toss", trace=trace)
            for state in _some_states(medium, read_trace(trace), rng):
                report.counts[AFTER_KILL] += 1
                killed = f"killed {death.moment} step {death.step}, {usual.steps[death.step].name}, then "
                _recover(usual, state._replace(where=killed + state.where), report)


def cut_twice(report: Report, share: Share, *, limit: int, seed: int) -> None:
    """Cut the power somewhere in a toss, and again somewhere in the next; ``limit`` second states a scene."""
    rng = random.Random(f"{seed}/{share.worker}")
    for name in SCENES:
        usual = Undisturbed.run(prepare(name, share.home))
        trace = share.home / "trace"
        root = str(usual.scene.node.root)
        lives = share.count(limit // _STATES_A_LIFE)
        moments = rng.sample(range(len(usual.steps)), min(2 * lives, len(usual.steps)))
        first = list(states_of(Medium(root, usual.scene.tree), usual.steps, rng, moments))
        for state in rng.sample(first, min(lives, len(first))):
            write_tree(usual.scene.node.root, state.tree)
            live(usual.scene.node, "toss", trace=trace)
            for second in _some_states(Medium(root, state.tree), read_trace(trace), rng):
                report.counts[AFTER_CUT] += 1
                _recover(usual, second._replace(where=f"{state.where}, then {second.where}"), report)


def states_of(
    medium: Medium, steps: Sequence[Step], rng: random.Random, moments: Collection[int] | None = None
) -> Iterator[State]:
    """Give every state of the disk that a cut during these steps, or before some of them, may leave, each once."""
    seen: set[int] = set()
    for number in range(len(steps) + 1):
        if moments is None or number in moments:
            where = f"the power cut before step {number}, {steps[number].name if number < len(steps) else 'the end'}"
            found = list(medium.states(rng, _MIXTURES))
            if number < len(steps) and steps[number].name == COMMIT:
                found += medium.torn_commits(steps[number], rng, _TORN)
            for variant, (tree, database) in enumerate(found):
                state = whole(tree, database)
                mark = hash(tuple(sorted(state.items())))  # Python remembers the hash of bytes, which most states share
                if mark not in seen:
                    seen.add(mark)
                    yield State(f"{where}, state {variant} of {len(found)}", state, variant == 0)
        if number < len(steps):
            medium.take(steps[number])


def _some_states(medium: Medium, steps: Sequence[Step], rng: random.Random) -> list[State]:
    """Give a few states that a cut at a few moments of a life may leave."""
    moments = rng.sample(range(len(steps) + 1), min(_MOMENTS_A_LIFE, len(steps) + 1))
    states = list(states_of(medium, steps, rng, moments))
    bare = [state for state in states if state.bare]
    rest = [state for state in states if not state.bare]
    return [*bare, *rng.sample(rest, min(_STATES_A_LIFE - len(bare), len(rest)))]


def _before_a_sync(death: Death, steps: Sequence[Step]) -> bool:
    return death.moment is Moment.BEFORE and steps[death.step].name in {"sync_file", "sync_directory"}


def _take_killed(medium: Medium, steps: Sequence[Step]) -> None:
    """Have the steps of a killed process taken; if it died in a commit, that is not surely on the disk."""
    earlier: Database = ()
    for step in steps:
        if step.name == COMMIT:
            earlier = medium.database
        medium.take(step)
    if steps and steps[-1].name == COMMIT:
        medium.doubt(earlier)


def _recover(usual: Undisturbed, state: State, report: Report) -> None:
    write_tree(usual.scene.node.root, state.tree)
    usual.recover(report, state.where)
