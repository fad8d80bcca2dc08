"""Hooks, which are called for each message of an area: what they are, and what is to become of a call.

A call is made again until it is done, refused or given up. Its event names it: who is called twice gets the same id.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct, field

from tosser.discreet import Discreet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FIRST_PAUSE = 2.0
_LONGEST_PAUSE = 3600.0
_DOUBLINGS = 12
"""Doublings after which a pause has its full length."""
_LONGEST_ASKED = 86400.0
"""Seconds that somebody who is called may ask us to wait."""
NEXT_PAUSE = 1.0
"""Seconds after a call that was given up: the next one is tried at least once, too."""
_REFUSED_STATUS = 65
"""EX_DATAERR of sysexits.h: there is something wrong with what the program was given."""
_LATER = frozenset({408, 429})
_LONGEST_VALUE = 2000
"""Characters of a value that go into an environment variable."""
_VARIABLES = {
    "TOSSER_NETWORK": "network",
    "TOSSER_AREA": "area",
    "TOSSER_FROM": "from",
    "TOSSER_TO": "to",
    "TOSSER_SUBJECT": "subject",
    "TOSSER_MSGID": "msgid",
    "TOSSER_NUMBER": "number",
}
"""Members of the event's data that a command gets as variables, too."""


class Webhook(Discreet, frozen=True):
    """Where events are posted to.

    Attributes:
        host: name or number.
        port: TCP port.
        tls: whether it is https.
        target: path and query; may hold a secret.
        headers: what is sent besides our own; may hold secrets.
        ca: file of certificate authorities to trust instead of the system's; empty for none.
    """

    HIDDEN: ClassVar = frozenset({"target", "headers"})

    host: str
    port: int
    tls: bool
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    ca: str = ""


class Hook(Struct, frozen=True):
    """What is called for each message of the areas that name it.

    Attributes:
        name: by which areas name it.
        action: a program and its arguments, or where to post the event.
        timeout: seconds a call may take.
        give_up: seconds for which a call is tried.
        max_waiting: calls that may wait; the oldest beyond go.
    """

    name: str
    action: tuple[str, ...] | Webhook
    timeout: float
    give_up: float
    max_waiting: int


class Fate(StrEnum):
    """What becomes of a call."""

    DONE = "done"
    REFUSED = "refused"
    AGAIN = "again"
    GIVEN_UP = "given-up"
    DROPPED = "dropped"


class Outcome(Struct, frozen=True):
    """How one try of a call ended.

    Attributes:
        fate: done, refused, or to be tried again.
        trouble: what went wrong, as a sentence; empty when it is done.
        asked: seconds that the other side asked us to wait; ``None`` when it did not.
    """

    fate: Fate
    trouble: str = ""
    asked: float | None = None


def judge_status(status: int) -> Fate:
    """Judge the status of an HTTP answer. A redirect is not followed: the sysop may correct the address meanwhile."""
    if 200 <= status < 300:  # noqa: PLR2004 - successful (RFC 9110, 15.3)
        return Fate.DONE
    if 400 <= status < 500 and status not in _LATER:  # noqa: PLR2004 - client error (RFC 9110, 15.5)
        return Fate.REFUSED
    return Fate.AGAIN


def judge_exit(status: int | None) -> Fate:
    """Judge the exit status of a command that failed; ``None`` when it has none."""
    return Fate.REFUSED if status == _REFUSED_STATUS else Fate.AGAIN


def pause_after(failures: int, uniform: Callable[[float, float], float], asked: float | None = None) -> float:
    """Say how many seconds to wait after so many failures in a row.

    Args:
        failures: at least 1.
        uniform: draws a number between two bounds, such as `random.uniform`.
        asked: seconds that the other side asked for.
    """
    longest = min(_FIRST_PAUSE * 2 ** min(failures - 1, _DOUBLINGS), _LONGEST_PAUSE)
    return max(uniform(longest / 2, longest), min(asked or 0.0, _LONGEST_ASKED))


def is_over(created: float, failing_since: float, give_up: float, now: float) -> bool:
    """Tell whether a call that has just failed was tried for long enough.

    Only time during which the hook was known to fail counts, and not that in which nobody tried.
    """
    return now - max(created, failing_since) >= give_up


def parse_retry_after(text: str, now: float) -> float | None:
    """Read Retry-After, seconds or a date (RFC 9110, 10.2.3), into seconds from now; ``None`` where it is neither."""
    if text.isascii() and text.isdigit():
        return float(text[:10])
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return max(moment.timestamp() - now, 0.0) if moment.tzinfo else None


def variables(event: Mapping[str, Any]) -> dict[str, str]:
    """Make environment variables of the members of an event that scripts need most; others wrote what is in them."""
    values = {name: event["data"][member] for name, member in _VARIABLES.items()}
    values["TOSSER_EVENT"] = event["id"]
    return {name: _one_line("" if value is None else str(value)) for name, value in values.items()}


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text[:_LONGEST_VALUE])
