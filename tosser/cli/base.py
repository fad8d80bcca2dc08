"""``tosser base``: the message bases, looked after by hand, also beside a running daemon and other programs."""

from __future__ import annotations

import sys
import time
from collections import Counter
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tosser.cli.context import load, load_to_change, reading_state
from tosser.cli.options import JsonOption  # noqa: TC001 - typer reads the annotations
from tosser.cli.output import Exit, complain, say, say_json, say_table
from tosser.config.world import build_rulebook
from tosser.daemon.upkeep import NETMAIL, Base, bases_of, held
from tosser.errors import StoreError
from tosser.rules.network import Keep, StoreKind
from tosser.stores.jam import JamBase
from tosser.stores.jam_files import shared_files
from tosser.stores.jam_links import link_new, relink
from tosser.stores.jam_pack import pack, unused
from tosser.stores.jam_purge import purge
from tosser.stores.jam_repair import ALL_FILES, Damage, check, missing_files, repair, restore_files
from tosser.stores.jam_walk import Headers, no_progress, places, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from tosser.config.model import Config
    from tosser.stores.jam_files import JamFiles
    from tosser.stores.jam_repair import Finding
    from tosser.stores.jam_walk import Progress

    Row = dict[str, Any]

app = typer.Typer(help="The message bases: list, check, repair, purge, pack, link.", no_args_is_help=True)

Areas = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[AREA]...", help="Tags, also as NETWORK/TAG, or `netmail`; without any, all bases.", show_default=False
    ),
]
_SHOWN = 20
"""Findings of one kind in one base that are printed; JSON has all."""


@app.command("list")
def list_bases(context: typer.Context, areas: Areas = None, *, as_json: JsonOption = False) -> None:
    """List the bases: how many messages they have, how much room they take, how much of it is unused."""
    _each(load(context), areas, as_json, _facts, _show_list, locked=False)


@app.command("check")
def check_bases(context: typer.Context, areas: Areas = None, *, as_json: JsonOption = False) -> None:
    """Look for damage, and change nothing. Ends with 1 when any is found."""

    def work(base: Base, progress: Progress) -> Row:
        return {"findings": [_plain(each) for each in check(_files(base), progress)]}

    rows = _each(load(context), areas, as_json, work, _show_findings)
    if any(row.get("findings") for row in rows):
        raise typer.Exit(Exit.FAILED)


