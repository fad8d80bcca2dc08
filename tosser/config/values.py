"""The kinds of values a configuration has: how each is read, and how the JSON Schema describes it.

Sizes (``512KiB``) become bytes, durations (``50ms``) seconds, addresses `Address`, paths absolute. Refused with an
error that says what is expected and never repeats a secret.
"""

import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from msgspec.structs import replace
from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, SecretStr, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from tosser.address import Address, AddressPattern
from tosser.codec.bundle import ArchiveType
from tosser.codec.charset import known_charset
from tosser.codec.packet_header import PacketType
from tosser.config.kinds import BrokerUrl, Endpoint, MqttVersion
from tosser.errors import AddressError

SECRET_ERROR = "secret"  # noqa: S105 - the name of a kind of error
"""Type of errors about the content of a secret."""

_SIZE = re.compile(r"([0-9]{1,15})(B|KiB|MiB|GiB|TiB)?")
_SIZE_UNITS = {None: 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)")
_DURATION_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_LARGEST_SIZE = 1 << 60
_LONGEST_DURATION = 36500 * 86400
_JAM_SUFFIXES = (".jhr", ".jdt", ".jdx", ".jlr")
_LONGEST_SHOWN = 64
"""Characters of a wrong value that are repeated in an error."""
_NODE = re.compile(r"(?:[0-9]{1,5}:)?[0-9]{1,5}/[0-9]{1,5}")
_TAG = re.compile(r"[\x21-\x60\x7b-\x7e]{1,79}")
_NETWORK = re.compile(r"[A-Za-z0-9_~-]{1,31}")
_DOMAIN = re.compile(r"[a-z0-9_~-]{1,31}")
_PACKET_PASSWORD = re.compile(r"[\x21-\x7e]*")
_LONGEST_PASSWORD = 8
_TOPIC = re.compile(r"[^$/+#\x00-\x1f\x7f-\x9f][^/+#\x00-\x1f\x7f-\x9f]*(?:/[^/+#\x00-\x1f\x7f-\x9f]+)*")
_READ_IN_PROCESS = frozenset({ArchiveType.PACKET, ArchiveType.ZIP, ArchiveType.GZIP, ArchiveType.TAR})
_HIGHEST_PORT = 65535
_ENDPOINT = re.compile(r"(?:(?P<host>[A-Za-z0-9._-]+)|\[(?P<bracketed>[0-9A-Fa-f:.]+)\]):(?P<port>[0-9]{1,5})")
_BROKER = re.compile(r"(?P<scheme>mqtts?)://(?P<endpoint>[^/]+)/?")


def refuse(what: str, kind: str = "tosser") -> PydanticCustomError:
    """Make the error for a value that is not what it should be."""
    return PydanticCustomError(kind, "{what}", {"what": what})


def parse_size(value: object) -> int:
    """Read a size: a whole number of bytes, or one with a binary unit.

    Raises:
        PydanticCustomError: it is neither.
    """
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    size = int(match[1]) * _SIZE_UNITS[match[2]] if match else value
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _LARGEST_SIZE:
        raise refuse("should be a size such as 512KiB, 2MiB, 1GiB or a number of bytes")
    return size


def parse_duration(value: object) -> float:
    """Read a duration into seconds; the unit is always given.

    Raises:
        PydanticCustomError: it is not a duration.
    """
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise refuse("should be a duration with its unit, such as 50ms, 2s, 5m, 12h or 30d")
    seconds = float(match[1]) * _DURATION_UNITS[match[2]]
    if seconds > _LONGEST_DURATION:
        raise refuse("should be at most a hundred years")
    return seconds


def at_least(least: str) -> AfterValidator:
    """Refuse sizes or durations below one that is written as in the configuration."""
    bound = parse_size(least) if least.endswith("B") else parse_duration(least)

    def check(value: float) -> float:
        if value < bound:
            raise refuse(f"should be at least {least}")
        return value

    return AfterValidator(check)


def _parse_age(value: object) -> float:
    if value == "unlimited":
        return math.inf
    try:
        return parse_duration(value)
    except PydanticCustomError:
        raise refuse("should be a duration with its unit, such as 12h or 365d, or unlimited") from None


