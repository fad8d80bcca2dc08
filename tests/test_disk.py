from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

import pytest

from tosser import disk

if TYPE_CHECKING:
    from pathlib import Path


def mode_of(path: Path) -> int:
    """Give the permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def names(directory: Path) -> list[str]:
    """List what is in a directory."""
    return sorted(path.name for path in directory.iterdir())


def refuse_links(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Have the file system refuse second names."""

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_creating(tmp_path: Path, umask: int) -> None:
    """A file has the mode that is asked for, whatever the umask; one that is there is emptied."""
    path = tmp_path / "file"
    before = os.umask(umask)
    try:
        os.close(disk.create(path, 0o664))
    finally:
        os.umask(before)
    assert mode_of(path) == 0o664
    path.write_bytes(b"data")
    os.close(disk.create(path, 0o664))
    assert path.read_bytes() == b""


def test_whole_files(tmp_path: Path) -> None:
    """A file written whole replaces the one before, with the mode that is asked for."""
    path = tmp_path / "file"
    disk.write_whole(path, [b"one", b"", b" two"])
    disk.write_whole(path, [b"three"], mode=0o660)
    assert path.read_bytes() == b"three"
    assert mode_of(path) == 0o660
    assert names(tmp_path) == ["file"]


def test_new_files(tmp_path: Path) -> None:
    """A new file appears with its content; one that is there stays, and nothing is left beside it."""
    path, beside = tmp_path / "lock", tmp_path / ".lock.tmp"
    disk.write_new(path, b"first", beside, 0o664)
    assert mode_of(path) == 0o664
    with pytest.raises(FileExistsError):
        disk.write_new(path, b"second", beside)
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["lock"]


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_new_files_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """So it is on a file system that knows no second names."""
    refuse_links(monkeypatch, code)
    test_new_files(tmp_path)


def test_new_files_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other error is raised, and leaves nothing behind."""
    refuse_links(monkeypatch, errno.ENOSPC)
    with pytest.raises(OSError, match="No space"):
        disk.write_new(tmp_path / "lock", b"first", tmp_path / ".lock.tmp")
    assert names(tmp_path) == []


def test_duplicates(tmp_path: Path) -> None:
    """A second name replaces what had it; the file has the mode that is asked for."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"data")
    target.write_bytes(b"old")
    disk.duplicate(source, target, 0o664)
    assert target.stat().st_ino == source.stat().st_ino
    assert mode_of(target) == 0o664
    disk.unlink(source)
    assert target.read_bytes() == b"data"


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EMLINK, errno.EPERM])
def test_duplicates_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Where a second name cannot be, the file is copied, and is on the disk."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"data" * 1_000_000)
    synced: list[int] = []
    monkeypatch.setattr(disk, "sync_file", synced.append)
    refuse_links(monkeypatch, code)
    disk.duplicate(source, target, 0o664)
    assert target.read_bytes() == source.read_bytes()
    assert mode_of(target) == 0o664
    assert len(synced) == 1
    disk.duplicate(source, target, 0o664, sync=False)
    assert len(synced) == 1


def test_duplicates_of_nothing(tmp_path: Path) -> None:
    """A file that is not there has no second name."""
    with pytest.raises(FileNotFoundError):
        disk.duplicate(tmp_path / "missing", tmp_path / "target")


def test_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory is made with those above it, each name is on the disk, and one that is there is left alone."""
    synced: list[Path] = []
    monkeypatch.setattr(disk, "sync_directory", synced.append)
    for _ in range(2):
        disk.make_directory(tmp_path / "a" / "b")
        assert synced == [tmp_path, tmp_path / "a"]
    assert mode_of(tmp_path / "a" / "b") == disk.DIRECTORY_MODE


def test_directories_made_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else may make it at the same moment; a file in its place, or above it, is an error."""
    make = disk.make_one_directory

    def late(path: Path) -> None:
        make(path)
        make(path)

    monkeypatch.setattr(disk, "make_one_directory", late)
    disk.make_directory(tmp_path / "a")
    monkeypatch.undo()
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        disk.make_directory(tmp_path / "file")
    with pytest.raises(NotADirectoryError):
        disk.make_directory(tmp_path / "file" / "b")