@app.command("repair")
def repair_bases(
    context: typer.Context,
    areas: Areas = None,
    *,
    crc: Annotated[bool, typer.Option("--crc", help="Mend CRCs too, also where all are wrong.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Mend what can be mended without losing a message that can be read; tells what was wrong and what is lost.

    Ends with 1 when something could not be mended.
    """
    config = load_to_change(context)

    def work(base: Base, progress: Progress) -> Row:
        stuck = not _takes_mail(base)
        made = restore_files(_files(base)) if stuck else []
        with _held(config, base, heeding=not stuck) as files:
            findings = made + repair(files, progress, crcs=crc)
        return {"findings": [_plain(each) for each in findings]}

    rows = _each(config, areas, as_json, work, _show_findings)
    if any(not each["mended"] for row in rows for each in row.get("findings", ())):
        raise typer.Exit(Exit.FAILED)


@app.command("pack")
def pack_bases(context: typer.Context, areas: Areas = None, *, as_json: JsonOption = False) -> None:
    """Give the room of deleted messages back to the disk. No message changes its number."""
    config = load_to_change(context)

    def work(base: Base, progress: Progress) -> Row:
        with _held(config, base) as files:
            packed = pack(files, progress)
        return {"messages": packed.messages, "before": sum(packed.before), "after": sum(packed.after)}

    _each(config, areas, as_json, work, _show_packed)


@app.command("purge")
def purge_bases(
    context: typer.Context,
    areas: Areas = None,
    *,
    days: Annotated[int | None, typer.Option("--days", min=1, help="Instead of what the configuration says.")] = None,
    messages: Annotated[
        int | None, typer.Option("--messages", min=1, help="Instead of what the configuration says.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry", help="Only tell how many would go.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete messages that need not be kept, by `keep` of the configuration.

    Never deleted: messages that are locked, and mail from here, or on its way through, that was not sent yet.
    """
    config = load_to_change(context)
    asked = Keep(days, messages)
    if not asked.everything and not areas:
        complain("tosser: name the areas for which --days and --messages are to count")
        raise typer.Exit(Exit.USAGE)

    def work(base: Base, progress: Progress) -> Row:
        keep = base.keep if asked.everything else asked
        with _held(config, base) as files:
            done = purge(files, keep, int(time.time()), progress, dry_run=dry_run)
            files.sync()
        return {"deleted": done.deleted, "kept": done.kept, "protected": done.protected}

    _each(config, areas, as_json, work, partial(_show_purged, dry_run=dry_run))


@app.command("link")
def link_bases(
    context: typer.Context,
    areas: Areas = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Make all links of the base anew.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Link messages to those they answer; without `--all` only the latest, as the daemon does after a toss."""
    config = load_to_change(context)

    def work(base: Base, progress: Progress) -> Row:
        files = _files(base)
        with files.locked(config.toss.lock_wait):
            end = files.fixed_header().base_number + places(files)
            linked = relink(files, progress) if everything else link_new(files, end)
            files.sync()
        return {"linked": linked}

    _each(config, areas, as_json, work, _show_linked)


# --- one base after the other


def _each(
    config: Config,
    areas: list[str] | None,
    as_json: bool,  # noqa: FBT001 - passed on
    work: Callable[[Base, Progress], Row],
    show: Callable[[list[Row]], None],
    *,
    locked: bool = True,
) -> list[Row]:
    """Do something with every base that is meant; one that cannot be had is told of, and the others go on."""
    rows: list[Row] = []
    failed: list[str] = []
    with _bar() as bar:
        for base in _chosen(config, areas):
            row: Row = {"base": base.name, "network": base.network or None, "path": base.path}
            rows.append(row)
            files = _files(base)
            try:
                if missing_files(files) != ALL_FILES or not locked:
                    row |= work(base, bar(base.name))
                else:
                    row["skipped"] = "there is no base yet"
            except StoreError as error:
                row["skipped"] = error.what
                failed.append(str(error))
            finally:
                files.close()
    if as_json:
        say_json(rows)
    else:
        show(rows)
    for sentence in failed:
        complain(f"tosser: {sentence}")
    if failed:
        raise typer.Exit(Exit.FAILED)
    return rows


def _chosen(config: Config, areas: list[str] | None) -> list[Base]:
    """Find the bases that are meant, or end the command before anything is touched."""
    bases = bases_of(build_rulebook(config))
    in_files = config.netmail.store is StoreKind.MSG
    if in_files and any(text.lower() == NETMAIL for text in areas or (NETMAIL,)):
        complain("tosser: netmail is in *.MSG files, which need no looking after; it is passed over")
    if not areas:
        return bases
    found: list[Base] = []
    for text in areas:
        meant = [base for base in bases if text.upper() in _names(base)]
        if not meant and not (in_files and text.lower() == NETMAIL):
            complain(f"tosser: {text} is no area with a message base here")
            raise typer.Exit(Exit.USAGE)
        found += [base for base in meant if base not in found]
    return found


def _names(base: Base) -> Collection[str]:
    return {base.name.upper(), f"{base.network}/{base.name}".upper()}


def _files(base: Base) -> JamFiles:
    return shared_files(Path(base.path))


@contextmanager
def _held(config: Config, base: Base, *, heeding: bool = True) -> Iterator[JamFiles]:
    """Hold a base, heeding mail that is decided on."""
    with (
        reading_state(config) as state,
        held(base.path, config.toss.lock_wait, state.open_bases if heeding and state is not None else set) as files,
    ):
        yield files


def _takes_mail(base: Base) -> bool:
    """Tell whether mail can be stored in a base; where not, mail that is decided on waits for its repair."""
    try:
        JamBase(Path(base.path)).position()
    except StoreError:
        return False
    return not missing_files(_files(base))


@contextmanager
def _bar() -> Iterator[Callable[[str], Progress]]:
    """Show how far a base is, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _name: no_progress
        return
    from rich.console import Console  # noqa: PLC0415 - only where somebody looks
    from rich.progress import Progress as Bar  # noqa: PLC0415 - as above

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def begin(name: str) -> Progress:
            bar.update(task, description=name, completed=0, total=None)
            return lambda done, total: bar.update(task, completed=done, total=total)

        yield begin


# --- what they tell


def _facts(base: Base, progress: Progress) -> Row:
    """Tell what there is to know of a base without changing it."""
    del progress
    files = _files(base)
    keep = {"days": base.keep.days, "messages": base.keep.messages}
    if not files.exists():
        return {"messages": 0, "bytes": 0, "unused": 0, "keep": keep}
    with files.reading():
        living = sum(not sight.deleted and not sight.problem for sight in walk(files, Headers(files.jhr)))
        idle, _ = unused(files)
        return {
            "messages": living,
            "first": files.fixed_header().base_number,
            "next": files.fixed_header().base_number + places(files),
            "bytes": sum(files.sizes()),
            "unused": idle,
            "keep": keep,
        }


def _plain(finding: Finding) -> Row:
    return {
        "kind": finding.kind.value,
        "what": finding.what,
        "number": finding.number,
        "offset": finding.offset,
        "mended": finding.mended,
        "lost": finding.lost,
    }


def _show_list(rows: list[Row]) -> None:
    say_table(
        ("NETWORK", "BASE", "MESSAGES", "BYTES", "UNUSED", "KEEPS", "PATH"),
        [
            (
                row["network"], row["base"], row.get("messages"), row.get("bytes"), row.get("unused"),
                _keeping(row.get("keep")), row["path"],
            )
            for row in rows
        ],
        "There are no bases.",
    )  # fmt: skip


def _keeping(keep: dict[str, int | None] | None) -> str:
    rules = [f"{value} {name}" for name, value in (keep or {}).items() if value is not None]
    return ", ".join(rules) or "all"


def _show_findings(rows: list[Row]) -> None:
    for row in rows:
        findings = row.get("findings", [])
        if "skipped" in row:
            say(f"{row['base']}: {row['skipped']}")
        elif not findings:
            say(f"{row['base']}: good")
        shown: Counter[str] = Counter()
        for each in findings:
            shown[each["kind"]] += 1
            if shown[each["kind"]] <= _SHOWN:
                end = "; lost for good" if each["lost"] else ""
                end = f" (mended{end})" if each["mended"] else ""
                say(f"{row['base']}: {each['what']}{end}")
        for kind, count in shown.items():
            if count > _SHOWN:
                say(f"{row['base']}: {count - _SHOWN} more of {Damage(kind)}; --json tells all")


def _show_rows(rows: list[Row], sentence: Callable[[Row], str]) -> None:
    for row in rows:
        say(f"{row['base']}: {row['skipped'] if 'skipped' in row else sentence(row)}")


def _show_packed(rows: list[Row]) -> None:
    _show_rows(
        rows, lambda row: f"{row['messages']} messages, {row['before']} bytes before, {row['after']} bytes after"
    )


def _show_purged(rows: list[Row], *, dry_run: bool) -> None:
    def sentence(row: Row) -> str:
        protected = f", {row['protected']} of them because they are locked or not sent yet" if row["protected"] else ""
        return f"{row['deleted']} messages {'would be ' if dry_run else ''}deleted, {row['kept']} kept{protected}"

    _show_rows(rows, sentence)


def _show_linked(rows: list[Row]) -> None:
    _show_rows(rows, lambda row: f"{row['linked']} messages linked")
