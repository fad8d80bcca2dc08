"""One connection to an MQTT broker, for publishing at QoS 1: aiomqtt with what an outbox needs and it lacks.

aiomqtt 2.5 forgets the reason code of a PUBACK, lets pending calls wait out their time-out when the broker dies, waits
out the same when a broker hangs up instead of answering CONNECT, and may register the descriptor of a socket that has
just been closed. This class overrides the hooks concerned, which are private: hence ``aiomqtt<2.6``, and tests against
real brokers. Instead of a task for each message, answers are collected, and one event tells that there are some.

A connection is used once. The session is clean and ends with it, unless another is asked for: what is not acknowledged
comes again from the outbox.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from typing import TYPE_CHECKING, Any

import aiomqtt
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tosser.errors import BrokerError, PublishRefused
from tosser.events.event import CONTENT_TYPE
from tosser.events.settings import MqttVersion
from tosser.events.trouble import connect_trouble, goodbye_trouble, loss_trouble, no_answer_trouble, tls_file_trouble
from tosser.events.window import FIRST_FAILURE

if TYPE_CHECKING:
    import socket

    import paho.mqtt.client as paho
    from paho.mqtt.reasoncodes import ReasonCode

    from tosser.events.event import Event
    from tosser.events.settings import MqttSettings, TlsSettings

_PROTOCOLS = {MqttVersion.V5: aiomqtt.ProtocolVersion.V5, MqttVersion.V311: aiomqtt.ProtocolVersion.V311}
_NO_LIMIT = 65_535
_LOG = logging.getLogger("tosser.mqtt")
_LOG.setLevel(logging.CRITICAL)  # all that these libraries complain of is raised as well


class _HungUp(aiomqtt.MqttError):
    """The broker closed the connection instead of answering CONNECT."""


class _Packed(Properties):
    """The properties of every PUBLISH, packed once; packing takes as long as the rest of sending."""

    _packed: bytes

    def __init__(self) -> None:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's properties are not typed
        properties.ContentType = CONTENT_TYPE
        packed = properties.pack()  # type: ignore[no-untyped-call]  # as above
        object.__setattr__(self, "_packed", packed)

    def pack(self) -> bytes:
        """Give the bytes."""
        return self._packed


_PROPERTIES = _Packed()


class _TlsSocket(ssl.SSLSocket):
    """Closes itself when the handshake fails; paho leaves that to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - the signature of ssl
        """Agree on the keys."""
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


