"""Purging a JAM base: old messages, or those beyond a number, are marked as deleted (JAM-001).

Never touched: messages that are locked, and mail of this system, or on its way through it, that was not sent yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.codec.jam import DELETED_INDEX_RECORD, HeaderField, JamAttribute
from tosser.stores.jam_files import jam_time
from tosser.stores.jam_links import relink
from tosser.stores.jam_walk import (
    Headers,
    check_whole_records,
    count_change,
    no_progress,
    walk,
    write_field,
    write_index,
)

if TYPE_CHECKING:
    from tosser.rules.network import Keep
    from tosser.stores.jam_files import JamFiles
    from tosser.stores.jam_walk import Progress

_DAY = 86400
_OUTGOING = JamAttribute.LOCAL | JamAttribute.INTRANSIT


class Purged(Struct, frozen=True):
    """What a purge came to.

    Attributes:
        deleted: messages that were deleted, or would be.
        kept: messages that are left.
        protected: those of them that would have gone, but are locked or not sent yet.
    """

    deleted: int
    kept: int
    protected: int = 0


class _Candidate(Struct, frozen=True):
    position: int
    offset: int
    attribute: int


def purge(files: JamFiles, keep: Keep, now: int, progress: Progress = no_progress, *, dry_run: bool = False) -> Purged:
    """Delete what a base need not keep; the base is locked by the caller.

    Args:
        files: the base.
        keep: what it has to keep.
        now: Unix seconds.
        progress: told how far it is.
        dry_run: only count.

    Raises:
        StoreError: the base is broken.
    """
    check_whole_records(files)
    cutoff = 0 if keep.days is None else jam_time(max(now - keep.days * _DAY, 0))
    old: list[bool] = []
    living: list[_Candidate] = []
    for sight in walk(files, Headers(files.jhr)):
        if sight.header is not None and not sight.deleted:
            living.append(_Candidate(sight.position, sight.offset, sight.header.attribute))
            old.append((sight.header.processed or sight.header.written) < cutoff)
    beyond = 0 if keep.messages is None else max(len(living) - keep.messages, 0)
    due = [each for rank, each in enumerate(living) if old[rank] or rank < beyond]
    doomed = [each for each in due if not _is_protected(each.attribute)]
    if doomed and not dry_run:
        _delete(files, doomed, len(living) - len(doomed), progress)
    return Purged(len(doomed), len(living) - len(doomed), len(due) - len(doomed))


def _is_protected(attribute: int) -> bool:
    unsent = attribute & _OUTGOING and not attribute & JamAttribute.SENT
    return bool(unsent or attribute & JamAttribute.LOCKED)


def _delete(files: JamFiles, doomed: list[_Candidate], left: int, progress: Progress) -> None:
    """Mark messages as deleted: the header first, since an index record that is gone leads to it no more."""
    for done, each in enumerate(doomed):
        write_field(files, each.offset, HeaderField.ATTRIBUTE, each.attribute | JamAttribute.DELETED)
        write_field(files, each.offset, HeaderField.TEXT_LENGTH, 0)
        progress(done, len(doomed))
    write_index(files, dict.fromkeys((each.position for each in doomed), DELETED_INDEX_RECORD))
    count_change(files, left)
    relink(files)
