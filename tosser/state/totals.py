"""Running totals per area, per link and per reason: what ``tosser status`` and the retained topics show."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence


class AreaTally(Struct):
    """What one batch adds to one area; ``network`` and ``tag`` are empty for netmail."""

    network: str
    tag: str
    stored: int = 0
    duplicates: int = 0
    last_at: float | None = None
    last: dict[str, Any] | None = None


class LinkTally(Struct):
    """What one batch adds to one link; what goes out is counted when it is shipped."""

    address: str
    network: str
    packets: int = 0
    messages: int = 0
    last_in: float | None = None
    last_file: str | None = None


class AreaTotals(Struct, frozen=True):
    """An area's totals; ``version`` grows with every change."""

    network: str
    tag: str
    stored: int
    duplicates: int
    last_at: float | None
    last: dict[str, Any] | None
    version: int


class LinkTotals(Struct, frozen=True):
    """A link's totals, of what came from it and of what went out to it; ``version`` grows with every change."""

    address: str
    network: str
    packets: int
    messages: int
    last_in: float | None
    last_file: str | None
    version: int
    packets_out: int = 0
    messages_out: int = 0
    last_out: float | None = None
    last_out_file: str | None = None


def add(
    connection: sqlite3.Connection,
    areas: Iterable[AreaTally],
    links: Iterable[LinkTally],
    counters: Mapping[str, int],
) -> None:
    """Add what a batch came to."""
    connection.executemany(
        """INSERT INTO areas (network, tag, stored, duplicates, last_at, last, version) VALUES (?, ?, ?, ?, ?, ?, 1)
           ON CONFLICT (network, tag) DO UPDATE SET stored = stored + excluded.stored,
           duplicates = duplicates + excluded.duplicates, version = version + 1,
           last_at = coalesce(excluded.last_at, last_at), last = coalesce(excluded.last, last)""",
        [
            (t.network, t.tag, t.stored, t.duplicates, t.last_at, json.dumps(t.last) if t.last is not None else None)
            for t in areas
        ],
    )
    connection.executemany(
        """INSERT INTO links (address, network, packets, messages, last_in, last_file, version)
           VALUES (?, ?, ?, ?, ?, ?, 1)
           ON CONFLICT (network, address) DO UPDATE SET packets = packets + excluded.packets,
           messages = messages + excluded.messages, version = version + 1,
           last_in = coalesce(excluded.last_in, last_in), last_file = coalesce(excluded.last_file, last_file)""",
        [(t.address, t.network, t.packets, t.messages, t.last_in, t.last_file) for t in links],
    )
    connection.executemany(
        """INSERT INTO counters (name, value) VALUES (?, ?)
           ON CONFLICT (name) DO UPDATE SET value = value + excluded.value""",
        list(counters.items()),
    )


def areas(connection: sqlite3.Connection, *, unpublished: int | None = None) -> list[AreaTotals]:
    """List the areas that ever had mail, or at most ``unpublished`` of those that changed since they were published."""
    rows = connection.execute(
        """SELECT network, tag, stored, duplicates, last_at, last, version FROM areas
           WHERE version > iif(?1 IS NULL, 0, published) ORDER BY network, tag LIMIT coalesce(?1, -1)""",
        (unpublished,),
    )
    return [
        AreaTotals(network, tag, stored, duplicates, last_at, json.loads(last) if last else None, version)
        for network, tag, stored, duplicates, last_at, last, version in rows
    ]


def links(connection: sqlite3.Connection, *, unpublished: int | None = None) -> list[LinkTotals]:
    """List the links that ever had mail, or at most so many of those that changed since they were published."""
    rows = connection.execute(
        """SELECT address, network, packets, messages, last_in, last_file, version, packets_out, messages_out,
           last_out, last_out_file FROM links
           WHERE version > iif(?1 IS NULL, 0, published) ORDER BY network, address LIMIT coalesce(?1, -1)""",
        (unpublished,),
    )
    return [LinkTotals(*row) for row in rows]


def counters(connection: sqlite3.Connection) -> dict[str, int]:
    """Give all counters by name."""
    return dict(connection.execute("SELECT name, value FROM counters ORDER BY name").fetchall())


def published(
    connection: sqlite3.Connection, areas: Sequence[tuple[str, str, int]], links: Sequence[tuple[str, str, int]]
) -> None:
    """Note which version the broker has of areas (network, tag, version) and links (network, address, version)."""
    connection.executemany("UPDATE areas SET published = max(published, ?3) WHERE network = ?1 AND tag = ?2", areas)
    connection.executemany("UPDATE links SET published = max(published, ?3) WHERE network = ?1 AND address = ?2", links)


def all_unpublished(connection: sqlite3.Connection) -> None:
    """Forget what the broker has: a new connection may be to a broker that kept nothing."""
    connection.execute("UPDATE areas SET published = 0")
    connection.execute("UPDATE links SET published = 0")


def touch(connection: sqlite3.Connection, links: Iterable[tuple[str, str]]) -> None:
    """Have the states of links (network, address without domain) published again."""
    connection.executemany(
        """INSERT INTO links (network, address, version) VALUES (?, ?, 1)
           ON CONFLICT (network, address) DO UPDATE SET version = version + 1""",
        links,
    )
