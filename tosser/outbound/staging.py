"""Finished packets that wait to be shipped, each a file named by its serial number, inside the outbound.

Files that go with netmail are beside them, each in a directory of its own, from where the mailer takes them.

They are here, and on the disk, before the batch that made them is recorded as carried out. So the directory may hold
packets of a batch that was not: writing them again is fine, and after all open batches have been carried out at start,
what nobody knows of is removed.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from tosser import disk
from tosser.outbound.sharing import file_mode, make_shared

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

DIRECTORY = ".tosser"
FILES = ".attached"
"""Where files are that go with netmail; the mailer deletes them, so it is as open as the outbound."""
_PACKET = re.compile(r"([0-9a-f]{8})\.pkt", re.ASCII)
_SCRATCH = "scratch-"
_THREADS = 8
"""Files synced at a time: a file system writes its journal once for all that wait."""


def packet_name(serial: int) -> str:
    """Name a packet."""
    return f"{serial:08x}.pkt"


class Staging:
    """The staged packets of an outbound.

    Args:
        outbound: root of the outbound.
        synced: whether packets are on the disk when `write` returns.
    """

    def __init__(self, outbound: Path, *, synced: bool = True) -> None:
        self._outbound = outbound
        self._directory = outbound / DIRECTORY
        self._synced = synced

    def prepare(self) -> None:
        """Make the directory, and clear what a killed process left of packing; to be called at start.

        Raises:
            OSError: it cannot be made.
        """
        make_shared(self._outbound, self._outbound)
        disk.make_directory(self._directory)
        for path in self._directory.glob(f"{_SCRATCH}*"):
            shutil.rmtree(path)
        for path in (self._outbound / FILES).glob("*"):
            disk.remove_empty_directory(path)

    def write(self, packets: Sequence[tuple[int, Iterable[Sequence[bytes]]]]) -> None:
        """Write packets; those of an earlier attempt are replaced.

        Args:
            packets: each a serial number, and its bytes in blocks as `tosser.disk.write_pieces` takes them.

        Raises:
            OSError: the disk failed; some may have been written.
        """
        mode = file_mode(self._outbound)
        threads = _THREADS if self._synced else os.cpu_count() or 1
        if len(packets) > 1 and threads > 1:
            with ThreadPoolExecutor(min(threads, len(packets))) as pool:
                futures = [pool.submit(self._write, serial, blocks, mode) for serial, blocks in packets]
            for future in futures:
                future.result()
        else:
            for serial, blocks in packets:
                self._write(serial, blocks, mode)
        if self._synced and packets:
            disk.sync_directory(self._directory)

    def _write(self, serial: int, blocks: Iterable[Sequence[bytes]], mode: int) -> None:
        path = self.path(serial)
        disk.unlink(path)  # what is there may have a second name
        descriptor = disk.create(path, mode)
        try:
            disk.write_pieces(descriptor, blocks)
            if self._synced:
                disk.sync_file(descriptor)
        finally:
            os.close(descriptor)

    def adopt(self, source: Path, claimed: Path, name: str) -> int:
        """Take a file out of an inbound, durably; may be repeated. Returns its size, 0 when somebody removed it.

        Args:
            source: where it came.
            claimed: a path on the same file system that nobody else uses; free afterwards.
            name: a directory of its own, a slash, and its name there.

        Raises:
            OSError: the disk failed.
        """
        target = self.file_path(name)
        make_shared(target.parent, self._outbound)
        if not target.exists():
            if not claimed.exists():
                try:
                    disk.rename(source, claimed)
                except FileNotFoundError:
                    return 0
                disk.sync_directory(claimed.parent)
                disk.sync_directory(source.parent)
            disk.move(claimed, target)
            disk.set_mode(target, file_mode(self._outbound))
        disk.unlink(claimed)
        if self._synced:
            for directory in (target.parent, claimed.parent):
                disk.sync_directory(directory)
        return target.stat().st_size

    def file_path(self, name: str) -> Path:
        """Say where a file is that goes with a netmail."""
        return self._outbound.absolute() / FILES / name

    def path(self, serial: int) -> Path:
        """Say where a packet is."""
        return self._directory / packet_name(serial)

    def size(self, serial: int) -> int:
        """Give the bytes of a packet; 0 when it is not there."""
        try:
            return self.path(serial).stat().st_size
        except FileNotFoundError:
            return 0

    def remove(self, serials: Iterable[int]) -> None:
        """Remove packets; one that is gone already is fine.

        Raises:
            OSError: one cannot be removed.
        """
        for serial in serials:
            disk.unlink(self.path(serial))

    def remove_orphans(self, known: Container[int]) -> int:
        """Remove packets that nobody waits for; to be called at start, when all open batches have been taken up.

        Args:
            known: serial numbers of packets that wait, and of those that open batches may have made.

        Returns:
            How many there were.

        Raises:
            OSError: one cannot be removed.
        """
        found = [int(match[1], 16) for path in self._directory.iterdir() if (match := _PACKET.fullmatch(path.name))]
        orphans = [serial for serial in found if serial not in known]
        self.remove(orphans)
        return len(orphans)

    def scratch(self) -> Path:
        """Make a directory for a program to work in; whoever asks for it removes it.

        Raises:
            OSError: it cannot be made.
        """
        return Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=self._directory))
