"""Reading a backlog in a process of its own, while this one decides on what was read and carries it out.

Reading and splitting are two fifths of the work of a toss, and Python runs one thread at a time; a second process
uses the second processor. What it reads it reads as `tosser.inbound.reading.Reader` does here, so which process reads
makes no difference to anything but time. When it dies over a file, that is a surprise like any other mistake of ours,
and files are read here from then on.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tosser.inbound.reading import Reader
from tosser.inbound.transfer import pack_batch, unpack_batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tosser.codec.bundle import ArchiveType
    from tosser.inbound.frames import Waited
    from tosser.inbound.helper import Helper, Replies
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
        yield from self._helper.stream(unpack_batch, read_ahead, self._plain, list(files), dict(progress))


# --- in the helper


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


def read_ahead(
    replies: Replies, reader: Reader, files: Sequence[ClaimedFile], progress: Mapping[str, FileProgress]
) -> None:
    """Give what ``reader.batches(files, progress)`` gives, packed as `unpack_batch` takes it, some of it in advance."""
    balance = Balance()
    for batch in reader.batches(files, progress, first=_FIRST):
        balance.gave(replies.give(*pack_batch(batch, balance.share, lists=reader.lists)))
        if replies.unwanted():
            break
