"""``tosser queue``: what waits for each link, and for systems that are none."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import typer  # noqa: TC002 - typer reads the annotations

from tosser.cli.context import links_paused, load, reading_state
from tosser.cli.options import JsonOption  # noqa: TC001 - typer reads the annotations
from tosser.cli.output import ago, say, say_json, say_table, utc
from tosser.config.world import build_rulebook
from tosser.rules.shipping import LinkKey

if TYPE_CHECKING:
    from tosser.config.model import Config


def queue(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """Show what waits for each link, and for systems that are none: staged by us, and in the outbound."""
    config = load(context)
    rows = gather(config)
    if as_json:
        say_json(rows)
        return
    if config.paths.outbound is None:
        say("There is no outbound: nothing is sent on.")
        return
    now = time.time()
    say_table(
        ("NETWORK", "LINK", "NAME", "STAGED", "OUTBOUND", "BYTES", "OLDEST", "PAUSED"),
        [
            (
                row["network"], row["address"], row["name"] if row["known"] else "(no link)",
                row["staged"]["packets"], row["outbound"]["files"], row["bytes"], ago(row["oldest_at"], now),
                (row["paused"] or {}).get("why"),
            )
            for row in rows
        ],
        "There are no links, and nothing waits.",
    )  # fmt: skip


def gather(config: Config) -> list[dict[str, Any]]:
    """Collect what waits for every link, and for systems that are none, as plain values."""
    if config.paths.outbound is None:
        return []
    from tosser.daemon.dispatch import queues  # noqa: PLC0415 - most commands need no outbound

    rules = build_rulebook(config)
    with reading_state(config) as state:
        found = queues(config.paths.outbound, rules, state)
    paused, rows = links_paused(config), []
    for entry in found:
        total, pause = entry.total, paused.get(LinkKey.of(entry.link))
        if pause is None and entry.link.paused:
            pause = {"who": "configuration", "why": "paused in the configuration", "since": None}
        rows.append(
            {
                "network": entry.link.network,
                "address": str(entry.link.address.without_domain),
                "name": entry.link.name,
                "known": entry.link.known,
                "staged": {
                    "packets": entry.staged.packets if entry.staged else 0,
                    "bytes": entry.staged.size if entry.staged else 0,
                },
                "outbound": {"files": entry.outbound.files, "bytes": entry.outbound.bytes},
                "bytes": total.bytes,
                "oldest": utc(total.oldest),
                "oldest_at": total.oldest,
                "paused": pause,
            }
        )
    return rows
