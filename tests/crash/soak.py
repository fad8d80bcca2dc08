"""The daemon as it is, killed at random moments under load, while its broker goes away and comes back."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tests.corpus import HUB, make_packets
from tests.crash.account import Differences
from tests.crash.report import Report
from tests.observe import Heard, nothing_waits, stored
from tests.outbound.mailer import Mailer
from tests.packets import messages_in, packets_of
from tests.peers.daemon import DONE, node
from tests.peers.mosquitto import Mosquitto
from tests.peers.subscriber import Subscriber

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import Self

    from tests.corpus import Manifest
    from tests.peers.daemon import Node

LINKS = {f"1337:1/{number}": f"{0x10000 + number:08x}" for number in range(201, 206)}
"""Addresses, each with the stem of its flow files."""
AREAS = 20
MESSAGES_A_LIFE, PACKETS_A_LIFE = 200, 5
LONGEST_LIFE = 0.4
"""Seconds from the first line of the log to the kill, so that a process gets through a few batches at most."""
_BETWEEN_PACKETS = 0.1
"""Seconds from one packet to the next; they go on coming while the daemon is dead."""
_BROKER_CHANGES, _MAILER_CALLS = 0.2, 0.5
"""How likely it is in one life that the broker stops or comes back, and that a mailer fetches what it finds."""


def soak(root: Path, *, kills: int, seed: int) -> Report:
    """Kill a daemon so often while mail comes in, let the last one finish, and look."""
    rng = random.Random(seed)
    report = Report()
    (root / "broker").mkdir(parents=True)
    (root / "mail").mkdir()
    manifest = make_packets(
        root / "mail", messages=kills * MESSAGES_A_LIFE, packets=kills * PACKETS_A_LIFE, areas=AREAS, body_median=600
    )
    with Mosquitto(root / "broker") as broker:
        system = node(root / "node", areas=AREAS, links=dict.fromkeys((HUB, *LINKS), ""), mqtt_url=broker.url)
        mailers = [Mailer(system.outbound, stem) for stem in LINKS.values()]
        with Subscriber(broker.port, "ftn/#") as subscriber, _Feeder(system, manifest.packets) as feeder:
            runs = True
            for _ in range(kills):
                if rng.random() < _BROKER_CHANGES:
                    (broker.stop if runs else broker.start)()
                    runs = not runs
                    report.counts["broker restarts"] += runs
                feeder.due(PACKETS_A_LIFE)
                _live_and_die(system, mailers, rng)
                report.counts["kills under load"] += 1
            if not runs:
                broker.start()
            feeder.join()
            heard = Heard(subscriber)
            with system.start() as daemon:
                with suppress(AssertionError):  # what is missing is told below, each by itself
                    heard.wait(len(manifest.letters))
                daemon.wait_for(lambda: nothing_waits(system) and not _staged(system), 120, "the end of all work")
                assert daemon.stop() == DONE
    for mailer in mailers:
        assert mailer.session()
    report.counts["messages tossed meanwhile"] += len(manifest.letters)
    report.note(f"soak, seed {seed}", _differences(system, manifest, mailers, heard))
    return report


def _live_and_die(system: Node, mailers: Sequence[Mailer], rng: random.Random) -> None:
    with system.start(wait=False) as daemon:
        born = len(daemon.log)
        while len(daemon.log) == born:
            assert daemon.process.poll() is None, daemon.log
            time.sleep(0.005)
        time.sleep(rng.uniform(0.0, LONGEST_LIFE))
        if rng.random() < _MAILER_CALLS:
            rng.choice(mailers).session()
        daemon.kill()


class _Feeder(threading.Thread):
    """Delivers packets one after the other, some for each life of the daemon."""

    def __init__(self, system: Node, packets: Sequence[Path]) -> None:
        super().__init__(name="feeder", daemon=True)
        self._system = system
        self._packets = packets
        self._ending = threading.Event()
        self._due = threading.Semaphore(0)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self.due(len(self._packets))
        self.join()

    def due(self, packets: int) -> None:
        """Deliver some more."""
        self._due.release(packets)

    def run(self) -> None:
        """Deliver them."""
        for path in self._packets:
            self._due.acquire()
            path.rename(self._system.secure / path.name)
            if self._ending.wait(_BETWEEN_PACKETS):
                return


def _staged(system: Node) -> list[Path]:
    """List the packets that the mailer cannot find yet."""
    return list((system.outbound / ".tosser").glob("*.pkt"))


def _differences(system: Node, manifest: Manifest, mailers: Sequence[Mailer], heard: Heard) -> Differences:
    """Compare what is in the bases, what the links got, and what was heard, with what was delivered."""
    result = Differences()
    letters = manifest.by_area()
    for tag in system.areas:
        wanted = Counter((letter.msgid, letter.body_sha256) for letter in letters.get(tag, []))
        _compare(result, f"base {tag}", wanted, stored(system.bases / tag.lower()))
    everything = Counter(letter.msgid for letter in manifest.letters)
    for mailer in mailers:
        _compare(result, f"link {mailer.stem}", everything, Counter(_sent(mailer)))
        if len({name for name, _ in mailer.sent}) < len(mailer.sent):
            result.other.append(f"link {mailer.stem}: a name was used twice")
    strays = [path for path in system.outbound.rglob("*") if path.is_file()]
    result.other += [f"stray: {path.relative_to(system.root)}" for path in strays]
    result.other += [f"no event: {msgid}" for msgid in sorted(everything.keys() - heard.ids.keys())]
    result.other += [f"an event under two ids: {msgid}" for msgid, ids in heard.ids.items() if len(ids) > 1]
    counters = system.status()["counters"]
    wanted_counters = {"message.accepted": len(manifest.letters), "file.tossed": len(manifest.packets)}
    if counters != wanted_counters:
        result.other.append(f"the counters are {counters}")
    return result


def _sent(mailer: Mailer) -> Iterator[str]:
    for _, data in mailer.sent:
        for packet in packets_of(data):
            for taken in messages_in(packet):
                yield taken.msgid


def _compare(result: Differences, place: str, wanted: Counter[Any], found: Counter[Any]) -> None:
    result.lost += [f"{place}: {message}" for message in (wanted - found).elements()]
    result.doubled += [f"{place}: {message}" for message in (found - wanted).elements()]
