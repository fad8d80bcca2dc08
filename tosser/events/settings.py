"""What the publisher has to know about the broker; made from the configuration, free of any MQTT library."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from msgspec import Struct

from tosser.discreet import Discreet

if TYPE_CHECKING:
    from pathlib import Path


class MqttVersion(StrEnum):
    """Versions of the protocol that are spoken."""

    V5 = "5"
    V311 = "3.1.1"


class TlsSettings(Struct, frozen=True):
    """How the connection is protected; the files are read again at each connect.

    Attributes:
        ca: certificates of the authorities that are trusted, PEM; ``None`` takes those of the system.
        certificate: our own certificate, PEM, for brokers that ask for one.
        key: its private key, PEM, without a passphrase.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


class MqttSettings(Discreet, frozen=True):
    """How to reach the broker and how to behave there.

    Attributes:
        host: name or IP address.
        port: TCP port.
        client_id: our name at the broker. It must differ between the clients of a broker, and stay the same over
            reconnects: then the broker ends a half-dead old connection when the new one comes, so that the old last
            will cannot overwrite the new status later.
        username: empty for none.
        password: empty for none; never logged.
        tls: ``None`` for a plain connection.
        version: the highest version to speak; 5 falls back to 3.1.1 where the broker refuses it.
        window: events sent and not yet acknowledged, at most.
        keepalive: seconds of silence after which a sign of life is asked for.
        timeout: seconds the broker may take to answer a connect, or to acknowledge anything at all.
    """

    HIDDEN: ClassVar = frozenset({"password"})

    host: str
    port: int
    client_id: str
    username: str = ""
    password: str = ""
    tls: TlsSettings | None = None
    version: MqttVersion = MqttVersion.V5
    window: int = 20
    keepalive: int = 30
    timeout: float = 10.0

    @property
    def broker(self) -> str:
        """The broker as people know it: ``mqtts://host:port``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"
