"""What the garbage collector is told at the start."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from tosser.daemon import collector

if TYPE_CHECKING:
    from collections.abc import Iterator


class Cycle:
    """A value that only the collector can drop."""

    dropped = 0

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        Cycle.dropped += 1


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Leave the collector of the other tests alone."""
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_cycles_are_still_found() -> None:
    """Memory that is lost in cycles comes back by itself."""
    collector.spare()
    Cycle()

    kept: list[list[int]] = [[] for _ in range(100_000)]

    assert Cycle.dropped == 1
    assert len(kept) == 100_000


def test_what_was_loaded_is_left_alone() -> None:
    """Everything that lives as long as the process is searched no more."""
    collector.spare()

    assert gc.get_freeze_count() > 10_000
