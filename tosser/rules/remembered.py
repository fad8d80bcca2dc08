"""Answers that many messages share, remembered within bounds: what is asked comes from outside and may be hostile."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

K = TypeVar("K")
V = TypeVar("V")
ROOM = 4 * 1024 * 1024
"""Bytes that all questions and answers of one kind may take."""
LARGEST = ROOM // 64
"""A question that weighs more is answered anew each time."""
_OVERHEAD = 512
"""What it takes to remember anything at all."""


class Remembered(dict[K, V]):
    """Answers by their questions: ``remembered[question]`` finds the answer or makes it.

    It is a dictionary because a look-up must cost no more than one. When there is no room for the next answer, all are
    forgotten.

    Args:
        answer: makes the answer.
        weigh: tells about how many bytes are in the question, or else in the answer.
    """

    def __init__(self, answer: Callable[[K], V], weigh: Callable[[K], int]) -> None:
        super().__init__()
        self._answer = answer
        self._weigh = weigh
        self._weight = 0

    def __missing__(self, question: K) -> V:
        answer = self._answer(question)
        weight = _OVERHEAD + self._weigh(question)
        if weight > LARGEST:
            return answer
        if self._weight + weight > ROOM:
            self.clear()
            self._weight = 0
        self._weight += weight
        self[question] = answer
        return answer


def weigh_lines(lines: Iterable[bytes]) -> int:
    """Tell how many bytes are in some lines."""
    return sum(map(len, lines))
