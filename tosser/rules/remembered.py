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


class Memory(dict[K, V]):
    """Answers by their questions, within bounds: when there is no room for the next answer, all are forgotten.

    Args:
        weigh: tells about how many bytes are in the question, or else in the answer.
    """

    def __init__(self, weigh: Callable[[K], int]) -> None:
        super().__init__()
        self._weigh = weigh
        self._weight = 0

    def remember(self, question: K, answer: V) -> V:
        """Keep an answer, and give it."""
        weight = _OVERHEAD + self._weigh(question)
        if weight > LARGEST:
            return answer
        if self._weight + weight > ROOM:
            self.clear()
            self._weight = 0
        self._weight += weight
        self[question] = answer
        return answer


class Remembered(Memory[K, V]):
    """A memory that makes its answers: ``remembered[question]`` finds the answer or makes it.

    It is a dictionary because a look-up must cost no more than one.

    Args:
        answer: makes the answer.
        weigh: as of `Memory`.
    """

    def __init__(self, answer: Callable[[K], V], weigh: Callable[[K], int]) -> None:
        super().__init__(weigh)
        self._answer = answer

    def __missing__(self, question: K) -> V:
        return self.remember(question, self._answer(question))


def weigh_lines(lines: Iterable[bytes]) -> int:
    """Tell how many bytes are in some lines."""
    return sum(map(len, lines))
