"""Answers of the system itself: chosen with a batch, dropped into the post box when it is carried out."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from tosser.codec.packet import build_packed_message
from tosser.rules.answer_texts import compose_answers
from tosser.rules.answering import allow, find_wanted
from tosser.rules.netmail import netmail_addresses
from tosser.state.answers import RobotMail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tosser.inbound.postbox import PostBox
    from tosser.inbound.spool import Spool
    from tosser.rules.batch import Piece
    from tosser.rules.decision import Decision
    from tosser.rules.network import Rulebook
    from tosser.state.state import State

log = structlog.get_logger()


class Answering:
    """Answers netmail.

    Args:
        box: takes the answers.
        spool: tells which of them were taken out.
        state: tells what was answered before.
        rules: the sysop's world.
    """

    def __init__(self, box: PostBox, spool: Spool, state: State, rules: Rulebook) -> None:
        self._box = box
        self._spool = spool
        self._state = state
        self._rules = rules

    def choose(self, pieces: Sequence[Piece], decision: Decision) -> None:
        """Add to a decision that is not yet committed what is answered and what robots get.

        Raises:
            StateError: what was answered before cannot be told.
        """
        wanted = find_wanted(pieces, decision, self._rules)
        decision.hand_overs = wanted.hand_overs
        if not wanted.answers:
            return
        since = decision.decided - self._rules.netmail.answers.period
        before = self._state.answered_before(wanted.answers, since)
        decision.answers, decision.withheld = allow(wanted.answers, before, self._rules)
        decision.first_serial = self._state.message_serials(len(decision.answers), decision.decided)
        if decision.withheld:
            log.warning("answers_withheld", **decision.withheld)

    def drop(self, pieces: Sequence[Piece], decision: Decision, *, again: bool) -> None:
        """Put the answers of a committed decision into the post box; may be repeated.

        Args:
            pieces: the decided pieces.
            decision: with its answers.
            again: whether this may have been done before, so that some may have been taken out already.

        Raises:
            OSError: the disk failed.
            StateError: what was taken out cannot be told.
        """
        if not decision.answers:
            return
        moment = datetime.fromtimestamp(decision.decided).astimezone()
        taken = self._taken() if again else frozenset()
        for name, packet in compose_answers(pieces, decision, self._rules, moment):
            if f"{name}.pkt" not in taken:
                self._box.drop(name, packet)

    def _taken(self) -> frozenset[str]:
        """Names of all that was ever taken out of the post box."""
        claimed = {file.name for file in self._spool.claimed() if file.inbound.path == self._box.path}
        return frozenset(claimed | self._state.file_names(str(self._box.path)))

    def robot_mails(self, pieces: Sequence[Piece], decision: Decision) -> list[RobotMail]:
        """Spell out what robots that are programs get: the packed message as it came."""
        mails = []
        for item in decision.hand_overs:
            piece = next(
                piece
                for piece in pieces
                if (piece.file.claim, piece.member) == (item.claim, item.member)
                and piece.first <= item.index < piece.first + len(piece.messages)
            )
            packed, text = piece.messages[item.index - piece.first]
            origin, _ = netmail_addresses(piece.header, packed, text, self._rules)
            about = f"from {origin}, file {piece.file.name}, message {item.index + 1}"
            mails.append(RobotMail(item.robot, about, build_packed_message(packed)))
        return mails
