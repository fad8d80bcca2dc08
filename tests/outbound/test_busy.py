from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tosser import disk
from tosser.errors import LinkBusy
from tosser.outbound.busy import DEAD_SECONDS, STALE_SECONDS, BusyLock

OURS = 0xABCDEF
DAY = 86400.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the lock of a system would be; the outbound is not there yet."""
    return tmp_path / "out" / "000100c9.bsy"


def names(directory: Path) -> list[str]:
    """List what is in a directory."""
    return sorted(entry.name for entry in directory.iterdir())


def lock_at(path: Path, identity: int = OURS) -> BusyLock:
    """Give the lock of a system."""
    return BusyLock(path, path.parent, identity)


def left_by(path: Path, text: bytes, age: float) -> None:
    """Leave a lock of this age."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text)
    os.utime(path, (time.time() - age, time.time() - age))


@pytest.fixture(scope="module")
def dead() -> int:
    """The number of a process there is none of."""
    process = subprocess.Popen(["/bin/true"])
    process.wait()
    return process.pid


def test_held_and_released(path: Path) -> None:
    """The file is there, and says whose it is, as long as the lock is held; nothing is left of it."""
    with lock_at(path):
        assert path.read_bytes() == b"%d tosser 000000abcdef\n" % os.getpid()
        assert names(path.parent) == [path.name]
    assert names(path.parent) == []


def test_released_after_an_error(path: Path) -> None:
    """An error inside the block does not leave the lock behind."""
    with pytest.raises(KeyError), lock_at(path):
        raise KeyError
    assert not path.exists()


@pytest.mark.parametrize("name", ["000100c9.bsy", "000100C9.BSY", "000100c9.Bsy"])
def test_held_by_another(path: Path, name: str) -> None:
    """Another's lock is respected in any case of letters, soon, and left as it is."""
    left_by(path.with_name(name), b"%d\n" % os.getppid(), 0)
    with pytest.raises(LinkBusy, match=rf"000100c9\.bsy: held by process {os.getppid()}$"), lock_at(path):
        pass
    assert path.with_name(name).read_bytes() == b"%d\n" % os.getppid()
    assert names(path.parent) == [name]


@pytest.mark.parametrize("text", [b"", b"BinkleyTerm 2.60", b"-1\n", b"0\n", b"99999999999999999999\n", b"\xff\0"])
def test_held_by_who_says_nothing(path: Path, text: bytes) -> None:
    """A lock that names no process is respected for a day."""
    left_by(path, text, STALE_SECONDS - 60)
    with pytest.raises(LinkBusy, match="held by another program"), lock_at(path):
        pass
    left_by(path, text, STALE_SECONDS + 60)
    with lock_at(path):
        pass
    assert not path.exists()


def test_held_by_the_dead(path: Path, dead: int) -> None:
    """A lock of a process that does not exist is broken when nobody has touched it for some minutes."""
    left_by(path, b"%d\n" % dead, DEAD_SECONDS - 60)
    with pytest.raises(LinkBusy), lock_at(path):
        pass
    left_by(path, b" %d binkd/1.1a\n" % dead, DEAD_SECONDS + 60)
    with lock_at(path):
        assert path.read_bytes().startswith(b"%d tosser" % os.getpid())
    assert names(path.parent) == []


@pytest.mark.parametrize("process", [1, os.getppid()])
def test_held_by_the_living(path: Path, process: int) -> None:
    """A lock of a living process, anybody's, is respected until it is a day old."""
    left_by(path, b"%d\n" % process, DAY - 60)
    with pytest.raises(LinkBusy), lock_at(path):
        pass
    left_by(path, b"%d\n" % process, DAY + 60)
    with lock_at(path):
        pass


def test_how_old_is_a_setting(path: Path) -> None:
    """After how long a lock means nothing can be chosen."""
    left_by(path, b"", 120)
    with pytest.raises(LinkBusy), BusyLock(path, path.parent, OURS, stale=180):
        pass
    with BusyLock(path, path.parent, OURS, stale=60):
        pass


def test_a_lock_in_capitals_is_broken(path: Path) -> None:
    """A stale lock whose name is in capitals is no longer there when ours is."""
    left_by(path.with_name("000100C9.BSY"), b"", 2 * DAY)
    with lock_at(path):
        assert names(path.parent) == [path.name]


