from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from tests.events.memory import Row, State
from tosser.events.window import Item, Window

NOT_AUTHORIZED = 0x87
NOBODY_LISTENS = 0x10
NOW = 1000.0


def rows(*topics: str) -> list[Row]:
    """Events 1, 2, 3 … on these topics."""
    return [Row(seq, topic, b"") for seq, topic in enumerate(topics, 1)]


def window(*topics: str, size: int = 20) -> Window:
    """A window on a new connection, with events on these topics."""
    fresh = Window()
    fresh.connected(size)
    fresh.add_events(rows(*topics))
    return fresh


def send(window: Window) -> list[int | str]:
    """Send all that may be sent; the packet identifier of an event is its seq."""
    keys: list[int | str] = []
    while (item := window.next()) is not None:
        window.sent(item, mid_of(item))
        keys.append(item.key)
    return keys


def mid_of(item: Item) -> int:
    """The packet identifier these tests use; one state is enough."""
    return item.key if isinstance(item.key, int) else 9999


def answer(window: Window, *mids: int, code: int = 0, now: float = NOW) -> None:
    """Acknowledge messages, in order."""
    for mid in mids:
        window.acknowledged(mid, code, "Not authorized" if code >= 0x80 else "", now)


def done(window: Window) -> list[int | str]:
    """What the outbox may forget."""
    return [item.key for item in window.done]


def test_first_of_a_topic_travels_alone() -> None:
    """The rest of a topic follows when its first message is acknowledged; other topics do not wait."""
    w = window("a", "a", "b", "a")

    assert send(w) == [1, 3]
    answer(w, 1)
    assert send(w) == [2, 4]
    assert w.in_flight == 3


def test_window_is_never_more_than_full() -> None:
    """No more than its size are on their way."""
    w = window("a", "b", "c", "d", size=2)

    assert send(w) == [1, 2]
    assert w.waiting == 2
    answer(w, 2)
    assert send(w) == [3]


def test_nobody_listening_is_a_yes() -> None:
    """Reason code 0x10 counts as delivered."""
    w = window("a")
    send(w)
    answer(w, 1, code=NOBODY_LISTENS)

    assert done(w) == [1]
    assert w.refusals == {}


def test_refused_topic_is_held_and_others_flow() -> None:
    """What waits behind a refused event is forgotten here, and not taken again while the topic is held."""
    w = window("a", "a", "b")
    send(w)
    answer(w, 1, code=NOT_AUTHORIZED)
    answer(w, 3)

    assert done(w) == [3]
    assert w.held == {"a"}
    assert w.add_events(rows("a", "a")) == 0
    assert w.refusals["a"].code == NOT_AUTHORIZED
    assert w.refusals["a"].seq == 1
    assert w.idle


def test_later_event_of_a_refused_topic_comes_again_behind_it() -> None:
    """An event that was accepted after an earlier one of its topic was refused is not done: order would break."""
    w = window("a", "a", "a")
    send(w)
    answer(w, 1)
    assert send(w) == [2, 3]
    answer(w, 2, code=NOT_AUTHORIZED)
    answer(w, 3)

    assert done(w) == [1]
    w.settled(1)
    assert w.known == 0
    assert w.release(NOW + 60)
    assert w.add_events(rows("a", "a", "a")[1:]) == 2
    assert send(w) == [2]


def test_held_topic_is_released_after_a_growing_while() -> None:
    """A minute at first, then two, never more than an hour; a good answer ends it."""
    w = window("a")
    now = NOW
    for expected in (60, 120, 240, 480, 960, 1920, 3600, 3600):
        assert send(w) == [1]
        answer(w, 1, code=NOT_AUTHORIZED, now=now)
        assert w.next_release == now + expected
        assert not w.release(now + expected - 1)
        now += expected
        assert w.release(now)
        w.add_events(rows("a"))
    assert w.refusals["a"].count == 8
    send(w)
    answer(w, 1)
    assert w.refusals == {}
    assert w.next_release is None


def test_held_topic_is_not_released_under_way() -> None:
    """While messages of it are on their way their answers still belong to the old try."""
    w = window("a", "a", "a")
    send(w)
    answer(w, 1)
    send(w)
    answer(w, 2, code=NOT_AUTHORIZED)

    assert not w.release(NOW + 60)
    answer(w, 3)
    assert w.release(NOW + 60)


