from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from amqtt.broker import Broker  # type: ignore[import-untyped]  # it has no annotations
from paho.mqtt.enums import MQTTProtocolVersion
from structlog.testing import capture_logs

from tests.events.memory import MemoryOutbox, drained, publisher_for, publishing, settings_for, until
from tests.peers.mosquitto import Mosquitto, make_certificates
from tests.peers.ports import LOOPBACK, free_port
from tests.peers.subscriber import Subscriber
from tosser.events.settings import MqttSettings, MqttVersion, TlsSettings
from tosser.events.trouble import connect_trouble

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.peers.mosquitto import Certificates

ROOT = Path(__file__).parents[2]
TOPIC = "ftn/mybbs/tqwnet/area/TQW_TECH/message"
STATUS = "ftn/mybbs/status"
USER, PASSWORD = "tosser", "OPENSESAME"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority, a server and a client."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A port that takes connections and is no broker."""
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server


def publish_one(settings: MqttSettings) -> MqttVersion | None:
    """Publish an event; returns the version that was spoken."""
    outbox = MemoryOutbox()
    outbox.add(TOPIC, b"1")

    async def main() -> MqttVersion | None:
        async with publishing(settings, outbox) as publisher:
            await drained(publisher)
            return publisher.statistics().protocol

    version = asyncio.run(main())
    assert outbox.rows == {}
    return version


def trouble_with(settings: MqttSettings) -> str:
    """Try to publish until something is wrong; returns what the statistics say."""

    async def main() -> str:
        async with publishing(settings, MemoryOutbox()) as publisher:
            await until(lambda: publisher.statistics().last_error != "")
            assert not publisher.statistics().connected
            return publisher.statistics().last_error

    return asyncio.run(main())


# --- TLS


def test_tls_with_certificates_on_both_sides(tmp_path: Path, certificates: Certificates) -> None:
    """The broker's certificate is verified, and ours is shown."""
    tls = TlsSettings(certificates.authority, certificates.certificate("client"), certificates.key("client"))
    with Mosquitto(tmp_path / "broker", certificates=certificates, ask_certificate=True) as broker:
        assert publish_one(settings_for(broker.port, tls=tls)) is MqttVersion.V5


def test_tls_carries_many_large_events(tmp_path: Path, certificates: Certificates) -> None:
    """A full window of large events goes through TLS as well."""
    outbox = MemoryOutbox()
    outbox.add_numbered([TOPIC], 200, size=100_000)
    tls = TlsSettings(certificates.authority)

    async def main(port: int) -> None:
        async with publishing(settings_for(port, tls=tls), outbox) as publisher:
            await drained(publisher)

    with (
        Mosquitto(tmp_path / "broker", certificates=certificates) as broker,
        Subscriber(broker.port, TOPIC, authority=certificates.authority) as subscriber,
    ):
        asyncio.run(main(broker.port))
        received = subscriber.wait_for(200)

    assert [int(message.payload.strip(b".")) for message in received] == list(range(200))


def test_unknown_authority_is_refused(tmp_path: Path, certificates: Certificates) -> None:
    """A certificate that does not verify ends the connection, and the error says what to set."""
    stranger = make_certificates(tmp_path / "stranger")
    with Mosquitto(tmp_path / "broker", certificates=certificates) as broker:
        error = trouble_with(settings_for(broker.port, tls=TlsSettings(stranger.authority)))

    assert "certificate does not verify" in error
    assert "set mqtt.tls.ca" in error


def test_certificate_for_another_name_is_refused(certificates: Certificates) -> None:
    """The certificate must be for the name in the configuration."""
    settings = MqttSettings("127.0.0.2", 0, "tosser", tls=TlsSettings(certificates.authority))
    error = connect_trouble(_tls_error(certificates), settings)

    assert "IP address mismatch" in error.what
    assert error.advice.endswith("mqtt.url to a name in it")


def _tls_error(certificates: Certificates) -> ssl.SSLError:
    """What the system says when the certificate is for another address."""
    server_side, client_side = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(certificates.certificate("server"), certificates.key("server"))
    client_context = ssl.create_default_context(cafile=certificates.authority)
    server = server_context.wrap_bio(client_side, server_side, server_side=True)
    client = client_context.wrap_bio(server_side, client_side, server_hostname="127.0.0.2")
    while True:
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                return error


