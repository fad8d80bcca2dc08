from __future__ import annotations

import asyncio
import os
import resource
import shutil
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import pytest
import structlog.testing

from tosser.inbound import watch
from tosser.inbound.watch import Watcher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

NEVER = 100_000.0
"""A poll interval that no test lives to see."""
PATIENCE = 60.0
"""Seconds after which something that should come has not come."""


@pytest.fixture
def inbound(tmp_path: Path) -> Path:
    """An empty inbound."""
    path = tmp_path / "in"
    path.mkdir()
    return path


@asynccontextmanager
async def _watching(*inbounds: Path, poll: float = NEVER) -> AsyncIterator[Watcher]:
    """Watch for as long as the context lasts, from after the first look."""
    watcher = Watcher(inbounds, poll)
    task = asyncio.create_task(watcher.run())
    await _changed(watcher)
    try:
        yield watcher
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def _changed(watcher: Watcher) -> None:
    """Fail unless a change is told."""
    async with asyncio.timeout(PATIENCE):
        await watcher.wait(None)


async def _until(condition: Callable[[], bool]) -> None:
    """Fail unless this comes true."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - of states that nobody announces
            await asyncio.sleep(0.01)


def test_a_start_is_a_change(inbound: Path) -> None:
    """What was there before the watcher is looked at once."""

    async def scenario() -> None:
        async with _watching(inbound):
            pass

    asyncio.run(scenario())


def test_arriving_files_are_told(inbound: Path, tmp_path: Path) -> None:
    """A file that was written, and one that was moved in, each wake the waiter without any polling."""

    async def scenario() -> None:
        async with _watching(inbound) as watcher:
            (inbound / "a.pkt").write_bytes(b"x")
            await _changed(watcher)
            (tmp_path / "b").write_bytes(b"x")
            (tmp_path / "b").rename(inbound / "b.pkt")
            await _changed(watcher)
            with (inbound / "a.pkt").open("ab"):
                pass
            await _changed(watcher)

    asyncio.run(scenario())


def test_a_file_that_is_linked_into_the_inbound_is_told(inbound: Path, tmp_path: Path) -> None:
    """A mailer that puts a received file in place by a hard link, as binkd does, wakes the waiter too."""

    async def scenario() -> None:
        async with _watching(inbound) as watcher:
            (tmp_path / "a.dt").write_bytes(b"x")
            (inbound / "a.pkt").hardlink_to(tmp_path / "a.dt")
            await _changed(watcher)

    asyncio.run(scenario())


def test_every_inbound_is_watched(tmp_path: Path) -> None:
    """A change in any of several directories is told."""
    inbounds = [tmp_path / str(number) for number in range(3)]
    for path in inbounds:
        path.mkdir()

    async def scenario() -> None:
        async with _watching(*inbounds) as watcher:
            for path in inbounds:
                (path / "a.pkt").write_bytes(b"x")
                await _changed(watcher)

    asyncio.run(scenario())


def test_a_change_between_two_waits_is_not_lost(inbound: Path) -> None:
    """What happens while nobody waits is told by the next wait, once."""

    async def scenario() -> None:
        async with _watching(inbound) as watcher:
            for number in range(100):
                (inbound / f"{number}.pkt").write_bytes(b"x")
            await _changed(watcher)
            watcher._read_events()
            watcher._changed.clear()
            await watcher.wait(0.01)
            assert not watcher._changed.is_set()

    asyncio.run(scenario())


def test_temporary_files_of_a_mailer_wake_nobody(inbound: Path) -> None:
    """Names that are not looked at anyway are no reason to look."""

    async def scenario() -> None:
        async with _watching(inbound) as watcher:
            for name in ("0001a2b3.dt", "0001a2b3.hr", ".hidden.pkt", "x.tmp"):
                (inbound / name).write_bytes(b"x")
            watcher._read_events()
            assert not watcher._changed.is_set()
            (inbound / "file.tic").write_bytes(b"x")
            await _changed(watcher)

    asyncio.run(scenario())


def test_a_wait_can_be_limited_and_cancelled(inbound: Path) -> None:
    """Without a change a wait ends after its time; a wait that is cancelled does not swallow the change."""

    async def scenario() -> None:
        async with _watching(inbound) as watcher:
            await watcher.wait(0.01)
            waiting = asyncio.create_task(watcher.wait(None))
            await asyncio.sleep(0)
            (inbound / "a.pkt").write_bytes(b"x")
            watcher._read_events()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await _changed(watcher)

    asyncio.run(scenario())


def test_the_timer_tells_too(inbound: Path) -> None:
    """A look is due every so often though nothing was told, since nothing has to be told."""

    async def scenario() -> None:
        async with _watching(inbound, poll=0.02) as watcher:
            for _ in range(3):
                await _changed(watcher)

    asyncio.run(scenario())


def test_a_directory_that_vanishes_and_returns(inbound: Path) -> None:
    """A directory that is made anew is watched again; both are logged once."""

    async def scenario() -> None:
        async with _watching(inbound, poll=0.02) as watcher:
            [state] = watcher._directories
            shutil.rmtree(inbound)
            await _until(lambda: state.watch is None)
            await _changed(watcher)
            assert watcher._interval == 0.02
            os.mkdir(inbound)  # noqa: PTH102 - as everywhere here, on a disk that does not wait
            await _until(lambda: state.watch is not None)
            watcher._poll = NEVER
            await asyncio.sleep(0.05)
            watcher._changed.clear()
            (inbound / "a.pkt").write_bytes(b"x")
            await _changed(watcher)

    with structlog.testing.capture_logs() as logs:
        asyncio.run(scenario())
    assert [entry["event"] for entry in logs] == ["inbound_not_watched", "inbound_watched_again"]
    assert logs[0]["directory"] == str(inbound)
    assert logs[0]["error"] == "No such file or directory"


def test_a_directory_that_is_replaced(inbound: Path, tmp_path: Path) -> None:
    """Another directory that takes the name of an inbound is the one that is watched from the next look on."""

    async def scenario() -> None:
        async with _watching(inbound, poll=0.02) as watcher:
            [state] = watcher._directories
            os.rename(inbound, tmp_path / "old")  # noqa: PTH104 - as above
            os.mkdir(inbound)  # noqa: PTH102 - as above
            await _until(lambda: state.inode == (inbound.stat().st_dev, inbound.stat().st_ino))
            watcher._poll = NEVER
            await asyncio.sleep(0.05)
            watcher._read_events()
            watcher._changed.clear()
            (tmp_path / "old" / "a.pkt").write_bytes(b"x")
            watcher._read_events()
            assert not watcher._changed.is_set()
            (inbound / "a.pkt").write_bytes(b"x")
            await _changed(watcher)

    asyncio.run(scenario())


def test_a_missing_directory_is_waited_for(inbound: Path, tmp_path: Path) -> None:
    """An inbound that is not there yet does not keep the others from being watched, nor itself later."""
    late = tmp_path / "late"

    async def scenario() -> None:
        async with _watching(late, inbound, poll=0.02) as watcher:
            late.mkdir()
            await _until(lambda: all(directory.watch for directory in watcher._directories))
            assert watcher._interval == 0.02

    with structlog.testing.capture_logs() as logs:
        asyncio.run(scenario())
    assert [entry["directory"] for entry in logs] == [str(late), str(late)]


def test_an_overflow_is_a_change(inbound: Path) -> None:
    """When the kernel drops events, that is told as a change, and logged."""
    with open("/proc/sys/fs/inotify/max_queued_events", encoding="ascii") as stream:  # noqa: PTH123 - no path of ours
        most = int(stream.read())

    async def scenario() -> None:
        async with _watching(inbound) as watcher:
            names = [inbound / "a.pkt", inbound / "b.pkt"]
            for number in range(most + 100):
                os.close(os.open(names[number % 2], os.O_WRONLY | os.O_CREAT))
            await _changed(watcher)
            watcher._read_events()

    with structlog.testing.capture_logs() as logs:
        asyncio.run(scenario())
    assert [entry["event"] for entry in logs] == ["inbound_events_lost"]


@contextmanager
def _no_more_descriptors() -> Iterator[None]:
    """Let this process open nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_without_inotify_it_polls(inbound: Path) -> None:
    """When no inotify can be had the timer goes on, at least every second, until it can be had."""

    async def scenario() -> None:
        watcher = Watcher([inbound], 0.02)
        with _no_more_descriptors():
            task = asyncio.create_task(watcher.run())
            for _ in range(3):
                await _changed(watcher)
            assert watcher._inotify is None
            watcher._poll = 30.0
            assert watcher._interval == 1.0
            watcher._poll = 0.02
        await _until(lambda: watcher._directories[0].watch is not None)
        assert watcher._interval == 0.02
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert watcher._inotify is None

    with structlog.testing.capture_logs() as logs:
        asyncio.run(scenario())
    assert [(entry["event"], entry["error"]) for entry in logs] == [("inotify_unavailable", "Too many open files")]


def test_network_file_systems_are_polled(inbound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No inotify is asked about a directory on another machine, and it is looked at every second."""
    monkeypatch.setattr(watch, "is_remote", lambda _: True)

    async def scenario() -> None:
        async with _watching(inbound, poll=5.0) as watcher:
            assert watcher._inotify is None
            assert watcher._interval == 1.0
            await _changed(watcher)

    asyncio.run(scenario())
