"""``tosser link``: the systems we exchange mail with."""

from __future__ import annotations

import time
from typing import Any

import typer

from tosser.cli.context import load, look_at_state
from tosser.cli.output import JsonOption, ago, say_json, say_table, utc
from tosser.config.world import build_rulebook

app = typer.Typer(help="The systems we exchange mail with.", no_args_is_help=True)


@app.command("list")
def list_links(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """List the links: who they are, and what came in from them."""
    config = load(context)
    rules = build_rulebook(config)
    overview = look_at_state(config)
    totals = {(link.network, link.address): link for link in overview.links} if overview else {}
    rows: list[dict[str, Any]] = []
    for link in sorted(rules.links.values(), key=lambda link: link.address):
        address = str(link.address.without_domain)
        total = totals.get((link.network, address))
        rows.append(
            {
                "network": link.network,
                "address": address,
                "name": link.name,
                "sysop": link.sysop,
                "our_aka": str(link.our_aka.without_domain),
                "packet_password": bool(link.packet_password),
                "areas": sum(link.address in area.links for area in rules.areas.values()),
                "packets": total.packets if total else 0,
                "messages": total.messages if total else 0,
                "last_in": utc(total.last_in) if total else None,
                "last_file": total.last_file if total else None,
            }
        )
    if as_json:
        say_json(rows)
        return
    now = time.time()
    say_table(
        ("NETWORK", "ADDRESS", "NAME", "OUR AKA", "PASSWORD", "AREAS", "PACKETS", "MESSAGES", "LAST IN"),
        [
            (
                row["network"], row["address"], row["name"], row["our_aka"], "yes" if row["packet_password"] else "no",
                row["areas"], row["packets"], row["messages"],
                ago(totals[row["network"], row["address"]].last_in, now) if row["last_in"] else None,
            )
            for row in rows
        ],
        "There are no links.",
    )  # fmt: skip
