"""Netmail on its way to others: what it has attached, what of it is held, and when that may go on."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from tosser.codec.bundle import ignored_name, is_bundle_name, is_packet_name
from tosser.codec.packed_message import build_packed_message
from tosser.codec.packet import TERMINATOR
from tosser.codec.packet_header import build_packet_header
from tosser.errors import InputError
from tosser.inbound.held import HeldMessage
from tosser.reason import Reason
from tosser.rules.decision import decide, prepare_batch
from tosser.rules.transit import FILE_ATTACHED, Attachments
from tosser.rules.verdict import area_tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tosser.inbound.held import HeldEntry, HeldMail
    from tosser.inbound.reading import Reader
    from tosser.inbound.spool import Inbound
    from tosser.rules.batch import Batch
    from tosser.rules.network import InboundClass, Rulebook
    from tosser.rules.plan import Entry
    from tosser.state.state import State

log = structlog.get_logger()


def find_attachments(batch: Batch, inbounds: Sequence[Inbound]) -> Attachments:
    """Look for files that netmail of a batch may have attached, in all inbounds of the class it came in."""
    classes = {
        piece.file.cls
        for piece in batch.pieces
        for message, text in piece.messages
        if message.attributes & FILE_ATTACHED and area_tag(text) is None
    }
    return Attachments(_listing(inbound for inbound in inbounds if inbound.cls in classes and not inbound.again))


def _listing(inbounds: Iterable[Inbound]) -> dict[tuple[InboundClass, str], str]:
    """List regular files that are no mail; links are not followed."""
    found: dict[tuple[InboundClass, str], str] = {}
    for inbound in inbounds:
        try:
            entries = sorted(os.scandir(inbound.path), key=lambda entry: entry.name)
        except OSError:
            continue  # the scan of the inbounds tells
        for entry in entries:
            mail = is_packet_name(entry.name) or is_bundle_name(entry.name) or ignored_name(entry.name)
            if not mail and entry.name.isprintable() and _is_file(entry):
                found.setdefault((inbound.cls, entry.name.lower()), entry.path)
    return found


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def held_messages(entries: Iterable[Entry]) -> list[HeldMessage]:
    """Make packets of netmail that is to be held; what was held before and is judged again is one of them, too."""
    return [
        HeldMessage(
            f"{entry.piece.file.claim}-{entry.piece.member}-{entry.piece.first + entry.index}",
            entry.piece.file.cls,
            entry.verdict.reason,
            build_packet_header(entry.piece.header) + build_packed_message(entry.packed) + TERMINATOR,
        )
        for entry in entries
    ]


class Releasing:
    """Lets netmail go on that is held.

    Args:
        held: what is held.
        inbounds: where attached files may come.
        reader: reads it.
        state: the dupe history.
    """

    def __init__(self, held: HeldMail, inbounds: Sequence[Inbound], reader: Reader, state: State) -> None:
        self.held = held
        self.inbounds = tuple(inbounds)
        self._reader = reader
        self._state = state
        self._judged_by: Rulebook | None = None

    def release(self, rules: Rulebook, now: float, beat: Callable[[], None]) -> int:
        """Judge what is held by the present rules, and let go on what may; returns how many.

        All of it is judged when the rules are others than the last time; only what waits for a file when they are not.

        Raises:
            StateError: the dupe history cannot be read.
            OSError: one cannot be moved.
        """
        every = rules is not self._judged_by
        released = 0
        for entry in self.held.entries():
            if every or entry.reason is Reason.ATTACH_MISSING:
                with suppress(FileNotFoundError):  # a person has given it up
                    released += self._look_at(entry, rules, now)
                beat()
        self._judged_by = rules
        if released:
            log.info("netmail_goes_on", messages=released)
        return released

    def _look_at(self, entry: HeldEntry, rules: Rulebook, now: float) -> bool:
        reason = self._judge(entry, rules, now)
        if reason is None or reason.held:
            if reason is not None and reason is not entry.reason:
                self.held.note(entry, reason)
            return False
        self.held.release(entry)
        return True

    def _judge(self, entry: HeldEntry, rules: Rulebook, now: float) -> Reason | None:
        """Say what would become of a message; ``None`` where it could not be tossed at all."""
        try:
            (batch,) = self._reader.batches([entry.as_claimed()], {})
        except InputError as error:
            log.error("held_netmail_unreadable", error=str(error))  # noqa: TRY400 - a sentence, not a traceback
            return None
        prepared = prepare_batch(batch, rules)
        known = self._state.known_dupes(prepared.all_keys())
        attachments = find_attachments(batch, self.inbounds)
        decision = decide(prepared, rules, known, {}, now, attachments=attachments)
        return decision.verdicts[0].reason if decision.verdicts and not decision.set_aside else None
