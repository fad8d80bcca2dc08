"""``tosser area``: the echomail areas."""

from __future__ import annotations

import time
from typing import Any

import typer

from tosser.cli.context import load, look_at_state
from tosser.cli.options import JsonOption  # noqa: TC001 - typer reads the annotations
from tosser.cli.output import ago, say_json, say_table, utc
from tosser.config.world import build_rulebook

app = typer.Typer(help="The echomail areas.", no_args_is_help=True)


@app.command("list")
def list_areas(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """List the areas: where they are kept, who is linked, what came in."""
    config = load(context)
    rules = build_rulebook(config)
    overview = look_at_state(config)
    totals = {(area.network, area.tag): area for area in overview.areas} if overview else {}
    rows: list[dict[str, Any]] = []
    for area in sorted(rules.areas.values(), key=lambda area: (area.network, area.tag)):
        total = totals.get((area.network, area.tag))
        rows.append(
            {
                "network": area.network,
                "tag": area.tag,
                "description": area.description,
                "store": area.store.value,
                "path": area.path or None,
                "links": [str(link.without_domain) for link in sorted(area.links)],
                "paused": area.paused,
                "messages": total.stored if total else 0,
                "duplicates": total.duplicates if total else 0,
                "last": utc(total.last_at) if total else None,
            }
        )
    if as_json:
        say_json(rows)
        return
    now = time.time()
    say_table(
        ("NETWORK", "TAG", "STORE", "PAUSED", "LINKS", "MESSAGES", "DUPES", "LAST", "DESCRIPTION"),
        [
            (
                row["network"], row["tag"], row["store"], "yes" if row["paused"] else "no", len(row["links"]),
                row["messages"], row["duplicates"],
                ago(totals[row["network"], row["tag"]].last_at, now) if row["last"] else None, row["description"],
            )
            for row in rows
        ],
        "There are no areas.",
    )  # fmt: skip
