"""Reading a backlog in a process of its own, while this one decides on what was read and carries it out.

Reading and splitting are two fifths of the work of a toss, and Python runs one thread at a time; a second process
uses the second processor. It is forked before there are threads, locks or open files, waits for orders, and ends when
its orders end, however that comes: it owns nothing. What it reads it reads as `tosser.inbound.reading.Reader` does
here, so which process reads makes no difference to anything but time. When it dies over a file, that is a surprise
like any other mistake of ours, and files are read here from then on.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import struct
import sys
import time
import traceback
from typing import TYPE_CHECKING

from tosser.errors import InputError
from tosser.inbound.frames import Frames, read, write
from tosser.inbound.reading import Reader
from tosser.inbound.transfer import pack_batch, unpack_batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from tosser.codec.bundle import ArchiveType
    from tosser.inbound.frames import Waited
    from tosser.inbound.reading import ReadingLimits
    from tosser.inbound.spool import ClaimedFile
    from tosser.inbound.unpack import Archiver
    from tosser.rules.batch import Batch
    from tosser.rules.decision import FileProgress

BACKLOG_BYTES = 1024 * 1024
"""Less than this is read here: handing it over would take longer."""
_FIRST = 1000
"""Messages in the first batch of an order: nobody else has anything to do before it is there."""
_SMALL_BATCHES = 2
"""How many batches are small and say nothing about who is ahead: the parent waits for them in any case."""
_USUAL_SHARE = 0.8
"""Of the records that this process makes where messages are only stored; with links to send to it makes more."""
_GAIN = 0.3
"""How fast the share follows the waits, which tell of it two batches late."""
_BATCH, _END, _INPUT_ERROR, _SURPRISE = b"B", b"E", b"I", b"X"
_ORDER = struct.Struct("=Q")
"""Before an order its length; a length of 0 says that no more is wanted of the order before."""
_STOP = _ORDER.pack(0)

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""A service manager or a terminal sends these to all processes; this one ends when its parent does."""


class HelperError(RuntimeError):
    """The process that reads has failed in a way that should not be; the message says how."""


class Helper:
    """The process that reads; as a context manager it lives within the block.

    To be started while this process has one thread and holds no lock on a file, which the child would share.

    Attributes:
        pid: of the process; 0 while there is none.
    """

    def __init__(self) -> None:
        self.pid = 0
        self._orders = -1
        self._frames: Frames

    def __enter__(self) -> Self:
        """Start the process."""
        order_reader, self._orders = os.pipe()
        self._frames = Frames()
        sys.stdout.flush()
        sys.stderr.flush()
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)  # until the child knows what to do with them
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._orders)
            self._frames.become_writer()
            _live(order_reader, self._frames)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        os.close(order_reader)
        self._frames.become_reader()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self._end()

    @property
    def alive(self) -> bool:
        """Whether it can be given orders."""
        return self.pid > 0

    def batches(
        self, reader: Reader, files: Sequence[ClaimedFile], progress: Mapping[str, FileProgress]
    ) -> Iterator[Batch]:
        """Give what ``reader.batches(files, progress)`` gives, read in the other process, some of it in advance.

        Raises:
            InputError: a file cannot be read; what was yielded before stands.
            HelperError: the process failed; it is gone.
        """
        order = pickle.dumps((reader, list(files), dict(progress)))
        done = False
        try:
            write(self._orders, _ORDER.pack(len(order)), order)
            while not done:
                kind, light, heavy = self._frames.read()
                done = kind != _BATCH
                if kind == _BATCH:
                    batch = unpack_batch(light, heavy)
                    self._frames.free()
                    yield batch
                elif kind == _INPUT_ERROR:
                    raise InputError(*pickle.loads(light))  # noqa: S301 - it comes from a process of ours
                elif kind == _SURPRISE:
                    raise HelperError(bytes(light).decode())
        except (BrokenPipeError, EOFError) as error:
            done = True
            status = self._end()
            raise HelperError(f"the process that reads ended with status {status}") from error
        finally:
            if not done:
                self._abandon()

    def _abandon(self) -> None:
        """Have it stop after the batch it is at, and take what it has sent till then."""
        try:
            write(self._orders, _STOP)
            self._frames.free()
            while self._frames.read()[0] == _BATCH:
                self._frames.free()
        except (BrokenPipeError, EOFError):
            self._end()

    def _end(self) -> int:
        """Let go of it and wait until it is gone; returns its wait status."""
        if not self.pid:
            return 0
        os.close(self._orders)
        self._frames.close_reader()
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return status


