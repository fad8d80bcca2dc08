from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.peers import jam_writer
from tests.stores.samples import active, contents, ours, sample, samples, subjects
from tosser.errors import StoreLocked
from tosser.stores.jam import JamBase
from tosser.stores.jam_files import shared_files
from tosser.stores.jam_reader import JamReader

if TYPE_CHECKING:
    from collections.abc import Iterator

WRITER = Path(jam_writer.__file__)


def start(path: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start another program that works on the base."""
    command = [sys.executable, str(WRITER), str(path), *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@contextmanager
def lock_held_elsewhere(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Have another program keep the lock of the base."""
    with start(path, "hold") as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        try:
            assert holder.stdout.readline() == "locked\n"
            yield holder
        finally:
            holder.stdin.close()
            holder.wait(30)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A base with the samples 0 to 2."""
    base = JamBase(tmp_path / "AREA")
    base.append(samples(3), wait=1)
    return tmp_path / "AREA"


@pytest.mark.parametrize("wait", [0.0, 0.05])
def test_a_lock_held_by_another_program(path: Path, wait: float) -> None:
    """While another program keeps the lock we give up after the time given, having written nothing."""
    before = contents(path)
    base = JamBase(path)
    with lock_held_elsewhere(path):
        with pytest.raises(StoreLocked, match="another program"):
            base.append([sample(3)], wait=wait)
        with pytest.raises(StoreLocked, match="another program"):
            base.resume(base.position(), [sample(3)], wait=wait)
        assert contents(path) == before
        assert subjects(path) == ours(3)
    assert base.append([sample(3)], wait=0) == [4]


def test_a_lock_that_is_given_up_in_time(path: Path) -> None:
    """We wait for another program's lock and go on as soon as it is free."""
    with lock_held_elsewhere(path) as holder:
        release = threading.Timer(0.1, lambda: holder.stdin and holder.stdin.close())
        release.start()
        assert JamBase(path).append([sample(3)], wait=30) == [4]
        release.join()


def test_a_reader_of_ours_does_not_drop_our_lock(path: Path) -> None:
    """Reading in this process while it holds the lock must not let another program in."""
    with shared_files(path).locked(1):
        other = start(path, "append", "late", "1")
        assert other.stdout is not None
        assert other.stdout.readline() == "waiting\n"
        assert len(list(JamReader(path).messages())) == 3
        assert JamBase(path).position().count == 3
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(0.1)
        assert subjects(path) == ours(3)
    other.communicate(timeout=60)
    assert subjects(path) == [*ours(3), "late 0"]


def test_one_set_of_descriptors_for_a_base(path: Path) -> None:
    """However a path is spelled, it leads to the same descriptors."""
    shared = shared_files(path)
    assert shared is shared_files(Path(f"{path.parent}/x/../{path.name}"))
    (path.parent / "link").symlink_to(path.parent)
    assert shared is shared_files(path.parent / "link" / path.name)


def test_another_thread_of_ours_waits_its_turn(path: Path) -> None:
    """Threads are kept apart too, though POSIX locks do not do it."""
    base = JamBase(path)
    refused: list[StoreLocked] = []

    def try_to_append() -> None:
        try:
            base.append([sample(3)], wait=0)
        except StoreLocked as error:
            refused.append(error)

    with shared_files(path).locked(1):
        thread = threading.Thread(target=try_to_append)
        thread.start()
        thread.join(30)
    assert len(refused) == 1
    assert subjects(path) == ours(3)


def test_threads_append_side_by_side(tmp_path: Path) -> None:
    """Several threads with bases of their own for one path lose and double nothing."""
    path = tmp_path / "AREA"
    numbers: list[int] = []

    def work(first: int) -> None:
        base = JamBase(path)
        for number in range(first, first + 25):
            numbers.extend(base.append([sample(number)], wait=60))

    threads = [threading.Thread(target=work, args=(first,)) for first in range(0, 100, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(numbers) == list(range(1, 101))
    assert sorted(subjects(path)) == sorted(ours(100))
    assert active(path) == 100


def test_programs_append_side_by_side(tmp_path: Path) -> None:
    """Two other programs and we append hundreds of messages to one new base; all are there once, and are counted."""
    path = tmp_path / "AREA"
    others = [start(path, "append", tag, "200") for tag in ("left", "right")]
    base = JamBase(path)
    numbers: list[int] = []
    for first in range(0, 400, 2):
        numbers += base.append(samples(2, first), wait=60)
    for other in others:
        other.communicate(timeout=120)
        assert other.returncode == 0
    found = {message.number: message for message in JamReader(path).messages()}
    assert len(found) == 800 == active(path)
    assert [found[number].text for number in numbers] == [sample(number).body for number in range(400)]
    expected = ours(400) + [f"{tag} {number}" for tag in ("left", "right") for number in range(200)]
    assert sorted(subjects(path)) == sorted(expected)
    assert all(message.header.number == number for number, message in found.items())


def test_what_others_append_is_counted_on(path: Path) -> None:
    """Between two appends of ours another program may write; our numbers and offsets follow."""
    base = JamBase(path)
    jam_writer.append(path, b"Ada Sample", b"reply", b"text of another\r")
    assert base.append([sample(3)], wait=1) == [5]
    assert subjects(path) == [*ours(3), "reply", "ours 3"]
    assert active(path) == 5
