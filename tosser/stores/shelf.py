"""The open message bases: a bounded number at once, the least recently used closed first, syncs side by side."""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from tosser.stores.opening import open_base

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tosser.rules.network import StoreKind
    from tosser.rules.verdict import Target
    from tosser.stores.base import MessageBase

SYNC_THREADS = 8
"""Syncs wait for the disk, not for a processor; a disk takes several at once."""


class Shelf:
    """Opens bases as they are needed.

    Args:
        limit: how many may be open at once; four files each.
    """

    def __init__(self, limit: int = 200) -> None:
        self._limit = limit
        self._open: OrderedDict[tuple[StoreKind, str], MessageBase] = OrderedDict()
        self._threads = ThreadPoolExecutor(SYNC_THREADS, thread_name_prefix="tosser-sync")

    def base(self, target: Target) -> MessageBase:
        """Give the base of a target, open.

        Raises:
            StoreError: it cannot be opened.
        """
        key = target.store, target.path
        base = self._open.get(key)
        if base is None:
            while len(self._open) >= self._limit:
                _, oldest = self._open.popitem(last=False)
                oldest.sync()
                oldest.close()
            base = self._open[key] = open_base(target.store, Path(target.path))
        self._open.move_to_end(key)
        return base

    def sync(self, targets: Iterable[Target]) -> None:
        """Wait until all that was written to these bases is on the disk.

        Raises:
            StoreError: the disk refused; what was not synced stays due.
        """
        due = [base for target in targets if (base := self._open.get((target.store, target.path))) is not None]
        for _ in self._threads.map(lambda base: base.sync(), due):
            pass

    def close(self) -> None:
        """Close every base."""
        while self._open:
            _, base = self._open.popitem()
            base.close()
        self._threads.shutdown()
