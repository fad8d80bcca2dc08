"""Calls of hooks: in the order of the messages, each kept until it has ended."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.rules.hooks import Fate
from tosser.state import totals

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Mapping


class HookCall(Struct, frozen=True):
    """One call that is to be made: its place in the order, the hook, the id of the event, the event, since when."""

    seq: int
    hook: str
    event: str
    payload: bytes
    created: float


class HookQueue(Struct, frozen=True):
    """How many calls wait for a hook, and since when the oldest of them does (Unix seconds)."""

    hook: str
    waiting: int
    oldest: float


def add(connection: sqlite3.Connection, calls: Iterable[tuple[str, str, bytes]], created: float) -> None:
    """Append (hook, event id, payload)."""
    connection.executemany(
        "INSERT INTO hook_calls (hook, event, payload, created) VALUES (?, ?, ?, ?)",
        [(*call, created) for call in calls],
    )


def following(connection: sqlite3.Connection, hook: str) -> HookCall | None:
    """Give the oldest call of a hook."""
    row = connection.execute(
        "SELECT seq, hook, event, payload, created FROM hook_calls WHERE hook = ? ORDER BY seq LIMIT 1", (hook,)
    ).fetchone()
    return HookCall(*row) if row else None


def end(connection: sqlite3.Connection, call: HookCall, fate: Fate) -> None:
    """Forget a call and count how it ended; if it was heard, the hook is not failing."""
    connection.execute("DELETE FROM hook_calls WHERE seq = ?", (call.seq,))
    if fate is not Fate.GIVEN_UP:
        connection.execute("DELETE FROM failing_hooks WHERE hook = ?", (call.hook,))
    _count(connection, fate, {call.hook: 1})


def failed(connection: sqlite3.Connection, hook: str, now: float) -> float:
    """Note that a call failed that stays; gives the moment since which the hook has done nothing else."""
    connection.execute("INSERT INTO failing_hooks (hook, since) VALUES (?, ?) ON CONFLICT DO NOTHING", (hook, now))
    _count(connection, Fate.AGAIN, {hook: 1})
    (since,) = connection.execute("SELECT since FROM failing_hooks WHERE hook = ?", (hook,)).fetchone()
    return float(since)


def queues(connection: sqlite3.Connection) -> list[HookQueue]:
    """List the hooks that calls wait for."""
    rows = connection.execute("SELECT hook, count(*), min(created) FROM hook_calls GROUP BY hook ORDER BY hook")
    return [HookQueue(*row) for row in rows]


def bound(connection: sqlite3.Connection, bounds: Mapping[str, int]) -> dict[str, int]:
    """Drop the oldest calls of each hook beyond its number; returns how many went, of those that lost any."""
    dropped = {queue.hook: queue.waiting - bounds.get(queue.hook, queue.waiting) for queue in queues(connection)}
    dropped = {hook: count for hook, count in dropped.items() if count > 0}
    for hook, count in dropped.items():
        connection.execute(
            "DELETE FROM hook_calls WHERE seq IN (SELECT seq FROM hook_calls WHERE hook = ? ORDER BY seq LIMIT ?)",
            (hook, count),
        )
    _count(connection, Fate.DROPPED, dropped)
    return dropped


def forget_others(connection: sqlite3.Connection, known: Collection[str]) -> dict[str, int]:
    """Drop the calls of hooks that there no longer are; returns how many each of them had."""
    names = json.dumps(list(known))
    rows = connection.execute(
        "DELETE FROM hook_calls WHERE hook NOT IN (SELECT value FROM json_each(?)) RETURNING hook", (names,)
    ).fetchall()
    connection.execute("DELETE FROM failing_hooks WHERE hook NOT IN (SELECT value FROM json_each(?))", (names,))
    dropped = dict(Counter(hook for (hook,) in rows))
    _count(connection, Fate.DROPPED, dropped)
    return dropped


def _count(connection: sqlite3.Connection, fate: Fate, hooks: Mapping[str, int]) -> None:
    totals.add(connection, (), (), {f"hook-{fate}.{hook}": count for hook, count in hooks.items()})
