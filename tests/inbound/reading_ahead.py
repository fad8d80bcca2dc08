"""A process of its own that reads ahead: forking belongs at the start of a program, not into the middle of the tests.

``python -m tests.inbound.reading_ahead CASE DIRECTORY``; fails when what the case says does not hold.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from tests.inbound.bundles import LIMITS
from tosser.errors import ConfigError, ConfigProblem, InputError, PacketError, TosserError
from tosser.inbound.ahead import BACKLOG_BYTES, AheadReader, read_ahead
from tosser.inbound.frames import ROOM, Frames
from tosser.inbound.helper import Helper, HelperError
from tosser.inbound.reading import Reader, ReadingLimits
from tosser.inbound.spool import ClaimedFile, Inbound
from tosser.inbound.transfer import unpack_batch
from tosser.reason import Reason
from tosser.rules.network import InboundClass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tosser.rules.batch import Batch
    from tosser.rules.decision import FileProgress

READING = ReadingLimits(100_000_000, 1_000_000, LIMITS)
MESSAGES = 300
"""In a batch."""


class Failing(Reader):
    """A reader with a mistake in it."""

    def batches(
        self, files: Sequence[ClaimedFile], progress: Mapping[str, FileProgress], first: int | None = None
    ) -> Iterator[Batch]:
        """Give one batch, then stumble."""
        yield next(super().batches(files, progress, first))
        raise ZeroDivisionError("a mistake")


def claimed(directory: Path) -> list[ClaimedFile]:
    """Take the files of a directory as claimed."""
    inbound = Inbound(directory, InboundClass.SECURE)
    return [
        ClaimedFile(path.name, path.name, inbound, path, path.stat().st_size, 1.0)
        for path in sorted(directory.iterdir())
    ]


def texts(batches: Iterator[Batch]) -> list[list[bytes]]:
    """Give the texts of all messages, batch by batch."""
    return [[m.text for piece in batch.pieces for m, _ in piece.messages] for batch in batches]


def batches_of(helper: Helper, reader: Reader, files: list[ClaimedFile]) -> Iterator[Batch]:
    """Have files read in the other process."""
    return helper.stream(unpack_batch, read_ahead, reader, files, {})


def backlog(helper: Helper, files: list[ClaimedFile]) -> None:
    """A backlog is read ahead: the same batches in the same order; a single small file is read here."""
    ahead = AheadReader(READING, {}, MESSAGES, helper)
    here = texts(Reader(READING, {}, MESSAGES).batches(files, {}))
    assert sum(file.size for file in files) > BACKLOG_BYTES
    for _ in range(3):
        assert texts(ahead.batches(files, {})) == here
    assert texts(ahead.batches(files[:1], {})) == texts(Reader(READING, {}, MESSAGES).batches(files[:1], {}))


def left_early(helper: Helper, files: list[ClaimedFile]) -> None:
    """Who stops in the middle gets what he asks for next, from its beginning."""
    reader = Reader(READING, {}, MESSAGES)
    here = texts(reader.batches(files, {}))
    for taken in range(len(here)):
        batches = batches_of(helper, reader, files)
        assert texts(islice(batches, taken + 1)) == here[: taken + 1]
        batches.close()  # type: ignore[attr-defined]  # it is a generator
    assert texts(batches_of(helper, reader, files)) == here


def unreadable(helper: Helper, files: list[ClaimedFile]) -> None:
    """A file that cannot be read is told of as it would be here, behind what stands before it."""
    files[1].path.unlink()
    reader = Reader(READING, {}, MESSAGES)
    errors = []
    for batches in (batches_of(helper, reader, files), reader.batches(files, {})):
        try:
            texts(batches)
        except InputError as error:
            errors.append((error.claim, str(error)))
    assert errors[0] == errors[1]
    assert helper.alive


def mistake(helper: Helper, files: list[ClaimedFile]) -> None:
    """A mistake over there is one here, with its traceback; the helper goes on."""
    try:
        texts(batches_of(helper, Failing(READING, {}, MESSAGES), files))
    except HelperError as error:
        assert "ZeroDivisionError: a mistake" in str(error)  # noqa: PT017 - not pytest's process
    else:
        raise AssertionError("nothing was raised")
    assert helper.alive
    assert texts(batches_of(helper, Reader(READING, {}, MESSAGES), files))


def killed(helper: Helper, files: list[ClaimedFile]) -> None:
    """When the helper dies that is told once, and files are read here from then on; signals to end do not kill it."""
    ahead = AheadReader(READING, {}, MESSAGES, helper)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(helper.pid, number)
    here = texts(ahead.batches(files, {}))
    os.kill(helper.pid, signal.SIGKILL)
    try:
        texts(ahead.batches(files, {}))
    except HelperError as error:
        assert "ended" in str(error)  # noqa: PT017 - as above
    else:
        raise AssertionError("nothing was raised")
    assert not helper.alive
    assert texts(ahead.batches(files, {})) == here


def orphaned(helper: Helper, files: list[ClaimedFile]) -> None:
    """A helper does not outlive us, even if we are killed while it works."""
    child = os.fork()
    if child == 0:
        with Helper() as own:
            next(batches_of(own, Reader(READING, {}, MESSAGES), files))
            (files[0].path.parent.parent / "pid").write_text(str(own.pid))
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    pid = int((files[0].path.parent.parent / "pid").read_text())
    for _ in range(1000):
        if not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2]:
            break
        time.sleep(0.01)
    else:
        raise AssertionError(f"{pid} lives")
    assert helper.alive


def called(kind: type[Exception], *arguments: object) -> int:
    """Be called in the helper: give its process number, or raise what is asked for."""
    if kind is not Exception:
        raise kind(*arguments)
    return os.getpid()


def orders(helper: Helper, _files: list[ClaimedFile]) -> None:
    """What is ordered is called there: its answer comes, or its error as it was raised, or a mistake with its place."""
    assert helper.order(called, Exception)() == helper.pid
    problem = ConfigProblem("tosser.yaml", 3, 7, "links[2]", "is wrong", "be right")
    for error in (
        ConfigError([problem]),
        InputError("claim", "name", "gone"),
        PacketError("bad", 12, Reason.TRAILING_JUNK),
    ):
        wait = helper.order(raised, error)
        try:
            wait()
        except TosserError as told:
            assert (type(told), str(told), vars(told)) == (type(error), str(error), vars(error))  # noqa: PT017 - as above
        else:
            raise AssertionError("nothing was raised")
    failed(helper, ZeroDivisionError, "a mistake")
    assert helper.alive


def posted(helper: Helper, _files: list[ClaimedFile]) -> None:
    """What is posted is done before what is ordered after it, and a mistake in it is told by that."""
    helper.post(os.putenv, "POSTED", "yes")
    helper.post(called, Exception)
    assert helper.order(called, Exception)() == helper.pid
    helper.post(called, ZeroDivisionError, "a mistake")
    failed(helper, Exception)
    assert helper.order(called, Exception)() == helper.pid


def gone(helper: Helper, _files: list[ClaimedFile]) -> None:
    """To a helper that has died nothing can be posted, which is no matter, or ordered, which is told."""
    os.kill(helper.pid, signal.SIGKILL)
    for _ in range(2):
        helper.post(called, Exception)
        try:
            helper.order(called, Exception)()
        except HelperError as error:
            assert "ended" in str(error)  # noqa: PT017 - as above
        else:
            raise AssertionError("nothing was raised")
    assert not helper.alive


def raised(error: Exception) -> None:
    """Be called in the helper, and raise it."""
    raise error


def failed(helper: Helper, *arguments: object) -> None:
    """Have `called` called, which fails with a mistake, or learn that it did before."""
    try:
        helper.order(called, *arguments)()
    except HelperError as error:
        assert "ZeroDivisionError: a mistake" in str(error)  # noqa: PT017 - as above
    else:
        raise AssertionError("nothing was raised")


def frames(_helper: Helper, _files: list[ClaimedFile]) -> None:
    """Frames arrive as they were written, in the shared memory or beside it; one waits until the one before is read."""
    sent = [(b"B", b"light", os.urandom(size)) for size in (1, 100_000, ROOM - 5, ROOM - 4, 7)] + [(b"E", b"end", b"")]
    way = Frames()
    child = os.fork()
    if child == 0:
        way.become_writer()
        for frame in sent:
            way.write(*frame)
        os._exit(0)
    way.become_reader()
    for expected in sent:
        kind, *parts = way.read()
        assert (kind, *map(bytes, parts)) == expected
        way.free()
    try:
        way.read()
    except EOFError:
        os.waitpid(child, 0)
    else:
        raise AssertionError("nobody is left who could have written that")


def deserted(_helper: Helper, _files: list[ClaimedFile]) -> None:
    """Who waits for the reader of a frame learns that it is gone."""
    way = Frames()
    child = os.fork()
    if child == 0:
        way.become_writer()
        way.write(b"B", b"", b"first")
        try:
            way.write(b"B", b"", b"second")
        except (EOFError, BrokenPipeError):
            os._exit(3)
        os._exit(0)
    way.become_reader()
    way.read()
    way.close_reader()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3


CASES: dict[str, Callable[[Helper, list[ClaimedFile]], None]] = {
    case.__name__: case
    for case in (backlog, left_early, unreadable, mistake, killed, orphaned, orders, posted, gone, frames, deserted)
}

if __name__ == "__main__":
    with Helper() as started:
        CASES[sys.argv[1]](started, claimed(Path(sys.argv[2])))
