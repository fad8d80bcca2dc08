"""Netmail for others that cannot go on for now: each a packet of its own, byte for byte, until there is a way.

``held/waiting/<class>/<id>.<reason>.pkt`` is what waits. To let one go on, it is renamed into ``held/again/<class>``,
an inbound like any other: from there on it is tossed as all mail is, exactly once. The id follows from the claim of the
file it came in, so holding the same message twice gives one packet.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from tosser import disk
from tosser.inbound.spool import ClaimedFile, Inbound
from tosser.reason import Reason
from tosser.rules.network import InboundClass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

DIRECTORY = "held"
_WAITING, _AGAIN = "waiting", "again"
_DROPPED = ".dropped"
_NAME = re.compile(r"([0-9a-f-]+)\.([a-z-]+)\.pkt", re.ASCII)


class HeldMessage(Struct, frozen=True):
    """One netmail that is to be held.

    Attributes:
        id: made of the claim and the place in its file.
        cls: class of the inbound it came in.
        reason: why it cannot go on.
        packet: a packet with nothing else in it, with the header of the one it came in.
    """

    id: str
    cls: InboundClass
    reason: Reason
    packet: bytes


class HeldEntry(Struct, frozen=True):
    """A netmail that is held.

    Attributes:
        id: as it was given.
        cls: class of the inbound it came in.
        reason: why it could not go on when it was looked at last.
        path: where it is.
    """

    id: str
    cls: InboundClass
    reason: Reason
    path: Path

    def as_claimed(self) -> ClaimedFile:
        """Describe it as if it were being tossed, so that it can be judged where it is."""
        status = self.path.stat()
        inbound = Inbound(self.path.parent, self.cls, again=True)
        return ClaimedFile(self.id, self.path.name, inbound, self.path, status.st_size, status.st_mtime)


class HeldMail:
    """All netmail that is held.

    Args:
        state: the state directory.
    """

    def __init__(self, state: Path) -> None:
        self._root = state / DIRECTORY

    def prepare(self) -> None:
        """Make the directories, and finish what a process that died was dropping.

        Raises:
            OSError: one cannot be made, or a file not be removed.
        """
        for part in (_WAITING, _AGAIN):
            for cls in InboundClass:
                disk.make_directory(self._root / part / cls.value)
        for left in (self._root / _WAITING).glob(f"*/*{_DROPPED}"):
            disk.unlink(left)

    def inbounds(self) -> list[Inbound]:
        """List the inbounds of what goes on; none before `prepare`."""
        found = [Inbound(self._root / _AGAIN / cls.value, cls, again=True) for cls in InboundClass]
        return [inbound for inbound in found if inbound.path.is_dir()]

    def keep(self, messages: Iterable[HeldMessage]) -> None:
        """Write messages, durably; may be repeated.

        Raises:
            OSError: the disk failed.
        """
        for message in messages:
            path = self._root / _WAITING / message.cls.value / f"{message.id}.{message.reason}.pkt"
            disk.write_whole(path, [message.packet])

    def entries(self) -> list[HeldEntry]:
        """List what is held, in the order in which it came."""
        return sorted(self._entries(), key=lambda entry: entry.id)

    def release(self, entry: HeldEntry) -> None:
        """Let a message go on; from then on it is in an inbound.

        Raises:
            OSError: it cannot be moved.
        """
        target = self._root / _AGAIN / entry.cls.value / f"{entry.id}.pkt"
        disk.rename(entry.path, target)
        disk.sync_directory(target.parent)
        disk.sync_directory(entry.path.parent)

    def note(self, entry: HeldEntry, reason: Reason) -> None:
        """Note another reason why a message cannot go on.

        Raises:
            OSError: it cannot be renamed.
        """
        disk.rename(entry.path, entry.path.with_name(f"{entry.id}.{reason}.pkt"))

    def drop(self, entry: HeldEntry) -> None:
        """Give a message up for good.

        Raises:
            FileNotFoundError: it is not held any more, or for another reason.
            OSError: it cannot be removed.
        """
        dropped = entry.path.with_name(f"{entry.id}{_DROPPED}")
        disk.rename(entry.path, dropped)  # which tells, as removing does not, whether it was still there
        disk.unlink(dropped)
        disk.sync_directory(dropped.parent)

    def _entries(self) -> Iterator[HeldEntry]:
        for cls in InboundClass:
            try:
                paths = list((self._root / _WAITING / cls.value).iterdir())
            except FileNotFoundError:
                continue
            for path in paths:
                match = _NAME.fullmatch(path.name)
                if match and match[2] in set(Reason):
                    yield HeldEntry(match[1], cls, Reason(match[2]), path)