def test_reconnect_gives_refused_topics_another_chance() -> None:
    """A new connection may be to a broker with other rights."""
    w = window("a")
    send(w)
    answer(w, 1, code=NOT_AUTHORIZED)
    assert w.lost("gone", 0x80, NOW + 6) == (False, None)
    w.connected(20)

    assert w.held == frozenset()
    assert w.add_events(rows("a")) == 1


def test_what_was_on_its_way_comes_again() -> None:
    """After a lost connection everything but what is done is taken from the outbox again."""
    w = window("a", "b", "a")
    send(w)
    answer(w, 2)
    w.lost("gone", 0x80, NOW)
    w.connected(20)

    assert done(w) == [2]
    assert w.add_events(rows("a", "b", "a")) == 2
    w.settled(1)
    assert w.done == []


def test_message_that_breaks_the_connection_is_found_out() -> None:
    """What was on its way is sent alone next time; the one that breaks it again is held, also over a reconnect."""
    w = window("bad", "good")
    assert send(w) == [1, 2]
    assert w.lost("hung up", 0x95, NOW) == (False, None)
    w.connected(20)
    w.add_events(rows("bad", "good"))
    assert send(w) == [1]
    explained, refusal = w.lost("hung up", 0x95, NOW)
    assert explained
    assert refusal is not None
    assert (refusal.topic, refusal.code, refusal.name) == ("bad", 0x95, "hung up")

    w.connected(20)
    assert w.held == {"bad"}
    assert w.add_events(rows("bad", "good")) == 1
    assert send(w) == [2]
    answer(w, 2)
    assert done(w) == [2]


def test_broker_that_hangs_up_when_it_refuses_is_not_asked_again_at_once() -> None:
    """So does mosquitto 2.0: the refused topic stays held over reconnects, and nobody else is suspected."""
    w = window("bad", "good")
    send(w)
    answer(w, 1, code=NOT_AUTHORIZED)
    assert w.lost("hung up", 0x80, NOW + 1) == (True, None)
    w.connected(20)

    assert w.held == {"bad"}
    w.add_events(rows("bad", "good", "good"))
    assert send(w) == [2]
    answer(w, 2)
    assert send(w) == [3]


def test_broker_that_was_away_is_asked_again_at_once() -> None:
    """One that could not be reached was started anew, perhaps with other rights: a held topic need not wait."""
    w = window("bad")
    send(w)
    answer(w, 1, code=NOT_AUTHORIZED)
    assert w.lost("hung up", 0x80, NOW + 1) == (True, None)
    w.unreachable()
    w.connected(20)

    assert w.held == frozenset()
    assert w.add_events(rows("bad")) == 1


def test_topics_that_break_connections_are_tried_one_at_a_time() -> None:
    """Each try may cost the connection; when one is accepted, all others are tried."""
    w = window("a", "b", "c", size=1)
    for mid in (1, 2, 3):
        w.add_events(rows("a", "b", "c"))
        assert send(w) == [mid]
        answer(w, mid, code=NOT_AUTHORIZED, now=NOW + mid)
        w.lost("hung up", 0x80, NOW + mid)
        w.connected(1)

    assert w.release(NOW + 100)
    assert w.held == {"b", "c"}
    assert not w.release(NOW + 159)
    w.add_events(rows("a", "b", "c"))
    assert send(w) == [1]
    answer(w, 1, now=NOW + 159)
    assert w.release(NOW + 159)
    assert w.held == {"c"}


def test_suspects_are_cleared_by_a_good_answer() -> None:
    """A broker that died for its own reasons costs each topic one message that travels alone."""
    w = window("a", "b")
    send(w)
    w.lost("killed", 0x80, NOW)
    w.connected(20)
    w.add_events(rows("a", "b", "a", "b"))
    sent = []
    while keys := send(w):
        sent.append(keys)
        answer(w, *[int(key) for key in keys])

    assert sent == [[1], [2], [3, 4]]
    assert done(w) == [1, 2, 3, 4]


def test_suspect_waits_until_nothing_else_is_on_its_way() -> None:
    """It would not be known who broke the connection."""
    w = window("a", size=5)
    send(w)
    w.lost("killed", 0x80, NOW)
    w.connected(5)
    w.add_events([Row(2, "b", b""), Row(1, "a", b"")])

    assert send(w) == [2]
    answer(w, 2)
    assert send(w) == [1]