class AheadReader(Reader):
    """A reader that leaves a backlog to the helper.

    Args:
        limits: as of `Reader`.
        archivers: likewise.
        batch_messages: likewise.
        helper: the process that reads.
        lists: as of `Reader`.
    """

    def __init__(
        self,
        limits: ReadingLimits,
        archivers: Mapping[ArchiveType, Archiver],
        batch_messages: int,
        helper: Helper,
        *,
        lists: bool = False,
    ) -> None:
        super().__init__(limits, archivers, batch_messages)
        self._plain = Reader(limits, dict(archivers), batch_messages, lists=lists)
        self._helper = helper

    def batches(
        self, files: Sequence[ClaimedFile], progress: Mapping[str, FileProgress], first: int | None = None
    ) -> Iterator[Batch]:
        """Read files in order, cut into batches, as `Reader.batches`.

        Raises:
            InputError: a file cannot be read; what was yielded before stands.
            HelperError: the helper failed.
        """
        if not self._helper.alive or sum(file.size for file in files) < BACKLOG_BYTES:
            yield from super().batches(files, progress, first)
            return
        yield from self._helper.batches(self._plain, files, progress)


# --- in the process that reads


def _live(orders: int, frames: Frames) -> None:
    """Carry out orders until there are no more; never returns."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    status = 1
    try:
        while True:
            (length,) = _ORDER.unpack(read(orders, _ORDER.size))
            if length:  # else it is about an order that has been carried out to its end meanwhile
                _obey(read(orders, length), orders, frames)
    except (EOFError, BrokenPipeError):
        status = 0
    finally:
        os._exit(status)


class Balance:
    """Who makes the records of messages: this process, as far as it is ahead of its parent.

    Attributes:
        share: of how many messages, 0 to 1; of none in the first batch, which the parent waits for.
    """

    def __init__(self) -> None:
        self.share = 0.0
        self._given = 0
        self._last = time.monotonic()

    def gave(self, waited: Waited) -> None:
        """Note who waited for whom before a batch, and how that compares with the time it took."""
        now = time.monotonic()
        self._given += 1
        if self._given == _SMALL_BATCHES:
            self.share = _USUAL_SHARE
        elif self._given > _SMALL_BATCHES:
            self.share += _GAIN * (waited.writer - waited.reader) / max(now - self._last, waited.reader)
            self.share = min(max(self.share, 0.0), 1.0)
        self._last = now


def _obey(order: bytearray, orders: int, frames: Frames) -> None:
    reader, files, progress = pickle.loads(order)  # noqa: S301 - it comes from our parent
    last = (_END, b"")
    balance = Balance()
    try:
        for batch in reader.batches(files, progress, first=_FIRST):
            balance.gave(frames.write(_BATCH, *pack_batch(batch, balance.share, lists=reader.lists)))
            if select.select([orders], [], [], 0)[0]:
                read(orders, _ORDER.size)  # it can only be _STOP
                break
    except (EOFError, BrokenPipeError):
        raise
    except InputError as error:
        last = (_INPUT_ERROR, pickle.dumps((error.claim, error.name, error.what)))
    except Exception:  # noqa: BLE001 - it is told to the parent, which decides
        last = (_SURPRISE, traceback.format_exc().encode())
    frames.write(*last)
