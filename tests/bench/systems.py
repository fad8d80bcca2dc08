"""The contestants: tosser, crashmail, and the bare disk; each in a directory of its own, doing the same work.

crashmail runs as `tests.peers.crashmail` configures it: with the settings that make it fast and do not make it lose
mail (packets up to 60 MB, 60 open bases, a dupe history of a million). tosser may write packets as large. All links
carry all areas, so each message that comes from the hub is due to every other link.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tests.bench.mail import AREAS
from tests.bench.measure import Usage, count_syncs, measure
from tests.bench.packets import count_messages
from tests.corpus import HUB, US, area_tags
from tests.peers.crashmail import Crashmail, CrashmailLink
from tests.peers.daemon import node

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_PACKET = "60MiB"
"""As crashmail's MAXPKTSIZE."""
DISK_THREADS = 8
"""Syncs at the same time; as many as tosser has."""
_MAIL = re.compile(r"\.(pkt|.ut|(su|mo|tu|we|th|fr|sa).)")
_INDEX_RECORD = 8
_BLOCK = 256 * 1024
"""Bytes at a time; ext4 takes a multiple of the time for a megabyte."""


class System(Protocol):
    """Something that can be given mail and be run."""

    def take(self, files: Iterable[Path]) -> None:
        """Put copies of files into its inbound."""

    def run(self) -> Usage:
        """Toss, and say what that took."""

    def run_counting(self) -> int | None:
        """Toss at leisure, and say how many syncs that took; ``None`` when they cannot be counted."""

    def stored(self) -> int:
        """Count the messages in its area bases."""

    def sent(self) -> int:
        """Count the messages in its outbound."""

    def left(self) -> list[int]:
        """Sizes of the files it left in bases and outbound."""

    def close(self) -> None:
        """Delete its directory."""


class Tosser:
    """One tosser node.

    Args:
        parent: where to make its directory.
        downlinks: get all areas.
        bundles: whether links get ZIP bundles, or bare packets.
        sections: laid over the configuration.
    """

    def __init__(
        self,
        parent: Path,
        *,
        downlinks: Sequence[str] = (),
        bundles: bool = False,
        **sections: Any,  # noqa: ANN401 - parts of the configuration file
    ) -> None:
        links = dict.fromkeys((HUB, *downlinks), "")
        defaults = {"archiver": "zip" if bundles else "none", "max_packet": MAX_PACKET, "max_bundle": MAX_PACKET}
        root = Path(tempfile.mkdtemp(prefix="to", dir=parent))
        self.node = node(root, areas=AREAS, links=links, link_defaults=defaults, **sections)
        self._command = self.node.command("toss")

    def take(self, files: Iterable[Path]) -> None:
        """Put copies of files into its inbound."""
        _copy(files, self.node.secure)

    def run(self) -> Usage:
        """Run ``tosser toss``."""
        return measure(self._command, cwd=self.node.root, environment=os.environ | self.node.environment)

    def run_counting(self) -> int | None:
        """The same, under strace."""
        return count_syncs(self._command, cwd=self.node.root, environment=os.environ | self.node.environment)

    def stored(self) -> int:
        """Count the messages in its area bases."""
        return sum(_indexed(self.node.bases / tag.lower()) for tag in self.node.areas)

    def sent(self) -> int:
        """Count the messages in its outbound."""
        return sum(map(count_messages, _mail_in(self.node.outbound)))

    def left(self) -> list[int]:
        """Sizes of the files it left in bases and outbound."""
        return _sizes(self.node.bases, self.node.outbound)

    def close(self) -> None:
        """Delete its directory."""
        shutil.rmtree(self.node.root)


class CrashmailSystem:
    """One crashmail node; arguments as of `Tosser`."""

    def __init__(self, parent: Path, *, downlinks: Sequence[str] = (), bundles: bool = False) -> None:
        self._stack = ExitStack()
        links = {HUB: CrashmailLink()} | dict.fromkeys(downlinks, CrashmailLink(bundles=bundles))
        self._node = self._stack.enter_context(
            Crashmail(address=US, links=links, areas=area_tags(AREAS), parent=parent)
        )
        self._command = self._node.command("TOSS")

    def take(self, files: Iterable[Path]) -> None:
        """Put copies of files into its inbound."""
        _copy(files, self._node.inbound)

    def run(self) -> Usage:
        """Run ``crashmail TOSS``."""
        return measure(self._command, cwd=self._node.root, environment=os.environ)

    def run_counting(self) -> int | None:
        """The same, under strace."""
        return count_syncs(self._command, cwd=self._node.root, environment=os.environ)

    def stored(self) -> int:
        """Count the messages in its area bases."""
        return sum(_indexed(self._node.base(area)) for area in self._node.areas)

    def sent(self) -> int:
        """Count the messages in its outbound."""
        return sum(map(count_messages, _mail_in(self._node.root / "out")))

    def left(self) -> list[int]:
        """Sizes of the files it left in bases and outbound."""
        return _sizes(self._node.root / "msg", self._node.root / "out")

    def close(self) -> None:
        """Delete its directory."""
        self._stack.close()


def disk_alone(parent: Path, sizes: Sequence[int]) -> Usage:
    """Write files of these sizes in one go, sync them side by side, and delete them after the measurement."""
    root = Path(tempfile.mkdtemp(prefix="di", dir=parent))
    block = os.urandom(_BLOCK)
    before, started = os.times(), time.perf_counter()
    with ThreadPoolExecutor(DISK_THREADS) as threads:
        synced = [threads.submit(_sync, _write(root / str(index), size, block)) for index, size in enumerate(sizes)]
    for result in synced:
        result.result()
    seconds, after = time.perf_counter() - started, os.times()
    shutil.rmtree(root)
    return Usage(seconds, after.user - before.user, after.system - before.system, 0, sum(sizes))


def _write(path: Path, size: int, block: bytes) -> int:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    for left in range(size, 0, -len(block)):
        os.write(descriptor, block[:left])
    return descriptor


def _sync(descriptor: int) -> None:
    os.fsync(descriptor)
    os.close(descriptor)


def _copy(files: Iterable[Path], directory: Path) -> None:
    for file in files:
        shutil.copyfile(file, directory / file.name)


def _indexed(base: Path) -> int:
    """Count the messages of a JAM base by the length of its index; without one there are none."""
    index = base.with_name(f"{base.name}.jdx")
    return index.stat().st_size // _INDEX_RECORD if index.exists() else 0


def _mail_in(outbound: Path) -> list[Path]:
    """Find packets and bundles, wherever the outbound has them."""
    return [path for path in _files(outbound) if _MAIL.fullmatch(path.suffix)]


def _sizes(*directories: Path) -> list[int]:
    return [path.stat().st_size for directory in directories for path in _files(directory)]


def _files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())