def test_states_go_the_same_way() -> None:
    """A state is known by its topic, and a newer version waits until the older one is settled."""
    w = window()
    assert w.add_states([State("s", b"1", 1)]) == 1
    assert w.add_states([State("s", b"2", 2)]) == 0
    assert send(w) == ["s"]
    answer(w, 9999)
    assert [(item.topic, item.version, item.is_state) for item in w.done] == [("s", 1, True)]
    w.settled(1)
    assert w.add_states([State("s", b"2", 2)]) == 1


@dataclass
class Simulation:
    """A broker and an outbox around a window, at the mercy of hypothesis."""

    topics: list[str]
    size: int
    hangs_up: bool
    window: Window = field(default_factory=Window)
    now: float = NOW
    on_the_way: list[tuple[int, Item]] = field(default_factory=list)
    denied: set[str] = field(default_factory=set)
    accepted: list[tuple[str, int]] = field(default_factory=list)
    forgotten: list[int] = field(default_factory=list)
    mids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def connect(self) -> None:
        """Begin a connection."""
        self.window.connected(self.size)

    def work(self) -> None:
        """Settle, fetch and send, as the publisher does."""
        self.forgotten += [item.key for item in self.window.done if isinstance(item.key, int)]
        self.window.settled(len(self.window.done))
        self.window.release(self.now)
        self.window.add_events(row for row in rows(*self.topics) if row.seq not in self.forgotten)
        while (item := self.window.next()) is not None:
            mid = next(self.mids)
            self.window.sent(item, mid)
            self.on_the_way.append((mid, item))
        assert self.window.in_flight == len(self.on_the_way) <= self.size

    def arrive(self, count: int, *, answered: bool) -> None:
        """Let the broker take some of what is on its way; its answers may be lost."""
        arriving, self.on_the_way = self.on_the_way[:count], self.on_the_way[count:]
        for mid, item in arriving:
            refused = item.topic in self.denied
            if not refused:
                self.accepted.append((item.topic, int(item.key)))
            if answered:
                self.window.acknowledged(mid, NOT_AUTHORIZED if refused else 0, "", self.now)
            if answered and refused and self.hangs_up:
                self.lose(0)
                return

    def lose(self, arrived: int) -> None:
        """Break the connection, after the broker took some without a word, and make a new one."""
        self.arrive(arrived, answered=False)
        self.on_the_way.clear()
        self.window.lost("lost", 0x80, self.now)
        self.connect()


STEPS = st.lists(
    st.tuples(st.just("answer"), st.integers(1, 5))
    | st.tuples(st.just("lose"), st.integers(0, 5))
    | st.tuples(st.just("deny"), st.integers(0, 2))
    | st.tuples(st.just("allow"), st.integers(0, 2))
    | st.tuples(st.just("wait"), st.integers(1, 4000)),
    max_size=40,
)


@given(
    topics=st.lists(st.sampled_from("abc"), max_size=25), size=st.integers(1, 6), steps=STEPS, hangs_up=st.booleans()
)
def test_whatever_happens_each_topic_keeps_its_order(
    topics: list[str], size: int, steps: list[tuple[str, int]], *, hangs_up: bool
) -> None:
    """Through refusals, lost answers and lost connections every event arrives, is forgotten once, and in order."""
    simulation = Simulation(topics, size, hangs_up)
    simulation.connect()
    for step, number in steps:
        simulation.work()
        match step:
            case "answer":
                simulation.arrive(number, answered=True)
            case "lose":
                simulation.lose(number)
            case "deny" | "allow":
                simulation.arrive(size, answered=True)  # rights change between messages, not under those on their way
                getattr(simulation.denied, "add" if step == "deny" else "discard")("abc"[number])
            case _:
                simulation.now += number
    simulation.arrive(size, answered=True)
    simulation.denied.clear()
    for _ in range(3 * len(topics) + 3):
        simulation.work()
        simulation.arrive(size, answered=True)
        simulation.now += 3600
    simulation.work()

    assert sorted(simulation.forgotten) == [seq for seq, _ in enumerate(topics, 1)]
    for topic in "abc":
        of_topic = [seq for other, seq in simulation.accepted if other == topic]
        assert list(dict.fromkeys(of_topic)) == sorted(set(of_topic))
        assert list(dict.fromkeys(reversed(of_topic))) == sorted(set(of_topic), reverse=True)
