"""Keeping what is not tossed: a whole file, or a copy of one member of a bundle, with the reason beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tosser.errors import ArchiveError, InputError
from tosser.inbound.quarantine import Cause
from tosser.inbound.unpack import open_members
from tosser.inbound.work import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tosser.codec.bundle import ArchiveType
    from tosser.inbound.quarantine import Note, Quarantine
    from tosser.inbound.spool import ClaimedFile
    from tosser.inbound.unpack import ArchiveLimits, Archiver
    from tosser.rules.decision import FileOutcome, SetAside


class AsideKeeper:
    """Carries out decisions to set something aside; each may be repeated.

    Args:
        quarantine: where it goes.
        limits: bounds on archives.
        archivers: programs for the archive formats that are not read in process.
    """

    def __init__(
        self, quarantine: Quarantine, limits: ArchiveLimits, archivers: Mapping[ArchiveType, Archiver]
    ) -> None:
        self._quarantine = quarantine
        self._limits = limits
        self._archivers = archivers

    def keep_member(self, item: SetAside, file: ClaimedFile) -> Note:
        """Copy one member of a bundle, which itself stays.

        Raises:
            InputError: the bundle no longer holds what was decided on.
            OSError: the disk failed.
        """
        cause = Cause(item.state, item.reason, item.what, item.offset, item.sender)
        index = item.member or 0
        try:
            with open_members(file.path, file.name, self._limits, self._archivers) as members:
                member = members[index]
                with member.open() as stream:
                    return self._quarantine.keep_member(file, index, member.name, stream, cause)
        except (IndexError, ArchiveError) as error:
            what = f"it is not what was decided on: {error}"
            raise InputError(file.claim, printable(str(file.path)), what) from error

    def keep_file(self, outcome: FileOutcome, file: ClaimedFile, attempts: int = 0) -> Note:
        """Move a whole file out of the work directory; its outcome says that it is kept.

        Raises:
            ValueError: the outcome has no reason to keep it.
            OSError: the disk failed.
        """
        if outcome.reason is None:
            msg = f"{outcome.claim}: kept without a reason"
            raise ValueError(msg)
        cause = Cause(outcome.kept_as, outcome.reason, outcome.what, outcome.offset, outcome.sender, attempts)
        return self._quarantine.keep(file, cause)
