"""Carrying a decision out on the message bases; one that is locked or broken is told by name, and waited for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from msgspec import Struct

from tosser import disk
from tosser.errors import StoreError, StoreLocked
from tosser.stores.opening import open_base

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tosser.rules.network import NetmailRules
    from tosser.rules.outgoing import OutPacket
    from tosser.rules.plan import Plan
    from tosser.rules.verdict import Target
    from tosser.state.state import State
    from tosser.stores.base import BasePosition, Storable
    from tosser.stores.shelf import Shelf

log = structlog.get_logger()

SHOWN = 3
"""Message bases named in a sentence about those that batches wait for."""


class Work(Struct):
    """A decision to be carried out.

    Attributes:
        entry: its journal entry.
        plan: what is to be written.
        positions: where the bases stood; ``None``, or nothing, for one that could not be looked at yet: nothing of
            the batch is in it.
        packets: what is sent on.
        first_packet: serial number of the first of these.
        again: whether it may have been carried out in part.
    """

    entry: int
    plan: Plan
    positions: dict[str, BasePosition | None]
    packets: Sequence[OutPacket]
    first_packet: int
    again: bool = False


class Storing:
    """Appends to message bases.

    Args:
        shelf: the message bases.
        state: the journal.
        lock_wait: seconds to wait for another program's lock on a base.
        synced: whether bases are synced.
        beat: called after every base.
    """

    def __init__(self, shelf: Shelf, state: State, *, lock_wait: float, synced: bool, beat: Callable[[], None]) -> None:
        self._shelf = shelf
        self._state = state
        self._lock_wait = lock_wait
        self._synced = synced
        self._beat = beat
        self._locked: set[str] = set()
        self._failing: dict[str, str] = {}
        self._in_doubt = False

    def doubt(self) -> None:
        """Note an error after which nobody knows what of the things done before it is on the disk."""
        self._in_doubt = True

    def sync_leftovers(self) -> None:
        """After an error, have what was done before it on the disk: what is found done is not done, nor synced, again.

        Raises:
            OSError: the disk failed.
        """
        if self._in_doubt and self._synced:
            disk.sync_everything()
        self._in_doubt = False

    def begin_pass(self) -> None:
        """Forget which bases are in trouble: all batches that wait are tried again now."""
        self._failing = {}

    @property
    def troubles(self) -> str:
        """What is wrong with bases, in this pass: sentences, the first few of them."""
        sentences = list(self._failing.values())
        more = f"; and {len(sentences) - SHOWN} more" if len(sentences) > SHOWN else ""
        return f"{'; '.join(sentences[:SHOWN])}{more}"

    def position(self, target: Target) -> BasePosition | None:
        """Tell where a base stands; ``None`` when it is in a state that the batch has to wait for."""
        try:
            return self._shelf.base(target).position()
        except StoreError:
            return None

    def store(self, work: Work) -> dict[Target, list[int]] | StoreError:
        """Append to every base that can be had, and give the numbers; or why some could not be had.

        Unless one could not, what was written has still to be synced.
        """
        numbers: dict[Target, list[int]] = {}
        failed: StoreError | None = None
        for target, entries in work.plan.appends.items():
            try:
                numbers[target] = self._append(work, target, entries)
            except StoreError as error:
                failed = failed or self.note(target.path, error)
            else:
                self._locked.discard(target.path)
            self._beat()
        if failed is None:
            return numbers
        try:
            self.sync(numbers)
        except StoreError as error:
            self.note(str(error.path), error)
        return failed

    def mark_sent(self, work: Work, netmail: NetmailRules) -> None:
        """Mark netmail that was held before as sent, in the base where it is; what is not done has no consequences."""
        messages = [entry.message for entry in work.plan.gone_on]
        if messages:
            try:
                open_base(netmail.store, Path(netmail.path)).mark_sent(messages, wait=self._lock_wait)
            except StoreError as error:
                log.warning("netmail_not_marked", error=str(error), messages=len(messages))

    def sync(self, targets: Iterable[Target]) -> None:
        """Wait until all that was written to these bases is on the disk, where that is wanted; from any thread.

        Raises:
            StoreError: the disk refused; what was not synced stays due.
        """
        if self._synced:
            self._shelf.sync(targets)

    def note(self, path: str, error: StoreError) -> StoreError:
        """Note what is wrong with a base, for those who ask what batches wait for."""
        self._failing[path] = str(error)
        if isinstance(error, StoreLocked):
            self._locked.add(path)
        else:
            self.doubt()
        return error

    def _append(self, work: Work, target: Target, messages: Sequence[Storable]) -> list[int]:
        base = self._shelf.base(target)
        wait = 0.0 if target.path in self._locked else self._lock_wait
        position = work.positions.get(target.path)
        if position is None:
            position = work.positions[target.path] = base.position()
            self._state.locate(work.entry, target.path, position.to_json())
        if work.again:
            return base.resume(position, messages, wait=wait)
        return base.append(messages, wait=wait)
