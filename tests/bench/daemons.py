"""Cases about the daemon: events, delays, start-up; crashmail has nothing to set beside them.

Each has a real mosquitto, set as the shipped ``config/mosquitto.conf``, and a subscriber that counts.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tests.bench.counter import Counter
from tests.bench.figures import Series, percentile
from tests.bench.mail import AREAS
from tests.bench.measure import BenchError, Usage, usage_of
from tests.bench.outcome import TOSSER, Bench, Outcome, Row
from tests.corpus import HUB, area_description, area_tags
from tests.peers.daemon import Daemon, Node, node
from tests.peers.mosquitto import Mosquitto

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_SECONDS = 60.0
_IDLE_SECONDS = 0.1
"""After an event until the next packet: the daemon has come to rest by then."""
_LINKS_OF_AREA = 5
_MSGID = re.compile(rb"\x01MSGID: ([^\r]+)\r")


@dataclass(frozen=True, slots=True)
class _Stage:
    """A daemon that is online, and who listens."""

    system: Node
    daemon: Daemon
    counter: Counter

    @property
    def pid(self) -> int:
        """Of the daemon."""
        return self.daemon.process.pid

    def lay_out(self, files: Iterable[Path]) -> list[Path]:
        """Put copies of files beside the inbound, as a mailer that has received them, and give the copies."""
        directory = self.system.root / "received"
        directory.mkdir(exist_ok=True)
        copies = [Path(shutil.copyfile(file, directory / file.name)) for file in files]
        os.sync()
        return copies

    def hand_over(self, files: Iterable[Path]) -> float:
        """Rename files into the inbound; give the moment before the first."""
        started = time.perf_counter()
        for file in files:
            file.rename(self.system.secure / file.name)
        return started

    def wait_until_acknowledged(self) -> None:
        """Wait until no event is left in the outbox: the broker has acknowledged each."""
        deadline = time.monotonic() + _SECONDS
        while self.system.status()["outbox"]["events"]:
            if time.monotonic() > deadline:
                raise BenchError(f"events were not acknowledged after {_SECONDS:.0f} s")


@contextmanager
def _stage(bench: Bench) -> Iterator[_Stage]:
    root = Path(tempfile.mkdtemp(prefix="da", dir=bench.root))
    try:
        with Mosquitto(root / "broker", verbose=False) as broker, Counter(broker.port) as counter:
            system = node(root / "node", areas=AREAS, mqtt_url=broker.url, **bench.sections)
            with system.start() as daemon:
                if not counter.online.wait(_SECONDS):
                    raise BenchError(f"not online after {_SECONDS:.0f} s\n{daemon.log}")
                yield _Stage(system, daemon, counter)
    finally:
        shutil.rmtree(root)


@dataclass(frozen=True, slots=True)
class Events:
    """A backlog is tossed with events on: from the first rename until the last event was received."""

    messages: int
    name: str = "events"
    long: bool = False

    @property
    def title(self) -> str:
        """What it does, in a line."""
        return f"{self.messages:,} messages through the daemon; mosquitto; every event acknowledged and received"

    def run(self, bench: Bench) -> Outcome:
        """Run it.

        Raises:
            BenchError: an event did not come.
        """
        usages: list[Usage] = []
        for _ in range(bench.runs):
            with _stage(bench) as stage:
                files = stage.lay_out(bench.post.packets(self.messages).files)
                before = usage_of(stage.pid)
                started = stage.hand_over(files)
                seconds = stage.counter.wait(self.messages) - started
                stage.wait_until_acknowledged()
                used = usage_of(stage.pid).since(before)
                usages.append(Usage(seconds, used.user, used.system, used.peak, used.written))
        return Outcome(self.name, self.title, [Row(TOSSER, self.messages, tuple(usages))])


@dataclass(frozen=True, slots=True)
class Latency:
    """An idle daemon gets one packet after the other: from the rename until its event was received."""

    packets: int
    name: str = "latency"
    long: bool = False

    @property
    def title(self) -> str:
        """What it does, in a line."""
        return f"{self.packets:,} packets of one message, each for an idle daemon: rename to event"

    def run(self, bench: Bench) -> Outcome:
        """Run it.

        Raises:
            BenchError: an event did not come.
        """
        delays = []
        with _stage(bench) as stage:
            files = stage.lay_out(bench.post.single_messages(self.packets).files)
            for count, file in enumerate(files, 1):
                started = stage.hand_over([file])
                delays.append(stage.counter.wait(count, _SECONDS) - started)
                time.sleep(_IDLE_SECONDS)
        return Outcome(self.name, self.title, figures=_delays(delays))


@dataclass(frozen=True, slots=True)
class Arriving:
    """The everyday load, pressed together: small packets come one by one, whether or not those before are done."""

    packets: int
    pause: float = 0.005
    name: str = "arriving"
    long: bool = False

    @property
    def title(self) -> str:
        """What it does, in a line."""
        return f"{self.packets:,} packets of one message come one by one, {1 / self.pause:.0f} a second, to the daemon"

    def run(self, bench: Bench) -> Outcome:
        """Run it.

        Raises:
            BenchError: an event did not come.
        """
        handed: dict[bytes, float] = {}
        with _stage(bench) as stage:
            files = stage.lay_out(bench.post.single_messages(self.packets).files)
            named = [(file, _msgid_of(file)) for file in files]
            before = usage_of(stage.pid)
            for file, msgid in named:
                handed[msgid] = stage.hand_over([file])
                time.sleep(self.pause)
            last = max(handed.values())
            done = stage.counter.wait(self.packets)
            used = usage_of(stage.pid).since(before)
            delays = [stage.counter.arrivals[msgid] - moment for msgid, moment in handed.items()]
        figures = _delays(delays) | {
            "done after the last packet, ms": (done - last) * 1000,
            "processor, ms a packet": used.cpu * 1000 / self.packets,
            "written, kB a packet": used.written / 1000 / self.packets,
        }
        return Outcome(self.name, self.title, figures=figures)


@dataclass(frozen=True, slots=True)
class StartUp:
    """The daemon is started, until it says that it is ready; the first start makes the database, and is not timed."""

    areas: int
    links: int
    name: str = "start-up"
    long: bool = False

    @property
    def title(self) -> str:
        """What it does, in a line."""
        return f"start to READY with {self.areas:,} areas of {_LINKS_OF_AREA} links each, {self.links} links in all"

    def run(self, bench: Bench) -> Outcome:
        """Run it."""
        root = Path(tempfile.mkdtemp(prefix="st", dir=bench.root))
        try:
            system = self._configured(root, bench)
            usages = [_started(system) for _ in range(bench.runs + 1)]
        finally:
            shutil.rmtree(root)
        seconds = Series(tuple(usage.seconds for usage in usages[1:]))
        figures = {
            "median, s": seconds.median,
            "longest, s": seconds.high,
            "processor, s": Series(tuple(usage.cpu for usage in usages[1:])).median,
            "peak memory, MiB": max(usage.peak for usage in usages) / 1024 / 1024,
        }
        return Outcome(self.name, self.title, figures=figures)

    def _configured(self, root: Path, bench: Bench) -> Node:
        links = [f"1337:{2 + index // 100}/{200 + index % 100}" for index in range(self.links - 1)]
        system = node(root, areas=(), links=dict.fromkeys((HUB, *links), ""), **bench.sections)
        document = yaml.safe_load(system.config.read_text("utf-8"))
        document["areas"] = [
            {
                "tag": tag,
                "description": area_description(index),
                "links": [HUB, *(links[(index + step * 37) % len(links)] for step in range(_LINKS_OF_AREA - 1))],
            }
            for index, tag in enumerate(area_tags(self.areas))
        ]
        system.config.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
        return system


def _started(system: Node) -> Usage:
    started = time.perf_counter()
    with system.start() as daemon:
        seconds = time.perf_counter() - started
        used = usage_of(daemon.process.pid)
        daemon.stop()
    return Usage(seconds, used.user, used.system, used.peak, used.written)


def _delays(seconds: Sequence[float]) -> dict[str, float]:
    return {
        "median, ms": percentile(seconds, 50) * 1000,
        "p99, ms": percentile(seconds, 99) * 1000,
        "longest, ms": max(seconds) * 1000,
    }


def _msgid_of(packet: Path) -> bytes:
    found = _MSGID.search(packet.read_bytes())
    if found is None:
        raise BenchError(f"{packet.name} has no MSGID")
    return found[1]
