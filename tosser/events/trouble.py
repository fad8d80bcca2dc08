"""What went wrong with the broker, in words a sysop can act on: library and system errors become `BrokerError`."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from aiomqtt import MqttCodeError
from paho.mqtt.reasoncodes import ReasonCode

from tosser.errors import BrokerError

if TYPE_CHECKING:
    from tosser.events.settings import MqttSettings

UNSUPPORTED_VERSION = 0x84
_ADVICE = {
    UNSUPPORTED_VERSION: "set mqtt.version to 3.1.1",
    0x85: "set mqtt.client_id to a name the broker accepts",
    0x86: "check mqtt.username and mqtt.password",
    0x87: "check mqtt.username and mqtt.password, and what the broker allows this user",
    0x8A: "the broker has banned this client; ask its operator",
    0x8C: "check mqtt.username and mqtt.password",
    0x8E: "another client has the same name; give each its own mqtt.client_id",
    0x95: "an event is larger than the broker takes; raise its max_packet_size",
    0x9A: "the broker keeps no retained messages; use one that does",
    0x9B: "the broker does not take QoS 1; use one that does",
    0x9C: "set mqtt.url to the server the broker's operator names",
    0x9D: "set mqtt.url to the server the broker's operator names",
}
"""What to do about a reason code in CONNACK or DISCONNECT (MQTT 5, 2.4)."""


def connect_trouble(error: Exception, settings: MqttSettings) -> BrokerError:
    """Say why no connection came about; the library hides a system error in the context of its own."""
    cause = error.__context__ if isinstance(error.__context__, OSError | UnicodeError) else error
    return _answer_trouble(cause) or _tls_trouble(cause) or _network_trouble(cause, settings)


def _answer_trouble(error: BaseException) -> BrokerError | None:
    if isinstance(error, MqttCodeError) and isinstance(error.rc, ReasonCode):
        code = error.rc.value
        return BrokerError(f"the broker refuses the connection: {error.rc}", _ADVICE.get(code, ""), code)
    return None


def _tls_trouble(error: BaseException) -> BrokerError | None:
    match error:
        case ssl.SSLCertVerificationError():
            what = f"the broker's certificate does not verify: {error.verify_message}"
            return BrokerError(what, "set mqtt.tls.ca to the authority that signed it, and mqtt.url to a name in it")
        case ssl.SSLError():
            what = f"TLS failed: {error.reason or error}"
            return BrokerError(what, "check that this is the broker's TLS port, and the certificates of both sides")
    return None


def _network_trouble(error: BaseException, settings: MqttSettings) -> BrokerError:
    match error:
        case socket.gaierror() | UnicodeError():
            return BrokerError(f"the name {settings.host} does not resolve", "check mqtt.url and the name service")
        case ConnectionRefusedError():
            return BrokerError(f"nothing listens at {settings.broker}", "start the broker, or check mqtt.url")
        case TimeoutError():
            return BrokerError(f"{settings.broker} does not answer", "check mqtt.url, the network and firewalls")
        case OSError():
            advice = "check that this is the broker's TLS port" if settings.tls else ""
            return BrokerError(f"{settings.broker} cannot be reached: {error.strerror or error}", advice)
    return BrokerError(f"{settings.broker} does not answer as an MQTT broker: {error}", "check mqtt.url")


def no_answer_trouble(what: str) -> BrokerError:
    """Say that the broker took the connection and gave no answer to CONNECT, as some do that know only MQTT 3.1.1."""
    return BrokerError(what, "check that mqtt.url is an MQTT broker", UNSUPPORTED_VERSION)


def tls_file_trouble(error: OSError) -> BrokerError:
    """Say why our own TLS files cannot be used; `ssl` does not tell which of them it is."""
    what = error.strerror or str(error)
    return BrokerError(f"the files of mqtt.tls cannot be used: {what}", "check mqtt.tls.ca, cert and key")


def loss_trouble(client_id: str) -> BrokerError:
    """Say that a connection broke without a word; mosquitto 2.0 does so when another client takes the name."""
    return BrokerError(
        "the connection to the broker is lost", f"if that goes on, see whether another client is named {client_id}"
    )


def goodbye_trouble(reason: ReasonCode) -> BrokerError:
    """Say why the broker ended a connection, from its DISCONNECT."""
    return BrokerError(f"the broker ended the connection: {reason}", _ADVICE.get(reason.value, ""), reason.value)
