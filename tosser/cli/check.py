"""``tosser check``: is the configuration good, and is this machine ready for it."""

from __future__ import annotations

import os

import typer

from tosser.cli.context import load
from tosser.cli.output import Exit, JsonOption, say, say_json
from tosser.config.environment import check_environment
from tosser.config.loading import find_config


def check(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """Check the configuration and the directories it names.

    Mistakes in the file are printed as ``file:line:column where: what`` and end with 3; a machine that is not ready
    ends with 1.
    """
    path = find_config(context.find_root().obj, os.environ)
    config = load(context)
    findings = check_environment(config)
    errors = [finding for finding in findings if finding.error]
    if as_json:
        say_json(
            {"path": str(path), "ok": not errors, "findings": [{"error": f.error, "what": f.what} for f in findings]}
        )
    else:
        for finding in findings:
            say(f"{'error' if finding.error else 'warning'}: {finding.what}")
        networks, links, areas = len(config.networks), len(config.links), len(config.areas)
        say(f"{path}: {networks} networks, {links} links, {areas} areas: {'not ready' if errors else 'good'}")
    if errors:
        raise typer.Exit(Exit.FAILED)