def test_tls_to_a_plain_port_is_explained(tmp_path: Path, certificates: Certificates) -> None:
    """TLS where the broker speaks none fails, and the error says where to look."""
    with Mosquitto(tmp_path / "broker") as broker:
        error = trouble_with(settings_for(broker.port, tls=TlsSettings(certificates.authority), timeout=1.0))

    assert "TLS port" in error


def test_tls_to_something_else_is_explained(listener: socket.socket, certificates: Certificates) -> None:
    """An answer that is no TLS fails likewise."""

    def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def main() -> str:
        server = await asyncio.start_server(answer, sock=listener)
        settings = settings_for(listener.getsockname()[1], tls=TlsSettings(certificates.authority))
        async with server, publishing(settings, MemoryOutbox()) as publisher:
            await until(lambda: publisher.statistics().last_error != "")
            return publisher.statistics().last_error

    error = asyncio.run(main())
    assert error.startswith("TLS failed: WRONG_VERSION_NUMBER (check that this is the broker's TLS port")


def test_missing_certificate_file_is_explained(tmp_path: Path) -> None:
    """A file that is not there is no reason to stop: the sysop may put it there."""
    error = trouble_with(settings_for(free_port(), tls=TlsSettings(tmp_path / "none.crt")))

    assert error == (
        "the files of mqtt.tls cannot be used: No such file or directory (check mqtt.tls.ca, cert and key)"
    )


# --- who we are


def test_user_and_password(tmp_path: Path) -> None:
    """The broker lets in whom it knows."""
    with Mosquitto(tmp_path / "broker", users={USER: PASSWORD}) as broker:
        assert publish_one(settings_for(broker.port, username=USER, password=PASSWORD)) is MqttVersion.V5


@pytest.mark.parametrize("version", MqttVersion)
def test_wrong_password_is_explained_and_never_shown(tmp_path: Path, version: MqttVersion) -> None:
    """The error says what to check; neither log nor error nor settings show the password."""
    with Mosquitto(tmp_path / "broker", users={USER: "another"}) as broker, capture_logs() as logs:
        settings = settings_for(broker.port, username=USER, password=PASSWORD, version=version)
        error = trouble_with(settings)

    assert "Not authorized" in error
    assert "check mqtt.username and mqtt.password" in error
    assert [entry["event"] for entry in logs][:1] == ["broker down"]
    assert PASSWORD not in f"{error} {logs} {settings!r}"


def test_last_will_speaks_for_a_killed_process(tmp_path: Path) -> None:
    """When the process dies without a goodbye the broker publishes the offline status, retained."""
    with Mosquitto(tmp_path / "broker") as broker, Subscriber(broker.port, STATUS) as subscriber:
        process = subprocess.Popen([sys.executable, "-m", "tests.events.lonely_publisher", str(broker.port)], cwd=ROOT)
        try:
            subscriber.wait_for(1)
        finally:
            process.kill()
            process.wait()
        received = subscriber.wait_for(2)
        with Subscriber(broker.port, STATUS, name="late") as late:
            (kept,) = late.wait_for(1)

    assert [message.json["data"]["state"] for message in received] == ["online", "offline"]
    assert kept.retain
    assert kept.payload == received[1].payload


# --- versions


