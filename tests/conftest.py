"""What all tests share: bounded hypothesis and a configured node.

A peer that is not installed is a failure, never a skip: the helpers of `tests.peers` say which Debian package is
missing. Peers with a life of their own are context managers there: `Crashmail`, `Mosquitto`, `Node.start`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.peers.daemon import Node, node

if TYPE_CHECKING:
    from pathlib import Path

# The same examples on every machine: what one run finds all find. No deadline: slow machines are no failure.
settings.register_profile(
    "ci", derandomize=True, max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
# To look for new examples: HYPOTHESIS_PROFILE=search make test.
settings.register_profile("search", max_examples=5_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture
def quiet_node(tmp_path: Path) -> Node:
    """A node with five areas, the hub as its link, and no broker."""
    return node(tmp_path)
