"""Calls of hooks in the state database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tosser.rules.decision import Decision
from tosser.rules.hooks import Fate
from tosser.state.hooks import HookQueue
from tosser.state.state import Results, State

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_790_000_000.0


def put(state: State, *calls: tuple[str, str], now: float = NOW) -> None:
    """Record a batch with calls (hook, event id)."""
    batch, _ = state.commit(Decision(now, []), {})
    state.applied(batch, Results(hook_calls=[(hook, event, b"{}") for hook, event in calls], finished=now))


def waiting(state: State) -> dict[str, int]:
    """Count what waits for each hook."""
    return {queue.hook: queue.waiting for queue in state.overview().hooks}


def test_calls_in_order(tmp_path: Path) -> None:
    """Each hook has its calls in the order of the messages, and they survive a restart."""
    state = State(tmp_path)
    put(state, ("a", "1"), ("b", "1"), ("a", "2"))
    put(state, ("a", "3"), now=NOW + 1)
    state.close()

    state = State(tmp_path)
    assert state.overview().hooks == [HookQueue("a", 3, NOW), HookQueue("b", 1, NOW)]
    made = []
    while call := state.next_hook_call("a"):
        made.append((call.event, call.payload, call.created))
        state.end_hook_call(call, Fate.DONE)
    assert made == [("1", b"{}", NOW), ("2", b"{}", NOW), ("3", b"{}", NOW + 1)]
    assert waiting(state) == {"b": 1}
    state.close()


def test_calls_are_counted_by_how_they_ended(state: State) -> None:
    """Done, refused, given up, and every failure between."""
    put(state, *(("a", str(number)) for number in range(4)))
    state.hook_failed("a", NOW)
    for fate in (Fate.DONE, Fate.DONE, Fate.REFUSED, Fate.GIVEN_UP):
        call = state.next_hook_call("a")
        assert call is not None
        state.end_hook_call(call, fate)

    assert state.overview().counters == {"hook-again.a": 1, "hook-done.a": 2, "hook-refused.a": 1, "hook-given-up.a": 1}


@pytest.mark.parametrize(("fate", "since"), [(Fate.DONE, NOW + 9), (Fate.REFUSED, NOW + 9), (Fate.GIVEN_UP, NOW)])
def test_since_when_it_fails(state: State, fate: Fate, since: float) -> None:
    """A hook fails from its first failure on until a call is heard; a call that is given up was not."""
    put(state, ("a", "1"))
    assert state.hook_failed("a", NOW) == NOW
    assert state.hook_failed("a", NOW + 5) == NOW
    assert state.hook_failed("b", NOW + 6) == NOW + 6
    call = state.next_hook_call("a")
    assert call is not None

    state.end_hook_call(call, fate)

    assert state.hook_failed("a", NOW + 9) == since


def test_bounds(state: State) -> None:
    """Of each hook the oldest calls beyond its number go, and are counted."""
    put(state, *((hook, str(number)) for number in range(5) for hook in ("a", "b", "c")))

    assert state.bound_hooks({"a": 2, "b": 5}) == {"a": 3}
    assert waiting(state) == {"a": 2, "b": 5, "c": 5}
    first = state.next_hook_call("a")
    assert first is not None
    assert first.event == "3"
    assert state.bound_hooks({"a": 2, "b": 5}) == {}
    assert state.overview().counters == {"hook-dropped.a": 3}


def test_hooks_that_there_no_longer_are(state: State) -> None:
    """Their calls go, and are counted."""
    put(state, ("a", "1"), ("b", "1"), ("b", "2"))
    state.hook_failed("b", NOW)

    assert state.forget_other_hooks(["a"]) == {"b": 2}
    assert state.forget_other_hooks(["a"]) == {}
    assert waiting(state) == {"a": 1}
    assert state.overview().counters == {"hook-again.b": 1, "hook-dropped.b": 2}
    assert state.hook_failed("b", NOW + 1) == NOW + 1
