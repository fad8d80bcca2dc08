"""``tosser``, and ``python -m tosser``: the command line, imported in the way that takes the least time.

A toss out of a cron job is short, and waits for every import. So its usual forms are understood here, without what
understands all command lines; and where there are two processors a helper is started first, which imports what reads
the configuration, half of all there is to import, and reads it, while this process imports the rest.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tosser.config.snapshot import take_snapshot
from tosser.daemon import collector
from tosser.inbound.helper import Helper

if TYPE_CHECKING:
    from collections.abc import Sequence

_INTERRUPTED = 130
"""What a shell says of a command that was ended by Ctrl-C."""


class QuickToss(NamedTuple):
    """A command line: the configuration file that it names, and its options."""

    config: Path | None
    link: bool
    as_json: bool


def main() -> None:
    """Run one command and exit with its code."""
    collector.rest()
    _open_standard_streams()
    words = sys.argv[1:]
    toss = understand(words)
    helper = _start_helper() if toss else None
    if toss and helper:
        sys.exit(_toss(toss, helper))
    _import_structlog()
    from tosser.cli.main import app_for, execute  # noqa: PLC0415 - after what makes it quick

    app = app_for(words)
    collector.spare()
    execute(app, words)


def _open_standard_streams() -> None:
    """Open what we were started without: the next file would take its number, and get what is printed."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))


def understand(words: Sequence[str]) -> QuickToss | None:
    """Understand ``[--config FILE] toss [--link] [--json]``; ``None`` for all other command lines."""
    named, rest = None, list(words)
    if len(rest) > 1 and rest[0] in {"-c", "--config"}:
        named, rest = Path(rest[1]), rest[2:]
    if rest[:1] != ["toss"] or not {"--link", "--json"}.issuperset(rest[1:]):
        return None
    return QuickToss(named, "--link" in rest, "--json" in rest)


def _start_helper() -> Helper | None:
    """Start one, where it gains time; where the system lets us have none, who needs it later says so."""
    helper = Helper()
    if len(os.sched_getaffinity(0)) > 1:
        with suppress(OSError):
            helper.start()
    return helper if helper.alive else None


def _toss(toss: QuickToss, helper: Helper) -> int:
    try:
        with helper:
            snapshot = helper.order(take_snapshot, toss.config)
            _import_structlog()
            from tosser.cli.tossing import toss_quickly  # noqa: PLC0415 - while the helper is at work

            collector.spare()
            return toss_quickly(toss.config, link=toss.link, as_json=toss.as_json, helper=helper, snapshot=snapshot)
    except KeyboardInterrupt:
        return _INTERRUPTED


def _import_structlog() -> None:
    """Import structlog without rich, a tenth of a start: it wants that for tracebacks of a kind not used here."""
    sys.modules["rich"] = None  # type: ignore[assignment]  # how an import is made to fail
    import structlog.dev  # noqa: F401, PLC0415 - only so that it is loaded, at this moment

    del sys.modules["rich"]


if __name__ == "__main__":
    main()
