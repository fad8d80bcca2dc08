"""``tosser netmail``: what is held here on its way to others."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import typer

from tosser.cli.chosen import Ids, chosen
from tosser.cli.context import load, load_to_change
from tosser.cli.options import JsonOption  # noqa: TC001 - typer reads the annotations
from tosser.cli.output import Exit, ago, complain, say, say_json, say_table, utc
from tosser.codec.message import split_text
from tosser.codec.packet import parse_packet
from tosser.config.world import build_rulebook
from tosser.errors import PacketError
from tosser.inbound.held import HeldMail
from tosser.rules.netmail import netmail_addresses

if TYPE_CHECKING:
    from tosser.inbound.held import HeldEntry
    from tosser.rules.network import Rulebook

app = typer.Typer(help="Netmail that is held on its way to others.", no_args_is_help=True)

_NOTHING = "Nothing is held."


@app.command("list")
def list_held(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """List the netmail that cannot go on for now, the oldest first: why, since when, from whom, to whom."""
    config = load(context)
    rules = build_rulebook(config)
    rows = [_facts(entry, rules) for entry in HeldMail(config.paths.state).entries()]
    if as_json:
        say_json(rows)
        return
    now = time.time()
    say_table(
        ("ID", "REASON", "SINCE", "FROM", "TO", "BYTES"),
        [(row["id"], row["reason"], ago(row["since_at"], now), row["from"], row["to"], row["bytes"]) for row in rows],
        _NOTHING,
    )


@app.command("drop")
def drop(context: typer.Context, ids: Ids) -> None:
    """Give netmail up for good that is held: it is not sent on any more. Its copy in the netmail base stays.

    Ends with 1 when one goes on at this very moment.
    """
    held = HeldMail(load_to_change(context).paths.state)
    entries = {entry.id: entry for entry in held.entries()}
    if not entries and ids == ["all"]:
        say(_NOTHING)
    failed = False
    for entry_id in chosen(list(entries), ids, "held"):
        try:
            held.drop(entries[entry_id])
        except FileNotFoundError:
            complain(f"tosser: {entry_id}: it has just been judged anew; look at `tosser netmail list`")
            failed = True
        else:
            say(f"{entry_id} is deleted")
    if failed:
        raise typer.Exit(Exit.FAILED)


def _facts(entry: HeldEntry, rules: Rulebook) -> dict[str, Any]:
    """Tell of a message only what its way has to do with: netmail is private."""
    status = entry.path.stat()
    origin = dest = None
    try:
        packet = parse_packet(entry.path.read_bytes())
        (message,) = packet.messages
        origin, dest = netmail_addresses(packet.header, message, split_text(message.text), rules)
    except (PacketError, ValueError):
        pass
    return {
        "id": entry.id,
        "reason": entry.reason.value,
        "means": entry.reason.text,
        "inbound": entry.cls.value,
        "since": utc(status.st_mtime),
        "since_at": status.st_mtime,
        "from": str(origin) if origin else None,
        "to": str(dest) if dest else None,
        "bytes": status.st_size,
        "path": str(entry.path),
    }
