"""``python -m tests.crash``: kill, cut the power, and count; see ``docs/durability.md``."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.crash.cuts import cut_after_kills, cut_everywhere, cut_twice
from tests.crash.kills import kill_daemon, kill_everywhere, kill_twice
from tests.crash.report import Report, share_out
from tests.crash.sabotage import SABOTAGE
from tests.crash.soak import soak

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EXPERIMENTS: dict[str, tuple[Callable[..., None], int | None]] = {
    "kills": (kill_everywhere, None),
    "kills-twice": (kill_twice, 600),
    "kills-daemon": (kill_daemon, 100),
    "cuts": (cut_everywhere, 2000),
    "cuts-after-kills": (cut_after_kills, 1000),
    "cuts-twice": (cut_twice, 1000),
}
"""What there is, and how many runs a scene; ``None`` is every one there is."""
SOAK = "soak"
KILLS = 500
"""Of the soak."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run experiments; 1 when anything was not as it should be."""
    options = _options(arguments)
    for name in options.sabotage:
        SABOTAGE[name]()
    total = Report()
    for name in options.experiments or (*EXPERIMENTS, SOAK):
        started = time.monotonic()
        report = _run(name, options)
        if not options.json:
            _say(f"{name} ({time.monotonic() - started:.0f} s)", *(f"  {line}" for line in report.lines))
        total.add(report)
    if options.json:
        _say(total.to_json())
    else:
        _say("all", *(f"  {line}" for line in total.lines), *total.failures)
    return 1 if total.wrong else 0


def _run(name: str, options: argparse.Namespace) -> Report:
    if name == SOAK:
        with tempfile.TemporaryDirectory(prefix="tosser-soak-") as directory:
            return soak(Path(directory), kills=options.limit or KILLS, seed=options.seed)
    function, usual = EXPERIMENTS[name]
    work = partial(function, limit=options.limit or usual, seed=options.seed)
    return share_out(work, options.workers, brief=bool(options.sabotage))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.crash", description="Kill tosser, cut its power, and count what is lost or doubled."
    )
    names = (*EXPERIMENTS, SOAK)
    parser.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help=f"of {', '.join(names)}; default all")
    parser.add_argument("--limit", type=int, help="so many runs a scene, or kills of the soak")
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn; default 1")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes; default one a processor")
    parser.add_argument("--json", action="store_true", help="the sum only, for a program")
    parser.add_argument(
        "--sabotage", action="append", default=[], choices=sorted(SABOTAGE), help="with a mistake made in tosser"
    )
    options = parser.parse_args(arguments)
    unknown = set(options.experiments) - set(names)
    if unknown:
        parser.error(f"no such experiment: {', '.join(sorted(unknown))}")
    return options


def _say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)  # noqa: T201 - the report is the output


if __name__ == "__main__":
    sys.exit(main())