class Connection(aiomqtt.Client):
    """One connection.

    Args:
        settings: where to and how.
        version: the protocol to speak.
        will: what the broker is to publish when we are gone without a goodbye.
        context: of TLS, from `tls_context`.
        signal: is set when there are acknowledgements, and when the connection is lost.
        session: of MQTT 5; properties of CONNECT for a session that outlives the connection.
    """

    def __init__(
        self,
        settings: MqttSettings,
        *,
        version: MqttVersion,
        will: Event | None,
        context: ssl.SSLContext | None,
        signal: asyncio.Event,
        session: Properties | None = None,
    ) -> None:
        self._settings = settings
        self._signal = signal
        self._publish_properties = _PROPERTIES if version is MqttVersion.V5 else None
        self._acks: list[tuple[int, ReasonCode]] = []
        self._goodbye: ReasonCode | None = None
        self.version = version
        """The protocol that is spoken."""
        self.receive_maximum = _NO_LIMIT
        """How many unacknowledged messages the broker takes at a time."""
        super().__init__(
            settings.host,
            settings.port,
            identifier=settings.client_id,
            username=settings.username or None,
            password=settings.password or None,
            protocol=_PROTOCOLS[version],
            will=None if will is None else self._last_will(will),
            keepalive=settings.keepalive,
            timeout=settings.timeout,
            max_inflight_messages=0,  # no limit: the window is ours
            tls_context=context,
            clean_start=MQTT_CLEAN_START_FIRST_ONLY if session is None else False,
            properties=session,
            logger=_LOG,
        )
        self._client.disable_logger()
        self._client.connect_timeout = settings.timeout

    def _last_will(self, event: Event) -> aiomqtt.Will:
        return aiomqtt.Will(event.topic, event.payload, 1, retain=True, properties=self._publish_properties)

    async def open(self) -> None:
        """Connect.

        Raises:
            BrokerError: it did not come about, or was lost at once.
        """
        opening = asyncio.ensure_future(self.__aenter__())
        try:
            await asyncio.shield(opening)
        except _HungUp as error:
            self.drop()
            raise no_answer_trouble("it hangs up instead of answering") from error
        except (aiomqtt.MqttError, UnicodeError) as error:
            silent = isinstance(error.__context__, TimeoutError) and self._client.socket() is not None
            self.drop()
            if silent:
                raise no_answer_trouble("it takes the connection and does not answer") from error
            raise connect_trouble(error, self._settings) from error
        except asyncio.CancelledError:
            await self._abandon(opening)
            raise
        self._disconnected.add_done_callback(lambda _: self._signal.set())
        self.raise_if_lost()  # aiomqtt forgets a loss that comes on the heels of CONNACK

    async def _abandon(self, opening: asyncio.Future[Any]) -> None:
        """Leave nothing open; a thread that still looks up the name or connects cannot be stopped, only waited for."""
        while not opening.done():
            self.drop()
            if not self._connected.done():
                self._connected.set_exception(_HungUp())
            await asyncio.wait({opening}, timeout=0.1)
        with contextlib.suppress(aiomqtt.MqttError, UnicodeError):
            opening.result()
        self.drop()

    def send(self, topic: str, payload: bytes, *, retain: bool) -> int:
        """Put a message on its way; returns its packet identifier.

        Raises:
            BrokerError: the connection is lost.
        """
        self.raise_if_lost()
        return self._client.publish(topic, payload, 1, retain, self._publish_properties).mid

    def take_acks(self) -> list[tuple[int, int, str]]:
        """Take the acknowledgements that came in: packet identifier, reason code, its name where it is a failure."""
        acks, self._acks = self._acks, []
        return [(mid, r.value, "" if r.value < FIRST_FAILURE else r.getName()) for mid, r in acks]

    def raise_if_lost(self) -> None:
        """Say so if the connection is lost.

        Raises:
            BrokerError: it is.
        """
        if self._client.socket() is not None and not self._disconnected.done():
            return
        if self._goodbye is not None:
            raise goodbye_trouble(self._goodbye)
        raise loss_trouble(self._settings.client_id)

    async def publish_one(self, event: Event) -> None:
        """Publish an event and wait for its acknowledgement, however long it takes, while nothing else is on its way.

        Raises:
            BrokerError: the connection is lost.
            PublishRefused: the broker said no.
        """
        await self._acknowledged(event.topic, self.send(event.topic, event.payload, retain=event.retain))

    async def _acknowledged(self, topic: str, mid: int) -> None:
        while True:
            self._signal.clear()
            for acknowledged, code, name in self.take_acks():
                if acknowledged == mid and code >= FIRST_FAILURE:
                    raise PublishRefused(topic, code, name)
                if acknowledged == mid:
                    return
            self.raise_if_lost()
            await self._signal.wait()

    async def close(self) -> None:
        """Say goodbye, so that the broker does not publish the last will.

        Raises:
            BrokerError: that did not work any more.
        """
        try:
            await self.__aexit__(None, None, None)
        except aiomqtt.MqttError as error:
            raise BrokerError("the broker does not take our goodbye") from error

    def drop(self) -> None:
        """Close the socket, if it is still open, without a goodbye."""
        sock = self._client.socket()
        if sock is not None and sock.fileno() >= 0:
            self._loop.remove_reader(sock.fileno())
            self._loop.remove_writer(sock.fileno())
            sock.close()
        if self._misc_task is not None:
            self._misc_task.cancel()
        for future in (self._connected, self._disconnected):
            if future.done():
                future.exception()  # or asyncio complains that nobody looked

    # --- hooks of aiomqtt

    def _on_connect(
        self,
        client: paho.Client,
        userdata: Any,  # noqa: ANN401 - aiomqtt's signature
        flags: paho.ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self.receive_maximum = getattr(properties, "ReceiveMaximum", _NO_LIMIT)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(
        self,
        client: paho.Client,
        userdata: Any,  # noqa: ANN401 - aiomqtt's signature
        flags: paho.DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._goodbye = reason_code
        if self._connected.done():
            super()._on_disconnect(client, userdata, flags, reason_code, properties)
            if self._disconnected.done():
                self._disconnected.exception()  # or asyncio complains that nobody looked
        else:
            self._connected.set_exception(_HungUp())

    def _on_publish(
        self,
        client: paho.Client,  # noqa: ARG002 - aiomqtt's signature
        userdata: Any,  # noqa: ANN401, ARG002 - as above
        mid: int,
        reason_code: ReasonCode,
        properties: Properties,  # noqa: ARG002 - as above
    ) -> None:
        self._acks.append((mid, reason_code))
        self._signal.set()

    def _on_socket_register_write(
        self,
        client: paho.Client,
        userdata: Any,  # noqa: ANN401, ARG002 - aiomqtt's signature
        sock: socket.socket,
    ) -> None:
        # Also called in the thread that connects. By the time the loop gets to it the socket may be closed, and its
        # descriptor may belong to something else.
        self._loop.call_soon_threadsafe(self._add_writer, client, sock)

    def _add_writer(self, client: paho.Client, sock: socket.socket) -> None:
        if sock.fileno() >= 0:
            self._loop.add_writer(sock.fileno(), client.loop_write)


def tls_context(tls: TlsSettings) -> ssl.SSLContext:
    """Read the certificates; takes a while, so call it in a thread.

    Raises:
        BrokerError: a file cannot be read, or is not what it should be.
    """
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        context.sslsocket_class = _TlsSocket
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key)
    except OSError as error:
        raise tls_file_trouble(error) from error
    return context
