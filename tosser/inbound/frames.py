"""Frames from one process to the one it was forked from: heads through a pipe, and what is large in memory of both.

A batch of mail is some ten megabytes. Through a pipe it is copied twice, while both processes stand still; here it is
copied once, when the other has done with the one before. What does not fit into the shared memory goes through the
pipe.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import time
from typing import NamedTuple

ROOM = 16 * 1024 * 1024
"""Bytes that are shared: a batch of ordinary mail fits twice."""
_HEAD = struct.Struct("=c?QQ")
"""What a frame is, whether its two parts are in the shared memory, and their lengths."""
_FREED = struct.Struct("=d")
"""The word that the shared memory is free: how long the reader had to wait for what was in it, in seconds."""


class Waited(NamedTuple):
    """How long the two processes waited for each other over a frame, in seconds; one of them is about zero."""

    writer: float = 0.0
    reader: float = 0.0


class Frames:
    """A way for frames, with two ends; made before the fork, and then each process takes one end of it.

    Only one frame at a time is in the shared memory: the writer waits for the reader's word that it is free.
    """

    def __init__(self) -> None:
        self._room = mmap.mmap(-1, ROOM)
        self._reader, self._writer = os.pipe()
        self._freed_reader, self._freed_writer = os.pipe()
        self._taken = False
        self._waited = 0.0

    # --- the end that writes

    def become_writer(self) -> None:
        """Take this end."""
        os.close(self._reader)
        os.close(self._freed_writer)

    def write(self, kind: bytes, light: bytes, heavy: bytes = b"") -> Waited:
        """Write a frame of two parts; a heavy part makes it worth sharing.

        Returns:
            How long we had to wait before, and the reader for the frame before.

        Raises:
            EOFError: nobody will read any more.
            BrokenPipeError: likewise.
        """
        shared = bool(heavy) and len(light) + len(heavy) <= ROOM
        waited = self._wait_for_room() if shared else Waited()
        if shared:
            self._room[: len(light)] = light
            self._room[len(light) : len(light) + len(heavy)] = heavy
            self._taken = True
        write(self._writer, _HEAD.pack(kind, shared, len(light), len(heavy)), *(() if shared else (light, heavy)))
        return waited

    def _wait_for_room(self) -> Waited:
        if not self._taken:
            return Waited()
        started = time.monotonic()
        (reader,) = _FREED.unpack(read(self._freed_reader, _FREED.size))
        self._taken = False
        return Waited(time.monotonic() - started, reader)

    # --- the end that reads

    def become_reader(self) -> None:
        """Take this end."""
        os.close(self._writer)
        os.close(self._freed_reader)

    def read(self) -> tuple[bytes, memoryview, memoryview]:
        """Read what comes next; it holds until `free`, which is due after every frame.

        Raises:
            EOFError: nobody will write any more.
        """
        started = time.monotonic()
        kind, self._taken, light, heavy = _HEAD.unpack(read(self._reader, _HEAD.size))
        self._waited = time.monotonic() - started
        whole = memoryview(self._room) if self._taken else memoryview(read(self._reader, light + heavy))
        return kind, whole[:light], whole[light : light + heavy]

    def free(self) -> None:
        """Say that the last frame is done with."""
        if self._taken:
            self._taken = False
            with contextlib.suppress(BrokenPipeError):  # the next read will tell
                os.write(self._freed_writer, _FREED.pack(self._waited))

    def close_reader(self) -> None:
        """Let go of this end; whoever writes at the other learns it when he next writes."""
        os.close(self._reader)
        os.close(self._freed_writer)


def write(descriptor: int, *parts: bytes) -> None:
    """Write all of it.

    Raises:
        BrokenPipeError: nobody will read it.
    """
    for part in parts:
        view = memoryview(part)
        while view:
            view = view[os.write(descriptor, view) :]


def read(descriptor: int, length: int) -> bytearray:
    """Read so many bytes.

    Raises:
        EOFError: nobody will write any more.
    """
    data = bytearray(length)
    rest = memoryview(data)
    while rest:
        count = os.readv(descriptor, [rest])
        if not count:
            raise EOFError
        rest = rest[count:]
    return data
