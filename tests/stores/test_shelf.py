from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.stores.samples import ours, samples, subjects
from tosser import disk
from tosser.errors import StoreError
from tosser.rules.network import StoreKind
from tosser.rules.verdict import Target, TargetKind
from tosser.stores.passthrough import PassthroughBase
from tosser.stores.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def target(path: Path, store: StoreKind = StoreKind.JAM) -> Target:
    """Name a base."""
    return Target(TargetKind.AREA, "tqwnet", path.name.upper(), store, str(path))


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    """A shelf that has room for two bases."""
    made = Shelf(limit=2)
    yield made
    made.close()


def test_a_base_is_opened_once(tmp_path: Path, shelf: Shelf) -> None:
    """The same target gives the same base, another one another."""
    first = shelf.base(target(tmp_path / "one"))
    assert shelf.base(target(tmp_path / "one")) is first
    assert shelf.base(target(tmp_path / "two")) is not first


def test_the_least_recently_used_is_closed(tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no room the base that was used longest ago is synced and closed, and can be opened again."""
    synced: list[int] = []
    monkeypatch.setattr(disk, "sync_file", synced.append)
    bases = {name: target(tmp_path / name) for name in ("one", "two", "three")}
    first = shelf.base(bases["one"])
    first.append(samples(3), wait=1)
    second = shelf.base(bases["two"])
    assert shelf.base(bases["one"]) is first
    third = shelf.base(bases["three"])
    assert synced == []
    assert shelf.base(bases["three"]) is third
    assert shelf.base(bases["one"]) is first
    assert shelf.base(bases["two"]) is not second
    assert shelf.base(bases["three"]) is not third
    assert len(synced) == 3, "texts, headers and index of the one base that was written to"
    shelf.base(bases["one"]).append(samples(2, 3), wait=1)
    assert subjects(tmp_path / "one") == ours(5)


def test_what_was_written_is_synced(tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Syncing waits for the bases named, and passes over those that are not open."""
    synced: list[int] = []
    monkeypatch.setattr(disk, "sync_file", synced.append)
    one, two = target(tmp_path / "one"), target(tmp_path / "two")
    for each in (one, two):
        shelf.base(each).append(samples(1), wait=1)
    shelf.sync([one, target(tmp_path / "never opened")])
    assert len(synced) == 3
    shelf.sync([one, two])
    assert len(synced) == 6


def test_a_disk_that_refuses(tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of any sync is told, and what was not synced is synced the next time."""

    def refuse(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    one = target(tmp_path / "one")
    shelf.base(one).append(samples(1), wait=1)
    with monkeypatch.context() as broken:
        broken.setattr(disk, "sync_file", refuse)
        with pytest.raises(StoreError, match="Input/output error"):
            shelf.sync([one])
    synced: list[int] = []
    monkeypatch.setattr(disk, "sync_file", synced.append)
    shelf.sync([one])
    assert len(synced) == 3


def test_a_passthrough_area(tmp_path: Path, shelf: Shelf) -> None:
    """Nothing is stored, nothing is made, and every message has the number 0."""
    each = target(tmp_path / "passed", StoreKind.PASSTHROUGH)
    base = shelf.base(each)
    assert isinstance(base, PassthroughBase)
    since = base.position()
    assert base.append(samples(2), wait=0) == [0, 0]
    assert base.resume(since, samples(3), wait=0) == [0, 0, 0]
    shelf.sync([each])
    base.close()
    assert list(tmp_path.iterdir()) == []
