"""``tosser toss``: one pass over all inbounds, then exit."""

from __future__ import annotations

from typing import Annotated

import typer

from tosser.cli.context import load_to_change
from tosser.cli.options import JsonOption  # noqa: TC001 - typer reads the annotations
from tosser.cli.tossing import tell
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
    raise typer.Exit(tell(toss_once(load_to_change(context), link=link), as_json=as_json))
