"""A process of ours beside this one, for what the second processor can do: it carries out orders, and owns nothing.

It is forked before there are threads, locks or open files, waits for orders, and ends when its orders end, however that
comes. An order is a function with its arguments. What it gives comes back as frames; what it raises on purpose is
raised here, and a mistake of ours, or its death, is a `HelperError`.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import struct
import sys
import traceback
from typing import TYPE_CHECKING, Any, TypeVar

from tosser.errors import TosserError
from tosser.inbound.frames import Frames, read, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

    from tosser.inbound.frames import Waited

T = TypeVar("T")

_PART, _END, _ERROR, _SURPRISE = b"P", b"E", b"R", b"X"
"""Kinds of frames: something that an order gives, and the three ways in which one ends."""
_ORDER = struct.Struct("=Q")
"""Before an order its length; a length of 0 says that no more is wanted of the order before."""
_STOP = _ORDER.pack(0)

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""A service manager or a terminal sends these to all processes; this one ends when its parent does."""


class HelperError(RuntimeError):
    """The helper has failed in a way that should not be; the message says how."""


class Helper:
    """The process; as a context manager it lives within the block.

    To be started while this process has one thread and holds no lock on a file, which the child would share.

    Attributes:
        pid: of the process; 0 while there is none.
    """

    def __init__(self) -> None:
        self.pid = 0
        self._orders = -1
        self._frames: Frames
        self._posted = 0

    def __enter__(self) -> Self:
        """Start the process, unless it has been started."""
        if not self.alive:
            self.start()
        return self

    def start(self) -> None:
        """Start the process.

        Raises:
            OSError: the system lets us have none.
        """
        order_reader, self._orders = os.pipe()
        self._frames = Frames()
        sys.stdout.flush()
        sys.stderr.flush()
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)  # until the child knows what to do with them
        try:
            self.pid = os.fork()
            if self.pid == 0:
                os.close(self._orders)
                self._frames.become_writer()
                _live(order_reader, self._frames)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        os.close(order_reader)
        self._frames.become_reader()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self._end()

    @property
    def alive(self) -> bool:
        """Whether it can be given orders."""
        return self.pid > 0

    def post(self, function: Callable[..., object], *arguments: object) -> None:
        """Have a function called there, and do not wait; when it fails, the next order says so."""
        self._posted += self._send(_call, function, *arguments)

    def order(self, function: Callable[..., T], *arguments: object) -> Callable[[], T]:
        """Have a function called there; gives what waits for its answer, which is due before anything else is ordered.

        The answer raises:
            TosserError: that is what the function raised.
            HelperError: it, or the process, failed.
        """
        answers: Iterator[T] = self.stream(_unpickle, _answer, function, *arguments)

        def wait() -> T:
            (answer,) = answers
            return answer

        return wait

    def stream(
        self, unpack: Callable[[memoryview, memoryview], T], function: Callable[..., object], *arguments: object
    ) -> Iterator[T]:
        """Have a function called there, and give what it gives; who stops asking stops it.

        Args:
            unpack: makes of a frame's two parts what is given; they hold no longer.
            function: gets a `Replies`, to which it gives, and the arguments.
            arguments: of the function, which can be pickled as it can.

        Raises:
            TosserError: what was asked for raised that; what was given before stands.
            HelperError: it, or the process, failed; in the latter case that is gone.
        """
        self._send(function, *arguments)
        return self._replies(unpack)

    def _replies(self, unpack: Callable[[memoryview, memoryview], T]) -> Iterator[T]:
        if not self.alive:
            raise HelperError("the helper process has ended")
        done = False
        try:
            while self._posted:
                self._take_end()
            while not done:
                kind, light, heavy = self._frames.read()
                done = kind != _PART
                if kind == _PART:
                    part = unpack(light, heavy)
                    self._frames.free()
                    yield part
                elif kind != _END:
                    _fail(kind, light)
        except (BrokenPipeError, EOFError) as error:
            done = True
            raise HelperError(f"the helper process ended with status {self._end()}") from error
        except KeyboardInterrupt:
            done = True
            if self.alive:
                os.kill(self.pid, signal.SIGKILL)  # what it waits for may never come
            raise
        finally:
            if not done:
                self._abandon()

    def _send(self, function: Callable[..., object], *arguments: object) -> bool:
        """Send an order, and tell whether there is anybody to carry it out."""
        order = pickle.dumps((function, arguments))
        if self.alive:
            try:
                write(self._orders, _ORDER.pack(len(order)), order)
            except BrokenPipeError:
                self._end()
        return self.alive

    def _take_end(self) -> None:
        """Take what came of the order that was posted first."""
        kind, light, _ = self._frames.read()
        self._posted -= 1
        if kind != _END:
            _fail(kind, light)

    def _abandon(self) -> None:
        """Have it stop after the part it is at, and take what it has sent till then."""
        try:
            write(self._orders, _STOP)
            self._frames.free()
            while self._posted:
                self._frames.read()
                self._posted -= 1
            while self._frames.read()[0] == _PART:
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


def _unpickle(light: memoryview, _heavy: memoryview) -> Any:  # noqa: ANN401 - whatever was returned
    return pickle.loads(light)  # noqa: S301 - it comes from a process of ours


def _fail(kind: bytes, light: memoryview) -> None:
    """Raise what an order ended with."""
    if kind == _ERROR:
        error: TosserError = pickle.loads(light)  # noqa: S301 - it comes from a process of ours
        raise error
    raise HelperError(bytes(light).decode())


# --- in the helper


class Replies:
    """What an order gives, on its way back."""

    def __init__(self, orders: int, frames: Frames) -> None:
        self._orders = orders
        self._frames = frames

    def give(self, light: bytes, heavy: bytes = b"") -> Waited:
        """Give something, in two parts as `Frames.write` takes them; says who had to wait for whom.

        Raises:
            EOFError: nobody will take it any more.
            BrokenPipeError: likewise.
        """
        return self._frames.write(_PART, light, heavy)

    def end(self, kind: bytes, light: bytes) -> None:
        """Say that the order has ended, and how."""
        self._frames.write(kind, light)

    def unwanted(self) -> bool:
        """Tell whether no more is wanted; whoever is told so stops."""
        if not select.select([self._orders], [], [], 0)[0]:
            return False
        read(self._orders, _ORDER.size)  # it can only be _STOP
        return True


def _live(orders: int, frames: Frames) -> None:
    """Carry out orders until there are no more; never returns."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    status = 1
    replies = Replies(orders, frames)
    try:
        while True:
            (length,) = _ORDER.unpack(read(orders, _ORDER.size))
            if length:  # else it is about an order that has been carried out to its end meanwhile
                _obey(read(orders, length), replies)
    except (EOFError, BrokenPipeError):
        status = 0
    finally:
        os._exit(status)


def _obey(order: bytearray, replies: Replies) -> None:
    last = (_END, b"")
    try:
        function, arguments = pickle.loads(order)  # noqa: S301 - it comes from our parent
        function(replies, *arguments)
    except (EOFError, BrokenPipeError):
        raise
    except TosserError as error:
        last = (_ERROR, pickle.dumps(error))
    except Exception:  # noqa: BLE001 - it is told to the parent, which decides
        last = (_SURPRISE, traceback.format_exc().encode())
    replies.end(*last)


def _call(_replies: Replies, function: Callable[..., object], *arguments: object) -> None:
    function(*arguments)


def _answer(replies: Replies, function: Callable[..., object], *arguments: object) -> None:
    replies.give(pickle.dumps(function(*arguments)))