def parse_address(value: object) -> Address:
    """Read an address; raises what pydantic expects of a validator."""
    if not isinstance(value, str) or len(value) > _LONGEST_SHOWN:
        raise refuse("should be an FTN address (zone:net/node[.point][@domain])")
    try:
        return Address.parse(value)
    except AddressError as error:
        raise refuse(str(error)) from None


def _parse_node(value: object) -> Address:
    """Read what SEEN-BY lists; zone 0 where none is stated."""
    if not isinstance(value, str) or not _NODE.fullmatch(value):
        raise refuse("should be a node as SEEN-BY lists it, such as 5020/1042, with its zone where that is needed")
    stated = ":" in value
    node = parse_address(value if stated else f"1:{value}")
    return node if stated else replace(node, zone=0)


def _parse_pattern(value: object) -> AddressPattern:
    if not isinstance(value, str) or len(value) > _LONGEST_SHOWN:
        raise refuse("should be an address pattern such as 1337:* or 2:5020/*")
    try:
        return AddressPattern.parse(value)
    except AddressError as error:
        raise refuse(str(error)) from None


def _parse_path(value: object, info: ValidationInfo) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise refuse("should be a path")
    if value.startswith("~"):
        raise refuse("should be the whole path; ~ means nothing here")
    directory: Path = info.context["directory"] if info.context else Path.cwd()
    return Path(os.path.normpath(directory / value))


def _parse_base_path(value: object) -> Path:
    if not isinstance(value, str) or not value or "\0" in value or value.endswith(("/", "/.", "..")):
        raise refuse("should be a path without suffix, such as tech or /var/lib/tosser/bases/tech")
    if value.startswith("~"):
        raise refuse("should be the whole path, or one below paths.bases; ~ means nothing here")
    if value.lower().endswith(_JAM_SUFFIXES):
        raise refuse(f"should be a path without suffix: {value[:-4]}")
    return Path(value)


def _check_tag(value: object) -> str:
    tag = value.upper() if isinstance(value, str) else ""
    if not _TAG.fullmatch(tag) or tag.startswith(("+", "-")):
        raise refuse("should be an area tag: up to 79 printable ASCII characters, no blank, no leading + or -")
    return tag


def _check_network(value: str) -> str:
    if not _NETWORK.fullmatch(value):
        raise refuse("a network's name is up to 31 letters, digits, '_', '-' and '~'")
    return value


def _check_domain(value: object) -> str:
    domain = value.lower() if isinstance(value, str) else ""
    if not _DOMAIN.fullmatch(domain):
        raise refuse("should be a domain without dots: up to 31 letters, digits, '_', '-' and '~'")
    return domain


def _check_charset(value: object) -> str:
    if not isinstance(value, str) or not known_charset(value):
        raise refuse("should be a character set such as CP437, CP866, LATIN-1 or UTF-8")
    return value.upper()


def _check_packet_password(value: SecretStr) -> SecretStr:
    password = value.get_secret_value()
    if not _PACKET_PASSWORD.fullmatch(password):
        raise refuse("a packet password is printable ASCII without blanks", SECRET_ERROR)
    if len(password) > _LONGEST_PASSWORD:
        raise refuse(f"a packet password has at most {_LONGEST_PASSWORD} characters", SECRET_ERROR)
    return value


def _check_prefix(value: object) -> str:
    if not isinstance(value, str) or not _TOPIC.fullmatch(value):
        raise refuse("should be the start of a topic such as ftn or ftn/mybbs: no '+', '#', '$' or empty level")
    return value


def _check_format(value: ArchiveType) -> ArchiveType:
    if value in _READ_IN_PROCESS:
        raise refuse(f"{value} needs no program")
    return value


def parse_endpoint(value: object) -> Endpoint:
    """Read host and port; raises what pydantic expects of a validator."""
    match = _ENDPOINT.fullmatch(value) if isinstance(value, str) else None
    if match is None or not 0 < int(match["port"]) <= _HIGHEST_PORT:
        raise refuse("should be host:port, such as 127.0.0.1:9464 or [::1]:9464")
    return Endpoint(match["host"] or match["bracketed"], int(match["port"]))


