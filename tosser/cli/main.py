"""The entry point: global options, the command groups, and errors turned into sentences and exit codes."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from tosser import __version__
from tosser.cli import (
    area,
    base,
    check,
    demo,
    explain,
    link,
    netmail,
    nodelist,
    packet,
    post,
    quarantine,
    queue,
    route,
    run,
    status,
    toss,
    trace,
)
from tosser.cli.output import Exit, complain
from tosser.errors import ConfigError, TosserError

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(
    name="tosser",
    help="Echomail tosser for FidoNet-technology networks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(value: bool) -> None:  # noqa: FBT001 - typer calls it so
    if value:
        sys.stdout.write(f"tosser {__version__}\n")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", metavar="FILE",
            help="Configuration file; else $TOSSER_CONFIG, ./tosser.yaml, /etc/tosser/tosser.yaml.",
        ),
    ] = None,
    _version: Annotated[  # noqa: FBT002 - an option, never positional
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:  # fmt: skip
    """Take the options that all commands share."""
    context.obj = config


app.command("run")(run.run)
app.command("toss")(toss.toss)
app.command("check")(check.check)
app.command("explain")(explain.explain)
app.command("route")(route.route)
app.command("status")(status.status)
app.command("queue")(queue.queue)
app.command("post")(post.post)
app.command("trace")(trace.trace)
app.command("demo")(demo.demo)
app.add_typer(packet.app, name="packet")
app.add_typer(area.app, name="area")
app.add_typer(link.app, name="link")
app.add_typer(base.app, name="base")
app.add_typer(netmail.app, name="netmail")
app.add_typer(nodelist.app, name="nodelist")
app.add_typer(quarantine.app, name="quarantine")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    try:
        app(args=list(arguments) if arguments is not None else None)
    except ConfigError as error:
        for problem in error.problems:
            complain(str(problem))
        raise SystemExit(Exit.CONFIG) from None
    except TosserError as error:
        complain(f"tosser: {error}")
        raise SystemExit(Exit.FAILED) from None
    except OSError as error:
        complain(f"tosser: {error.filename or ''}: {error.strerror or error}".replace(": :", ":"))
        raise SystemExit(Exit.FAILED) from None
