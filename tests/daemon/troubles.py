"""What a sysop sees when something is wrong, and when it is well again: status, log, event and metric, all four."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.accounts import about, log_of
from tests.daemon.inside import config_of
from tests.daemon.test_metrics import scrape
from tests.mail import message, packet
from tests.peers.ports import LOOPBACK, free_port
from tests.peers.subscriber import Subscriber
from tosser.cli.status import gather

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.peers.daemon import Daemon, Node
    from tests.peers.mosquitto import Mosquitto

QUICK = {"settle": "100ms", "poll": "200ms", "lock_wait": "50ms", "min_free": 0}


@dataclass(slots=True)
class Witness:
    """Watches one daemon.

    Attributes:
        system: its node.
        daemon: it.
        subscriber: to all that it says on the broker.
        port: where its figures are.
        look: gives what ``tosser status --json`` says.
    """

    system: Node
    daemon: Daemon
    subscriber: Subscriber
    port: int
    look: Callable[[], Any]

    def wait_begun(self, subject: str, text: str) -> None:
        """Wait until status, log, event and metric say that something is wrong, in a sentence with this text."""
        self.daemon.wait_for(
            lambda: any(text in line["text"] for line in self.logged("condition", subject)), what=f"{text} in the log"
        )
        self.daemon.wait_for(lambda: text in self.status(subject), what=f"{text} in status")
        self.subscriber.wait_until(lambda _: any(text in told["text"] for told in self.told(subject, active=True)))
        self.daemon.wait_for(lambda: self.metric(subject) == 1.0, what=f"the figure of {subject}")

    def wait_ended(self, subject: str) -> None:
        """Wait until they say that it is well again."""
        self.daemon.wait_for(lambda: self._last_logged(subject) == "condition_ended", what=f"the end of {subject}")
        self.daemon.wait_for(lambda: self.status(subject) == "", what=f"no {subject} in status")
        self.subscriber.wait_until(lambda _: bool(self.events(subject)) and not self.events(subject)[-1]["active"])
        self.daemon.wait_for(lambda: self.metric(subject) is None, what=f"no figure of {subject}")

    def status(self, subject: str) -> str:
        """What ``tosser status`` says of a subject."""
        status = self.look()
        told = [each["text"] for each in status["conditions"] if each["subject"] == subject]
        return "; ".join(told + [text for text in status["trouble"] if text.startswith(f"{subject}: ")])

    def logged(self, event: str, subject: str) -> list[dict[str, Any]]:
        """The lines of the log about a subject."""
        return about(self._log(), event, subject=subject)

    def _last_logged(self, subject: str) -> str:
        lines = [line for line in self._log() if line.get("subject") == subject]
        return str(lines[-1]["event"]) if lines else ""

    def _log(self) -> list[dict[str, Any]]:
        return log_of(self.daemon.log)

    def events(self, subject: str) -> list[dict[str, Any]]:
        """The data of the events about a subject."""
        data = [event.json["data"] for event in self.subscriber.received if "/condition/" in event.topic]
        return [each for each in data if each["subject"] == subject]

    def told(self, subject: str, *, active: bool) -> list[dict[str, Any]]:
        """Those that say that something is wrong, or no longer is."""
        return [each for each in self.events(subject) if each["active"] is active]

    def metric(self, subject: str) -> float | None:
        """The figure of a subject."""
        return scrape(self.port).get(("tosser_condition", subject))

    def deliver(self, area: str, number: int) -> None:
        """Deliver a packet of one message."""
        self.system.deliver(packet([message(area, number=number)]), f"{number:08x}.pkt")


def sections(broker: Mosquitto, port: int) -> dict[str, Any]:
    """Give the parts of a configuration that a witness needs."""
    return {"mqtt_url": broker.url, "metrics": {"listen": f"{LOOPBACK}:{port}"}, "toss": dict(QUICK)}


@contextmanager
def witnessed(system: Node, broker: Mosquitto, port: int, look: Callable[[], Any] | None = None) -> Iterator[Witness]:
    """Run the daemon of a node before a witness, who looks at its status in this process unless told otherwise."""
    config = config_of(system)
    look = look or (lambda: gather(config, time.time()))
    with Subscriber(broker.port, "ftn/#") as subscriber, system.start() as daemon:
        yield Witness(system, daemon, subscriber, port, look)


__all__ = ["QUICK", "Witness", "free_port", "sections", "witnessed"]
