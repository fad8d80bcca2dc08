"""``tosser nodelist``: what the nodelists of the configuration say."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tosser.address import Address
from tosser.cli.context import load
from tosser.cli.options import JsonOption  # noqa: TC001 - typer reads the annotations
from tosser.cli.output import Exit, complain, say, say_json, say_table
from tosser.codec.nodelist import Keyword
from tosser.codec.nodelist_flags import services_of
from tosser.daemon.nodelists import build_nodelists
from tosser.errors import AddressError

if TYPE_CHECKING:
    from tosser.codec.nodelist import NodeEntry, Nodelist
    from tosser.daemon.nodelists import WatchedList

app = typer.Typer(help="What the nodelists say.", no_args_is_help=True)

_KINDS = {
    Keyword.ZONE: "zone coordinator",
    Keyword.REGION: "regional coordinator",
    Keyword.HOST: "host of a net",
    Keyword.HUB: "hub",
    Keyword.PVT: "private node, reached by its hub or host",
    Keyword.HOLD: "node on hold, not to be called",
    Keyword.DOWN: "node that is down",
    Keyword.NODE: "node",
    Keyword.POINT: "point",
}


@app.command("list")
def list_lists(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """List the nodelists: the file that counts, the day it is for, how much is in it, and what is wrong with it."""
    lists = build_nodelists(load(context)).lists
    rows = [_list_facts(each) for each in lists]
    if as_json:
        say_json(rows)
        return
    today = datetime.now(UTC).date()
    say_table(
        ("NETWORK", "KIND", "FILE", "DAY", "AGE", "NODES", "POINTS", "CHECKSUM", "WARNINGS"),
        [
            (
                row["network"] or "any", row["kind"], row["file"] or row["path"], row["day"],
                _age(each, today), row["nodes"], row["points"], row["checksum"], len(row["warnings"]),
            )
            for row, each in zip(rows, lists, strict=True)
        ],
        "There are no nodelists.",
    )  # fmt: skip
    for row in rows:
        if row["trouble"]:
            say(f"WRONG  {row['trouble']}")
        for warning in row["warnings"]:
            say(f"{row['file']}:{warning['line']}: {warning['what']}")


@app.command("show")
def show(
    context: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="As 1337:1/100, or 1337:1/100.5 for a point.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Show the entry of a system, who is above it, and which file says so.

    Ends with 1 when no list has it.
    """
    try:
        wanted = Address.parse(address)
    except AddressError as error:
        complain(f"tosser: {error}")
        raise typer.Exit(Exit.USAGE) from None
    nodelist = build_nodelists(load(context)).current
    entry = nodelist.find(wanted)
    facts = {
        "address": str(wanted),
        "entry": _entry_facts(entry, nodelist) if entry else None,
        "above": [{"is": role} | _entry_facts(each, nodelist) for role, each in nodelist.above(wanted)],
    }
    if as_json:
        say_json(facts)
    else:
        _show(facts)
    if entry is None:
        raise typer.Exit(Exit.FAILED)


def _list_facts(each: WatchedList) -> dict[str, Any]:
    source, loaded = each.source, each.loaded
    entries = loaded.parsed.entries.values() if loaded else ()
    points = sum(entry.keyword is Keyword.POINT for entry in entries)
    return {
        "path": str(source.path),
        "network": source.network or None,
        "kind": source.kind.value,
        "file": str(loaded.file.path) if loaded else None,
        "title": loaded.parsed.header.text if loaded else None,
        "day": str(loaded.file.day) if loaded else None,
        "nodes": len(entries) - points,
        "points": points,
        "checksum": _checksum(each),
        "skipped": loaded.parsed.skipped if loaded else 0,
        "warnings": [{"line": line, "what": what} for line, what in loaded.parsed.warnings] if loaded else [],
        "trouble": each.trouble or None,
    }


def _checksum(each: WatchedList) -> str | None:
    """Say whether a list has the checksum that it states."""
    if each.loaded is None or each.loaded.parsed.header.crc is None:
        return None
    return "wrong" if each.loaded.parsed.damaged else "good"


def _age(each: WatchedList, today: date) -> str | None:
    """Say how long ago the day was that a list is for; lists are made some days ahead."""
    return f"{max(0, (today - each.loaded.file.day).days)}d" if each.loaded else None


def _entry_facts(entry: NodeEntry, nodelist: Nodelist) -> dict[str, Any]:
    table = nodelist.table_of(entry.address)
    return {
        "address": str(entry.address.without_domain),
        "domain": entry.address.domain or None,
        "keyword": entry.keyword.value or None,
        "name": entry.name,
        "location": entry.location,
        "sysop": entry.sysop,
        "phone": entry.phone,
        "flags": list(entry.flags),
        "services": [
            {"protocol": service.protocol, "host": service.host or None, "port": service.port}
            for service in services_of(entry)
        ],
        "file": table.source if table else None,
        "line": entry.line,
    }


def _show(facts: dict[str, Any]) -> None:
    entry = facts["entry"]
    if entry is None:
        complain(f"tosser: {facts['address']} is in no nodelist")
    else:
        reached = [f"{each['protocol']} {each['host'] or '?'}:{each['port']}" for each in entry["services"]]
        lines = {
            "address": entry["address"] + (f" in {entry['domain']}" if entry["domain"] else ""),
            "is": _KINDS[Keyword(entry["keyword"] or "")],
            "name": entry["name"],
            "location": entry["location"],
            "sysop": entry["sysop"],
            "phone": entry["phone"],
            "reached by": ", ".join(reached),
            "flags": ",".join(entry["flags"]),
            "from": f"{entry['file']}, line {entry['line']}",
        }
        for name, text in lines.items():
            if text:
                say(f"{name:<11} {text}")
    for above in facts["above"]:
        say(f"{above['is']:<11} {above['address']} {above['name']}, {above['sysop']}")
