"""What is in a packet, as plain values for JSON and for the terminal (FTS-0001, FTS-4000).

Bytes become text by the character set of their message. The packet password is never among the values. Numbers of
messages count from 1; offsets are bytes from the start of the packet.
"""

from __future__ import annotations

import io
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from tosser.address import Address
from tosser.cli.hexdump import HexDump
from tosser.codec import kludge
from tosser.codec.charset import Charset, decode, display_text
from tosser.codec.ftsdate import parse_date
from tosser.codec.message import PartKind, split_text, text_parts
from tosser.codec.packet import HEADER_SIZE, TERMINATOR, PacketReader
from tosser.codec.seenby import parse_nodes
from tosser.daemon.report import charset_of, dated
from tosser.errors import KludgeError, PacketError
from tosser.inbound.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tosser.codec.message import TextPart
    from tosser.codec.packet import PackedMessage, PacketHeader, PacketWarning

DEFAULT_CHARSET = "CP437"
"""Assumed for messages that state none: without a configuration no area says otherwise."""
ATTRIBUTES = (
    "private", "crash", "received", "sent", "file attached", "in transit", "orphan", "kill sent", "local",
    "hold for pickup", "unused", "file request", "return receipt request", "is return receipt", "audit request",
    "file update request",
)  # fmt: skip
"""Names of the attribute bits, the lowest first (FTS-0001)."""
_NUMBERS, _DATE = 14, 20
"""Bytes of the numbers and of the date field of a packed message (FTS-0001)."""
_KLUDGES: dict[bytes, tuple[str, Callable[[bytes], object]]] = {
    b"MSGID": ("", kludge.parse_msgid),
    b"REPLY": ("", kludge.parse_msgid),
    b"INTL": ("", kludge.parse_intl),
    b"FMPT": ("point", kludge.parse_number),
    b"TOPT": ("point", kludge.parse_number),
    b"CODEPAGE": ("page", kludge.parse_number),
    b"DOMAIN": ("", kludge.parse_domain),
    b"PID": ("", kludge.parse_product_id),
    b"TID": ("", kludge.parse_product_id),
    b"TZUTC": ("minutes", kludge.parse_tzutc),
    b"TZUTCINFO": ("minutes", kludge.parse_tzutc),
    b"CHRS": ("", kludge.parse_chrs),
    b"CHARSET": ("", kludge.parse_chrs),
    b"VIA": ("", kludge.parse_via),
    b"FLAGS": ("", kludge.parse_flags),
    b"SPLIT": ("", kludge.parse_split),
    b"REPLYADDR": ("", kludge.parse_reply_addr),
    b"REPLYTO": ("", kludge.parse_reply_to),
    b"RESCANNED": ("address", kludge.parse_rescanned),
}
"""Reader of each kludge that has a grammar, and a name for its value where that is a single one."""


class Reading(Struct):
    """What could be read of a packet.

    Attributes:
        data: all its bytes.
        header: what it says about itself; ``None`` when not even that could be read.
        messages: those that stand whole before any damage.
        warnings: what was tolerated.
        error: why the rest could not be read, or ``None``.
    """

    data: bytes
    header: PacketHeader | None = None
    messages: list[PackedMessage] = field(default_factory=list)
    warnings: list[PacketWarning] = field(default_factory=list)
    error: PacketError | None = None


def read_packet(data: bytes) -> Reading:
    """Read a packet as far as it goes; a damaged one is no error here."""
    reading = Reading(data)
    reader = PacketReader()
    try:
        reading.messages += reader.feed(data)
        reading.messages += reader.finish()
    except PacketError as error:
        reading.messages += reader.decoded
        reading.error = error
    reading.header = reader.header
    reading.warnings = reader.warnings
    return reading


def packet_facts(reading: Reading, *, raw: bool) -> dict[str, Any]:
    """Give all that a packet holds.

    Args:
        reading: the packet.
        raw: whether to add its bytes, in annotated spans.
    """
    facts: dict[str, Any] = {
        "header": header_facts(reading.header) if reading.header else None,
        "warnings": [{"code": str(w.code), "offset": w.offset, "text": w.text} for w in reading.warnings],
        "messages": [message_facts(number, message) for number, message in enumerate(reading.messages, 1)],
        "error": _error_facts(reading.data, reading.error) if reading.error else None,
    }
    if raw:
        dump = HexDump(reading.data)
        facts["raw"] = [
            {"offset": start, "length": end - start, "what": what, "hex": dump.digits(start, end)}
            for start, end, what in spans(reading)
        ]
    return facts


def header_facts(header: PacketHeader) -> dict[str, Any]:
    """Give what a packet says about itself."""
    return {
        "type": header.type.value,
        "from": str(header.orig),
        "to": str(header.dest),
        "created": header.created.isoformat() if header.created else None,
        "password": bool(header.password),
        "product": f"{header.product:04X}",
        "revision": f"{header.revision[0]}.{header.revision[1]}",
        "other_zones": list(header.zones_46) if header.zones_46 else None,
        "product_data": header.product_data.hex() or None,
    }


