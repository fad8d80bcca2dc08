"""``tosser``, and ``python -m tosser``: the command line, imported in the way that takes the least time.

A toss out of a cron job is short, and waits for every import. So its usual forms are understood here, without what
understands all command lines; and where there are two processors a helper is started first, which imports what reads
the configuration, half of all there is to import, and reads it, while this process imports the rest.
"""

from __future__ import annotations

import os
import sys
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
    words = sys.argv[1:]
    toss = understand(words) if len(os.sched_getaffinity(0)) > 1 else None
    if toss is not None:
        sys.exit(_toss(toss))
    _import_structlog()
    from tosser.cli.main import app_for, execute  # noqa: PLC0415 - after what makes it quick

    app = app_for(words)
    collector.spare()
    execute(app, words)


def understand(words: Sequence[str]) -> QuickToss | None:
    """Understand ``[--config FILE] toss [--link] [--json]``; ``None`` for all other command lines."""
    named, rest = None, list(words)
    if len(rest) > 1 and rest[0] in {"-c", "--config"}:
        named, rest = Path(rest[1]), rest[2:]
    if rest[:1] != ["toss"] or not {"--link", "--json"}.issuperset(rest[1:]):
        return None
    return QuickToss(named, "--link" in rest, "--json" in rest)


def _toss(toss: QuickToss) -> int:
    try:
        with Helper() as helper:
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
