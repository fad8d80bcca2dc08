"""What all tests share: bounded hypothesis and a configured node.

A peer that is not installed is a failure, never a skip: the helpers of `tests.peers` say which Debian package is
missing. Each is a context manager there, for tests that need another configuration than the one given here.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.peers.daemon import Node, node
from tests.peers.mosquitto import Mosquitto

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The same examples on every machine: what one run finds all find. No deadline: slow machines are no failure.
settings.register_profile(
    "ci", derandomize=True, max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
# To look for new examples: HYPOTHESIS_PROFILE=search make test.
settings.register_profile("search", max_examples=5_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Undo what a command that ran in this process set up: the next test captures every line again."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A mosquitto that lets everybody do everything."""
    directory = tmp_path / "broker"
    directory.mkdir()
    with Mosquitto(directory) as running:
        yield running


@pytest.fixture
def system(tmp_path: Path) -> Node:
    """A node with five areas, the hub as its link, and no broker."""
    return node(tmp_path / "node")
