from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from tests.daemon.inside import config_of
from tosser.daemon.room import Room, build_room

if TYPE_CHECKING:
    import pytest

    from tests.peers.daemon import Node

MIB = 1024 * 1024


def with_disk(monkeypatch: pytest.MonkeyPatch, free: int, flag: int = 0) -> None:
    """Have every file system say that so many bytes are free."""
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=free // 4096, f_frsize=4096, f_flag=flag))


def test_room_comes_back_with_a_margin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too little is told by directory and limit, until a quarter more than the limit is free."""
    room = Room([tmp_path], 64 * MIB)
    for free, short in ((64, False), (63, True), (64, True), (79, True), (80, False), (64, False)):
        with_disk(monkeypatch, free * MIB)
        assert room.shortage() == (f"{tmp_path}: less than 64 MiB are free on its file system" if short else "")


def test_one_sentence_a_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Directories on the same file system are told once; one that is not there counts where it will be made."""
    with_disk(monkeypatch, 0)
    room = Room([tmp_path / "b" / "c", tmp_path / "a"], 1000)
    assert room.shortage() == f"{tmp_path / 'a'}: less than 1000 bytes are free on its file system"


def test_nothing_is_asked_without_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a limit of 0 even a full disk has room, but never one that is mounted read-only."""
    room = Room([tmp_path], 0)
    with_disk(monkeypatch, 0)
    assert room.shortage() == ""
    with_disk(monkeypatch, 2**40, os.ST_RDONLY)
    assert room.shortage() == f"{tmp_path}: its file system is mounted read-only"


def test_a_disk_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that cannot be asked has no room."""

    def failing(_: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "statvfs", failing)
    assert Room([tmp_path], 0).shortage() == f"{tmp_path}: Input/output error"


def test_the_directories_of_a_configuration(system: Node) -> None:
    """State, bases and outbound are looked at."""
    room = build_room(config_of(system))
    assert {system.state, system.bases, system.outbound} <= set(map(Path, room._directories))
