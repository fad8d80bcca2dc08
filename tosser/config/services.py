"""Sections about the program rather than the mail: archivers, limits, MQTT, tossing, metrics, log."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from tosser.config.commands import Commands
from tosser.config.kinds import Endpoint, LogFormat, LogLevel, MqttVersion, SyncMode
from tosser.config.section import Section, duration, size
from tosser.config.values import (
    BrokerValue,
    Count,
    Duration,
    EndpointValue,
    ForeignFormat,
    Line,
    MqttVersionValue,
    PathValue,
    Size,
    TopicPrefix,
    at_least,
    refuse,
)

_PLACEHOLDER = re.compile(r"\{[^}]*\}")


def _command(*placeholders: str) -> AfterValidator:
    """Check an argument vector: every placeholder is known, and the archive is named."""

    def check(value: tuple[str, ...]) -> tuple[str, ...]:
        found = {placeholder for word in value for placeholder in _PLACEHOLDER.findall(word)}
        if "{archive}" not in found or not found <= set(placeholders):
            raise refuse(
                f"should name {{archive}}, and may name {' and '.join(placeholders[1:])}, nothing else in braces"
            )
        return value

    return AfterValidator(check)


class ArchiverEntry(Section):
    """A program for archives other than ZIP and tar. It runs without a shell, in a private directory, within limits."""

    formats: tuple[ForeignFormat, ...] = Field(
        min_length=1, description="Formats it unpacks; a bundle is recognised by its content, never by its name."
    )
    unpack: Annotated[tuple[Line, ...], _command("{archive}", "{directory}")] = Field(
        description="Command and arguments that unpack `{archive}` into `{directory}`, the working directory."
    )
    pack: Annotated[tuple[Line, ...], _command("{archive}", "{packet}")] | None = Field(
        default=None,
        description="Command and arguments that add the file `{packet}` to `{archive}`, created if absent; needed only "
        "where a link has this archiver.",
    )


class ArchiveLimits(Section):
    """Bounds on one archive. What exceeds them goes to quarantine whole."""

    members: Count = Field(default=10_000, description="Files it may hold.")
    bytes: Annotated[Size, at_least("64KiB")] = size("2GiB", "Bytes all its files may have together, unpacked.")
    ratio: Count = Field(default=200, description="How many times larger than the archive its files may be, together.")
    time: Annotated[Duration, at_least("1s")] = duration("2m", "How long an external program may run on it.")


class Limits(Section):
    """Bounds on what is accepted from outside. What exceeds them goes to quarantine whole, with its reason."""

    file: Annotated[Size, at_least("64KiB")] = size("1GiB", "Bytes of one inbound file.")
    packet: Annotated[Size, at_least("64KiB")] = size("1GiB", "Bytes of one packet, alone or in a bundle.")
    text: Annotated[Size, at_least("64KiB")] = size("4MiB", "Bytes of one message text.")
    archive: ArchiveLimits = Field(default=ArchiveLimits(), description="Bounds on bundles.")


class MqttTls(Section):
    """Certificates for `mqtts://`; without this section the system's certificate authorities are trusted."""

    ca: PathValue | None = Field(
        default=None, description="File of certificate authorities to trust instead of the system's."
    )
    cert: PathValue | None = Field(default=None, description="Our certificate, for brokers that ask for one.")
    key: PathValue | None = Field(default=None, description="The key of our certificate.")


class Outbox(Section):
    """How many events wait for a broker that does not answer. What is dropped is counted and logged."""

    max_age: Annotated[Duration, at_least("1m")] = duration("7d", "Older events are dropped.")
    max_events: Count = Field(default=1_000_000, description="The oldest events beyond this number are dropped.")


class Mqtt(Section):
    """The MQTT broker that events are published on. Without this section no events are made."""

    url: BrokerValue = Field(
        description="`mqtt://host:port`, or `mqtts://host:port` for TLS; the port may be left out."
    )
    username: Line | None = Field(default=None, description="User name at the broker.")
    password: SecretStr | None = Field(default=None, description="Password at the broker.")
    client_id: Line | None = Field(
        default=None, description="MQTT client identifier; default `tosser-` and our main address."
    )
    prefix: TopicPrefix = Field(
        default="ftn",
        description="First levels of all topics. Nodes that share a broker each need their own, such as `ftn/mybbs`.",
    )
    version: MqttVersionValue = Field(
        default=MqttVersion.V5,
        description="Protocol version. Only 5 lets the broker say that it refused an event; 3.1.1 is used where the "
        "broker does not speak it.",
    )
    tls: MqttTls | None = Field(default=None, description="Certificates for `mqtts://`.")
    window: Annotated[int, Field(strict=True, ge=1, le=1000)] = Field(
        default=20, description="Events under way to the broker at a time."
    )
    keepalive: Annotated[Duration, at_least("5s")] = duration("1m", "How often a silent connection is proven alive.")
    outbox: Outbox = Field(default=Outbox(), description="Bounds on events that wait.")
    commands: Commands | None = Field(default=None, description="Who may post by MQTT; without this section, nobody.")


class Toss(Section):
    """How inbound files are worked through."""

    batch_messages: Count = Field(
        default=4000,
        description="Messages that are tossed in one go, that is in one commit; fewer where their texts are longer "
        "than 8 MiB together.",
    )
    batch_delay: Duration = duration("50ms", "How long the first file waits for company before a batch begins.")
    settle: Duration = duration(
        "2s", "How long size and time of a file must have stood still where nothing tells that it is complete."
    )
    poll: Annotated[Duration, at_least("100ms")] = duration(
        "5s",
        "How often the inbounds are looked through, whatever was noticed in between. Network file systems need `1s`.",
    )
    sync: SyncMode = Field(
        default=SyncMode.FULL, description="`full` survives a power cut; `none` survives only the death of the process."
    )
    lock_wait: Duration = duration(
        "10s", "How long to wait for a message base or an outbound that another program locks."
    )
    min_free: Size = size(
        "64MiB",
        "With less than this free on the file system of the state, the bases or the outbound, no new input is taken, "
        "until a quarter more is free. `0` takes input as long as anything can be written.",
    )
    bsy_stale: Annotated[Duration, at_least("10m")] = duration(
        "24h",
        "An outbound lock (`.bsy`) that is older counts as left behind, unless the process it names still runs here. "
        "Twice the longest session is enough.",
    )
    zip_level: Annotated[int, Field(strict=True, ge=1, le=9)] = Field(
        default=3,
        description="How hard ZIP bundles are compressed. Levels 1 to 3 are fast (ISA-L, where it is installed); "
        "4 to 9 save a few percent more and take ten times as long (zlib).",
    )


class Metrics(Section):
    """Prometheus metrics over HTTP. Without this section nothing listens."""

    listen: EndpointValue = Field(
        default=Endpoint("127.0.0.1", 9464),
        description="Address and port to listen on.",
        json_schema_extra={"default": "127.0.0.1:9464"},
    )


class Log(Section):
    """The log, on standard error."""

    level: LogLevel = Field(default=LogLevel.INFO, description="The least important thing that is logged.")
    format: LogFormat = Field(default=LogFormat.JSON, description="`json` for machines, `console` for people.")
