"""A subscriber that collects what a broker sends, in a thread of its own: paho, with nothing of tosser in it."""

from __future__ import annotations

import json
import ssl
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.peers.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType
    from typing import Self

_WAIT_SECONDS = 30.0
_SESSION_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Received:
    """One message as it came.

    Attributes:
        topic: full topic.
        payload: its bytes.
        retain: whether the broker had kept it from before the subscription.
        content_type: of MQTT 5; empty where there is none.
    """

    topic: str
    payload: bytes
    retain: bool
    content_type: str

    @property
    def json(self) -> dict[str, Any]:
        """The payload, parsed."""
        parsed: dict[str, Any] = json.loads(self.payload)
        return parsed


class Subscriber:
    """Collects the messages below a topic filter at QoS 1; as a context manager it is subscribed within the block.

    Its session outlives a broken connection, so that nothing is missed while the broker is away or it reconnects.

    Args:
        port: of the broker.
        topic_filter: what to subscribe to.
        name: client id.
        user: name and password.
        authority: certificate of the authority that signed the broker's, for TLS.
        version: of the protocol.
        resume: go on with the session of an earlier one of the same name.
    """

    def __init__(
        self,
        port: int,
        topic_filter: str = "#",
        *,
        name: str = "collector",
        user: tuple[str, str] | None = None,
        authority: Path | None = None,
        version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5,
        resume: bool = False,
    ) -> None:
        self._port = port
        self._filter = topic_filter
        self._version = version
        self._resume = resume
        self._changed = threading.Condition()
        self._received: list[Received] = []
        self._subscribed = 0
        clean = None if version == MQTTProtocolVersion.MQTTv5 else False
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=version, clean_session=clean)
        self._client.reconnect_delay_set(0.05, 0.2)  # type: ignore[arg-type]  # fractions work; the annotation is narrow
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        if user is not None:
            self._client.username_pw_set(*user)
        if authority is not None:
            self._client.tls_set_context(ssl.create_default_context(cafile=str(authority)))

    def __enter__(self) -> Self:
        """Connect, subscribe, and wait until the broker has agreed."""
        properties: Properties | None = None
        clean: paho.CleanStartOption = paho.MQTT_CLEAN_START_FIRST_ONLY
        if self._version == MQTTProtocolVersion.MQTTv5:
            clean = False if self._resume else clean
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's properties are not typed
            properties.SessionExpiryInterval = _SESSION_SECONDS
        self._client.connect(LOOPBACK, self._port, keepalive=30, clean_start=clean, properties=properties)
        self._client.loop_start()
        self.wait_subscribed()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def received(self) -> list[Received]:
        """All that came so far, in order."""
        with self._changed:
            return list(self._received)

    @property
    def payloads(self) -> list[bytes]:
        """The payloads of all that came so far, in order."""
        return [message.payload for message in self.received]

    def on(self, topic: str) -> list[Received]:
        """List what came on one topic."""
        return [message for message in self.received if message.topic == topic]

    def wait_subscribed(self, times: int = 1, seconds: float = _WAIT_SECONDS) -> None:
        """Wait until the broker has accepted the subscription, over all connections, that often."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._subscribed >= times, seconds):
                raise AssertionError(f"not subscribed after {seconds} s")

    def wait_for(self, count: int, seconds: float = _WAIT_SECONDS) -> list[Received]:
        """Wait for that many messages, and give all there are."""
        return self.wait_until(lambda received: len(received) >= count, seconds)

    def wait_until(self, enough: Callable[[list[Received]], bool], seconds: float = _WAIT_SECONDS) -> list[Received]:
        """Wait until what came is enough, and give it.

        Raises:
            AssertionError: it is not, after that time; the message says what came.
        """
        with self._changed:
            if self._changed.wait_for(lambda: enough(self._received), seconds):
                return list(self._received)
            topics = [message.topic for message in self._received[-10:]]
            raise AssertionError(f"after {seconds} s {len(self._received)} messages came, the last on {topics}")

    # --- in paho's thread

    def _on_connect(
        self,
        client: paho.Client,
        _userdata: object,
        _flags: paho.ConnectFlags,
        _reason: object,
        _properties: Properties | None,
    ) -> None:
        client.subscribe(self._filter, 1)

    def _on_subscribe(
        self, _client: paho.Client, _userdata: object, _mid: int, reasons: list[Any], _properties: Properties | None
    ) -> None:
        with self._changed:
            self._subscribed += all(not reason.is_failure for reason in reasons)
            self._changed.notify_all()

    def _on_message(self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        content_type = getattr(message.properties, "ContentType", "")
        with self._changed:
            self._received.append(Received(message.topic, bytes(message.payload), message.retain, content_type))
            self._changed.notify_all()