def _parse_broker(value: object) -> BrokerUrl:
    if isinstance(value, str) and "@" in value:
        raise refuse("a URL is shown to people; user name and password have keys of their own")
    match = _BROKER.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise refuse("should be mqtt://host:port, or mqtts://host:port for TLS")
    tls = match["scheme"] == "mqtts"
    endpoint = match["endpoint"]
    if not _ENDPOINT.fullmatch(endpoint):
        endpoint += ":8883" if tls else ":1883"
    return BrokerUrl(*parse_endpoint(endpoint), tls)


def _number_as_text(value: object) -> object:
    """Accept ``5`` and ``2.2`` without quotes where a version is meant."""
    return str(value) if type(value) in {int, float} else value


def _schema(kind: str, **schema: object) -> WithJsonSchema:
    return WithJsonSchema({"type": kind, **schema})


def _text(check: Callable[..., object], **schema: object) -> tuple[PlainValidator, WithJsonSchema]:
    return PlainValidator(check), _schema("string", **schema)


Line = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]
"""Text of one line."""
Flag = Annotated[bool, Field(strict=True)]
"""``true`` or ``false``."""
Count = Annotated[int, Field(strict=True, ge=1)]
"""A whole number above zero."""
Zone = Annotated[int, Field(strict=True, ge=1, le=32767)]
"""A zone number."""
Size = Annotated[
    int,
    PlainValidator(parse_size),
    WithJsonSchema(
        {
            "title": "size",
            "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+(B|[KMGT]iB)?$"}],
        }
    ),
]
"""Bytes."""
Duration = Annotated[
    float,
    PlainValidator(parse_duration),
    _schema("string", title="duration", pattern=r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$"),
]
"""Seconds."""
Age = Annotated[
    float,
    PlainValidator(_parse_age),
    _schema("string", title="duration or unlimited", pattern=r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d)|unlimited)$"),
]
"""Seconds, or infinity for ``unlimited``."""
AddressValue = Annotated[Address, *_text(parse_address, title="address", pattern=r"^[0-9]+:[0-9]+/-?[0-9]+")]
NodeValue = Annotated[Address, *_text(_parse_node, title="node", pattern=r"^([0-9]+:)?[0-9]+/[0-9]+$")]
"""A node in SEEN-BY; zone 0 where none is stated."""
PatternValue = Annotated[AddressPattern, *_text(_parse_pattern, title="address pattern")]
PathValue = Annotated[Path, *_text(_parse_path, title="path")]
"""An absolute path; relative ones start at the directory of the main configuration file."""
BasePath = Annotated[Path, *_text(_parse_base_path, title="base path")]
"""Path of a message base without suffix; relative ones start at ``paths.bases``."""
Tag = Annotated[str, *_text(_check_tag, title="area tag")]
"""An area tag, upper case."""
NetworkName = Annotated[str, AfterValidator(_check_network)]
Domain = Annotated[str, *_text(_check_domain, title="domain")]
"""A domain, lower case."""
CharsetName = Annotated[str, *_text(_check_charset, title="character set")]
PacketPassword = Annotated[SecretStr, AfterValidator(_check_packet_password)]
TopicPrefix = Annotated[str, *_text(_check_prefix, title="topic")]
ForeignFormat = Annotated[
    ArchiveType,
    AfterValidator(_check_format),
    WithJsonSchema({"enum": [kind for kind in ArchiveType if kind not in _READ_IN_PROCESS]}),
]
EndpointValue = Annotated[Endpoint, *_text(parse_endpoint, title="host:port")]
BrokerValue = Annotated[BrokerUrl, *_text(_parse_broker, title="URL", pattern="^mqtts?://")]
PacketTypeValue = Annotated[
    PacketType, BeforeValidator(_number_as_text), WithJsonSchema({"enum": [*PacketType, 2, 2.2]})
]
MqttVersionValue = Annotated[MqttVersion, BeforeValidator(_number_as_text), WithJsonSchema({"enum": [*MqttVersion, 5]})]
