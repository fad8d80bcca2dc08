from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from tosser import disk
from tosser.outbound.staging import Staging

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    """A place for packets in an outbound that was not there before."""
    staging = Staging(tmp_path / "out")
    staging.prepare()
    return staging


def test_writing(staging: Staging, tmp_path: Path) -> None:
    """Packets are files named by their numbers, inside the outbound."""
    staging.write([(0xABC, [[b"one", b" "], [b"packet"]]), (0xFFFFFFFF, [[b""]])])
    assert (tmp_path / "out" / ".tosser" / "00000abc.pkt").read_bytes() == b"one packet"
    assert staging.path(0xFFFFFFFF).name == "ffffffff.pkt"
    assert (staging.size(0xABC), staging.size(0xFFFFFFFF), staging.size(1)) == (10, 0, 0)


def test_many_packets(staging: Staging) -> None:
    """Any number is written at once, each whole."""
    staging.write([(number, [[b"%d" % number] * number]) for number in range(200)])
    for number in range(200):
        assert staging.path(number).read_bytes() == b"%d" % number * number


@pytest.mark.parametrize("count", [1, 3])
def test_synced(staging: Staging, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Every packet is on the disk before the names are, and these when writing is done."""
    done: list[str] = []
    monkeypatch.setattr(disk, "sync_file", lambda _: done.append("file"))
    monkeypatch.setattr(disk, "sync_directory", lambda _: done.append("directory"))
    staging.write([(number, [[b"x"]]) for number in range(count)])
    assert done == ["file"] * count + ["directory"]
    staging.write([])
    assert len(done) == count + 1


@pytest.mark.parametrize("count", [1, 3])
def test_unsynced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Who wants no syncs gets none, once the directory is there."""
    staging = Staging(tmp_path / "out", synced=False)
    staging.prepare()
    for name in ("sync_file", "sync_directory"):
        monkeypatch.delattr(disk, name)
    staging.write([(number, [[b"x"]]) for number in range(count)])
    assert staging.size(count - 1) == 1


def test_writing_again(staging: Staging, tmp_path: Path) -> None:
    """A packet that is written again is replaced; a second name of the first one keeps what it was."""
    staging.write([(1, [[b"a longer one"]])])
    os.link(staging.path(1), tmp_path / "elsewhere")
    staging.write([(1, [[b"short"]])])
    assert staging.path(1).read_bytes() == b"short"
    assert (tmp_path / "elsewhere").read_bytes() == b"a longer one"


@pytest.mark.parametrize("count", [1, 3])
def test_a_full_disk(staging: Staging, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """An error of the disk is raised, from whichever packet it came."""

    def fail(descriptor: int) -> None:
        if os.fstat(descriptor).st_size == count:
            raise OSError("no space left")

    monkeypatch.setattr(disk, "sync_file", fail)
    with pytest.raises(OSError, match="no space left"):
        staging.write([(number, [[b"x" * (number + 1)]]) for number in range(count)])


def test_removing(staging: Staging) -> None:
    """Packets are removed, those that are gone already too."""
    staging.write([(1, [[b"x"]]), (2, [[b"x"]])])
    staging.remove([1, 3])
    assert (staging.size(1), staging.size(2)) == (0, 1)


def test_orphans(staging: Staging, tmp_path: Path) -> None:
    """Packets that nobody knows of are removed; what is named otherwise is not."""
    staging.write([(number, [[b"x"]]) for number in range(5)])
    other = tmp_path / "out" / ".tosser" / "readme"
    other.touch()
    assert staging.remove_orphans({1, 3}) == 3
    assert [staging.size(number) for number in range(5)] == [0, 1, 0, 1, 0]
    assert other.exists()
    assert staging.remove_orphans({1, 3}) == 0


def test_scratch(staging: Staging) -> None:
    """What packing programs left is removed at start, with all that is in it; packets are not."""
    staging.write([(1, [[b"x"]])])
    scratch = staging.scratch()
    (scratch / "deep").mkdir()
    (scratch / "deep" / "file").touch()
    assert scratch != staging.scratch()
    staging.prepare()
    assert not scratch.exists()
    assert staging.size(1) == 1


def test_modes(tmp_path: Path) -> None:
    """The place is ours, but a packet, which may get a second name in the outbound, is as open as that."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out").chmod(0o775)
    staging = Staging(tmp_path / "out")
    staging.prepare()
    staging.write([(1, [[b"x"]])])
    assert stat.S_IMODE(staging.path(1).stat().st_mode) == 0o664
    assert stat.S_IMODE(staging.path(1).parent.stat().st_mode) & 0o777 == 0o750
