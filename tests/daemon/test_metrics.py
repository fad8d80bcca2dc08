"""The figures a Prometheus server scrapes, over HTTP, read by the parser of the Prometheus client."""

from __future__ import annotations

import time
import urllib.request
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from tests.mail import HUB, message, netmail, packet
from tests.observe import nothing_waits
from tests.peers.daemon import DONE, node
from tests.peers.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.mosquitto import Mosquitto

AREA = "TQW_GEN"
Figures = dict[tuple[str, ...], float]
"""Values by name and labels."""


def scrape(port: int) -> Figures:
    """Fetch the figures as a Prometheus server does."""
    with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode("utf-8")
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_figures(tmp_path: Path, broker: Mosquitto) -> None:
    """Totals, queues and troubles are served while the daemon runs, and totals go on after a restart."""
    port = free_port()
    system = node(tmp_path / "node", areas=[AREA], mqtt_url=broker.url, metrics={"listen": f"{LOOPBACK}:{port}"},
                  toss={"settle": "100ms", "poll": "200ms"})  # fmt: skip
    began = time.time()
    with system.start() as daemon:
        daemon.wait_for(lambda: scrape(port)["tosser_broker_connected",] == 1.0, what="the broker")
        assert scrape(port)["tosser_inbound_oldest_seconds",] == 0.0
        good = message(AREA)
        system.deliver(packet([good, good, netmail()]), "00000001.pkt")
        system.deliver(packet([message(AREA, number=2)])[:-9], "00000002.pkt")
        daemon.wait_for(lambda: scrape(port).get(("tosser_files_total", "quarantined")) == 1.0, what="the figures")
        daemon.wait_for(lambda: scrape(port)["tosser_outbox_events",] == 0.0, what="an empty outbox")
        figures = scrape(port)
        assert daemon.stop() == DONE
    last = figures.pop(("tosser_link_last_in_timestamp_seconds", HUB, "tqwnet"))
    assert began <= last <= time.time()
    assert figures == {
        ("tosser_files_total", "tossed"): 1.0,
        ("tosser_files_total", "quarantined"): 1.0,
        ("tosser_messages_total", "accepted"): 1.0,
        ("tosser_messages_total", "duplicate"): 1.0,
        ("tosser_messages_total", "netmail"): 1.0,
        ("tosser_kept_total", "truncated"): 1.0,
        ("tosser_link_packets_total", HUB, "tqwnet"): 1.0,
        ("tosser_link_messages_total", HUB, "tqwnet"): 3.0,
        ("tosser_outbox_events",): 0.0,
        ("tosser_outbox_oldest_seconds",): 0.0,
        ("tosser_outbox_refused_events",): 0.0,
        ("tosser_broker_connected",): 1.0,
        ("tosser_open_batches",): 0.0,
        ("tosser_inbound_oldest_seconds",): 0.0,
    } | {name: value for name, value in figures.items() if name[0].startswith("tosser_backlog")}

    broker.stop()
    with system.start() as daemon:
        system.deliver(packet([message(AREA, number=3)]), "00000003.pkt")
        daemon.wait_for(lambda: nothing_waits(system), what="the toss")
        daemon.wait_for(lambda: scrape(port)["tosser_files_total", "tossed"] == 2.0, what="the figures")
        figures = scrape(port)
        assert figures["tosser_messages_total", "accepted"] == 2.0
        assert figures["tosser_broker_connected",] == 0.0
        assert figures["tosser_outbox_events",] == 2.0
        assert figures["tosser_outbox_oldest_seconds",] > 0.0
        assert daemon.stop() == DONE


def test_a_waiting_file_and_a_trouble(tmp_path: Path) -> None:
    """The age of the oldest file that waits, and what is wrong, are figures, too."""
    port = free_port()
    system = node(tmp_path, areas=[AREA], metrics={"listen": f"{LOOPBACK}:{port}"},
                  toss={"settle": "1h", "poll": "200ms"})  # fmt: skip
    with system.start() as daemon:
        system.deliver(packet([message(AREA)])[:-2])
        daemon.wait_for(lambda: scrape(port)["tosser_inbound_oldest_seconds",] > 0.0, what="the waiting file")
        (system.local / ".tosser").rmdir()
        system.local.rmdir()
        daemon.wait_for(lambda: scrape(port).get(("tosser_condition", "inbound")) == 1.0, what="the trouble")
        assert daemon.stop() == DONE
