"""Killed at any step, and cut off the power at any step: a selection of what ``make crash`` goes through."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.crash.report import Report
from tests.crash.sabotage import SABOTAGE

SECONDS = 300


def run(*arguments: str) -> Report:
    """Run experiments in a process that has nothing of the test's around it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "TOSSER_"))}
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash", *arguments, "--workers=1", "--json"],
        env=environment, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return Report.from_json(done.stdout)


@pytest.mark.parametrize(
    ("experiment", "limit"),
    [
        ("kills", 30),
        ("kills-twice", 15),
        ("kills-daemon", 4),
        ("cuts", 60),
        ("cuts-after-kills", 36),
        ("cuts-twice", 24),
    ],
)
def test_nothing_lost_nothing_doubled(experiment: str, limit: int) -> None:
    """However the toss is stopped, the next one leaves every base, bundle, event and total as if it had not been."""
    report = run(experiment, f"--limit={limit}")
    assert sum(report.counts.values()) >= limit
    assert not report.wrong, "\n".join(report.failures)
    assert (report.lost, report.doubled) == (0, 0)


WHERE = {
    "append-again": "kills",
    "delete-early": "kills",
    "sync-no-bases": "cuts",
    "sync-no-outbound": "cuts",
    "trust-the-dead": "cuts-after-kills",
}
"""Which experiment finds which mistake."""


@pytest.mark.parametrize("mistake", SABOTAGE)
def test_mistakes_are_found(mistake: str) -> None:
    """A mistake in what is written, synced or deleted when is found; the search ends there, whatever the limit."""
    report = run(WHERE[mistake], "--limit=600", f"--sabotage={mistake}")
    assert report.wrong
