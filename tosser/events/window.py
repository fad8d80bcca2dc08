"""Which message may be sent next, which are on their way, and what their acknowledgements mean.

Pure: no clock, no I/O; `tosser.events.publisher` drives it. It keeps these promises:

* Order per topic. On each connection the first message of a topic travels alone, and only its good acknowledgement lets
  more of them into the window. When the broker refuses one, all later ones of its topic are forgotten here, also those
  already on their way, and come again from the outbox behind it.
* One refused topic does not stop the others. It is held back for a growing while, or until the next connection.
* One message that makes the broker hang up does not stop the others either. mosquitto 2.0 hangs up after each refusal:
  then the reconnect that follows gives nobody another chance. Where nothing was refused, what was on its way is
  suspect, and next time travels with nothing beside it; when the connection breaks again its topic is held likewise.
  Of the topics that break connections only one is tried at a time; when one is accepted that had been refused, all
  others are tried again.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tosser.events.outbox import OutboxRow, StateRow

FIRST_FAILURE = 0x80
"""Reason codes from here on mean "no" (MQTT 5, 2.4); 0x10, no matching subscribers, means "yes"."""
UNSPECIFIED = 0x80
_FIRST_WAIT = 60.0
_LONGEST_WAIT = 3600.0
_STRIKES = 2
_SOON = 5.0
"""A connection lost within these seconds after a refusal was lost because of it."""


class Item(Struct, eq=False):
    """One message for the broker.

    Attributes:
        key: the event's seq; of a state its topic.
        topic: full topic.
        payload: bytes to send.
        version: of a state; 0 for an event.
        retain: whether the broker is to keep it as the last value of its topic.
    """

    key: int | str
    topic: str
    payload: bytes
    version: int
    retain: bool

    @property
    def is_state(self) -> bool:
        """Whether it tells how something stands, so that only its latest version counts."""
        return isinstance(self.key, str)


class Refusal(Struct, frozen=True):
    """The broker said no.

    Attributes:
        topic: to which topic.
        code: its reason code.
        name: what the code is called, or what happened to the connection.
        count: how often it has said so since the topic was last accepted.
        seq: of the refused event; ``None`` for a state.
    """

    topic: str
    code: int
    name: str
    count: int
    seq: int | None


class _Hold(Struct):
    until: float
    breaks: bool
    """Whether trying the topic costs the connection."""


class Window:
    """The messages between the outbox and the broker. Times are seconds of any clock that only goes forward."""

    def __init__(self) -> None:
        self._size = 1
        self._ready: deque[Item] = deque()
        self._behind: dict[str, deque[Item]] = {}
        """For each topic whose first message is on its way: those that wait for its acknowledgement."""
        self._in_flight: dict[int, Item] = {}
        self._alone = False
        self._done: list[Item] = []
        self._known: set[int | str] = set()
        self._proven: set[str] = set()
        self._suspects: dict[str, int] = {}
        self._holds: dict[str, _Hold] = {}
        self._refused_at: dict[str, float] = {}
        """When each topic was refused that was so on this connection."""
        self._explained = False
        """Whether the last connection was lost by the fault of topics that are held back."""
        self._refusals: dict[str, Refusal] = {}

    # --- what comes in from the outbox

    def add_events(self, rows: Iterable[OutboxRow]) -> int:
        """Take events, oldest first; those already here or held back are passed over. Returns how many were new."""
        return sum(self._add(Item(row.seq, row.topic, row.payload, 0, row.retain)) for row in rows)

    def add_states(self, rows: Iterable[StateRow]) -> int:
        """Take states likewise."""
        return sum(self._add(Item(row.topic, row.topic, row.payload, row.version, retain=True)) for row in rows)

    def _add(self, item: Item) -> bool:
        if item.key in self._known or item.topic in self._holds:
            return False
        self._known.add(item.key)
        self._ready.append(item)
        return True

    # --- the connection

    def connected(self, size: int) -> None:
        """Start anew on a connection: nothing is proven there, and refused topics get another chance if they may.

        Args:
            size: messages on their way at most.
        """
        self._size = size
        self._proven.clear()
        self._refused_at.clear()
        if not self._explained:
            self._holds.clear()

    def unreachable(self) -> None:
        """Note that the broker could not be reached: the next connection gives all refused topics another chance."""
        self._explained = False

    def lost(self, what: str, code: int, now: float) -> tuple[bool, Refusal | None]:
        """Give up what is on its way.

        Args:
            what: how the connection was lost.
            code: the broker's reason code for that.
            now: when.

        Returns:
            Whether the loss is the fault of topics that are held back now; and the verdict on a message that broke the
            connection more than once.
        """
        culprits = [topic for topic, at in self._refused_at.items() if now - at <= _SOON]
        for topic in self._holds.keys() & culprits:
            self._holds[topic].breaks = True
        convict = None if culprits else self._suspect()
        self._ready.clear()
        self._behind.clear()
        self._in_flight.clear()
        self._alone = False
        self._known = {item.key for item in self._done}
        refusal = None if convict is None else self._refuse(convict, code, what, now, breaks=True)
        self._explained = bool(culprits) or refusal is not None
        return self._explained, refusal

    def _suspect(self) -> Item | None:
        """Suspect all that is on its way; returns the one that was alone, and not for the first time."""
        items = list(self._in_flight.values())
        for topic in {item.topic for item in items}:
            self._suspects[topic] = self._suspects.get(topic, 0) + 1
        return next((item for item in items if self._alone and self._suspects[item.topic] >= _STRIKES), None)

    def next(self) -> Item | None:
        """Give the next message to send, and count it as on its way once `sent` is called; ``None``: wait."""
        if len(self._in_flight) >= self._size or self._alone:
            return None
        while self._ready:
            topic = self._ready[0].topic
            if topic in self._proven:
                return self._ready.popleft()
            behind = self._behind.get(topic)
            if behind is not None:
                behind.append(self._ready.popleft())
                continue
            if topic in self._suspects:
                if self._in_flight:
                    return None
                self._alone = True
            self._behind[topic] = deque()
            return self._ready.popleft()
        return None

    def sent(self, item: Item, mid: int) -> None:
        """Note under which packet identifier a message went out."""
        self._in_flight[mid] = item

    def acknowledged(self, mid: int, code: int, name: str, now: float) -> Refusal | None:
        """Take the broker's answer; returns a refusal."""
        item = self._in_flight.pop(mid)
        self._alone = False
        if code >= FIRST_FAILURE:
            return self._refuse(item, code, name, now, breaks=False)
        if item.topic in self._holds:  # an earlier one was refused; this one is to come again behind it
            self._known.discard(item.key)
            return None
        self._done.append(item)
        if item.topic not in self._proven:
            self._prove(item.topic, now)
        return None

    def _prove(self, topic: str, now: float) -> None:
        self._proven.add(topic)
        self._suspects.pop(topic, None)
        if self._refusals.pop(topic, None) is not None:  # rights have changed, perhaps those of other topics too
            for hold in self._holds.values():
                hold.until = now
        self._ready.extendleft(reversed(self._behind.pop(topic)))

    def _refuse(self, item: Item, code: int, name: str, now: float, *, breaks: bool) -> Refusal:
        topic = item.topic
        former = self._refusals.get(topic)
        count = former.count + 1 if former else 1
        seq = item.key if isinstance(item.key, int) else None
        refusal = self._refusals[topic] = Refusal(topic, code, name, count, seq)
        self._refused_at[topic] = now
        self._known.discard(item.key)
        if topic not in self._holds:
            wait = min(_FIRST_WAIT * 2 ** min(count - 1, 10), _LONGEST_WAIT)
            self._holds[topic] = _Hold(now + wait, breaks)
            self._forget(topic)
        return refusal

    def _forget(self, topic: str) -> None:
        """Drop what waits for a topic; it comes again from the outbox."""
        self._proven.discard(topic)
        self._known.difference_update(item.key for item in self._behind.pop(topic, ()))
        self._known.difference_update(item.key for item in self._ready if item.topic == topic)
        self._ready = deque(item for item in self._ready if item.topic != topic)

    # --- what goes back to the outbox

    @property
    def done(self) -> list[Item]:
        """Messages the broker has, in the order it said so, until `settled`."""
        return self._done

    def settled(self, count: int) -> None:
        """Forget the first ones of `done`: the outbox knows."""
        self._known.difference_update(item.key for item in self._done[:count])
        del self._done[:count]

    # --- how it stands

    @property
    def waiting(self) -> int:
        """How many messages could be sent as the window opens."""
        return len(self._ready)

    @property
    def in_flight(self) -> int:
        """How many are on their way."""
        return len(self._in_flight)

    @property
    def idle(self) -> bool:
        """Whether nothing waits here and nothing is on its way."""
        return not self._ready and not self._in_flight

    @property
    def known(self) -> int:
        """How many messages are here, whether they wait, travel or are done."""
        return len(self._known)

    @property
    def held(self) -> frozenset[str]:
        """Topics that are held back."""
        return frozenset(self._holds)

    @property
    def refusals(self) -> dict[str, Refusal]:
        """The last refusal of each topic that has not been accepted since."""
        return dict(self._refusals)

    @property
    def next_release(self) -> float | None:
        """When the first held topic may be tried again."""
        return min((hold.until for hold in self._holds.values()), default=None)

    def release(self, now: float) -> bool:
        """Let go of held topics whose time has come and that have nothing on its way; tells whether there were any."""
        busy = {item.topic for item in self._in_flight.values()}
        due = [(hold.until, topic) for topic, hold in self._holds.items() if hold.until <= now and topic not in busy]
        tried = False
        for _, topic in sorted(due):
            hold = self._holds[topic]
            if hold.breaks and tried:
                hold.until = now + _FIRST_WAIT
                continue
            tried = tried or hold.breaks
            del self._holds[topic]
        return bool(due)
