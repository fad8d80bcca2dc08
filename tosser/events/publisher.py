"""Publishes what waits in the outbox on an MQTT broker, for as long as the program runs.

At least once, in the order of events for each topic, QoS 1. An event leaves the outbox only after a PUBACK with a good
reason code. A broker that is down, slow, or refuses a topic costs nothing but waiting: nobody waits for this task, and
the outbox keeps what it cannot bring. What may be sent when is decided in `tosser.events.window`, when to try again in
`tosser.events.reconnect`; here is the work.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import TYPE_CHECKING

import structlog
from msgspec import Struct

from tosser.errors import BrokerError, PublishRefused, StateError
from tosser.events.client import Connection, tls_context
from tosser.events.reconnect import Reconnects
from tosser.events.states import status_event
from tosser.events.topics import Kind, Topic
from tosser.events.window import UNSPECIFIED, Refusal, Window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tosser.events.event import Event, Node
    from tosser.events.outbox import Outbox
    from tosser.events.settings import MqttSettings, MqttVersion

_BATCH = 256
"""Rows asked for at a time; half of it is when more are asked for, and how many deliveries are recorded at a time."""
_REFUSALS_TOLD = 20
"""Refused topics that the log hears of on each connection; a broker that refuses all of them would flood it."""
_UNUSABLE_REST = 5.0
"""Seconds until an outbox that could not be used is tried again."""
_GOODBYE = 3.0
"""Seconds that the end of the program waits for the broker."""

_SHORTEST_REST = 1.0
"""Seconds; a topic whose time has come may have to wait for an acknowledgement."""

_log = structlog.get_logger()


class PublisherStatistics(Struct, frozen=True):
    """How the publisher stands.

    Attributes:
        connected: whether there is a connection.
        since: since when it is so, Unix seconds.
        protocol: version of the protocol of the present connection, or ``None``.
        delivered: events and states acknowledged since the start.
        refused: by topic the last refusal of those the broker has not accepted since.
        reconnects: connections made after the first.
        last_error: what ended the last connection or attempt, a refused topic apart; empty where nothing did.
    """

    connected: bool
    since: float
    protocol: MqttVersion | None
    delivered: int
    refused: Mapping[str, Refusal]
    reconnects: int
    last_error: str


class _Status(Struct, frozen=True):
    """Our own status as a state like others: only where it comes from differs."""

    topic: str
    payload: bytes
    version: int


class Publisher:
    """The one task that talks to the broker.

    Args:
        settings: the broker.
        outbox: what is to be published.
        node: who speaks.
        version: of the program, for the status topic.
        started: when the program started, Unix seconds.
    """

    def __init__(self, settings: MqttSettings, outbox: Outbox, node: Node, *, version: str, started: float) -> None:
        self._settings = settings
        self._outbox = outbox
        self._node = node
        self._program_version = version
        self._started = started
        self._status_topic = Topic(Kind.STATUS).build(node.prefix)
        self._window = Window()
        self._reconnects = Reconnects(settings.version, random.uniform)
        self._signal = asyncio.Event()
        """There is something to send, to count as acknowledged, or to notice about the connection."""
        self._hungry = asyncio.Event()
        """There is something to fetch from or to record in the outbox."""
        self._idle = asyncio.Event()
        self._exhausted = False
        self._cursor = 0
        self._protocol: MqttVersion | None = None
        self._since = started
        self._delivered = 0
        self._connections = 0
        self._last_error = ""
        self._refused: list[Refusal] = []
        """Not yet recorded in the outbox."""
        self._told: set[str] = set()
        """Topics whose refusal the log has heard of since the last reconnect that was not their fault."""
        self._stuck = ""
        """What was last logged about an outbox that cannot be used; empty when it can."""
        self._explained = False
        """Whether the last connection was lost by the fault of a topic that is held back now."""

    # --- for everybody

    def wake(self) -> None:
        """Tell that there may be something new in the outbox; from the event loop's own thread."""
        self._exhausted = False
        self._idle.clear()
        self._hungry.set()

    async def drained(self) -> None:
        """Wait until the broker has everything but what it refuses; with a dead broker that may be never."""
        await self._idle.wait()

    def statistics(self) -> PublisherStatistics:
        """Say how it stands."""
        return PublisherStatistics(
            connected=self._protocol is not None,
            since=self._since,
            protocol=self._protocol,
            delivered=self._delivered,
            refused=self._window.refusals,
            reconnects=max(self._connections - 1, 0),
            last_error=self._last_error,
        )

    async def run(self) -> None:
        """Publish until cancelled; then wait a moment for what is on its way, and say goodbye."""
        while True:
            try:
                await self._session()
            except BrokerError as error:
                await asyncio.sleep(self._failed(error))
            except StateError as error:
                self._tell_stuck(error)
                await asyncio.sleep(_UNUSABLE_REST)

    # --- one connection

    def _failed(self, error: BrokerError) -> float:
        retry = self._reconnects.failed(error, _now(), explained=self._explained)
        if not (self._explained or retry.fall_back):
            self._last_error = str(error)
        log = _log.bind(broker=self._settings.broker, error=error.what)
        if retry.fall_back:
            log.info("broker refuses protocol", instead=self._reconnects.version)
        elif retry.tell:
            log.warning("broker down", advice=error.advice, attempts=retry.attempts, retry_in=round(retry.pause, 1))
        return retry.pause

    async def _session(self) -> None:
        """Connect and serve until the connection is lost.

        Raises:
            BrokerError: it is, or did not come about.
        """
        connection = await self._connect()
        try:
            await self._greet(connection)
            await self._serve(connection)
        except asyncio.CancelledError:
            await self._leave(connection)
            raise
        finally:
            connection.drop()
            self._protocol, self._since = None, time.time()

    async def _connect(self) -> Connection:
        settings = self._settings
        context = None if settings.tls is None else await asyncio.to_thread(tls_context, settings.tls)
        connection = Connection(
            settings,
            version=self._reconnects.version,
            will=self._status(online=False),
            context=context,
            signal=self._signal,
        )
        try:
            await connection.open()
        except BrokerError:
            # It was away, so whoever runs it may have changed what it allows: no refusal explains this.
            self._explained = False
            self._window.unreachable()
            raise
        return connection

    def _status(self, *, online: bool) -> Event:
        state, now = "online" if online else "offline", time.time()
        return status_event(
            self._node,
            id=f"status/{state}/{now:.6f}",
            time=now,
            online=online,
            version=self._program_version,
            since=self._started,
        )

    async def _greet(self, connection: Connection) -> None:
        self._reconnects.connected(_now())
        self._protocol, self._since = connection.version, time.time()
        self._connections += 1
        if not self._explained:
            self._told.clear()
            _log.info("broker connected", broker=self._settings.broker, protocol=connection.version)
        self._explained = False
        await self._outbox.forget_published()
        self._window.connected(min(self._settings.window, connection.receive_maximum))
        status = self._status(online=True)
        self._window.add_states([_Status(status.topic, status.payload, self._connections)])
        self._cursor = 0
        self.wake()

    async def _serve(self, connection: Connection) -> None:
        """Bring events until the connection is lost."""
        lost: BrokerError | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send(connection), name="mqtt-send")
                tasks.create_task(self._feed(), name="mqtt-feed")
        except* BrokerError as errors:
            lost = next(error for error in errors.exceptions if isinstance(error, BrokerError))
        if lost is not None:
            self._explained, refusal = self._window.lost(lost.what, lost.code or UNSPECIFIED, _now())
            if refusal is not None:
                self._tell(refusal)
            await self._settle_if_possible()
            raise lost

    async def _leave(self, connection: Connection) -> None:
        """Wait a moment for what is on its way and say goodbye; where that fails, the last will speaks for us."""
        try:
            async with asyncio.timeout(_GOODBYE):
                while self._window.in_flight:
                    self._signal.clear()
                    self._take_acks(connection)
                    connection.raise_if_lost()
                    if self._window.in_flight:
                        await self._signal.wait()
                if self._status_topic not in self._window.held:
                    await connection.publish_one(self._status(online=False))
                await connection.close()
        except (BrokerError, PublishRefused, TimeoutError) as error:
            _log.warning("broker left without goodbye", broker=self._settings.broker, error=str(error))
        await self._settle_if_possible()

    # --- between the window and the broker

    async def _send(self, connection: Connection) -> None:
        """Keep the window full.

        Raises:
            BrokerError: the connection is lost, or the broker acknowledges nothing.
        """
        window = self._window
        while True:
            self._signal.clear()
            self._take_acks(connection)
            connection.raise_if_lost()
            while (item := window.next()) is not None:
                window.sent(item, connection.send(item.topic, item.payload, retain=item.retain))
            if self._is_hungry():
                self._hungry.set()
            try:
                async with asyncio.timeout(self._settings.timeout if window.in_flight else None):
                    await self._signal.wait()
            except TimeoutError as error:
                raise BrokerError("the broker acknowledges nothing") from error

    def _take_acks(self, connection: Connection) -> None:
        for mid, code, name in connection.take_acks():
            refusal = self._window.acknowledged(mid, code, name, _now())
            if refusal is not None:
                self._tell(refusal)

    def _tell(self, refusal: Refusal) -> None:
        self._refused.append(refusal)
        if refusal.topic not in self._told and len(self._told) < _REFUSALS_TOLD:
            _log.warning("publish refused", topic=refusal.topic, code=refusal.code, name=refusal.name)
            self._told.add(refusal.topic)

    # --- between the window and the outbox

    def _is_hungry(self) -> bool:
        window = self._window
        done = len(window.done)
        return (
            done >= _BATCH // 2 or (window.idle and done > 0) or (window.waiting < _BATCH // 2 and not self._exhausted)
        )

    async def _feed(self) -> None:
        """Keep rows in the window, and record those that the broker has; an outbox that fails is tried again."""
        while True:
            self._hungry.clear()
            try:
                await self._settle()
                await self._fetch()
            except StateError as error:
                self._tell_stuck(error)
                await asyncio.sleep(_UNUSABLE_REST)
                continue
            self._stuck = ""
            if not self._hungry.is_set():
                await self._rest()

    def _tell_stuck(self, error: StateError) -> None:
        """Say once that the outbox cannot be used."""
        if str(error) != self._stuck:
            _log.error("outbox_unusable", error=str(error), retry_in=_UNUSABLE_REST)
        self._stuck = str(error)

    async def _rest(self) -> None:
        """Wait until there is something to do, or a held topic may be tried again."""
        release = self._window.next_release
        pause = None if release is None else max(release - _now(), _SHORTEST_REST)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._hungry.wait()

    async def _fetch(self) -> None:
        window = self._window
        if window.release(_now()):
            self._cursor = 0
        held = window.held
        limit = _BATCH + window.known
        after = self._cursor if window.known else 0
        self._exhausted = True  # unless what is fetched, or a wake meanwhile, says otherwise
        events = await self._outbox.next_events(after, limit, held)
        states = await self._outbox.next_states(limit, held)
        self._cursor = events[-1].seq if events else after
        if window.add_events(events) + window.add_states(states):
            self._exhausted = False
            self._signal.set()
        elif self._exhausted and window.idle and not window.done:
            self._idle.set()

    async def _settle_if_possible(self) -> None:
        """Record it at the end of a connection; what cannot be recorded comes to the broker again."""
        try:
            await self._settle()
        except StateError as error:
            self._tell_stuck(error)

    async def _settle(self) -> None:
        """Record what the broker has, and what it refused.

        Raises:
            StateError: the outbox cannot be used; what was not recorded will be.
        """
        while self._refused:
            refusal = self._refused[-1]
            if refusal.seq is not None:
                await self._outbox.refused(refusal.seq, refusal.code, refusal.name)
            self._refused.remove(refusal)
        done = list(self._window.done)
        events = [item.key for item in done if isinstance(item.key, int)]
        states = [(item.topic, item.version) for item in done if item.is_state and item.topic != self._status_topic]
        if events:
            await self._outbox.delivered(events)
        if states:
            await self._outbox.states_published(states)
        self._delivered += len(events) + len(states)
        self._window.settled(len(done))


def _now() -> float:
    return time.monotonic()
