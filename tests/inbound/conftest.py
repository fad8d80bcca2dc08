"""A place for bundles that is looked over after each test: unpacking must leave nothing there, and nothing above."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

import pytest

from tosser.inbound.work import WORK_DIRECTORY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.inbound.bundles import Place


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Put a file into a work directory, as a claim would."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no scratch outside of the work directory"))
    work = tmp_path / "around" / "in" / WORK_DIRECTORY
    work.mkdir(parents=True)
    placed = work / "00000000000001-abcdef.0000ffff.mo0"

    def put(data: bytes) -> Path:
        placed.write_bytes(data)
        return placed

    yield put
    left = [path for path in (tmp_path / "around").rglob("*") if path not in {work.parent, work, placed}]
    assert left == []