def message_facts(number: int, message: PackedMessage) -> dict[str, Any]:
    """Give all that one message holds, its text in parts."""
    text = split_text(message.text)
    charset = charset_of(message, text, DEFAULT_CHARSET)
    when = dated(message, text)
    flaws = [(flaw.name or "").lower() for flaw in parse_date(message.date).flaws]
    return {
        "number": number,
        "offset": message.offset,
        "from_node": f"{message.orig_net}/{message.orig_node}",
        "to_node": f"{message.dest_net}/{message.dest_node}",
        "attributes": {"value": f"{message.attributes:04X}", "names": _attribute_names(message.attributes)},
        "cost": message.cost,
        "date": when.data() | {"flaws": flaws},
        "from": decode(message.sender, charset),
        "to": decode(message.to, charset),
        "subject": decode(message.subject, charset),
        "cut": message.truncated_fields,
        "charset": {"name": charset.name, "how": charset.how},
        "area": text.area,
        "parts": [_part_facts(part, charset) for part in text_parts(message.text)],
        "seen_by": _nodes(text.seen_by),
        "path": _nodes(text.path),
    }


def spans(reading: Reading) -> Iterator[tuple[int, int, str]]:
    """Divide the bytes of a packet by what they are: where each part begins and ends, and what it is."""
    start = 0
    for end, what in _ends(reading):
        if start < end:
            yield start, end, what
        start = max(start, end)


def _ends(reading: Reading) -> Iterator[tuple[int, str]]:
    """Tell where each part ends, in order; a part may be empty."""
    data = reading.data
    at = 0
    if reading.header is not None:
        at = HEADER_SIZE
        yield at, "packet header"
    for number, message in enumerate(reading.messages, 1):
        for at, what in _message_ends(data, message):
            yield at, f"message {number}, {what}"
    if reading.error is not None:
        yield len(data), "not read"
    else:
        yield min(at + len(TERMINATOR), len(data)), "end of the packet"
        yield len(data), "behind the end"


def _message_ends(data: bytes, message: PackedMessage) -> Iterator[tuple[int, str]]:
    """Tell where each part of a message ends that was read whole."""
    at = message.offset + _NUMBERS
    yield at, "numbers"
    at = at + _DATE if data[at + _DATE - 1 : at + _DATE] == b"\0" else data.index(b"\0", at) + 1
    yield at, "date"
    for what in ("to", "from", "subject"):
        at = data.index(b"\0", at) + 1
        yield at, what
    for part in text_parts(message.text):
        at += len(part.data)
        yield at, f"text: {part.kind}"
    yield at + 1, "end of the text"


def _error_facts(data: bytes, error: PacketError) -> dict[str, Any]:
    survey = Survey(error.offset)
    for _ in survey.through(io.BytesIO(data)):
        pass
    return {"reason": error.reason.value, "what": error.what, "offset": error.offset, "excerpt": survey.excerpt}


def _attribute_names(attributes: int) -> list[str]:
    return [name for bit, name in enumerate(ATTRIBUTES) if attributes >> bit & 1]


def _nodes(lines: Iterable[bytes]) -> list[str]:
    return [f"{net}/{node}" for net, node in parse_nodes(lines)]


def _part_facts(part: TextPart, charset: Charset) -> dict[str, Any]:
    if part.kind is PartKind.KLUDGE:
        return {"kind": part.kind.value, **_kludge_facts(part.data, charset)}
    return {"kind": part.kind.value, "text": display_text(part.data.removeprefix(b"\x01"), charset).removesuffix("\n")}


def _kludge_facts(paragraph: bytes, charset: Charset) -> dict[str, Any]:
    """Give tag and value of a kludge; where it has a grammar, also what it means, or which rule it breaks."""
    tag, value = kludge.split_kludge(paragraph.removeprefix(b"\x01").replace(b"\n", b""))
    facts: dict[str, Any] = {"tag": tag.decode("ascii"), "value": decode(value, charset), "meaning": None, "flaw": None}
    name, reader = _KLUDGES.get(tag.upper(), ("", None))
    if reader is not None:
        try:
            meaning = _plain(reader(value), charset)
        except KludgeError as error:
            facts["flaw"] = error.what
        else:
            facts["meaning"] = {name: meaning} if name else meaning
    return facts


def _plain(value: object, charset: Charset) -> Any:  # noqa: ANN401 - whatever JSON takes
    """Turn the value of a kludge into what JSON takes, without the fields that repeat it or say nothing."""
    if isinstance(value, bytes):
        return decode(value, charset)
    if isinstance(value, Address):
        return str(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_plain(item, charset) for item in value]
    if isinstance(value, Struct):
        items = {name: getattr(value, name) for name in value.__struct_fields__ if name != "value"}
        return {name: _plain(item, charset) for name, item in items.items() if item not in (None, b"", "")}
    return value
