from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.events.memory import MemoryOutbox, drained, publishing, settings_for
from tests.peers.mosquitto import Mosquitto, make_certificates
from tests.peers.subscriber import Subscriber
from tosser.events.settings import MqttSettings, TlsSettings

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
SAMPLE = (ROOT / "config" / "mosquitto.conf").read_text("utf-8")
EVENTS = (ROOT / "docs" / "events.md").read_text("utf-8")
DEBIAN_MAIN = "persistence true\npersistence_location /var/lib/mosquitto/\n"
"""What /etc/mosquitto/mosquitto.conf sets before it includes conf.d; some settings may not be given twice."""


class SampleBroker(Mosquitto):
    """The sample behind Debian's main file, paths and ports moved to where a test may use them.

    Args:
        change: changes the sample's text further, as a sysop would.
    """

    def __init__(self, directory: Path, change: Callable[[str], str]) -> None:
        super().__init__(directory)
        self._change = change

    def _configuration(self, port: int) -> str:
        main = DEBIAN_MAIN.replace("/var/lib/mosquitto/", f"{self.directory}/")
        listener = r"^listener (1883 127\.0\.0\.1|8883)$"
        text = re.sub(listener, f"listener {port} 127.0.0.1", self._change(SAMPLE), flags=re.MULTILINE)
        return f"user root\n{main}{text}"


def uncommented(*lines: str) -> Callable[[str], str]:
    """Give the change that takes the comment marks from lines that start so."""

    def change(text: str) -> str:
        for line in lines:
            assert f"\n#{line}" in text, line
            text = text.replace(f"\n#{line}", f"\n{line}")
        return text

    return change


def publish(settings: MqttSettings, topics: list[str], count: int) -> MemoryOutbox:
    """Publish numbered events."""
    outbox = MemoryOutbox()
    outbox.add_numbered(topics, count)

    async def main() -> None:
        async with publishing(settings, outbox) as publisher:
            await drained(publisher)

    asyncio.run(main())
    return outbox


def test_sample_broker_drops_nothing_for_an_absent_subscriber(tmp_path: Path) -> None:
    """A subscriber that was away for 3,000 messages gets all of them; mosquitto's default is to drop 2,000."""
    with SampleBroker(tmp_path, lambda text: text) as broker:
        with Subscriber(broker.port, "ftn/+/area/+/message"):
            pass
        publish(settings_for(broker.port), ["ftn/n/area/A/message"], 3000)
        with Subscriber(broker.port, "ftn/+/area/+/message", resume=True) as subscriber:
            received = subscriber.wait_for(3000)

    assert [int(message.payload) for message in received] == list(range(3000))


def test_sample_broker_with_users_keeps_netmail_private(tmp_path: Path) -> None:
    """With the sample's users and the documented ACL a web page reads echomail and no netmail."""
    (acl,) = re.findall(r"```\n(user tosser.+?)```", EVENTS, re.DOTALL)
    users = {"tosser": "one", "webpage": "two"}

    def change(text: str) -> str:
        text = uncommented("allow_anonymous false", "password_file", "acl_file")(text)
        text = text.replace("\nallow_anonymous true\n", "\n")
        return text.replace("/etc/mosquitto/tosser.passwd", f"{tmp_path}/passwords").replace(
            "/etc/mosquitto/tosser.acl", f"{tmp_path}/acl"
        )

    broker = SampleBroker(tmp_path, change)
    broker.users, broker.acl = users, acl
    broker._write_passwords()
    broker._write_acl()
    with broker, Subscriber(broker.port, "#", user=("webpage", "two")) as subscriber:
        outbox = publish(
            settings_for(broker.port, username="tosser", password="one"),  # noqa: S106 - invented
            ["ftn/n/netmail", "ftn/inbound/tossed", "ftn/n/area/A/message", "ftn/n/area/A/state"],
            8,
        )
        received = subscriber.wait_until(lambda received: any(message.payload == b"7" for message in received))

    assert outbox.rows == {}
    assert {message.topic for message in received} == {"ftn/n/area/A/message", "ftn/n/area/A/state"}


def test_sample_broker_with_tls(tmp_path: Path) -> None:
    """The sample's TLS listener works with its lines uncommented."""
    made = make_certificates(tmp_path / "certificates")

    def change(text: str) -> str:
        text = uncommented("listener 8883", "certfile", "keyfile", "cafile", "require_certificate")(text)
        text = text.replace("\nlistener 1883 127.0.0.1\n", "\n")
        for path, name in (("broker.crt", "server.crt"), ("broker.key", "server.key"), ("authority.crt",) * 2):
            text = text.replace(f"/etc/mosquitto/certs/{path}", f"{made.directory}/{name}")
        return text

    tls = TlsSettings(made.authority, made.certificate("client"), made.key("client"))
    with SampleBroker(tmp_path, change) as broker:
        assert publish(settings_for(broker.port, tls=tls), ["ftn/status"], 1).rows == {}


def test_documented_acl_is_the_one_in_the_sample() -> None:
    """The ACL is the same wherever it is shown."""
    (acl,) = re.findall(r"```\n(user tosser.+?)```", EVENTS, re.DOTALL)
    commented = SAMPLE.split("tosser.acl:\n")[1].split("\n\n# ---")[0]

    assert [line.removeprefix("#").strip() for line in commented.splitlines()] == acl.strip().splitlines()


@pytest.mark.parametrize("topic", re.findall(r"-t '?(ftn/[^'\s]+)", EVENTS))
def test_documented_filters_are_legal(topic: str) -> None:
    """Every filter of the one-liners is one that MQTT allows."""
    levels = topic.split("/")

    assert "#" not in "".join(levels[:-1])
    assert all(level == "+" or "+" not in level for level in levels)
