"""``tosser run``: the daemon."""

from __future__ import annotations

import os

import typer  # noqa: TC002 - typer reads the annotations

from tosser.cli.context import load_to_change


def run(context: typer.Context) -> None:
    """Run the daemon until it is told to stop (SIGTERM, SIGINT); SIGHUP reads the configuration again."""
    from tosser.config.loading import find_config  # noqa: PLC0415 - as below
    from tosser.daemon.app import run_daemon  # noqa: PLC0415 - the daemon's parts are slow to import

    config = load_to_change(context)
    run_daemon(find_config(context.find_root().obj, os.environ), config, os.environ)
