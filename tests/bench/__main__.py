"""``python -m tests.bench``: measure tosser beside crashmail; see ``docs/performance.md``."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.bench.cases import CASES, TARGETS
from tests.bench.machine import ROOT, describe
from tests.bench.mail import Post
from tests.bench.measure import BenchError
from tests.bench.outcome import Bench, Outcome, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.bench.cases import Case

RUNS = 5
LONGEST_PATH = 40
"""Characters of the name of the directory everything happens in; crashmail has little room for paths."""
LONGEST_ERROR = 2000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when a case could not be measured. Targets that are missed are reported, nothing more."""
    options = _options(arguments)
    chosen = _chosen(options)
    with tempfile.TemporaryDirectory(prefix="tb") as directory:
        root = Path(directory)
        if len(directory) > LONGEST_PATH:
            raise SystemExit(f"{directory} is too long a name for crashmail: set TMPDIR")
        machine = describe(root)
        _say("machine: " + ", ".join(f"{name} {value}" for name, value in machine.items()))
        bench = Bench(root, Post(root / "mail"), options.runs, options.set)
        outcomes, failed = _run(chosen, bench)
    rows = verdicts(outcomes)
    _say("", "Targets:", *table(("work", "wanted", "measured", ""), rows, left=2))
    missing = sorted({target.case for target in TARGETS} - outcomes.keys())
    if missing:
        _say(f"  Not measured: {', '.join(missing)}.")
    if options.json is not None:
        _remember(options.json, machine, options, outcomes)
    return 1 if failed else 0


def _run(cases: Iterable[Case], bench: Bench) -> tuple[dict[str, Outcome], list[str]]:
    outcomes: dict[str, Outcome] = {}
    failed: list[str] = []
    for case in cases:
        _say("", f"{case.name}: {case.title}")
        started = time.monotonic()
        try:
            outcome = outcomes[case.name] = case.run(bench)
        except (BenchError, AssertionError) as error:  # peers assert
            failed.append(case.name)
            _say(f"  FAILED: {str(error)[:LONGEST_ERROR]}")
        else:
            _say(*outcome.lines(), f"  (measured in {time.monotonic() - started:.0f} s)")
    return outcomes, failed


def verdicts(outcomes: dict[str, Outcome]) -> list[tuple[str, str, str, str]]:
    """Hold what was measured against the targets."""
    rows = []
    for target in TARGETS:
        if target.case in outcomes:
            wanted = f"{'>=' if target.at_least else '<='} {target.limit:,g} {target.unit}"
            measured = target.measured(outcomes[target.case])
            rows.append((target.work, wanted, f"{measured:,.2f}", "met" if target.met(measured) else "NOT MET"))
    return rows


def _remember(
    history: Path, machine: dict[str, Any], options: argparse.Namespace, outcomes: dict[str, Outcome]
) -> None:
    """Add one line to a history file."""
    record = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine,
        "runs": options.runs,
        "set": options.set,
        "cases": [outcome.to_json() for outcome in outcomes.values()],
        "targets": [
            dict(zip(("work", "wanted", "measured", "verdict"), row, strict=True)) for row in verdicts(outcomes)
        ],
    }
    with history.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    cases = "\n".join(f"  {case.name:12} {case.title}{' (only with --all)' if case.long else ''}" for case in CASES)
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measure tosser beside crashmail.",
        epilog=f"cases:\n{cases}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [case.name for case in CASES]
    parser.add_argument("--case", action="append", choices=names, metavar="NAME", help="only this one; may be repeated")
    parser.add_argument("--all", action="store_true", help="the cases that compare settings, too")
    parser.add_argument(
        "--runs", type=_at_least_one, default=RUNS, metavar="N", help="of each contestant (%(default)s)"
    )
    parser.add_argument("--json", type=_outside, metavar="FILE", help="add the result to a history, outside the source")
    parser.add_argument(
        "--set",
        action=_Set,
        default={},
        metavar="SECTION.KEY=VALUE",
        help="a setting of tosser, such as toss.sync=none",
    )
    return parser.parse_args(arguments)


def _chosen(options: argparse.Namespace) -> list[Case]:
    if options.case:
        return [case for case in CASES if case.name in options.case]
    return [case for case in CASES if options.all or not case.long]


def _at_least_one(text: str) -> int:
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


def _outside(text: str) -> Path:
    path = Path(text).absolute()
    if path.is_relative_to(ROOT):
        raise argparse.ArgumentTypeError(f"{path} is in the source: keep histories elsewhere")
    return path


class _Set(argparse.Action):
    """Lays a setting over the others, read as the configuration file would be."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        name, equals, value = str(values).partition("=")
        section, dot, key = name.partition(".")
        if not (equals and dot):
            parser.error(f"{option_string}: {values} is not SECTION.KEY=VALUE")
        sections = dict(getattr(namespace, self.dest))
        sections[section] = sections.get(section, {}) | {key: yaml.safe_load(value)}
        setattr(namespace, self.dest, sections)


def _say(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
