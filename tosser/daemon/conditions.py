"""What is wrong at this moment, said everywhere: log, ``tosser status``, an event, a figure for Prometheus.

While the state database cannot be written, what is wrong is kept here, told in the log, by the metrics and beside the
state lock, and follows into the database, with its events and in order, as soon as that is possible.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import structlog

from tosser.errors import StateError
from tosser.events.states import condition_event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tosser.events.event import Node
    from tosser.state.conditions import Condition, Told
    from tosser.state.state import State

log = structlog.get_logger()

TOSS = "toss"
SPACE = "space"
INBOUND = "inbound"
CLOCK = "clock"
STATE = "state"
METRICS = "metrics"
NODELISTS = "nodelists"
MAINTENANCE = "maintenance"
CONFIGURATION = "configuration"
COMMANDS = "commands"
SCAN = "scan"
LISTS = "scan lists"
"""Subjects: what stops the toss or what it waits for; room on the disks; inbound directories; the clock; the state
database; serving figures; nodelists; bases that could not be purged or packed; a reload that was refused; requests by
MQTT that cannot come in; bases whose local mail cannot be sent; lists of areas that other programs leave. Others name a
link or a hook."""
_MOST = 1000
"""Changes that wait for the database at most; the oldest go first."""


class _Change(NamedTuple):
    subject: str
    text: str
    at: float


class Conditions:
    """Says what is wrong. Blocks while the database does; may be used from any thread.

    Args:
        state: the database.
        node: who speaks on the broker; ``None`` when no events are made.
        tell: takes a sentence while the database cannot be written, and an empty text afterwards.
    """

    def __init__(self, state: State, node: Node | None, tell: Callable[[str], None] = lambda _: None) -> None:
        self._state = state
        self._node = node
        self._tell = tell
        self._guard = threading.RLock()
        self._said: dict[str, str] = {}
        self._due: deque[_Change] = deque(maxlen=_MOST)

    def speak_as(self, node: Node | None) -> None:
        """Make events as another node from now on."""
        self._node = node

    @property
    def present(self) -> dict[str, str]:
        """What was said since the start, by subject; an empty text says that it is well."""
        return dict(self._said)

    def say(self, texts: Mapping[str, str]) -> None:
        """Note for subjects what is wrong with them, or with an empty text that nothing is."""
        with self._guard:
            for subject, text in texts.items():
                if self._said.get(subject) != text:
                    self._say(subject, text)
            self._write()

    def _say(self, subject: str, text: str) -> None:
        if text:
            log.warning("condition", subject=subject, text=text)
        elif self._said.get(subject):
            log.info("condition_ended", subject=subject)
        self._said[subject] = text
        if self._due and text and self._due[-1].subject == subject and self._due[-1].text:
            self._due.pop()  # nobody has heard of it yet
        self._due.append(_Change(subject, text, time.time()))

    def _write(self) -> None:
        """Write what is due, and say so when that cannot be done, or can again."""
        try:
            self._write_due()
            if self._said.get(STATE):
                self._say(STATE, "")
                self._write_due()
                self._tell("")
        except StateError as error:
            if self._said.get(STATE) != str(error):
                self._say(STATE, str(error))
            self._tell(str(error))

    def _write_due(self) -> None:
        while self._due:
            change = self._due[0]
            announce = None if self._node is None else partial(told, self._node)
            self._state.set_condition(change.subject, change.text, change.at, announce)
            self._due.popleft()


def told(node: Node, condition: Condition, *, active: bool) -> Told:
    """Make the event of a condition that is there, or is no longer; the same again when it has to be told again."""
    event = condition_event(
        node,
        id=f"condition/{condition.subject}/{condition.changed:.6f}",
        time=condition.changed,
        subject=condition.subject,
        active=active,
        text=condition.text,
        since=condition.since,
    )
    return event.id, event.topic, event.payload
