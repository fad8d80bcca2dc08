"""What a reader without a lock sees of a base while we write to it, after a kill, and while we recover."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.stores.samples import SUFFIXES, file_of, sample, subjects
from tests.stores.test_jam_resume import Scene, kill, scene, write_foreign
from tosser import disk
from tosser.stores.jam_reader import JamMessage, JamReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Watch:
    """Reads the base between all steps of a piece of work, and once within each write."""

    def __init__(self, case: Scene, foreign: list[str]) -> None:
        """Take a base with messages of ours, and the subjects of those of others."""
        self._case = case
        self._foreign = foreign
        self._copy = case.path.with_name(f"{case.path.name}.COPY")
        self.looks = 0

    def over(self, monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> None:
        """Do the work and look on."""
        write_at, truncate = disk.write_at, disk.truncate

        def watched_write(descriptor: int, data: bytes, offset: int) -> None:
            half = len(data) // 16 * 8  # as the system does it: never inside an index record
            write_at(descriptor, data[:half], offset)
            self.look()
            write_at(descriptor, data[half:], offset + half)
            self.look()

        def watched_truncate(descriptor: int, length: int) -> None:
            truncate(descriptor, length)
            self.look()

        with monkeypatch.context() as patch:
            patch.setattr(disk, "write_at", watched_write)
            patch.setattr(disk, "truncate", watched_truncate)
            work()
        self.look()

    def look(self) -> None:
        """Read all that is there: whole messages, the old ones, and of the new ones none that was not written."""
        self.looks += 1
        for suffix in SUFFIXES:
            if file_of(self._case.path, suffix).exists():
                shutil.copyfile(file_of(self._case.path, suffix), file_of(self._copy, suffix))
        if not file_of(self._copy, ".jhr").exists() or file_of(self._copy, ".jhr").stat().st_size < 1024:
            assert not self._case.before, "the base had a header before"
            return
        found = list(JamReader(self._copy).records())
        assert all(isinstance(record, JamMessage) for record in found), found
        seen = subjects(self._copy)
        assert seen[: self._case.before] == [f"ours {number}" for number in range(self._case.before)]
        assert set(self._foreign) <= set(seen)
        assert len(seen) == len(set(seen))
        for record in found:
            assert isinstance(record, JamMessage)
            subject = record.message.subject.decode()
            tag, _, number = subject.partition(" ")
            whole = sample(int(number)).body if tag == "ours" else f"foreign text {number}\r".encode() * 9
            assert record.text == whole


@pytest.mark.parametrize("before", [0, 3])
def test_appending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int) -> None:
    """Whenever a reader looks during an append, what the index names is there."""
    case = scene(tmp_path / "AREA", before)
    watch = Watch(case, [])
    watch.over(monkeypatch, case.append)
    assert watch.looks == 2 * (4 + (before == 0)) + 1


@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize("step", range(5))
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_recovering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int, step: int, share: float) -> None:
    """After a kill, when others have written behind what was left, and at each step of recovery, the base is sound."""
    for foreign in (0, 2):
        case = scene(tmp_path / f"AREA{foreign}", before)
        kill(monkeypatch, case.append, step, share)
        watch = Watch(case, write_foreign(case.path, foreign))
        watch.look()
        watch.over(monkeypatch, case.resume)
        assert watch.looks >= 2
