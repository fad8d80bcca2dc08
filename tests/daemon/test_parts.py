from __future__ import annotations

from typing import TYPE_CHECKING

from tests.daemon.inside import config_of
from tests.peers.daemon import node
from tosser.address import Address
from tosser.config.world import build_rulebook
from tosser.daemon.parts import main_address, mqtt_settings
from tosser.events.settings import MqttVersion, TlsSettings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.daemon import Node
    from tosser.events.settings import MqttSettings


def settings_of(system: Node) -> MqttSettings:
    """How a node reaches its broker."""
    config = config_of(system)
    assert config.mqtt is not None
    return mqtt_settings(config.mqtt, main_address(build_rulebook(config)))


def test_a_broker_as_it_comes(tmp_path: Path) -> None:
    """With nothing but a URL everything has its default, and the client is named after our main address."""
    settings = settings_of(node(tmp_path, mqtt_url="mqtt://127.0.0.1"))
    assert (settings.host, settings.port, settings.tls) == ("127.0.0.1", 1883, None)
    assert (settings.client_id, settings.username, settings.password) == ("tosser-1337:1/200", "", "")
    assert settings.version is MqttVersion.V5


def test_a_broker_with_everything(tmp_path: Path) -> None:
    """Every setting of the file arrives at the client."""
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (tmp_path / name).write_text("")
    tls = {"ca": "ca.pem", "cert": "cert.pem", "key": "key.pem"}
    mqtt = {"client_id": "mine", "username": "user", "password": "secret", "version": "3.1.1", "window": 7, "tls": tls}
    settings = settings_of(node(tmp_path, mqtt_url="mqtts://broker.invalid:8884", mqtt=mqtt | {"keepalive": "30s"}))
    assert (settings.host, settings.port) == ("broker.invalid", 8884)
    assert settings.tls == TlsSettings(tmp_path / "ca.pem", tmp_path / "cert.pem", tmp_path / "key.pem")
    assert (settings.client_id, settings.username, settings.password) == ("mine", "user", "secret")
    assert (settings.version, settings.window, settings.keepalive) == (MqttVersion.V311, 7, 30)
    assert "secret" not in repr(settings)


def test_a_broker_with_tls_and_no_more(tmp_path: Path) -> None:
    """An address with mqtts is enough: the authorities are those of the system."""
    assert settings_of(node(tmp_path, mqtt_url="mqtts://broker.invalid")).tls == TlsSettings()


def test_the_main_address(tmp_path: Path) -> None:
    """Of several networks the first one's first address is ours."""
    networks = {"tqwnet": {"addresses": ["1337:1/200", "1337:2/200"]}, "other": {"addresses": ["21:1/5"]}}
    config = config_of(node(tmp_path, networks=networks))
    assert main_address(build_rulebook(config)) == Address(1337, 1, 200, domain="tqwnet")
