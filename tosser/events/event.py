"""One event as it goes to the broker: CloudEvents 1.0 in structured mode (JSON, UTF-8), and how its bytes are made.

Pure: no clock, no I/O; ids and times come from the caller, so that an event built again after a crash has the same
bytes. ``type`` is ``tosser.<kind>.v<version>``: the program that defines the meaning, and no domain name, because this
project owns none. ``dataschema`` is the ``$id`` of the JSON Schema in ``docs/schemas``.
"""

from __future__ import annotations

import importlib.util
import json
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from tosser.events.topics import check_prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tosser.address import Address
    from tosser.events.topics import Topic

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
"""What the payload of every event is (CloudEvents MQTT binding 1.0, section 3.2)."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_BYTES = range(0xDC80, 0xDD00)


class Event(Struct, frozen=True):
    """One event, ready to be published.

    Attributes:
        id: stable name; with the node's source it is unique, and the same again after a redelivery or a recovery.
        topic: full topic, with the prefix.
        payload: the CloudEvents document, JSON in UTF-8.
        retain: whether the broker is to keep it as the last value of its topic.
    """

    id: str
    topic: str
    payload: bytes
    retain: bool = False


class Node(Struct, frozen=True):
    """Who speaks: what all events of one tosser have in common.

    Attributes:
        prefix: first levels of every topic, such as ``ftn/mybbs``.
        source: CloudEvents source, from `source_of`.

    Raises:
        FormatError: the prefix cannot start a topic.
    """

    prefix: str
    source: str

    def __post_init__(self) -> None:
        check_prefix(self.prefix)


def source_of(address: Address) -> str:
    """Name a node by its main address: ``ftn://tqwnet/1337:1/200``."""
    return f"ftn://{address.domain}/{address.without_domain}"


def build_event(
    node: Node,
    topic: Topic,
    kind: str,
    data: Mapping[str, Any],
    *,
    id: str,  # noqa: A002 - the name CloudEvents gives it
    time: float,
    subject: str,
    retain: bool = False,
) -> Event:
    """Wrap data into a CloudEvents document.

    Args:
        node: who speaks.
        topic: where to.
        kind: name and version of the data, such as ``message.v1``.
        data: the payload's ``data`` member; strings, integers, booleans, ``None``, lists and mappings of these.
        id: stable event id.
        time: when it happened, Unix seconds.
        subject: what it is about, within the source.
        retain: whether the broker keeps it.
    """
    document = {
        "specversion": "1.0",
        "id": id,
        "source": node.source,
        "type": f"tosser.{kind}",
        "time": utc_text(time),
        "subject": subject,
        "datacontenttype": "application/json",
        "dataschema": f"tosser:schemas/{kind}.json",
        "data": data,
    }
    return Event(id, topic.build(node.prefix), encode_json(document), retain)


@lru_cache(maxsize=64)
def utc_text(seconds: float) -> str:
    """Write Unix seconds in RFC 3339, UTC, milliseconds: ``2026-11-13T12:34:56.000Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode_json(document: Mapping[str, Any]) -> bytes:
    r"""Encode compactly, non-ASCII characters as themselves; the same bytes whichever encoder is installed.

    What cannot be UTF-8 (bytes of a file name that came in as lone surrogates) is written as ``\xe4``.
    """
    try:
        return _encode(document)
    except (TypeError, UnicodeEncodeError):  # orjson says TypeError, json UnicodeEncodeError
        return _encode(_without_surrogates(document))


def _encode_json(document: Any) -> bytes:  # noqa: ANN401 - any JSON value
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


_encode: Callable[[Any], bytes] = (
    importlib.import_module("orjson").dumps if importlib.util.find_spec("orjson") else _encode_json
)


def _without_surrogates(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return _SURROGATE.sub(_escape_surrogate, value)
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_surrogates(item) for item in value]
    return value


def _escape_surrogate(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code - 0xDC00:02x}" if code in _ESCAPED_BYTES else f"\\u{code:04x}"
