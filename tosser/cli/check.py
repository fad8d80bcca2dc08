"""``tosser check``: is the configuration good, and is this machine ready for it."""

from __future__ import annotations

import os

import typer
from msgspec import to_builtins

from tosser.cli.context import load, other_owner
from tosser.cli.options import JsonOption  # noqa: TC001 - typer reads the annotations
from tosser.cli.output import Exit, say, say_json
from tosser.config.environment import Finding, check_environment, check_secrets
from tosser.config.include import read_tree
from tosser.config.loading import find_config
from tosser.daemon.nodelists import build_nodelists
from tosser.errors import ConfigError
from tosser.state.lock import holder


def check(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """Check the configuration and the directories it names.

    All mistakes in the file are printed as ``file:line:column where: what`` and end with 3; a machine that is not
    ready ends with 1.
    """
    path = find_config(context.find_root().obj, os.environ)
    try:
        config = load(context)
    except ConfigError as error:
        if not as_json:
            raise
        say_json({"path": str(path), "ok": False, "problems": [to_builtins(problem) for problem in error.problems]})
        raise typer.Exit(Exit.CONFIG) from None
    lists = [each.trouble for each in build_nodelists(config).lists if each.trouble]
    root = read_tree(path, os.environ).root
    findings = [*check_environment(config), *(check_secrets(config, root) if root else ())]
    findings += [Finding(error=False, what=f"nodelist {what}") for what in lists]
    process = holder(config.paths.state)
    owner = other_owner(config.paths.state)
    if owner is not None and os.geteuid() == 0:
        what = f"checked as root, who may do everything; `runuser -u {owner} -- tosser check` checks as {owner}"
        findings.append(Finding(error=False, what=what))
    errors = [finding for finding in findings if finding.error]
    if as_json:
        found = [to_builtins(finding) for finding in findings]
        say_json({"path": str(path), "ok": not errors, "process": process, "findings": found})
    else:
        if process is not None:
            say(f"note: a tosser is at work on {config.paths.state} (process {process}); it reads this file on SIGHUP")
        for finding in findings:
            say(f"{'error' if finding.error else 'warning'}: {finding.what}")
        sections = {"network": config.networks, "link": config.links, "area": config.areas}
        counts = ", ".join(f"{len(each)} {name}{'' if len(each) == 1 else 's'}" for name, each in sections.items())
        say(f"{path}: {counts}: {'not ready' if errors else 'good'}")
    if errors:
        raise typer.Exit(Exit.FAILED)
