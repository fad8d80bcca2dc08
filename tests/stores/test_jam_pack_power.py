"""Packing when the power fails: what was not synced may be on the disk, or not, in any mixture."""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.peers import jam_writer
from tests.stores.samples import SUFFIXES, contents, file_of, samples
from tests.stores.upkeep import held, stored
from tosser import disk
from tosser.stores.jam import JamBase
from tosser.stores.jam_files import shared_files
from tosser.stores.jam_pack import pack

if TYPE_CHECKING:
    from collections.abc import Callable

MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of our own is made in it
DRAWS = 12
"""Mixtures that are tried at each moment."""
_WORD = 8
"""Bytes that a disk writes whole, where they are aligned."""


class Medium:
    """Writes down what happens to the files of a base, and makes what a power cut may leave of it."""

    def __init__(self, path: Path, before: dict[str, bytes]) -> None:
        """Take a base whose content is on the disk as it was before; what was done to it since is not synced."""
        self._path = path
        self._durable = dict(before)
        self._pending: dict[str, list[tuple[int, bytes]]] = {
            suffix: [
                (at, data[at : at + _WORD]) for at in range(0, len(data), _WORD) if data[at:] != before[suffix][at:]
            ]
            for suffix, data in contents(path).items()
        }
        self.moments: list[tuple[dict[str, bytes], dict[str, list[tuple[int, bytes]]]]] = []

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        """Write down every step from now on."""
        write_at, truncate, sync_file = disk.write_at, disk.truncate, disk.sync_file

        def write(descriptor: int, data: bytes, offset: int) -> None:
            write_at(descriptor, data, offset)
            self._pending[self._name(descriptor)].append((offset, bytes(data)))
            self._note()

        def cut(descriptor: int, length: int) -> None:
            truncate(descriptor, length)
            self._pending[self._name(descriptor)].append((-length - 1, b""))
            self._note()

        def sync(descriptor: int) -> None:
            sync_file(descriptor)
            name = self._name(descriptor)
            self._durable[name] = os.pread(descriptor, 1 << 30, 0)
            self._pending[name] = []
            self._note()

        patch.setattr(disk, "write_at", write)
        patch.setattr(disk, "truncate", cut)
        patch.setattr(disk, "sync_file", sync)

    def _name(self, descriptor: int) -> str:
        there = os.fstat(descriptor)
        return next(suffix for suffix in SUFFIXES if os.path.samestat(file_of(self._path, suffix).stat(), there))

    def _note(self) -> None:
        self.moments.append((dict(self._durable), {name: list(steps) for name, steps in self._pending.items()}))

    def remains(self, moment: int, dice: random.Random) -> dict[str, bytes]:
        """Give what may be on the disk after a power cut at a moment."""
        durable, pending = self.moments[moment]
        return {name: _mixed(durable[name], pending[name], dice) for name in SUFFIXES}


def _mixed(data: bytes, steps: list[tuple[int, bytes]], dice: random.Random) -> bytes:
    """Apply some of the steps, writes word by word."""
    share = dice.choice((0.0, 0.1, 0.5, 0.9, 1.0))
    mixed = bytearray(data)
    for offset, piece in steps:
        if offset < 0:
            if dice.random() < share:
                del mixed[-offset - 1 :]
            continue
        start = 0
        while start < len(piece):
            end = min(start + _WORD - (offset + start) % _WORD, len(piece))
            if dice.random() < share:
                mixed.extend(bytes(max(offset + end - len(mixed), 0)))
                mixed[offset + start : offset + end] = piece[start:end]
            start = end
    return bytes(mixed)


def deleting(path: Path, positions: range) -> Callable[[], None]:
    """Make a base, and say how another program deletes these messages."""
    JamBase(path).append(samples(14, size=60), wait=1)

    def delete() -> None:
        for position in positions:
            jam_writer.delete(path, position)

    return delete


def scattered(path: Path) -> Callable[[], None]:
    """Messages all over the base are deleted."""
    return deleting(path, range(0, 14, 3))


def first_half(path: Path) -> Callable[[], None]:
    """The first messages are deleted, so that the others are moved at once to where they belong."""
    return deleting(path, range(9))


def last_half(path: Path) -> Callable[[], None]:
    """The last messages are deleted, so that nothing is moved and the files are only cut."""
    return deleting(path, range(5, 14))


def marked_only(path: Path) -> Callable[[], None]:
    """The first messages are deleted by a program that leaves the index alone."""
    first = deleting(path, range(9))

    def delete() -> None:
        index = contents(path)[".jdx"]
        first()
        file_of(path, ".jdx").write_bytes(index)

    return delete


@pytest.mark.parametrize("made", [scattered, first_half, last_half, marked_only])
def test_power_cuts(made: Callable[[Path], Callable[[], None]]) -> None:
    """Whenever the power fails, each message that was not deleted is whole, and none is there that never was."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as directory:
        path = Path(directory) / "AREA"
        delete = made(path)
        shared_files(path).sync()
        before, every = contents(path), stored(path)
        delete()
        left = stored(path)
        medium = Medium(path, before)
        with pytest.MonkeyPatch.context() as patch, held(path):
            medium.watch(patch)
            pack(shared_files(path))
        shared_files(path).close()
        dice = random.Random(5)
        assert len(medium.moments) > 5
        for moment in range(len(medium.moments)):
            for _ in range(DRAWS):
                for suffix, data in medium.remains(moment, dice).items():
                    file_of(path, suffix).write_bytes(data)
                found = stored(path)
                assert {number: found.get(number) for number in left} == left, moment
                for number in found.keys() - left.keys():
                    assert found[number].subfields == every[number].subfields, moment
