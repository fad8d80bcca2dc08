"""One tosser at a time on a state directory, with real second processes."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

import pytest

from tests.state.processes import WAIT, second_process
from tosser.errors import StateError, StateLocked
from tosser.state.lock import LOCK_NAME, StateLock, holder, trouble_told

if TYPE_CHECKING:
    from pathlib import Path

HOLD = f"""from pathlib import Path
from tosser.state.lock import StateLock
with StateLock(Path(sys.argv[1])):
    {WAIT}
"""


def test_second_tosser(tmp_path: Path) -> None:
    """While one process works on a state directory, another is refused and told by whom."""
    with second_process(HOLD, tmp_path) as process:
        with pytest.raises(StateLocked, match=rf"{LOCK_NAME}: another tosser \(process {process.pid}\) is at work"):
            StateLock(tmp_path).__enter__()
        assert holder(tmp_path) == process.pid
    assert holder(tmp_path) is None
    with StateLock(tmp_path):
        assert holder(tmp_path) == os.getpid()


def test_killed_tosser(tmp_path: Path) -> None:
    """The lock of a process that was killed is free; the file it leaves means nothing."""
    with second_process(HOLD, tmp_path) as process:
        process.kill()
    assert (tmp_path / LOCK_NAME).read_text() == f"{process.pid}\n"
    assert holder(tmp_path) is None
    with StateLock(tmp_path):
        assert (tmp_path / LOCK_NAME).read_text() == f"{os.getpid()}\n"


def test_same_process(tmp_path: Path) -> None:
    """A second lock in the same process is refused too, and does not loosen the first."""
    with StateLock(tmp_path):
        with pytest.raises(StateLocked):
            StateLock(tmp_path).__enter__()
        assert holder(tmp_path) == os.getpid()
        with pytest.raises(StateLocked):
            StateLock(tmp_path).__enter__()


def test_lock_again(tmp_path: Path) -> None:
    """A lock is released with its block, also by an error, and may be taken again."""
    lock = StateLock(tmp_path)
    with pytest.raises(ValueError, match="ours"), lock:
        raise ValueError("ours")
    assert holder(tmp_path) is None
    with lock:
        assert holder(tmp_path) == os.getpid()


def test_other_directories(tmp_path: Path) -> None:
    """Each state directory has a lock of its own."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with StateLock(tmp_path / "one"), StateLock(tmp_path / "two"):
        assert holder(tmp_path / "two") == os.getpid()


def test_asking_is_never_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tosser that starts while someone asks who holds the lock gets it."""
    with StateLock(tmp_path):
        pass
    real, started = fcntl.fcntl, []

    def asked(descriptor: int, command: int, argument: bytes) -> bytes:
        answer = real(descriptor, command, argument)
        if command == fcntl.F_OFD_GETLK:
            with StateLock(tmp_path):
                started.append(holder_file(tmp_path))
        return answer

    monkeypatch.setattr(fcntl, "fcntl", asked)
    assert holder(tmp_path) is None
    assert started == [f"{os.getpid()}\n"]


def holder_file(directory: Path) -> str:
    """What the lock file says."""
    return (directory / LOCK_NAME).read_text()


@pytest.mark.parametrize("content", ["", "nonsense\n", "12x\n"])
def test_lock_file_without_a_process(tmp_path: Path, content: str) -> None:
    """A lock is a lock, whatever its file says."""
    with StateLock(tmp_path):
        (tmp_path / LOCK_NAME).write_text(content)
        assert holder(tmp_path) == 0
        with pytest.raises(StateLocked, match="process unknown"):
            StateLock(tmp_path).__enter__()


def test_places_where_no_lock_can_be(tmp_path: Path) -> None:
    """Where the file cannot be made, that is said in a sentence, and it is no lock of another."""
    (tmp_path / LOCK_NAME).mkdir()
    for place in (tmp_path, tmp_path / "missing"):
        with pytest.raises(StateError, match=LOCK_NAME) as caught:
            StateLock(place).__enter__()
        assert not isinstance(caught.value, StateLocked)
    assert holder(tmp_path / "missing") is None


def test_lock_that_the_system_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without locks is no other tosser."""

    def refuse(*_: object) -> bytes:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    with pytest.raises(StateError, match="No locks available") as caught:
        StateLock(tmp_path).__enter__()
    assert not isinstance(caught.value, StateLocked)


def test_word_of_trouble(tmp_path: Path) -> None:
    """What keeps the holder from its database stands beside the lock while it is held, on one line."""
    assert trouble_told(tmp_path) == ""
    with StateLock(tmp_path) as lock:
        assert trouble_told(tmp_path) == ""
        lock.tell("the disk\nis full")
        assert trouble_told(tmp_path) == "the disk is full"
        assert holder(tmp_path) == os.getpid()
        lock.tell("x" * 10_000)
        assert trouble_told(tmp_path).startswith("xxx")
        assert (tmp_path / LOCK_NAME).stat().st_size <= 1024
        lock.tell("")
        assert trouble_told(tmp_path) == ""
        lock.tell("left behind")
    assert trouble_told(tmp_path) == ""


def test_ends(tmp_path: Path) -> None:
    """A lock tells whether the holder before ended well: not when it was killed, when it failed, or when unknown."""
    with second_process(HOLD, tmp_path) as process:
        process.kill()
    with StateLock(tmp_path) as lock:
        assert lock.left_behind
    with StateLock(tmp_path) as lock:
        assert not lock.left_behind
    with pytest.raises(ValueError, match="ours"), StateLock(tmp_path):
        raise ValueError("ours")
    with StateLock(tmp_path) as lock:
        assert lock.left_behind


def test_ends_that_left_no_name(tmp_path: Path) -> None:
    """Who died before he wrote his name, or before there was a file for it, did not end well."""
    with StateLock(tmp_path) as lock:
        assert lock.left_behind
    (tmp_path / LOCK_NAME).write_bytes(b"")
    with StateLock(tmp_path) as lock:
        assert lock.left_behind
