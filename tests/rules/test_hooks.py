"""What becomes of a call of a hook."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tosser.rules.hooks import Fate, is_over, judge_exit, judge_status, parse_retry_after, pause_after, variables

NOW = 1_790_000_000.0


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        (200, Fate.DONE),
        (202, Fate.DONE),
        (204, Fate.DONE),
        (299, Fate.DONE),
        (301, Fate.AGAIN),
        (304, Fate.AGAIN),
        (400, Fate.REFUSED),
        (401, Fate.REFUSED),
        (404, Fate.REFUSED),
        (408, Fate.AGAIN),
        (410, Fate.REFUSED),
        (413, Fate.REFUSED),
        (429, Fate.AGAIN),
        (499, Fate.REFUSED),
        (500, Fate.AGAIN),
        (503, Fate.AGAIN),
        (599, Fate.AGAIN),
        (600, Fate.AGAIN),
    ],
)
def test_status(status: int, fate: Fate) -> None:
    """Success is done; what the client did wrong is refused, except for "later"; all else is tried again."""
    assert judge_status(status) is fate


@pytest.mark.parametrize(
    ("status", "fate"), [(1, Fate.AGAIN), (65, Fate.REFUSED), (75, Fate.AGAIN), (-9, Fate.AGAIN), (None, Fate.AGAIN)]
)
def test_exit_status(status: int | None, fate: Fate) -> None:
    """EX_DATAERR refuses the message; every other failure is tried again."""
    assert judge_exit(status) is fate


@pytest.mark.parametrize(
    ("failures", "shortest", "longest"),
    [(1, 1, 2), (2, 2, 4), (3, 4, 8), (11, 1024, 2048), (12, 1800, 3600), (13, 1800, 3600), (10**9, 1800, 3600)],
)
def test_pauses_grow_to_an_hour(failures: int, shortest: float, longest: float) -> None:
    """Each failure doubles the pause, of which the second half is drawn by lot."""
    assert pause_after(failures, lambda least, _most: least) == shortest
    assert pause_after(failures, lambda _least, most: most) == longest


@pytest.mark.parametrize(("asked", "pause"), [(None, 2.0), (0.0, 2.0), (1.0, 2.0), (90.0, 90.0), (1e9, 86400.0)])
def test_who_is_called_may_ask_for_more(asked: float | None, pause: float) -> None:
    """Retry-After makes a pause longer, up to a day, and never shorter."""
    assert pause_after(1, lambda _least, most: most, asked) == pause


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("9" * 5000, 9999999999.0),
        ("Mon, 21 Sep 2026 14:15:20 GMT", 120.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Mon, 21 Sep 2026 14:53:20 -0000", None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("\u0661", None),
        ("Mon, 99 Sep 2026 14:53:20 GMT", None),
        ("Sep 99999999999999999999  2026 14:15:20", None),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    """Retry-After is a number of seconds or a date; anything else counts as if it were not there."""
    assert parse_retry_after(text, NOW) == seconds


@given(text=st.text(max_size=60))
def test_retry_after_may_be_anything(text: str) -> None:
    """Whatever stands there, it is a number of seconds or nothing."""
    seconds = parse_retry_after(text, NOW)

    assert seconds is None or seconds >= 0.0


@pytest.mark.parametrize(
    ("created", "failing_since", "over"),
    [
        (-100, -100, True),
        (-1000, -100, True),
        (-100, -1000, True),
        (-1000, -99, False),
        (-99, -1000, False),
        (50, -1000, False),
    ],
)
def test_giving_up(created: float, failing_since: float, *, over: bool) -> None:
    """A call is given up when the hook has failed for long enough, all of which time the call was there."""
    assert is_over(NOW + created, NOW + failing_since, 100.0, NOW) is over


def event(**data: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Make an event of a message."""
    usual = {
        "network": "tqwnet", "area": "TQW_GEN", "from": "Jane", "to": "All", "subject": "Hello", "msgid": "1 2",
        "number": 7,
    }  # fmt: skip
    return {"id": "claim/0/0", "data": usual | data}


def test_variables() -> None:
    """A command finds what it needs most in variables; what is not known is empty."""
    assert variables(event(number=None)) == {
        "TOSSER_EVENT": "claim/0/0",
        "TOSSER_NETWORK": "tqwnet",
        "TOSSER_AREA": "TQW_GEN",
        "TOSSER_FROM": "Jane",
        "TOSSER_TO": "All",
        "TOSSER_SUBJECT": "Hello",
        "TOSSER_MSGID": "1 2",
        "TOSSER_NUMBER": "",
    }


@pytest.mark.parametrize(
    ("subject", "value"),
    [("a\0b", "a b"), ("a\nb\x1b[2J", "a b [2J"), ("Grüße", "Grüße"), ("\udce4", " "), ("x" * 200_000, "x" * 2000)],
)
def test_variables_are_harmless(subject: str, value: str) -> None:
    """No control character gets into a variable, and nothing longer than a system takes."""
    assert variables(event(subject=subject))["TOSSER_SUBJECT"] == value
