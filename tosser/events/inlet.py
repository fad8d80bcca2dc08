"""One connection that listens for requests and answers them (MQTT 5, 4.10): `Connection`, and what receiving takes.

The broker keeps the session, so requests wait while we are away; and it keeps each request until we acknowledge it,
which is left to who carries it out. What comes in is bounded by what we tell the broker when we connect.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from tosser.discreet import Discreet
from tosser.errors import BrokerError
from tosser.events.client import Connection
from tosser.events.settings import MqttVersion
from tosser.events.window import FIRST_FAILURE

if TYPE_CHECKING:
    import ssl

    import paho.mqtt.client as paho

    from tosser.events.settings import MqttSettings

SESSION_SECONDS = 7 * 86400
"""How long the broker keeps requests for us while we are away."""
_AT_ONCE = 20
"""Requests that the broker may have sent us and that are not acknowledged."""
_UNPROMISED = 2 * _AT_ONCE
"""With so many waiting, those that came at QoS 0, which promises nothing, are dropped."""
_ANSWER_TYPE = "application/json; charset=utf-8"


class Request(Discreet, frozen=True):
    """A request as it came.

    Attributes:
        topic: where it was published.
        payload: its bytes.
        answer_topic: where the answer is expected; empty where none is.
        correlation: what the answer is to carry; ``None`` for nothing.
        mid: by which it is acknowledged.
        promised: whether the broker waits for that (QoS 1).
    """

    HIDDEN: ClassVar = frozenset({"payload"})

    topic: str
    payload: bytes
    answer_topic: str
    correlation: bytes | None
    mid: int
    promised: bool


class Inlet(Connection):
    """One connection.

    Args:
        settings: where to and how.
        context: of TLS.
        signal: is set when there are requests or acknowledgements, and when the connection is lost.
        largest: bytes of a packet; the broker drops what is larger, without a word.
    """

    def __init__(
        self, settings: MqttSettings, *, context: ssl.SSLContext | None, signal: asyncio.Event, largest: int
    ) -> None:
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's properties are not typed
        session.SessionExpiryInterval = SESSION_SECONDS
        session.ReceiveMaximum = _AT_ONCE
        session.MaximumPacketSize = largest
        super().__init__(settings, version=MqttVersion.V5, will=None, context=context, signal=signal, session=session)
        self._client.manual_ack_set(on=True)
        self._waiting: deque[Request] = deque()
        self.dropped = 0
        """How many requests at QoS 0 were dropped because too many waited."""

    async def listen(self, topic: str) -> None:
        """Have requests sent to us; not our own, and none that the broker had retained.

        Raises:
            BrokerError: the broker does not let us, or the connection is lost.
        """
        options = SubscribeOptions(qos=1, noLocal=True, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        try:
            (reason,) = await self.subscribe(topic, options=options)
        except aiomqtt.MqttError as error:
            self.raise_if_lost()
            raise BrokerError(f"the broker does not answer to our subscription of {topic}") from error
        task = asyncio.current_task()
        if task is not None and task.cancelling():  # wait_for of Python 3.11 forgets that when the answer comes, too
            raise asyncio.CancelledError
        code = reason if isinstance(reason, int) else reason.value
        if code >= FIRST_FAILURE:
            advice = f"let the user of mqtt.username read {topic}"
            raise BrokerError(f"the broker refuses our subscription of {topic}: {reason}", advice, code)

    def take(self) -> Request | None:
        """Take the request that waits longest.

        Raises:
            BrokerError: the connection is lost, and with it what waits; the broker sends it again.
        """
        self.raise_if_lost()
        return self._waiting.popleft() if self._waiting else None

    async def answer(self, request: Request, topic: str, answer: bytes) -> None:
        """Publish the answer to a request, and wait until the broker has it.

        Raises:
            BrokerError: the connection is lost, or the broker acknowledges nothing.
            PublishRefused: the broker does not let us.
        """
        self.raise_if_lost()
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # as above
        properties.ContentType = _ANSWER_TYPE
        if request.correlation is not None:
            properties.CorrelationData = request.correlation
        try:
            async with asyncio.timeout(self._settings.timeout):
                await self._acknowledged(topic, self._client.publish(topic, answer, 1, properties=properties).mid)
        except TimeoutError as error:
            raise BrokerError("the broker acknowledges nothing") from error

    def acknowledge(self, request: Request) -> None:
        """Tell the broker that a request is dealt with."""
        if request.promised:
            self._client.ack(request.mid, 1)

    def _on_message(
        self,
        client: paho.Client,  # noqa: ARG002 - aiomqtt's signature
        userdata: Any,  # noqa: ANN401, ARG002 - as above
        message: paho.MQTTMessage,
    ) -> None:
        if message.qos == 0 and len(self._waiting) >= _UNPROMISED:
            self.dropped += 1
            return
        properties = message.properties
        request = Request(
            topic=message.topic,
            payload=bytes(message.payload),
            answer_topic=getattr(properties, "ResponseTopic", ""),
            correlation=getattr(properties, "CorrelationData", None),
            mid=message.mid,
            promised=message.qos > 0,
        )
        self._waiting.append(request)
        self._signal.set()
