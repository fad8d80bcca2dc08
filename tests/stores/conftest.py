"""Descriptors of bases are shared by the whole process and kept open; between tests they are not wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tosser.stores import jam_files

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _closed_bases() -> Iterator[None]:
    """Close after each test what it opened."""
    yield
    for files in jam_files._shared.values():
        files.close()
    jam_files._shared.clear()