def test_our_own_leftover(path: Path) -> None:
    """A lock that an earlier process of ours left is taken over at once, even if its number is in use again."""
    left_by(path, b"1 tosser 000000abcdef\n", 0)
    with lock_at(path):
        pass
    assert names(path.parent) == []


def test_leftovers_of_another_tosser(path: Path) -> None:
    """A tosser with another state is another program."""
    left_by(path, b"1 tosser 000000abcdff\n", 0)
    with pytest.raises(LinkBusy, match="held by process 1"), lock_at(path):
        pass
    assert not lock_at(path).release_leftover()
    assert path.exists()


def test_releasing_leftovers(path: Path) -> None:
    """What an earlier process of ours left is removed at start, a lock half made too."""
    path.parent.mkdir()
    half = path.with_name(".000100c9.bsy.abcdef.tmp")
    half.write_bytes(b"12")
    assert not lock_at(path).release_leftover()
    left_by(path, b"1 tosser 000000abcdef\n", 0)
    assert lock_at(path).release_leftover()
    assert names(path.parent) == []


def test_within_a_process(path: Path) -> None:
    """Two users in one process keep each other off, and neither takes the other's for a leftover."""
    with lock_at(path):
        with pytest.raises(LinkBusy, match="this process holds it"), lock_at(path):
            pass
        assert not lock_at(path).release_leftover()
        assert path.exists()
    with lock_at(path):
        pass


def test_broken_by_another(path: Path) -> None:
    """A lock that somebody has broken and taken is not removed when we are done."""
    with lock_at(path):
        path.write_bytes(b"1\n")
    assert path.read_bytes() == b"1\n"
    path.unlink()
    with lock_at(path):
        path.unlink()


def test_waits_a_moment(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that is released at this very moment is waited for."""
    left_by(path, b"%d\n" % os.getppid(), 0)
    monkeypatch.setattr("tosser.outbound.busy.time.sleep", lambda _: path.unlink(missing_ok=True))
    with lock_at(path):
        pass


def test_a_directory_that_vanishes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mailer may remove an empty directory between our making it and our lock."""
    scandir, left = os.scandir, [2]

    def vanish(directory: Path) -> object:
        if left[0]:
            left[0] -= 1
            directory.rmdir()
        return scandir(directory)

    monkeypatch.setattr(os, "scandir", vanish)
    with lock_at(path):
        assert path.exists()


def test_one_at_a_time(path: Path) -> None:
    """Of many who want it at a moment, one at a time has it."""
    inside: list[int] = []
    most: list[int] = []
    served: list[int] = []

    def work(identity: int) -> None:
        for _ in range(30):
            try:
                with lock_at(path, identity):
                    inside.append(identity)
                    most.append(len(inside))
                    inside.remove(identity)
                    served.append(identity)
            except LinkBusy:
                continue

    threads = [threading.Thread(target=work, args=(identity,)) for identity in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}
    assert served
    assert not path.exists()


def test_between_processes(path: Path) -> None:
    """So it is between processes, each with an identity of its own."""
    code = """
import sys
from pathlib import Path
from tosser import disk
from tosser.errors import LinkBusy
from tosser.outbound.busy import BusyLock
path, identity = Path(sys.argv[1]), int(sys.argv[2])
for _ in range(60):
    try:
        with BusyLock(path, path.parent, identity):
            mark = path.with_name("inside")
            mark.touch(exist_ok=False)
            mark.unlink()
    except LinkBusy:
        pass
"""
    root = Path(__file__).parents[2]
    path.parent.mkdir()
    workers = [subprocess.Popen([sys.executable, "-c", code, path, str(number)], cwd=root) for number in (1, 2, 3)]
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    assert names(path.parent) == []


def test_processes_of_others(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that we may not signal lives."""
    left_by(path, b"4711\n", DEAD_SECONDS + 60)

    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    with pytest.raises(LinkBusy, match="process 4711"), lock_at(path):
        pass


def test_quicker_than_we(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that somebody makes while we break the stale one before it is given back."""
    left_by(path, b"", 2 * DAY)
    rename = disk.rename

    def replace_first(source: Path, target: Path) -> None:
        if source == path:
            path.rename(path.with_name("old"))
            path.write_bytes(b"1\n")
        rename(source, target)

    monkeypatch.setattr(disk, "rename", replace_first)
    with pytest.raises(LinkBusy, match="process 1"), lock_at(path):
        pass
    assert path.read_bytes() == b"1\n"
    assert names(path.parent) == [path.name, "old"]
