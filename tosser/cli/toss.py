"""``tosser toss``: one pass over all inbounds, then exit."""

from __future__ import annotations

from typing import Annotated

import typer

from tosser.cli.context import load_to_change
from tosser.cli.output import Exit, JsonOption, complain, say, say_json
from tosser.daemon.oneshot import toss_once


def toss(
    context: typer.Context,
    *,
    link: Annotated[
        bool, typer.Option("--link", help="Make the reply links of what came in, too: a tenth more work.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Toss what is in the inbounds once, by the same code as the daemon, then exit.

    Ends with 4 when something was set aside, or waits for a link on hold, with 1 when the pass could not be finished.
    Refused while a daemon, or another toss, is at work on the same state.
    """
    report = toss_once(load_to_change(context), link=link)
    if as_json:
        say_json(
            {
                "files": report.files,
                "messages": report.messages,
                "set_aside": report.set_aside,
                "held": report.held,
                "trouble": report.trouble,
            }
        )
    else:
        files = ", ".join(f"{count} {state}" for state, count in sorted(report.files.items()))
        messages = ", ".join(f"{count} {reason}" for reason, count in sorted(report.messages.items()))
        held = f"; on hold: {report.held} files" if report.held else ""
        say(f"files: {files or 'none'}; messages: {messages or 'none'}; set aside: {report.set_aside}{held}")
    if report.trouble:
        complain(f"tosser: {report.trouble}")
        raise typer.Exit(Exit.FAILED)
    if report.set_aside or report.held:
        raise typer.Exit(Exit.SET_ASIDE)
