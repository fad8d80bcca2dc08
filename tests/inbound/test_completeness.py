from __future__ import annotations

import io
import os
import time
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.mail import packed, packet
from tosser.inbound import completeness
from tosser.inbound.completeness import EMPTY_SECONDS, LARGEST, Settling, being_written, looks_complete

if TYPE_CHECKING:
    from pathlib import Path

PACKET = packet([packed(b"AREA:TQW_GEN\rHello\r") for _ in range(3)])
LETTERS = packet([packed(b"AREA:TQW_GEN\r" + b"Hello\r" * 100, to_name=b"n" * 35, subject=b"s" * 71) for _ in range(3)])


def _zip(*, comment: bytes = b"", members: int = 2) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(members):
            archive.writestr(f"{number:08x}.pkt", PACKET)
        archive.comment = comment
    return buffer.getvalue()


ZIP = _zip()


def _told(tmp_path: Path, data: bytes) -> bool:
    path = tmp_path / "file"
    path.write_bytes(data)
    return looks_complete(path)


@pytest.mark.parametrize(
    "data", [PACKET, LETTERS, packet([]), ZIP, _zip(members=500)], ids=["packet", "letters", "empty", "zip", "long zip"]
)
def test_whole_files_look_complete(tmp_path: Path, data: bytes) -> None:
    """A packet up to its terminator and a ZIP up to its end record need not wait."""
    assert _told(tmp_path, data)


@pytest.mark.parametrize("data", [PACKET, LETTERS, ZIP], ids=["packet", "letters", "zip"])
def test_no_cut_looks_complete(tmp_path: Path, data: bytes) -> None:
    """At no moment of a transfer does the part that has arrived look complete."""
    assert not any(_told(tmp_path, data[:length]) for length in range(len(data)))


@pytest.mark.parametrize("data", [PACKET, LETTERS, ZIP], ids=["packet", "letters", "zip"])
def test_reserved_room_does_not_look_complete(tmp_path: Path, data: bytes) -> None:
    """A file whose writer has reserved its room beforehand does not look complete before its last byte has arrived."""
    assert not any(_told(tmp_path, data[:length].ljust(len(data) + 64, b"\0")) for length in range(len(data) + 1))


@pytest.mark.parametrize(
    "data",
    [
        PACKET + b"\x1a",
        packet([packed(b"x" * 10, to_name=b"n" * 60)]),
        packet([packed(b"x")], end=b""),
        b"\x01\0" + PACKET[2:16] + b"\0\0\3\0" + PACKET[20:],
        b"plain text, and nothing else\0\0",
        ZIP + b"more",
        _zip(comment=b"from a packer that leaves remarks"),
        ZIP[:-16] + b"\x07" + ZIP[-15:],
        ZIP.replace(b"PK\x01\x02", b"PK\x01\x03"),
        b"\x1f\x8b\x08" + bytes(40),
    ],
)
def test_odd_files_do_not_look_complete(tmp_path: Path, data: bytes) -> None:
    """What is damaged, tolerated or of another type has to lie still instead."""
    assert not _told(tmp_path, data)


def test_large_files_are_not_walked(tmp_path: Path) -> None:
    """A packet that takes long to read is complete if its end says so, and else has to lie still."""
    texts = [b"x" * 4_000_000 for _ in range(3)]
    data = packet([packed(text) for text in texts])
    assert len(data) > LARGEST
    assert _told(tmp_path, data)
    assert not _told(tmp_path, packet([packed(text) for text in (*texts, b"short")]))


def test_links_and_special_files_are_not_read(tmp_path: Path) -> None:
    """A link is an error, a FIFO or directory is not complete, and none of them is waited for."""
    (tmp_path / "target").write_bytes(PACKET)
    (tmp_path / "link").symlink_to("target")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="symbolic links"):
        looks_complete(tmp_path / "link")
    assert not looks_complete(tmp_path / "fifo")
    assert not looks_complete(tmp_path)


def _status(path: Path, *, change: float) -> os.stat_result:
    """Stat a file as if its last change had been at another time."""
    fields = list(os.stat(path))  # noqa: PTH116 - the plain tuple is wanted
    status = os.stat_result((*fields[:9], change))
    return os.stat_result((*status[:7], change, change, change))


def test_an_old_file_is_taken_at_once(tmp_path: Path) -> None:
    """The age of the last change counts as lying still, so a backlog need not wait after a start."""
    path = tmp_path / "file"
    path.write_bytes(b"anything")
    settling = Settling(5.0)
    assert settling.delay(str(path), _status(path, change=time.time() - 6), remote=False) == 0


