"""Listens for requests on an MQTT broker for as long as the program runs, and brings the answers.

A connection of its own, beside the publisher's: hostile requests, and answers that the broker refuses, cost the events
nothing. One request at a time, in the order in which they came: it is carried out, its answer brought to the broker,
and only then acknowledged. Whatever is lost in between, the broker sends the request again, and what was carried out
is known by its key.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from typing import TYPE_CHECKING, Protocol

import structlog
from msgspec.structs import replace

from tosser.errors import BrokerError, PublishRefused, StateError
from tosser.events.client import tls_context
from tosser.events.inlet import Inlet
from tosser.events.reconnect import Reconnects
from tosser.events.settings import MqttVersion
from tosser.events.told import Told
from tosser.events.topics import POST_COMMAND, may_answer
from tosser.events.trouble import UNSUPPORTED_VERSION

if TYPE_CHECKING:
    from tosser.events.inlet import Request
    from tosser.events.settings import MqttSettings

_UNUSABLE_REST = 5.0
"""Seconds until a request is tried again that could not be recorded."""
_GOODBYE = 3.0
"""Seconds that the end of the program waits for the broker."""
_LOSSES = 2
"""An answer that the connection was lost over so often counts as refused: some brokers hang up instead of saying no."""
_HOLD = 60.0
"""Seconds that nothing is answered on a topic that the broker refused."""
_MOST_DOUBTS = 1000
"""Topics that are remembered as doubtful; whoever asks chooses them."""
_PATIENCE = 3
"""Attempts to connect that fail before it counts as wrong that nobody can send requests."""

_log = structlog.get_logger()


class Desk(Protocol):
    """Who carries out requests."""

    async def answer(self, payload: bytes) -> bytes:
        """Carry out a request, or refuse it; raises `StateError` where it is to be tried again."""

    async def settle(self) -> None:
        """Do what can be left until no request waits; raises `StateError`."""

    async def say(self, trouble: str) -> None:
        """Note why no requests come in; an empty text when they do."""


class _Doubts:
    """Topics of answers that the broker refuses, or may be the reason why it hangs up."""

    def __init__(self) -> None:
        self._losses: Counter[str] = Counter()
        self._until: dict[str, float] = {}

    def holds(self, topic: str) -> bool:
        """Tell whether nothing is to be answered on a topic for now."""
        return time.monotonic() < self._until.get(topic, 0.0)

    def refused(self, topic: str) -> None:
        """Note that the broker said no."""
        if len(self._until) >= _MOST_DOUBTS:
            self._until.clear()
        self._until[topic] = time.monotonic() + _HOLD

    def lost(self, topic: str) -> None:
        """Note that the connection was lost while an answer was on its way."""
        if len(self._losses) >= _MOST_DOUBTS:
            self._losses.clear()
        self._losses[topic] += 1
        if self._losses[topic] >= _LOSSES:
            self.accepted(topic)
            self.refused(topic)

    def accepted(self, topic: str) -> None:
        """Note that the broker took an answer."""
        del self._losses[topic]


class Receiver:
    """The one task that listens.

    Args:
        settings: the broker.
        prefix: first levels of our topics.
        desk: carries out requests.
        largest: bytes of a request that are still looked at; larger ones the broker drops.
    """

    def __init__(self, settings: MqttSettings, prefix: str, desk: Desk, *, largest: int) -> None:
        self._settings = replace(settings, client_id=f"{settings.client_id}-commands")
        self._prefix = prefix
        self._topic = f"{prefix}/{POST_COMMAND}"
        self.desk = desk
        """Who carries out the requests."""
        self._largest = largest
        self._reconnects = Reconnects(MqttVersion.V5, random.uniform, fall_back=False)
        self._signal = asyncio.Event()
        self._doubts = _Doubts()
        self._explained = False
        """Whether an answer is the reason why the connection is lost; then a growing pause would hold up the others."""
        self._told = Told("commands_not_answered")
        self._stuck = ""

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                await self._session()
            except BrokerError as error:
                await asyncio.sleep(await self._failed(error))

    async def _failed(self, error: BrokerError) -> float:
        retry = self._reconnects.failed(error, time.monotonic(), explained=self._explained)
        self._explained = False
        advice = "commands need a broker that speaks MQTT 5" if error.code == UNSUPPORTED_VERSION else error.advice
        if retry.tell:
            _log.warning("commands_unavailable", error=error.what, advice=advice, retry_in=round(retry.pause, 1))
        if retry.attempts >= _PATIENCE:
            await self.desk.say(f"{error.what} ({advice})" if advice else error.what)
        return retry.pause

    async def _session(self) -> None:
        """Connect and serve until the connection is lost.

        Raises:
            BrokerError: it is, or did not come about.
        """
        tls = self._settings.tls
        context = None if tls is None else await asyncio.to_thread(tls_context, tls)
        connection = Inlet(self._settings, context=context, signal=self._signal, largest=self._largest)
        await connection.open()
        try:
            await connection.listen(self._topic)
            self._reconnects.connected(time.monotonic())
            _log.info("commands_open", topic=self._topic)
            await self.desk.say("")
            await self._serve(connection)
        except asyncio.CancelledError:
            await self._leave(connection)
            raise
        finally:
            connection.drop()

    async def _leave(self, connection: Inlet) -> None:
        """Say goodbye; what is not acknowledged comes again, to the next connection."""
        try:
            async with asyncio.timeout(_GOODBYE):
                await connection.close()
        except (BrokerError, TimeoutError) as error:
            _log.debug("commands_left_without_goodbye", error=str(error))

    async def _serve(self, connection: Inlet) -> None:
        while True:
            self._signal.clear()
            request = connection.take()
            if request is None:
                await self._settle(connection)
                await self._signal.wait()
                continue
            if request.topic == self._topic:  # the session may be of an earlier configuration
                answer = await self._carry_out(connection, request)
                await self._respond(connection, request, answer)
            connection.acknowledge(request)

    async def _carry_out(self, connection: Inlet, request: Request) -> bytes:
        """Have a request carried out, however long the database cannot be used."""
        while True:
            try:
                answer = await self.desk.answer(request.payload)
            except StateError as error:
                self._tell_stuck(error)
                await asyncio.sleep(_UNUSABLE_REST)
                connection.raise_if_lost()
            else:
                self._stuck = ""
                return answer

    async def _settle(self, connection: Inlet) -> None:
        if connection.dropped:
            _log.warning("commands_dropped", requests=connection.dropped, why="too many came at QoS 0")
            connection.dropped = 0
        try:
            await self.desk.settle()
        except StateError as error:
            self._tell_stuck(error)

    def _tell_stuck(self, error: StateError) -> None:
        """Say once that requests cannot be recorded."""
        if str(error) != self._stuck:
            _log.error("commands_stuck", error=str(error), retry_in=_UNUSABLE_REST)
        self._stuck = str(error)

    async def _respond(self, connection: Inlet, request: Request, answer: bytes) -> None:
        """Bring the answer; who asked for none, or may not have it there, finds it in the log."""
        topic = request.answer_topic
        if not may_answer(topic, self._prefix) or self._doubts.holds(topic):
            self._tell_unanswered(request, answer)
            return
        self._explained = True
        try:
            await connection.answer(request, topic, answer)
        except PublishRefused as error:  # mosquitto 2.0 hangs up now
            self._doubts.refused(topic)
            self._tell_unanswered(request, answer, error=str(error))
        except BrokerError:
            self._doubts.lost(topic)
            raise
        else:
            self._explained = False
            self._doubts.accepted(topic)

    def _tell_unanswered(self, request: Request, answer: bytes, **why: str) -> None:
        if self._told.may():
            _log.info("command_not_answered", topic=request.answer_topic, answer=answer.decode("utf-8"), **why)
