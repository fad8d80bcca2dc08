"""Figures for Prometheus: read from the state at each scrape, so that they survive restarts and count nothing twice."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import start_http_server
from prometheus_client.registry import Collector, CollectorRegistry

from tosser.errors import StateError
from tosser.state.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from prometheus_client.core import Metric

    from tosser.state.state import Overview

log = structlog.get_logger()


class StateCollector(Collector):
    """Turns the state into metric families.

    It looks at the database on its own, so that a scrape never waits for the toss, nor for who keeps it locked; where
    it cannot be read, what is known without it is served.

    Args:
        directory: of the state.
        present: gives what was said to be wrong since the start, by subject; an empty text says that it is well.
        connected: tells whether the broker is connected.
        waiting: tells how old the oldest file waiting in an inbound is, in seconds.
    """

    def __init__(
        self,
        directory: Path,
        *,
        present: Callable[[], Mapping[str, str]],
        connected: Callable[[], bool],
        waiting: Callable[[], float],
    ) -> None:
        self._directory = directory
        self._present = present
        self._connected = connected
        self._waiting = waiting

    def collect(self) -> Iterator[Metric]:
        """Read the state once and give every family."""
        overview = self._overview()
        wrong = dict(self._present())
        if overview is not None:
            yield from _totals(overview)
            yield from _queues(overview)
            yield from _hooks(overview)
            wrong = {condition.subject: condition.text for condition in overview.conditions} | wrong
        yield _gauge("tosser_broker_connected", "Whether the broker is connected.", float(self._connected()))
        yield _gauge("tosser_inbound_oldest_seconds", "Age of the oldest file waiting in an inbound.", self._waiting())
        conditions = GaugeMetricFamily("tosser_condition", "Something is wrong with a subject.", labels=["subject"])
        for subject, text in wrong.items():
            if text:
                conditions.add_metric([subject], 1.0)
        yield conditions

    def _overview(self) -> Overview | None:
        try:
            state = State(self._directory, read_only=True)
            try:
                return state.overview()
            finally:
                state.close()
        except StateError as error:
            log.warning("figures_incomplete", error=str(error))
            return None


def _queues(overview: Overview) -> Iterator[Metric]:
    yield _gauge("tosser_outbox_events", "Events waiting for the broker.", overview.outbox_events)
    oldest = time.time() - overview.outbox_oldest if overview.outbox_oldest else 0.0
    yield _gauge("tosser_outbox_oldest_seconds", "Age of the oldest event waiting for the broker.", oldest)
    refused = sum(topic.events for topic in overview.refused_topics)
    yield _gauge("tosser_outbox_refused_events", "Events on topics the broker says no to.", refused)
    yield _gauge("tosser_open_batches", "Decided batches not yet carried out.", overview.open_batches)


def _hooks(overview: Overview) -> Iterator[Metric]:
    calls = CounterMetricFamily("tosser_hook_calls", "Calls of hooks by how they ended.", labels=["hook", "result"])
    for name, value in overview.counters.items():
        kind, _, hook = name.partition(".")
        if kind.startswith("hook-"):
            calls.add_metric([hook, kind.removeprefix("hook-")], value)
    waiting = GaugeMetricFamily("tosser_hook_waiting", "Calls that wait.", labels=["hook"])
    oldest = GaugeMetricFamily("tosser_hook_oldest_seconds", "Age of the oldest call that waits.", labels=["hook"])
    for queue in overview.hooks:
        waiting.add_metric([queue.hook], queue.waiting)
        oldest.add_metric([queue.hook], time.time() - queue.oldest)
    yield calls
    yield waiting
    yield oldest


def _totals(overview: Overview) -> Iterator[Metric]:
    families = {
        "message": CounterMetricFamily("tosser_messages", "Messages by verdict.", labels=["reason"]),
        "file": CounterMetricFamily("tosser_files", "Inbound files by final state.", labels=["state"]),
        "kept": CounterMetricFamily("tosser_kept", "Files and bundle members set aside.", labels=["reason"]),
        "answer": CounterMetricFamily("tosser_answers", "Answers to netmail by what they say.", labels=["kind"]),
        "command": CounterMetricFamily("tosser_commands", "Requests by MQTT by outcome.", labels=["outcome"]),
        "withheld": CounterMetricFamily("tosser_answers_withheld", "Answers not given, by why.", labels=["reason"]),
    }
    for name, value in overview.counters.items():
        kind, _, label = name.partition(".")
        if kind in families:
            families[kind].add_metric([label], value)
    yield from families.values()
    packets = CounterMetricFamily("tosser_link_packets", "Packets received.", labels=["network", "link"])
    messages = CounterMetricFamily("tosser_link_messages", "Messages received.", labels=["network", "link"])
    last = GaugeMetricFamily("tosser_link_last_in_timestamp_seconds", "Last packet in.", labels=["network", "link"])
    for link in overview.links:
        packets.add_metric([link.network, link.address], link.packets)
        messages.add_metric([link.network, link.address], link.messages)
        last.add_metric([link.network, link.address], link.last_in or 0.0)
    yield packets
    yield messages
    yield last


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


class MetricsServer:
    """Serves the figures over HTTP at ``/metrics`` until closed.

    Args:
        host: address to listen on.
        port: TCP port.
        collector: where the figures come from.

    Raises:
        OSError: the port cannot be had.
    """

    def __init__(self, host: str, port: int, collector: StateCollector) -> None:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(collector)
        self._server, self._thread = start_http_server(port, host, registry)

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
