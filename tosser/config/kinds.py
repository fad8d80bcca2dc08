"""Values of the configuration that have a type of their own here, apart from what reads and checks them."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, NamedTuple

from tosser.discreet import Discreet


class SyncMode(StrEnum):
    """When written mail counts as safe."""

    FULL = "full"
    NONE = "none"


class MqttVersion(StrEnum):
    """Version of the MQTT protocol."""

    V5 = "5"
    V311 = "3.1.1"


class LogLevel(StrEnum):
    """The least important thing that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """What a line of the log looks like."""

    JSON = "json"
    CONSOLE = "console"


class Endpoint(NamedTuple):
    """A TCP address: host name or number, and port."""

    host: str
    port: int


class BrokerUrl(NamedTuple):
    """Where the MQTT broker listens, and whether it speaks TLS there."""

    host: str
    port: int
    tls: bool


class Url(Discreet, frozen=True):
    """Where to post to; path and query may hold a secret."""

    HIDDEN: ClassVar = frozenset({"target"})

    host: str
    port: int
    tls: bool
    target: str
