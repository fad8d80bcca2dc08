"""What the system itself would answer to the messages of a dry run, and which robots would get them."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from tosser.rules.answering import Answered, allow, find_wanted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tosser.rules.answering import Answer
    from tosser.rules.batch import Piece
    from tosser.rules.decision import Decision
    from tosser.rules.network import Rulebook
    from tosser.state.state import State


class DryAnswers:
    """Finds answers without giving any; what it would have given counts for what comes later, as in a real toss.

    Args:
        rules: the sysop's world.
        state: what was answered before; ``None`` where nothing was ever tossed.
        now: Unix seconds.
    """

    def __init__(self, rules: Rulebook, state: State | None, now: float) -> None:
        self._rules = rules
        self._state = state
        self._since = now - rules.netmail.answers.period
        self._given: list[Answer] = []

    def find(self, pieces: Sequence[Piece], decision: Decision) -> dict[tuple[int, int], list[dict[str, Any]]]:
        """Tell what the messages of a decided batch cause, by packet and place of the message in it.

        Raises:
            StateError: what was answered before cannot be told.
        """
        wanted = find_wanted(pieces, decision, self._rules)
        found: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
        before = self._before(wanted.answers)
        for answer in wanted.answers:
            given, withheld = allow([answer], before, self._rules)
            self._given += given
            found[answer.member, answer.index].append(_answer_facts(answer, next(iter(withheld), None)))
        for mail in wanted.hand_overs:
            found[mail.member, mail.index].append(_facts("robot", robot=mail.robot))
        return found

    def _before(self, answers: Sequence[Answer]) -> Answered:
        before = self._state.answered_before(answers, self._since) if self._state and answers else Answered()
        before.keys.update(answer.key for answer in self._given)
        before.systems.update(Counter((answer.kind.value, answer.system) for answer in self._given))
        before.totals.update(Counter(answer.kind.value for answer in self._given))
        return before


def _answer_facts(answer: Answer, withheld: str | None) -> dict[str, Any]:
    sender, to = (str(address.without_domain) for address in (answer.aka, answer.to))
    return _facts(answer.kind.value, sender=sender, to=to, withheld=withheld)


def _facts(
    kind: str,
    *,
    sender: str | None = None,
    to: str | None = None,
    withheld: str | None = None,
    robot: str | None = None,
) -> dict[str, Any]:
    return {"kind": kind, "from": sender, "to": to, "withheld": withheld, "robot": robot}