@pytest.mark.parametrize("data", [b"", PACKET[:-1]], ids=["empty", "cut"])
def test_a_file_that_somebody_writes_is_left_alone(tmp_path: Path, data: bytes) -> None:
    """A transfer may stall for longer than a file has to lie still: it is taken when the writer has closed it."""
    path = tmp_path / "file"
    settling = Settling(5.0)
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        old = _status(path, change=time.time() - 600)
        assert settling.delay(str(path), old, remote=False) == 5
        assert settling.delay(str(path), old, remote=True) > 0
    assert settling.delay(str(path), old, remote=False) == 0


def test_a_whole_packet_whose_writer_lingers(tmp_path: Path) -> None:
    """What proves itself complete is taken, whoever still has it open."""
    path = tmp_path / "file"
    path.write_bytes(PACKET)
    with path.open("ab"):
        assert Settling(5.0).delay(str(path), _status(path, change=time.time() - 600), remote=False) == 0


@pytest.mark.parametrize(("data", "delay"), [(b"", EMPTY_SECONDS - 600), (PACKET[:-1], 0)], ids=["empty", "cut"])
def test_a_file_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, delay: float) -> None:
    """Who writes another user's file is not to be known. If empty it waits: once deleted, it could not be mended."""
    path = tmp_path / "file"
    path.write_bytes(data)
    monkeypatch.setattr(completeness, "being_written", lambda _path: None)
    waits = Settling(5.0).delay(str(path), _status(path, change=time.time() - 600), remote=False)
    assert waits == pytest.approx(delay, abs=1)


def test_who_writes_a_file(tmp_path: Path) -> None:
    """Writers are seen, readers do not count, and to ask keeps nobody out afterwards."""
    path = tmp_path / "file"
    path.write_bytes(PACKET)
    with path.open("rb"):
        assert being_written(str(path)) is False
    with path.open("r+b"):
        assert being_written(str(path)) is True
    (tmp_path / "link").symlink_to("file")
    with pytest.raises(OSError, match="symbolic links"):
        being_written(str(tmp_path / "link"))


def test_a_new_file_waits_the_rest_of_its_time(tmp_path: Path) -> None:
    """A file changed a while ago waits only for what is left."""
    path = tmp_path / "file"
    path.write_bytes(b"anything")
    settling = Settling(1000.0)
    delay = settling.delay(str(path), _status(path, change=time.time() - 400), remote=False)
    assert 0 < delay <= 600


@pytest.mark.parametrize(("change", "remote"), [(-4000.0, True), (4000.0, True), (4000.0, False)])
def test_another_clock_is_not_believed(tmp_path: Path, change: float, remote: bool) -> None:  # noqa: FBT001 - a table
    """On a network file system, and for changes in the future, only the time between our own looks counts."""
    path = tmp_path / "file"
    path.write_bytes(b"anything")
    settling = Settling(1000.0)
    status = _status(path, change=time.time() + change)
    settling.next_round()
    first = settling.delay(str(path), status, remote=remote)
    settling.next_round()
    second = settling.delay(str(path), status, remote=remote)
    assert 900 < second < first <= 1000


def test_a_change_starts_the_wait_anew(tmp_path: Path) -> None:
    """A file that grew between two looks has lain still for no time at all."""
    path = tmp_path / "file"
    path.write_bytes(b"any")
    settling = Settling(1000.0)
    settling.next_round()
    settling.delay(str(path), path.stat(), remote=True)
    settling._now[str(path)].since -= 2000
    path.write_bytes(b"anything")
    settling.next_round()
    assert settling.delay(str(path), path.stat(), remote=True) > 900


def test_lying_still_between_looks_is_enough(tmp_path: Path) -> None:
    """A file that did not change for long enough between our looks is taken."""
    path = tmp_path / "file"
    path.write_bytes(b"any")
    settling = Settling(1000.0)
    settling.delay(str(path), path.stat(), remote=True)
    settling._now[str(path)].since -= 1001
    settling.next_round()
    assert settling.delay(str(path), path.stat(), remote=True) == 0


def test_a_whole_packet_does_not_wait(tmp_path: Path) -> None:
    """What proves itself complete is taken at once, however new and wherever it is."""
    path = tmp_path / "file"
    path.write_bytes(PACKET)
    assert Settling(1000.0).delay(str(path), path.stat(), remote=True) == 0


def test_an_unreadable_file_waits(tmp_path: Path) -> None:
    """A file that is gone or cannot be read says nothing of itself."""
    path = tmp_path / "file"
    path.write_bytes(PACKET)
    status = path.stat()
    path.unlink()
    assert Settling(1000.0).delay(str(path), status, remote=True) == pytest.approx(1000, abs=1)
