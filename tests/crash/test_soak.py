"""Killed at random moments of the daemon's life, under load, while the broker comes and goes."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.crash.soak import soak

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 15


def test_random_kills(tmp_path: Path) -> None:
    """Each message ends in its base once, goes to each link once, and is told of under one event id."""
    report = soak(tmp_path, kills=KILLS, seed=random.SystemRandom().randrange(1 << 32))
    assert not report.wrong, "\n".join(report.failures)
    assert report.counts["kills under load"] == KILLS
