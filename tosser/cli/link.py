"""``tosser link``: the systems we exchange mail with."""

from __future__ import annotations

import getpass
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tosser.address import Address
from tosser.cli.context import (
    changing_state,
    links_on_hold,
    links_paused,
    load,
    load_to_change,
    look_at_state,
    present_rules,
)
from tosser.cli.options import JsonOption  # noqa: TC001 - typer reads the annotations
from tosser.cli.output import Exit, ago, complain, say, say_json, say_table, utc
from tosser.config.world import build_rulebook
from tosser.errors import AddressError
from tosser.rules.shipping import LinkKey
from tosser.state.holds import Hold
from tosser.state.pauses import Pause

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tosser.config.model import Config
    from tosser.rules.network import Link, Rulebook
    from tosser.state.totals import LinkTotals

app = typer.Typer(help="The systems we exchange mail with.", no_args_is_help=True)


@app.command("list")
def list_links(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """List the links: who they are, how they are sent to, what went in and out."""
    config = load(context)
    rules = present_rules(config)
    totals, holds = _totals(config), links_on_hold(config)
    links = sorted(rules.links.values(), key=lambda link: link.address)
    found = [_total(link, totals) for link in links]
    rows = [_facts(link, rules, total, holds) for link, total in zip(links, found, strict=True)]
    if as_json:
        say_json(rows)
        return
    now = time.time()
    say_table(
        (
            "NETWORK", "ADDRESS", "NAME", "OUR AKA", "PASSWORD", "GETS", "PAUSED", "ON HOLD", "AREAS", "IN",
            "LAST IN", "OUT", "LAST OUT",
        ),
        [
            (
                row["network"], row["address"], row["name"], row["our_aka"], "yes" if row["packet_password"] else "no",
                f"{row['packet_type']} {row['archiver']} {row['flavour']}", "yes" if row["paused"] else "no",
                "yes" if row["held"] else "no", row["areas"], row["messages"],
                ago(total.last_in if total else None, now), row["messages_out"],
                ago(total.last_out if total else None, now),
            )
            for row, total in zip(rows, found, strict=True)
        ],
        "There are no links.",
    )  # fmt: skip


@app.command("show")
def show(
    context: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Its address, as 1337:1/100 or 1337:1/100@tqwnet.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Show all settings of one link, its areas, and what went in and out."""
    config = load(context)
    rules = present_rules(config)
    link = _find(address, rules)
    total = _total(link, _totals(config))
    facts = _facts(link, rules, total, links_on_hold(config)) | _settings(link, rules)
    facts["pause"] = links_paused(config).get(LinkKey.of(link))
    if as_json:
        say_json(facts)
    else:
        _show(facts, total)


@app.command("pause")
def pause(
    context: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Its address.")],
    why: Annotated[str, typer.Option("--why", help="The reason, for those who look later.")] = "by hand",
) -> None:
    """Send a link nothing from now on; what it sends is tossed all the same. Mail that comes meanwhile is not kept."""
    config = load_to_change(context)
    link = _find(address, build_rulebook(config))
    with changing_state(config) as state:
        state.pause_link(Pause(LinkKey.of(link), time.time(), getpass.getuser(), why))
    say(f"{link.address.without_domain} is paused")


@app.command("resume")
def resume(
    context: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Its address.")],
) -> None:
    """Send to a paused link again. One that is paused in the configuration stays so."""
    config = load_to_change(context)
    link = _find(address, build_rulebook(config))
    with changing_state(config) as state:
        was_paused = state.resume_link(LinkKey.of(link))
    if link.paused:
        complain(f"tosser: {link.address.without_domain} is paused in the configuration")
        raise typer.Exit(Exit.FAILED)
    say(f"{link.address.without_domain} {'is no longer' if was_paused else 'was not'} paused")


@app.command("hold")
def hold(
    context: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Its address.")],
    why: Annotated[str, typer.Option("--why", help="The reason, for those who look later.")] = "by hand",
) -> None:
    """Toss nothing that a link sends from now on; its files wait until it is released. What it gets, it still gets."""
    config = load_to_change(context)
    link = _find(address, build_rulebook(config))
    with changing_state(config) as state:
        held = state.hold_link(Hold(LinkKey.of(link), time.time(), getpass.getuser(), why))
    say(f"{link.address.without_domain} {'is' if held else 'was already'} on hold")


@app.command("release")
def release(
    context: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Its address.")],
) -> None:
    """Toss what a link on hold has sent, and what it sends from now on; for an hour its limits do not count."""
    config = load_to_change(context)
    link = _find(address, build_rulebook(config))
    with changing_state(config) as state:
        was_held = state.release_link(LinkKey.of(link), time.time())
    say(f"{link.address.without_domain} {'is no longer' if was_held else 'was not'} on hold")


def _find(text: str, rules: Rulebook) -> Link:
    """Find the link that is meant, or end the command."""
    try:
        found = rules.links_at(Address.parse(text))
    except AddressError as error:
        complain(f"tosser: {error}")
        raise typer.Exit(Exit.USAGE) from None
    if len(found) == 1:
        return found[0]
    networks = " and ".join(link.network for link in found)
    complain(
        f"tosser: {text} is in networks {networks}; add @ and its domain" if found else f"tosser: {text} is no link"
    )
    raise typer.Exit(Exit.FAILED)


def _totals(config: Config) -> dict[tuple[str, str], LinkTotals]:
    overview = look_at_state(config)
    return {(link.network, link.address): link for link in overview.links} if overview else {}


def _total(link: Link, totals: dict[tuple[str, str], LinkTotals]) -> LinkTotals | None:
    return totals.get((link.network, str(link.address.without_domain)))


def _facts(
    link: Link, rules: Rulebook, total: LinkTotals | None, holds: Mapping[LinkKey, dict[str, Any]]
) -> dict[str, Any]:
    """Tell what the list tells of a link."""
    return {
        "network": link.network,
        "address": str(link.address.without_domain),
        "name": link.name,
        "sysop": link.sysop,
        "our_aka": str(link.our_aka.without_domain),
        "packet_password": bool(link.packet_password),
        "packet_type": link.packet_type.value,
        "archiver": link.archiver,
        "flavour": link.flavour.value,
        "filebox": link.filebox or None,
        "paused": link.paused,
        "held": holds.get(LinkKey.of(link)),
        "areas": sum(link.address in area.links for area in rules.areas.values()),
        "packets": total.packets if total else 0,
        "messages": total.messages if total else 0,
        "last_in": utc(total.last_in) if total else None,
        "last_file": total.last_file if total else None,
        "packets_out": total.packets_out if total else 0,
        "messages_out": total.messages_out if total else 0,
        "last_out": utc(total.last_out) if total else None,
        "last_out_file": total.last_out_file if total else None,
    }


def _settings(link: Link, rules: Rulebook) -> dict[str, Any]:
    """Tell what the list leaves out; never a password."""
    areas = [area for area in rules.areas.values() if link.address in area.links]
    return {
        "domain": link.address.domain,
        "same_system_as": str(link.same_system_as.without_domain) if link.same_system_as else None,
        "max_packet": link.max_packet,
        "max_bundle": link.max_bundle,
        "max_messages_per_hour": link.max_messages_per_hour,
        "max_dupes_per_hour": link.max_dupes_per_hour,
        "seen_by": link.seen_by.value if link.seen_by else None,
        "sbadd": [str(node) for node in link.sbadd],
        "sbstrip": [str(node) for node in link.sbstrip],
        "sbignore": link.sbignore,
        "linked": [
            {
                "tag": area.tag,
                "read": area.links[link.address].read,
                "write": area.links[link.address].write,
                "mandatory": area.links[link.address].mandatory,
            }
            for area in sorted(areas, key=lambda area: area.tag)
        ],
    }


def _show(facts: dict[str, Any], total: LinkTotals | None) -> None:
    bundles = f"{facts['archiver']} bundles of at most {facts['max_bundle']} bytes"
    lines = {
        "address": f"{facts['address']} in {facts['network']}" + (", paused" if facts["paused"] else ""),
        "name": facts["name"] or "not told",
        "sysop": facts["sysop"] or "not told",
        "also": facts["same_system_as"],
        "our aka": facts["our_aka"],
        "password": "set" if facts["packet_password"] else "none",
        "packets": f"type {facts['packet_type']}, of at most {facts['max_packet']} bytes",
        "bundles": "none, it gets bare packets" if facts["archiver"] == "none" else bundles,
        "sent by": f"file box {facts['filebox']}" if facts["filebox"] else f"outbound, {facts['flavour']}",
        "paused": _pause_text(facts["pause"]),
        "on hold": _hold_text(facts["held"]),
        "limits": _limits_text(facts),
        "seen-by": facts["seen_by"] or "as the area says",
        "sbadd": ", ".join(facts["sbadd"]),
        "sbstrip": ", ".join(facts["sbstrip"]),
        "sbignore": "gets messages although it stands in SEEN-BY" if facts["sbignore"] else "",
    }
    if total:
        now = time.time()
        lines["in"] = _traffic(total.messages, total.packets, ago(total.last_in, now), total.last_file)
        lines["out"] = _traffic(total.messages_out, total.packets_out, ago(total.last_out, now), total.last_out_file)
    for name, text in lines.items():
        if text:
            say(f"{name:<11} {text}")
    say()
    say_table(
        ("AREA", "READS", "WRITES", "MANDATORY"),
        [
            (area["tag"], *("yes" if area[right] else "no" for right in ("read", "write", "mandatory")))
            for area in facts["linked"]
        ],
        "It is linked to no area.",
    )


def _pause_text(pause: dict[str, Any] | None) -> str:
    return f"since {pause['since']}, by {pause['who']}: {pause['why']}" if pause else ""


def _hold_text(held: dict[str, Any] | None) -> str:
    if held is None:
        return ""
    return f"since {held['since']}, by {held['who']}: {held['why']}; files waiting: {held['files']}"


def _limits_text(facts: Mapping[str, Any]) -> str:
    limits = {"messages": facts["max_messages_per_hour"], "duplicates": facts["max_dupes_per_hour"]}
    given = " and ".join(f"{most} {what}" for what, most in limits.items() if most is not None)
    return f"on hold when it sends more than {given} within an hour" if given else ""


def _traffic(messages: int, packets: int, last: str | None, file: str | None) -> str:
    latest = f", the last {last} ago" if last else ""
    return f"messages: {messages}, packets: {packets}{latest}" + (f": {file}" if file else "")
