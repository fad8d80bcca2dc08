"""The entry point: global options, the commands, and errors turned into sentences and exit codes.

A command is a module of its own here, which has a function of its name, or ``app`` for a group of commands. Only the
modules that a command line may mean are imported: a toss out of a cron job starts a fifth sooner for it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from tosser import __version__
from tosser.cli.output import errors_told

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COMMANDS = (
    "run", "toss", "scan", "check", "explain", "route", "status", "queue", "post", "trace", "demo",
    "packet", "area", "link", "base", "netmail", "nodelist", "quarantine",
)  # fmt: skip
"""In the order in which the help lists them."""


def build_app(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """Put the command line together, with these commands."""
    app = typer.Typer(
        name="tosser",
        help="Echomail tosser for FidoNet-technology networks.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(options)
    for name in names:
        module = import_module(f"tosser.cli.{name}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            app.command(name)(getattr(module, name))
    return app


def _show_version(value: bool) -> None:  # noqa: FBT001 - typer calls it so
    if value:
        sys.stdout.write(f"tosser {__version__}\n")
        raise typer.Exit


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


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    execute(app_for(words), words)


def app_for(words: Sequence[str]) -> typer.Typer:
    """Put the command line together with the commands that these words may mean, all of them where none is meant."""
    return build_app([name for name in COMMANDS if name in words] or COMMANDS)


def execute(app: typer.Typer, words: Sequence[str]) -> None:
    """Run the command that these words mean and exit with its code."""
    with errors_told():
        app(args=list(words))
