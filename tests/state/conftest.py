"""A state database of one's own for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tosser.state.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    """A new state database in ``tmp_path``."""
    state = State(tmp_path)
    yield state
    state.close()
