"""``tosser scan``: send what other programs wrote into our message bases, by hand, also beside a running daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec import to_builtins

from tosser.cli.context import changing_state, load_to_change, reading_state
from tosser.cli.options import JsonOption  # noqa: TC001 - typer reads the annotations
from tosser.cli.output import Exit, complain, say, say_json
from tosser.config.world import build_rulebook
from tosser.daemon.intake import build_spool
from tosser.daemon.scan_base import ScanOptions, ScanPlace, ScanReport
from tosser.daemon.scanning import build_scanner, places_of
from tosser.daemon.upkeep import NETMAIL
from tosser.errors import StoreError
from tosser.rules.network import StoreKind

if TYPE_CHECKING:
    from tosser.config.model import Config
    from tosser.state.state import State

Areas = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[AREA]...",
        help="Tags, also as NETWORK/TAG, or `netmail`; without any, those with `scan: true`.",
        show_default=False,
    ),
]


def scan(
    context: typer.Context,
    areas: Areas = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Send all that is local and unsent, from the start of the base on.")
    ] = False,
    many: Annotated[bool, typer.Option("--many", help="Send also when it is more than `scan.limit`.")] = False,
    skip: Annotated[bool, typer.Option("--skip", help="Send nothing that is there now; go on at the end.")] = False,
    dry: Annotated[bool, typer.Option("--dry", help="Only tell how many would be sent.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Look for local messages in the message bases, and give them to the toss, at once if the daemon runs.

    The first look at a base begins at its end. Ends with 1 when a base could not be looked at, or has more than
    `scan.limit` messages to be sent.
    """
    config = load_to_change(context)
    chosen = _chosen(config, areas)
    if (everything or many or skip) and not areas:
        complain("tosser: name the areas for which --all, --many or --skip is to count")
        raise typer.Exit(Exit.USAGE)
    if skip and (everything or many):
        complain("tosser: --skip sends nothing, so it does not go with --all or --many")
        raise typer.Exit(Exit.USAGE)
    options = ScanOptions(everything, many, skip, dry, config.toss.lock_wait)
    if dry:
        with reading_state(config) as state:
            rows = _scan(config, chosen, options, state)
    else:
        with changing_state(config) as state:
            rows = _scan(config, chosen, options, state)
    if as_json:
        say_json(rows)
    elif not rows:
        say("There are no areas with `scan: true`.")
    else:
        for row in rows:
            say(f"{row['area']}: {row['error'] or _told(ScanReport(**row['report']), options)}")
    if any(row["error"] or row["report"]["refused"] for row in rows):
        raise typer.Exit(Exit.FAILED)


def _chosen(config: Config, areas: list[str] | None) -> list[ScanPlace]:
    """Find the bases that are meant, or end the command before anything is touched."""
    rules = build_rulebook(config)
    if not areas:
        return places_of(rules)
    found: list[ScanPlace] = []
    for text in areas:
        meant = [
            ScanPlace.of(area)
            for area in rules.areas.values()
            if area.store is StoreKind.JAM and text.upper() in {area.tag, f"{area.network}/{area.tag}".upper()}
        ]
        if text.lower() == NETMAIL and rules.netmail.store is StoreKind.JAM:
            meant.append(ScanPlace(NETMAIL, "", rules.netmail.path))
        if not meant:
            complain(f"tosser: {text} is no area with a JAM base here")
            raise typer.Exit(Exit.USAGE)
        found += [place for place in meant if place not in found]
    return found


def _scan(config: Config, places: list[ScanPlace], options: ScanOptions, state: State | None) -> list[dict[str, Any]]:
    """Look at one base after the other; one that cannot be had is told of, and the others go on."""
    rows: list[dict[str, Any]] = []
    scanner = None if state is None else build_scanner(config, build_rulebook(config), state, build_spool(config))
    for place in places:
        report, error = ScanReport(first=scanner is None), ""
        if scanner is not None:
            try:
                report = scanner.scan(place, options)
            except StoreError as failure:
                error = str(failure)
        rows.append(
            {"area": place.tag, "network": place.network or None, "report": to_builtins(report), "error": error or None}
        )
    return rows


def _told(report: ScanReport, options: ScanOptions) -> str:
    if options.skip:
        return "looked at from its end on" if not options.dry else "would be looked at from its end on"
    if report.first and not options.everything:
        return "first look: it begins at the end, so nothing that is there is sent"
    sentences = []
    if report.refused:
        sentences.append(f"{report.found} messages are more than scan.limit, none is sent: say --many or --skip")
    elif options.dry:
        sentences.append(f"{report.found} messages would be sent")
    else:
        sentences.append(f"{report.sent} messages are sent")
    if report.older:
        sentences.append(f"{report.older} passed over, which may be older than the first look; --all would send them")
    if report.too_long:
        sentences.append(f"{report.too_long} passed over, which are longer than limits.text allows")
    return "; ".join(sentences)
