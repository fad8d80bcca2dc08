"""What the pipeline does when the system around it misbehaves: seams that no real file can reach."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from tests.accounts import about, held, ledger_of, log_of
from tests.daemon.inside import parts_of
from tests.mail import message, packet
from tests.observe import nothing_waits
from tests.peers.daemon import DONE, node
from tosser import disk
from tosser.daemon import suspects as module
from tosser.inbound.reading import Reader
from tosser.reason import FileState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.peers.daemon import Node
    from tosser.inbound.spool import ClaimedFile
    from tosser.rules.batch import FileEnd, Piece, Refusal
    from tosser.rules.decision import FileProgress

AREA = "TQW_GEN"
BAD_SECTOR = "00000002.pkt"


def deliver(system: Node, *numbers: int) -> None:
    """Deliver packets of one message each, the oldest first."""
    for number in numbers:
        path = system.deliver(packet([message(AREA, number=number)]), f"{number:08x}.pkt")
        os.utime(path, (1_000_000_000 + number, 1_000_000_000 + number))


def break_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one file lie on a bad sector."""
    read = Reader._read

    def failing(
        self: Reader, file: ClaimedFile, progress: FileProgress | None
    ) -> Iterator[Piece | Refusal | FileEnd]:  # fmt: skip
        if file.name == BAD_SECTOR:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        yield from read(self, file, progress)

    monkeypatch.setattr(Reader, "_read", failing)


def test_a_file_that_cannot_be_read(system: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays where it is and is said so; the others go on; after a while it is tried again, and no attempt counts."""
    deliver(system, 1, 2, 3)
    with parts_of(system) as parts, monkeypatch.context() as broken:
        break_disk(broken)
        report = parts.pipeline.toss()
        assert report.files == {FileState.TOSSED: 2}
        assert report.trouble.endswith(f"{BAD_SECTOR}: cannot be read: Input/output error")
        deliver(system, 4)
        again = parts.pipeline.toss()
        assert (again.files, again.trouble) == ({FileState.TOSSED: 1}, report.trouble)
        broken.undo()
        assert parts.pipeline.toss().trouble == report.trouble, "it is left alone for a while"
        monkeypatch.setattr(module, "UNREADABLE_SECONDS", 0.0)
        last = parts.pipeline.toss()
        assert (last.files, last.trouble) == ({FileState.TOSSED: 1}, "")
    assert held(system, AREA) == 4
    assert nothing_waits(system)
    assert {entry.attempts for entry in ledger_of(system).values()} == {0}


def test_a_file_that_cannot_be_read_among_leftovers(system: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the files that an earlier process left, the readable ones are tossed, each once."""
    deliver(system, 1, 2, 3)
    with parts_of(system) as parts:
        parts.spool.claim(parts.spool.scan().ready)
    with parts_of(system) as parts:
        break_disk(monkeypatch)
        report = parts.pipeline.toss()
        assert report.files == {FileState.TOSSED: 2}
        assert report.trouble.endswith(f"{BAD_SECTOR}: cannot be read: Input/output error")
    assert held(system, AREA) == 2


def test_without_syncs(tmp_path: Path) -> None:
    """With ``sync: none`` mail is tossed all the same."""
    system = node(tmp_path, areas=[AREA], toss={"sync": "none"})
    deliver(system, 1, 2)
    assert system.toss().code == DONE
    assert held(system, AREA) == 2


@pytest.mark.parametrize(("sync", "syncs"), [("full", 1), ("none", 0)])
def test_what_an_error_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sync: str, syncs: int) -> None:
    """After an error of the disk, what was done before it is on the disk before the next pass builds on it."""
    system = node(tmp_path, areas=[AREA], toss={"sync": sync})
    deliver(system, 1)
    synced: list[str] = []
    monkeypatch.setattr(disk, "sync_everything", lambda: synced.append("all"))
    with parts_of(system) as parts:
        with monkeypatch.context() as broken:
            broken.setattr(disk, "write_at", _fail)
            parts.pipeline.toss()
            assert parts.pipeline.parked == 1
        assert not synced
        assert parts.pipeline.toss().files == {FileState.TOSSED: 1}
        assert len(synced) == syncs
    assert len(synced) == syncs
    assert held(system, AREA) == 1


def _fail(*_: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.parametrize(("sync", "settles"), [("full", True), ("none", False)])
def test_after_a_kill(tmp_path: Path, sync: str, settles: bool) -> None:  # noqa: FBT001 - a case
    """After a tosser that was killed, what it wrote is put on the disk first; after one that ended well it is there."""
    system = node(tmp_path, areas=[AREA], toss={"sync": sync})
    with system.start() as daemon:
        daemon.kill()
    assert bool(about(log_of(system.toss().stderr), "syncing_leftovers")) is settles
    assert not about(log_of(system.toss().stderr), "syncing_leftovers")
