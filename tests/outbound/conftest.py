"""An outbound of one's own for each test, in a time zone in which days are those of UTC."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.outbound.yard import Yard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    """An outbound with a link that gets ZIP bundles."""
    yard = Yard(tmp_path)
    yield yard
    yard.close()
