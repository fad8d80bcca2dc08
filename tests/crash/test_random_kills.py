"""Killed at random moments of a toss and started again: nothing is lost, nothing is doubled, every event is heard."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from tests.corpus import make_packets
from tests.observe import Heard, assert_all_stored_once, nothing_waits
from tests.peers.daemon import DONE, node
from tests.peers.subscriber import Subscriber

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.mosquitto import Mosquitto

KILLS = 20
MESSAGES, PACKETS, AREAS = 10_000, 20, 50
LONGEST_LIFE = 0.4
"""Seconds from the first line of the log to the kill, so that a process gets through a few batches at most."""


def test_twenty_kills(tmp_path: Path, broker: Mosquitto) -> None:
    """20 SIGKILLs while 10,000 messages are tossed leave each in its base once, and each event id was seen."""
    seed = random.SystemRandom().randrange(1 << 32)
    moments = random.Random(seed)
    print(f"seed {seed}")  # noqa: T201 - pytest shows it when the test fails
    system = node(tmp_path / "node", areas=AREAS, mqtt_url=broker.url)
    with Subscriber(broker.port, "ftn/#") as subscriber:
        manifest = make_packets(system.secure, messages=MESSAGES, packets=PACKETS, areas=AREAS)
        for _ in range(KILLS):
            with system.start(wait=False) as daemon:
                born = len(daemon.log)
                while len(daemon.log) == born:
                    assert daemon.process.poll() is None, daemon.log
                    time.sleep(0.005)
                time.sleep(moments.uniform(0.0, LONGEST_LIFE))
                daemon.kill()
        heard = Heard(subscriber)
        with system.start() as daemon:
            heard.wait(MESSAGES)
            daemon.wait_for(lambda: nothing_waits(system), what="empty inbounds")
            assert daemon.stop() == DONE
    assert_all_stored_once(system, manifest.letters)
    assert set(heard.ids) == manifest.msgids
    assert all(len(ids) == 1 for ids in heard.ids.values()), "an event was published under two ids"
    counters = system.status()["counters"]
    assert counters["message.accepted"] == MESSAGES
    assert counters["file.tossed"] == PACKETS
    assert "message.duplicate" not in counters
