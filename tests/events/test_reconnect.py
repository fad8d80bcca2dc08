from __future__ import annotations

import pytest

from tosser.errors import BrokerError
from tosser.events.reconnect import Reconnects, Retry
from tosser.events.settings import MqttVersion
from tosser.events.trouble import UNSUPPORTED_VERSION

DOWN = BrokerError("nothing listens")
REFUSES_5 = BrokerError("unsupported protocol version", code=UNSUPPORTED_VERSION)


def longest(_low: float, high: float) -> float:
    """The longest of all possible pauses."""
    return high


def reconnects(version: MqttVersion = MqttVersion.V5) -> Reconnects:
    """Attempts that always wait as long as they may."""
    return Reconnects(version, longest)


def test_pauses_grow_to_a_minute() -> None:
    """The first retry is fast, the later ones wait up to 1.5 ** n seconds, never more than a minute."""
    tries = reconnects()
    pauses = [tries.failed(DOWN, now=0.0).pause for _ in range(13)]

    assert pauses[:4] == [0.2, 1.5**2, 1.5**3, 1.5**4]
    assert pauses[9:] == [1.5**10, 60.0, 60.0, 60.0]


def test_pauses_are_drawn_from_zero() -> None:
    """Full jitter: many nodes that lost the same broker do not come back at the same moment."""
    bounds: list[tuple[float, float]] = []

    def shortest(low: float, high: float) -> float:
        bounds.append((low, high))
        return low

    tries = Reconnects(MqttVersion.V5, shortest)
    tries.failed(DOWN, now=0.0)
    tries.failed(DOWN, now=0.0)

    assert bounds == [(0, 0.2), (0, 1.5**2)]


def test_only_a_stable_connection_starts_anew() -> None:
    """A broker that takes us and throws us out again is not hammered."""
    tries = reconnects()
    for _ in range(5):
        tries.failed(DOWN, now=0.0)
    tries.connected(now=100.0)
    assert tries.failed(DOWN, now=105.0).attempts == 6
    tries.connected(now=200.0)
    assert tries.failed(DOWN, now=210.0) == Retry(0.2, 1, tell=True)


def test_log_hears_of_it_once_and_then_ever_more_rarely() -> None:
    """The same trouble is told after 0 s, 1, 3, 7 … minutes; another trouble at once."""
    tries = reconnects()
    told = [second for second in range(0, 1000, 10) if tries.failed(DOWN, now=float(second)).tell]

    assert told == [0, 60, 180, 420, 900]
    assert tries.failed(BrokerError("bad password"), now=1001.0).tell
    assert not tries.failed(BrokerError("bad password"), now=1002.0).tell


def test_silence_is_an_hour_at_most() -> None:
    """A broker that is down for days is still mentioned every hour."""
    tries = reconnects()
    told = [minute for minute in range(600) if tries.failed(DOWN, now=minute * 60.0).tell]

    assert told[-1] - told[-2] == 60


def test_loss_after_a_connection_is_told() -> None:
    """Each time the broker goes away the log says so, though it said the same before."""
    tries = reconnects()
    assert tries.failed(DOWN, now=0.0).tell
    tries.connected(now=1.0)
    assert tries.failed(DOWN, now=2.0).tell


def test_version_falls_back_at_once_and_comes_back() -> None:
    """3.1.1 follows a refusal of 5 without a pause; after that connection 5 is tried again."""
    tries = reconnects()
    versions = [tries.version]
    assert tries.failed(REFUSES_5, now=0.0) == Retry(0.0, 0, tell=True, fall_back=True)
    versions.append(tries.version)
    tries.connected(now=0.1)
    tries.failed(DOWN, now=60.0)
    versions.append(tries.version)

    assert versions == [MqttVersion.V5, MqttVersion.V311, MqttVersion.V5]


def test_a_broker_that_refuses_both_versions_is_waited_for() -> None:
    """A refusal of 3.1.1 too is a failure like any other."""
    tries = reconnects()
    tries.failed(REFUSES_5, now=0.0)
    second = tries.failed(REFUSES_5, now=0.0)

    assert second == Retry(0.2, 1, tell=True)
    assert tries.version is MqttVersion.V5


@pytest.mark.parametrize("error", [DOWN, REFUSES_5])
def test_version_from_the_configuration_is_the_highest(error: BrokerError) -> None:
    """Where 3.1.1 is configured nothing else is spoken."""
    tries = reconnects(MqttVersion.V311)

    assert not tries.failed(error, now=0.0).fall_back
    assert tries.version is MqttVersion.V311
