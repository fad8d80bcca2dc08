from __future__ import annotations

from tosser.rules.remembered import LARGEST, ROOM, Remembered


def test_an_answer_is_made_once() -> None:
    """What was asked before is answered without asking again."""
    asked: list[str] = []

    def answer(word: str) -> int:
        asked.append(word)
        return len(word)

    remembered = Remembered(answer, len)
    assert [remembered[word] for word in ("a", "bc", "a", "bc")] == [1, 2, 1, 2]
    assert asked == ["a", "bc"]


def test_what_is_remembered_is_bounded() -> None:
    """However much is asked, no more is kept than there is room for, and every answer is right."""
    remembered: Remembered[bytes, int] = Remembered(len, len)
    most = 0
    for number in range(2 * ROOM // 4096):
        assert remembered[b"%4096d" % number] == 4096
        most = max(most, sum(map(len, remembered)))
    assert ROOM // 2 < most <= ROOM


def test_small_questions_take_room_too() -> None:
    """Many questions without weight do not fill the memory either."""
    remembered: Remembered[int, int] = Remembered(lambda number: number, lambda _: 0)
    assert all(remembered[number] == number for number in range(20_000))
    assert len(remembered) < 10_000


def test_what_is_very_large_is_not_remembered() -> None:
    """One hostile question does not push out the others."""
    remembered: Remembered[bytes, int] = Remembered(len, len)
    assert remembered[b"usual"] == 5
    assert remembered[bytes(LARGEST + 1)] == LARGEST + 1
    assert list(remembered) == [b"usual"]
