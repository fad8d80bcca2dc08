"""``tosser demo``: a whole network in a temporary directory, and what happens in it, as it happens."""

from __future__ import annotations

import asyncio
import importlib
import shutil
import signal
import sys
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tosser.cli.output import Exit, complain, say

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOG_LINES = 20
"""Lines of the daemon's log that are shown when something went wrong."""


def demo(
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the directory, and say what to try on it.")] = False,
    seconds: Annotated[
        int, typer.Option("--seconds", min=0, help="Stay up this long when the mail is tossed, to be looked at.")
    ] = 0,
) -> None:
    """Run a whole network in a temporary directory: a broker, the daemon, mail of all sorts, and events as they come.

    Takes some seconds. Ends with 1 when anything happened that should not have, or did not that should have.
    """
    try:
        importlib.import_module("amqtt")
    except ModuleNotFoundError:
        complain("tosser: the demo needs an MQTT broker in Python: pip install 'tosser[demo]'")
        raise typer.Exit(Exit.FAILED) from None
    with _directory(keep=keep) as root:
        problems = asyncio.run(_play(root, seconds))
        if problems is None:
            complain("tosser: the demo was told to stop")
            raise typer.Exit(Exit.FAILED)
        say()
        for problem in problems:
            complain(f"tosser: {problem}")
        if problems:
            _show_log(root)
            raise typer.Exit(Exit.FAILED)
        _say_goodbye(root, keep=keep)


@contextmanager
def _directory(*, keep: bool) -> Iterator[Path]:
    root = Path(tempfile.mkdtemp(prefix="tosser-demo-"))
    try:
        yield root
    finally:
        if not keep:
            shutil.rmtree(root, ignore_errors=True)


async def _play(root: Path, seconds: int) -> list[str] | None:
    """Play the demo; gives what went wrong, or ``None`` when a signal ended it early."""
    from tosser.demo.network import samples  # noqa: PLC0415 - slow to import
    from tosser.demo.stage import Stage  # noqa: PLC0415 - as above

    performance = asyncio.ensure_future(Stage(root, _say_now, samples(datetime.now(UTC))).play(seconds))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, performance.cancel)
    try:
        return await performance
    except asyncio.CancelledError:
        return None


def _say_now(text: str) -> None:
    """Print a line that is to be seen at once, also through a pipe."""
    say(text)
    sys.stdout.flush()


def _show_log(root: Path) -> None:
    from tosser.demo.stage import LOG_NAME  # noqa: PLC0415 - slow to import

    log = root / LOG_NAME
    if log.exists():
        complain(f"the end of the daemon's log, {log}:")
        for line in log.read_text("utf-8", "replace").splitlines()[-_LOG_LINES:]:
            complain(f"  {line}")


def _say_goodbye(root: Path, *, keep: bool) -> None:
    from tosser.demo.stage import CONFIG_NAME, SAMPLES  # noqa: PLC0415 - slow to import

    say("All went as it should: every file is accounted for, every message was stored once and told of.")
    if not keep:
        say("All of it is removed again. `tosser demo --keep` leaves it for you to look into.")
        return
    say(f"All of it is in {root}. To look further:")
    samples = root / SAMPLES
    for command in ("status", f"explain {samples}/*", f"packet show --raw {samples}/00000006.pkt"):
        say(f"  tosser --config {root / CONFIG_NAME} {command}")
