"""Packets on their way to a link: staged, placed beside where the mailer will find them, shipped.

A packet is *placed* in one transaction when the bundle that will hold it is whole, and on the disk, beside its final
place. So a crash leaves no doubt: what is not placed has gone nowhere and is done again; what is placed is put where
it belongs, if that has not happened, and is never put there again.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from tosser.codec.flow import Flavour
from tosser.rules.shipping import NAMES_KEPT, BundleName, LinkKey, StagedMail, StagedPacket

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from tosser.rules.shipping import PacketOut, Placement

_OUTBOUND = "outbound"


def identity(connection: sqlite3.Connection) -> int:
    """Give a number by which this tosser knows what it left in an outbound; made up on first use."""
    connection.execute(
        "INSERT INTO serials (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING", (_OUTBOUND, secrets.randbits(48))
    )
    (value,) = connection.execute("SELECT value FROM serials WHERE name = ?", (_OUTBOUND,)).fetchone()
    return int(value)


def stage(connection: sqlite3.Connection, packets: Iterable[PacketOut], created: float) -> None:
    """Enter packets that are staged."""
    connection.executemany(
        """INSERT INTO packets (serial, network, link, size, messages, created, flavour, name)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
        [(p.serial, *p.link, p.size, p.messages, created, p.flavour, p.name) for p in packets],
    )


def staged(connection: sqlite3.Connection, link: LinkKey) -> list[StagedPacket]:
    """List the packets of a link, in the order in which they were made."""
    rows = connection.execute(
        """SELECT serial, size, messages, created, path, added, boxed, flavour, name FROM packets
           WHERE network = ? AND link = ? ORDER BY serial""",
        link,
    )
    return [
        StagedPacket(
            serial, size, messages, created, path, bool(added), bool(boxed), Flavour(flavour) if flavour else None, name
        )
        for serial, size, messages, created, path, added, boxed, flavour, name in rows
    ]


def waiting(connection: sqlite3.Connection) -> list[StagedMail]:
    """Sum up what waits, link by link; what is placed counts no more."""
    rows = connection.execute(
        """SELECT network, link, count(*) FILTER (WHERE path IS NULL),
           coalesce(sum(size) FILTER (WHERE path IS NULL), 0), min(created)
           FROM packets GROUP BY network, link ORDER BY network, link"""
    )
    return [StagedMail(LinkKey(network, address), *facts) for network, address, *facts in rows]


def serials(connection: sqlite3.Connection) -> set[int]:
    """List the serial numbers of packets that wait, and of those that open batches may have made."""
    found = {int(serial) for (serial,) in connection.execute("SELECT serial FROM packets")}
    for first, count in connection.execute("SELECT first_packet, packets FROM batches"):
        found.update(range(first, first + count))
    return found


def placed_paths(connection: sqlite3.Connection) -> set[str]:
    """List where packets are going that are placed."""
    return {path for (path,) in connection.execute("SELECT DISTINCT path FROM packets WHERE path IS NOT NULL")}


def place(connection: sqlite3.Connection, link: LinkKey, placements: Sequence[Placement], now: float) -> None:
    """Note where packets are going: their bundles are whole. Names that were taken long ago are forgotten."""
    for placement in placements:
        connection.executemany(
            "UPDATE packets SET path = ?, added = ?, boxed = ? WHERE serial = ?",
            [(placement.path, placement.added, placement.boxed, serial) for serial in placement.serials],
        )
    connection.executemany(
        """INSERT INTO bundles (path, network, link, archiver, created) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (path) DO UPDATE SET network = excluded.network, link = excluded.link,
           archiver = excluded.archiver, created = iif(?, created, excluded.created)""",
        [(p.path, *link, p.archiver, now, p.added) for p in placements if p.archiver],
    )
    connection.execute(
        "DELETE FROM bundles WHERE created < ? AND path NOT IN (SELECT path FROM packets WHERE path IS NOT NULL)",
        (now - NAMES_KEPT,),
    )


def take_back(connection: sqlite3.Connection, serials: Iterable[int]) -> None:
    """Note that packets are not going where they were placed: they wait again."""
    connection.executemany(
        "UPDATE packets SET path = NULL, added = 0, boxed = 0 WHERE serial = ?", [(serial,) for serial in serials]
    )


def shipped(connection: sqlite3.Connection, link: LinkKey, files: Mapping[int, str], now: float) -> None:
    """Forget packets that are where the mailer finds them, and count them; ``files`` says what each is in."""
    packets = messages = 0
    last = ""
    for serial, file in files.items():
        row = connection.execute("DELETE FROM packets WHERE serial = ? RETURNING messages", (serial,)).fetchone()
        if row is not None:
            packets += 1
            messages += row[0]
            last = file
    if packets:
        connection.execute(
            """INSERT INTO links (network, address, packets_out, messages_out, last_out, last_out_file, version)
               VALUES (?, ?, ?, ?, ?, ?, 1)
               ON CONFLICT (network, address) DO UPDATE SET packets_out = packets_out + excluded.packets_out,
               messages_out = messages_out + excluded.messages_out, version = version + 1,
               last_out = excluded.last_out, last_out_file = excluded.last_out_file""",
            (*link, packets, messages, now, last),
        )


def lost(connection: sqlite3.Connection, serials: Iterable[int]) -> None:
    """Forget packets that are no longer there."""
    connection.executemany("DELETE FROM packets WHERE serial = ?", [(serial,) for serial in serials])


def bundles_in(connection: sqlite3.Connection, directory: str) -> list[BundleName]:
    """List the bundles of a directory whose names are taken, the latest last."""
    rows = connection.execute(
        """SELECT path, network, link, archiver, created FROM bundles
           WHERE path > ?1 || '/' AND path < ?1 || '0' AND instr(substr(path, length(?1) + 2), '/') = 0
           ORDER BY created, path""",  # '0' is the character behind the slash
        (directory,),
    )
    return [BundleName(path, LinkKey(network, link), *facts) for path, network, link, *facts in rows]
