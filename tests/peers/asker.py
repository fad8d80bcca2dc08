"""A client that sends requests and collects the answers (MQTT 5, 4.10): paho, with nothing of tosser in it."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.peers.ports import LOOPBACK

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_WAIT_SECONDS = 30.0


class Asker:
    """Asks below one topic and listens on another; as a context manager it is connected within the block.

    Args:
        port: of the broker.
        topic: of the requests.
        answers: topic of the answers.
        user: name and password.
    """

    def __init__(
        self,
        port: int,
        topic: str = "ftn/cmd/post",
        answers: str = "ftn/cmd/answer/bot",
        *,
        user: tuple[str, str] | None = None,
    ) -> None:
        self._port = port
        self._topic = topic
        self._answers = answers
        self._asked = 0
        self._changed = threading.Condition()
        self._listening = False
        self._received: dict[bytes, list[dict[str, Any]]] = {}
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="asker", protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        if user is not None:
            self._client.username_pw_set(*user)

    def __enter__(self) -> Self:
        """Connect, and wait until the answers would come."""
        self._client.connect(LOOPBACK, self._port)
        self._client.subscribe(self._answers, 1)
        self._client.loop_start()
        with self._changed:
            assert self._changed.wait_for(lambda: self._listening, _WAIT_SECONDS), "not subscribed"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def send(self, payload: bytes, *, answers: str | None = None, qos: int = 1) -> bytes:
        """Send a request and wait until the broker has it; gives the correlation data.

        Args:
            payload: the request.
            answers: where the answer is to go, instead of where it is listened for; empty for nowhere.
            qos: of the request.
        """
        self._asked += 1
        correlation = b"\x00question \xff%d" % self._asked
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's properties are not typed
        topic = self._answers if answers is None else answers
        if topic:
            properties.ResponseTopic = topic
            properties.CorrelationData = correlation
        self._client.publish(self._topic, payload, qos, properties=properties).wait_for_publish(_WAIT_SECONDS)
        return correlation

    def wait_for(self, correlation: bytes) -> dict[str, Any]:
        """Wait for the answer to a request."""
        with self._changed:
            found = self._changed.wait_for(lambda: correlation in self._received, _WAIT_SECONDS)
            assert found, f"no answer to {correlation!r}; there are {self._received}"
            return self._received[correlation][0]

    def ask(self, payload: bytes) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        return self.wait_for(self.send(payload))

    def post(self, **members: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
        """Ask for a post."""
        return self.ask(json.dumps(members).encode("utf-8"))

    # --- in paho's thread

    def _on_subscribe(
        self, _client: paho.Client, _userdata: object, _mid: int, reasons: list[Any], _properties: Properties | None
    ) -> None:
        with self._changed:
            self._listening = all(not reason.is_failure for reason in reasons)
            self._changed.notify_all()

    def _on_message(self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        correlation = getattr(message.properties, "CorrelationData", b"")
        with self._changed:
            self._received.setdefault(correlation, []).append(json.loads(message.payload))
            self._changed.notify_all()
