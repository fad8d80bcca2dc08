"""Sending on what other programs wrote into one message base: find it, complete it, drop it, mark it as sent.

``docs/decisions/scanning.md`` tells why no message goes out twice, or not at all, whenever the power fails: the
packets, and how far the base was looked at, are in the state database before anything else is done, and stay there
until they are dropped and their messages marked.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from tosser.codec.jam import JamAttribute
from tosser.codec.kludge import find_value
from tosser.codec.packet import parse_packet
from tosser.daemon.upkeep import LINK_WAIT, held
from tosser.errors import StateError, said
from tosser.rules.posting import post_packet
from tosser.rules.scanning import NOWHERE, Additions, complete, complete_netmail, is_for_others, packet_name
from tosser.rules.verdict import area_target
from tosser.state.scans import ScannedMail
from tosser.stores.jam_files import shared_files, unix_time
from tosser.stores.jam_scan import Completion, Wanted, digest_of, end_of, mark_as_sent, msgid_at, seek

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tosser.inbound.postbox import PostBox
    from tosser.inbound.spool import Spool
    from tosser.rules.network import Area, Rulebook
    from tosser.rules.scanning import ScanPosition
    from tosser.rules.verdict import Target
    from tosser.state.state import State
    from tosser.stores.jam_files import JamFiles
    from tosser.stores.jam_reader import JamMessage

_FLAGS = (("IMM", JamAttribute.IMMEDIATE), ("DIR", JamAttribute.DIRECT))
"""How urgent netmail is, where a packed message has no bit for it."""
_PORTION = 500
"""Messages that are taken in one transaction."""


class ScanPlace(Struct, frozen=True):
    """A base that is looked at.

    Attributes:
        tag: of its area, or ``netmail``.
        network: name of the network; empty for netmail.
        path: of the base, without suffix.
        area: its area; ``None`` for netmail.
    """

    tag: str
    network: str
    path: str
    area: Area | None = None

    @classmethod
    def of(cls, area: Area) -> ScanPlace:
        """Give the base of an area."""
        return cls(area.tag, area.network, area.path, area)


class ScanSettings(Struct, frozen=True):
    """How it is done.

    Attributes:
        origin: what Origin says where it is missing.
        limit: with more messages than this at once in a base, none is sent.
        longest: bytes of text beyond which a message cannot be tossed.
        synced: whether each step is synced.
    """

    origin: bytes
    limit: int
    longest: int
    synced: bool


class ScanOptions(Struct, frozen=True):
    """What a person may ask for beyond what is done anyway.

    Attributes:
        everything: send all that is local and unsent, whatever was there before the first look.
        many: send also when it is more than the limit.
        skip: send nothing of what is there now.
        dry: only tell.
        wait: seconds to wait for another program's lock.
    """

    everything: bool = False
    many: bool = False
    skip: bool = False
    dry: bool = False
    wait: float = LINK_WAIT


class ScanReport(Struct):
    """What a look at one base came to.

    Attributes:
        first: whether it was the first look, which begins at the end.
        found: how many messages are to be sent.
        sent: how many of them were given to the toss.
        older: how many were passed over in a base that was renumbered: they may be older than the first look.
        too_long: how many were passed over because no packet takes them.
        refused: whether there are more than the limit, so that none is sent.
    """

    first: bool = False
    found: int = 0
    sent: int = 0
    older: int = 0
    too_long: int = 0
    refused: bool = False


class BaseScanner:
    """Looks for mail in message bases, one at a time.

    Args:
        rules: the sysop's world.
        state: keeps how far each base was looked at, and what is not done with.
        box: takes the packets.
        spool: tells which of them were taken out.
        settings: how it is done.
        appended: told what messages were found in each base.
    """

    def __init__(
        self,
        rules: Rulebook,
        state: State,
        box: PostBox,
        spool: Spool,
        *,
        settings: ScanSettings,
        appended: Callable[[Target, Sequence[int]], None] = lambda _target, _numbers: None,
    ) -> None:
        self._rules = rules
        self._state = state
        self._box = box
        self._spool = spool
        self._settings = settings
        self._appended = appended

    def scan(self, place: ScanPlace, options: ScanOptions) -> ScanReport:
        """Look at a base, and put what is to be sent into the box.

        Raises:
            StoreLocked: another program keeps the base locked, or mail waits to be written to it.
            StoreError: the base is broken.
            StateError: the state database, or the box, cannot be used.
        """
        report = ScanReport()
        if not options.dry:
            self.finish(place.path, options.wait)
        if place.area is not None and place.area.paused:
            return report
        if not shared_files(Path(place.path)).exists():
            self._await(place.path, options, report)
            return report
        with _closed_after(Path(place.path)), held(place.path, options.wait, self._state.open_bases) as files:
            self._look(place, files, options, report)
        return report

    def finish(self, path: str, wait: float) -> None:
        """Drop and mark what was found in a base before, and not done with; may be repeated.

        Raises:
            StoreLocked: as `scan`; so with the others.
        """
        if not self._state.scanned_left(path):
            return
        if not shared_files(Path(path)).exists():  # somebody removed it: what was found in it is sent all the same
            self._carry_out(None, self._state.scanned_left(path), again=True)
            return
        with _closed_after(Path(path)), held(path, wait, self._state.open_bases) as files:
            self._carry_out(files, self._state.scanned_left(path), again=True)

    def _await(self, path: str, options: ScanOptions, report: ScanReport) -> None:
        """Note that there is no base yet: all that will be written to it is new."""
        report.first = self._state.scan_position(path) is None
        if report.first and not options.dry:
            since = time.time() - 1  # others ask time(2) for the second, which may lag behind
            self._state.advance_scan(path, replace(NOWHERE, since=since))

    # --- with the base locked

    def _look(self, place: ScanPlace, files: JamFiles, options: ScanOptions, report: ScanReport) -> None:
        now = time.time()
        known = self._state.scan_position(place.path)
        report.first = known is None
        position = end_of(files, now) if known is None or options.skip else known
        if (known is None or options.skip) and not options.everything:
            if not options.dry:
                self._state.advance_scan(place.path, position)
            return
        wanted = Wanted(self._settings.longest)
        if place.area is None:
            wanted = Wanted(self._settings.longest, netmail=True, leaves=partial(is_for_others, rules=self._rules))
        while True:
            seen = seek(files, position, _PORTION, wanted, everything=options.everything)
            report.found, report.older, report.too_long = report.sent + seen.count, seen.older, seen.too_long
            report.refused = seen.count > self._settings.limit and not (options.many or options.everything)
            if options.dry or report.refused:
                return
            fresh = self._fresh(files, place.path, seen.found) if seen.moved else seen.found
            if fresh:
                self._send(place, files, fresh, seen.position)
                report.sent += len(fresh)
            elif seen.position != known:
                self._state.advance_scan(place.path, seen.position)
            if seen.count == len(seen.found):
                return

    def _fresh(self, files: JamFiles, path: str, found: Sequence[JamMessage]) -> list[JamMessage]:
        """Leave out, and mark as sent, what was sent before: somebody has put a backup of the base in place."""
        digests = {digest_of(message): message for message in found}
        before = self._state.scanned_before(path, digests.keys())
        if before:
            again = [Completion(message.number, digest) for digest, message in digests.items() if digest in before]
            mark_as_sent(files, again, int(time.time()), synced=self._settings.synced)
        return [message for message in found if digest_of(message) not in before]

    def _send(self, place: ScanPlace, files: JamFiles, found: Sequence[JamMessage], position: ScanPosition) -> None:
        first = self._state.message_serials(len(found), time.time())
        mail: list[ScannedMail] = []
        for serial, message in enumerate(found, first):
            packet = self._pack(place, files, message, serial)
            mail.append(ScannedMail(serial, place.path, message.number, digest_of(message), packet))
        self._state.scanned(place.path, position, mail, time.time())
        self._carry_out(files, mail)
        if place.area is not None:
            self._appended(area_target(place.area), [each.number for each in mail])

    def _pack(self, place: ScanPlace, files: JamFiles, message: JamMessage, serial: int) -> bytes:
        """Make the packet of a message."""
        written = message.header.written
        local = datetime.fromtimestamp(unix_time(written) if written else time.time(), UTC).astimezone()
        mail = message.message
        answers = message.header.reply_to
        reply = msgid_at(files, answers) if answers and not find_value(mail.kludges, b"REPLY") else None
        additions = Additions(serial, local, reply, self._settings.origin)
        if place.area is None:
            flags = tuple(word for word, bit in _FLAGS if message.header.attribute & bit)
            aka, packed = complete_netmail(mail, self._rules, replace(additions, flags=flags))
        else:
            aka, packed = place.area.aka, complete(mail, place.area, self._rules, additions)
        return post_packet(aka, [packed])

    def _carry_out(self, files: JamFiles | None, mail: Sequence[ScannedMail], *, again: bool = False) -> None:
        """Drop packets, and mark their messages; ``again`` if some of that may have been done before."""
        dropped = self._dropped() if again else frozenset()
        for each in mail:
            name = packet_name(each.serial, each.number)
            if f"{name}.pkt" not in dropped:
                self._drop(name, each.packet)
        if files is not None:
            completions = [Completion(each.number, each.digest, parse_packet(each.packet).messages[0]) for each in mail]
            mark_as_sent(files, completions, int(time.time()), synced=self._settings.synced)
        self._state.scanned_done([each.serial for each in mail])

    def _drop(self, name: str, packet: bytes) -> None:
        """Put a packet into the box; that this fails is no trouble of the base, which is locked at this moment."""
        try:
            self._box.drop(name, packet)
        except OSError as error:
            raise StateError(said(error, self._box.path)) from error

    def _dropped(self) -> frozenset[str]:
        """Names of all that was ever in the box: looked for in the order in which a file goes its way."""
        waiting = {path.name for path in self._box.path.glob("*.pkt")}
        claimed = {file.name for file in self._spool.claimed() if file.inbound.path == self._box.path}
        return frozenset(waiting | claimed | self._state.file_names(str(self._box.path)))


@contextmanager
def _closed_after(path: Path) -> Iterator[None]:
    """Let go of the files of a base at the end, unless somebody else has them open."""
    files = shared_files(path)
    was_open = files.is_open
    try:
        yield
    finally:
        if not was_open:
            files.close()
