"""``tosser quarantine``: what was set aside, why, and what to do about it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import to_builtins

from tosser.cli.chosen import Ids, chosen
from tosser.cli.context import load, load_to_change
from tosser.cli.options import JsonOption  # noqa: TC001 - typer reads the annotations
from tosser.cli.output import ago, say, say_json, say_table, utc
from tosser.inbound.quarantine import Quarantine
from tosser.reason import Reason

if TYPE_CHECKING:
    from tosser.config.model import Config

app = typer.Typer(help="What was set aside, why, and what to do about it.", no_args_is_help=True)

_NOTHING = "Nothing is set aside."


@app.command("list")
def list_entries(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """List what was set aside, oldest first."""
    entries = _quarantine(load(context)).entries()
    if as_json:
        say_json(to_builtins(entries))
        return
    now = time.time()
    say_table(
        ("ID", "STATE", "REASON", "FROM", "AGE", "SIZE", "FILE"),
        [
            (
                e.id,
                e.state,
                e.reason,
                e.sender,
                ago(e.set_aside, now),
                e.size,
                f"{e.name}: {e.member}" if e.member else e.name,
            )
            for e in entries
        ],
        _NOTHING,
    )


@app.command("show")
def show(
    context: typer.Context,
    entry_id: Annotated[str, typer.Argument(metavar="ID", help="Id as `quarantine list` shows it.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Show all that is known of one entry."""
    entry = _quarantine(load(context)).get(entry_id)
    if as_json:
        say_json(to_builtins(entry))
        return
    say(f"id         {entry.id}")
    say(f"file       {entry.name}" + (f", member {entry.member}" if entry.member else ""))
    say(f"inbound    {entry.inbound} ({entry.inbound_class})")
    say(f"state      {entry.state}: {entry.state.text}")
    say(f"reason     {entry.reason}: {entry.reason.text}")
    say(f"what       {entry.what}" + (f", at offset {entry.offset}" if entry.offset is not None else ""))
    say(f"from       {entry.sender or 'unknown'}")
    say(f"size       {entry.size} bytes, SHA-256 {entry.digest}")
    say(f"arrived    {utc(entry.arrived)}")
    say(f"set aside  {utc(entry.set_aside)}")
    if entry.excerpt:
        say()
        say(entry.excerpt)


@app.command("retry")
def retry(context: typer.Context, ids: Ids) -> None:
    """Put entries back into their inbound, to be tossed again."""
    quarantine = _quarantine(load_to_change(context))
    for entry_id in _chosen(quarantine, ids):
        path = quarantine.retry(entry_id)
        say(f"{entry_id} is back as {path}")


@app.command("drop")
def drop(context: typer.Context, ids: Ids) -> None:
    """Delete entries for good."""
    quarantine = _quarantine(load_to_change(context))
    for entry_id in _chosen(quarantine, ids):
        quarantine.drop(entry_id)
        say(f"{entry_id} is deleted")


@app.command("reasons")
def reasons(*, as_json: JsonOption = False) -> None:
    """List every reason code and what it means."""
    if as_json:
        say_json({reason.value: reason.text for reason in Reason})
    else:
        say_table(("REASON", "MEANING"), [(reason, reason.text) for reason in Reason], "")


def _quarantine(config: Config) -> Quarantine:
    return Quarantine(config.paths.state)


def _chosen(quarantine: Quarantine, ids: list[str]) -> list[str]:
    known = [entry.id for entry in quarantine.entries()]
    if not known and ids == ["all"]:
        say(_NOTHING)
    return chosen(known, ids, "set aside")
