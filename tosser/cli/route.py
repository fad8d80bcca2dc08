"""``tosser route``: which way netmail to an address goes, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tosser.address import Address
from tosser.cli.context import load, present_rules
from tosser.cli.options import JsonOption  # noqa: TC001 - typer reads the annotations
from tosser.cli.output import Exit, complain, say, say_json
from tosser.errors import AddressError
from tosser.rules.network import InboundClass

if TYPE_CHECKING:
    from tosser.config.model import Config


def route(
    context: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="As 2:345/6.7, with or without a domain.")],
    *,
    files: Annotated[bool, typer.Option("--files", help="With files attached.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Tell which way netmail to an address goes, by which line of the tables, and how urgently.

    Ends with 1 when there is no way.
    """
    facts = fate_of(address, load(context), files=files)
    if as_json:
        say_json(facts)
    else:
        say_fate(facts)
    if not facts["links"] and facts["verdict"] != "netmail":
        raise typer.Exit(Exit.FAILED)


def fate_of(
    text: str, config: Config, *, sender: str | None = None, cls: InboundClass | None = None, files: bool = False
) -> dict[str, Any]:
    """Tell what would become of a netmail to an address, given as text; ends with 2 where that is none."""
    from tosser.cli.netmail_fate import netmail_facts, with_nodelists  # noqa: PLC0415 - slow to import

    try:
        address, source = Address.parse(text), Address.parse(sender) if sender else None
    except AddressError as error:
        complain(f"tosser: {error}")
        raise typer.Exit(Exit.USAGE) from None
    rules = with_nodelists(present_rules(config), config)
    return netmail_facts(address, rules, sender=source, cls=cls or InboundClass.SECURE, files=files)


def say_fate(facts: dict[str, Any]) -> None:
    """Print what would become of a netmail."""
    what = "netmail with files" if facts["files"] else "netmail"
    source = "our own programs" if facts["inbound"] == "local" else f"{facts['from']}, {facts['inbound']} inbound"
    say(f"{what} to {facts['to']} from {source}: {facts['verdict']} ({facts['means']})")
    for line in facts["passed_over"]:
        say(f"  passed over: {line}")
    if facts["why"]:
        say(f"  because: {facts['why']}")
    for link in facts["links"]:
        name = f" ({link['name']})" if link["name"] else "" if link["known"] else " (no link of ours)"
        dest = f", for {link['dest']}" if link["dest"] else ""
        say(f"  sent on to {link['link']}{name}, {link['flavour']}{dest}")
    if facts["bounced"]:
        say("  held here, and its author gets a bounce")