@asynccontextmanager
async def embedded_broker() -> AsyncIterator[int]:
    """An amqtt, which speaks 3.1.1 only, in the publisher's own event loop."""
    port = free_port()
    config: dict[str, Any] = {
        "listeners": {"default": {"type": "tcp", "bind": f"{LOOPBACK}:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    broker = Broker(config)
    await broker.start()
    try:
        yield port
    finally:
        await broker.shutdown()


def test_falls_back_to_3_1_1_where_5_is_refused() -> None:
    """An embedded amqtt gets all events, in order, in MQTT 3.1.1."""
    outbox = MemoryOutbox()
    outbox.add_numbered([TOPIC], 300, size=600)

    async def main() -> list[int]:
        async with embedded_broker() as port:
            subscriber = Subscriber(port, TOPIC, version=MQTTProtocolVersion.MQTTv311)
            await asyncio.to_thread(subscriber.__enter__)
            async with publishing(settings_for(port, timeout=1.0), outbox) as publisher:
                await drained(publisher)
                assert publisher.statistics().protocol is MqttVersion.V311
            received = await asyncio.to_thread(subscriber.wait_for, 300)
            await asyncio.to_thread(subscriber.__exit__, None, None, None)
            return [int(message.payload.strip(b".")) for message in received]

    with capture_logs() as logs:
        numbers = asyncio.run(main())

    assert numbers == list(range(300))
    assert outbox.rows == {}
    assert [entry["event"] for entry in logs] == ["broker refuses protocol", "broker connected"]


def test_3_1_1_is_spoken_where_it_is_configured(tmp_path: Path) -> None:
    """A broker that speaks 5 is spoken to in 3.1.1 if the configuration says so."""
    with Mosquitto(tmp_path / "broker") as broker:
        assert publish_one(settings_for(broker.port, version=MqttVersion.V311)) is MqttVersion.V311


# --- what is no broker


def test_hanging_up_instead_of_answering_is_noticed_at_once(listener: socket.socket) -> None:
    """Both versions are tried without waiting for a time-out, and then it is an error."""

    async def main() -> str:
        server = await asyncio.start_server(lambda _, writer: writer.close(), sock=listener)
        async with server, publishing(settings_for(listener.getsockname()[1]), MemoryOutbox()) as publisher:
            await until(lambda: publisher.statistics().last_error != "")
            return publisher.statistics().last_error

    assert asyncio.run(main()) == "it hangs up instead of answering (check that mqtt.url is an MQTT broker)"


def test_silence_is_a_time_out(listener: socket.socket) -> None:
    """A port that takes the connection and says nothing is left after the configured time."""
    port = listener.getsockname()[1]

    assert trouble_with(settings_for(port, timeout=0.3)) == (
        "it takes the connection and does not answer (check that mqtt.url is an MQTT broker)"
    )


def test_cancelled_while_connecting_leaves_nothing(listener: socket.socket) -> None:
    """The end of the program does not wait for an answer that does not come, and closes the socket."""

    async def main() -> None:
        publisher = publisher_for(settings_for(listener.getsockname()[1], timeout=25.0), MemoryOutbox())
        task = asyncio.create_task(publisher.run())
        connected, _ = await asyncio.to_thread(listener.accept)
        with connected:
            task.cancel()
            async with asyncio.timeout(10):
                await asyncio.wait({task})
            connected.settimeout(10)
            while connected.recv(1000):
                pass
        assert task.cancelled()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (socket.gaierror(-2, "Name or service not known"), "the name broker.example does not resolve"),
        (UnicodeError("label too long"), "the name broker.example does not resolve"),
        (ConnectionRefusedError(111, "Connection refused"), "nothing listens at mqtt://broker.example:1883"),
        (TimeoutError(), "mqtt://broker.example:1883 does not answer"),
        (
            OSError(101, "Network is unreachable"),
            "mqtt://broker.example:1883 cannot be reached: Network is unreachable",
        ),
    ],
)
def test_network_errors_say_where(error: Exception, what: str) -> None:
    """Each way not to reach a broker has its sentence."""
    assert connect_trouble(error, MqttSettings("broker.example", 1883, "tosser")).what == what


def test_name_that_cannot_be_one_is_an_error_like_others() -> None:
    """A host name that the name service cannot even be asked for does not end the publisher."""
    assert trouble_with(MqttSettings("a..example", 1883, "tosser")) == (
        "the name a..example does not resolve (check mqtt.url and the name service)"
    )


@pytest.mark.parametrize(
    ("settings", "broker"),
    [
        (MqttSettings("broker.example", 1883, "tosser"), "mqtt://broker.example:1883"),
        (MqttSettings("::1", 8883, "tosser", tls=TlsSettings()), "mqtts://[::1]:8883"),
    ],
)
def test_broker_is_named_as_in_the_configuration(settings: MqttSettings, broker: str) -> None:
    """People find in the log what they wrote."""
    assert settings.broker == broker
