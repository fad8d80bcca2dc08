"""What ``tosser toss`` says and ends with, and the toss of cron jobs and mailers, where the start counts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tosser.cli.context import refuse_strangers
from tosser.cli.output import Exit, complain, errors_told, say, say_json
from tosser.config.snapshot import restore
from tosser.daemon.oneshot import toss_once
from tosser.inbound.helper import HelperError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tosser.config.model import Config
    from tosser.daemon.passes import PassReport
    from tosser.inbound.helper import Helper


def tell(report: PassReport, *, as_json: bool) -> Exit:
    """Say what a toss came to, and what it ends with."""
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
        return Exit.FAILED
    return Exit.SET_ASIDE if report.set_aside or report.held else Exit.DONE


def toss_quickly(
    named: Path | None, *, link: bool, as_json: bool, helper: Helper, snapshot: Callable[[], bytes]
) -> Exit:
    """Toss with a helper that is reading the configuration already.

    Args:
        named: the configuration file that the command line names, if it does.
        link: as of the command.
        as_json: likewise.
        helper: it.
        snapshot: waits for what it makes of the configuration.
    """
    with errors_told():
        config = _configuration(named, snapshot)
        refuse_strangers(config.paths.state)
        return tell(toss_once(config, link=link, helper=helper), as_json=as_json)


def _configuration(named: Path | None, snapshot: Callable[[], bytes]) -> Config:
    try:
        return restore(snapshot())
    except HelperError as error:
        complain(f"tosser: the configuration is read without the helper: {error}")
    from tosser.config.loading import find_config, load_config  # noqa: PLC0415 - slow to import, and not needed

    return load_config(find_config(named, os.environ), os.environ)
