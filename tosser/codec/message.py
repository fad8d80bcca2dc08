"""Message texts: control lines, body, and the lines of the transport (FTS-0004, FSC-0043, FSC-0068, FSC-0074).

`split_text` takes a text apart for the tosser, `text_parts` for a person who wants to see every byte, `build_text`
composes a new one. Nothing is refused, since a text may be anything up to its NUL; what a text lacks is ``None`` or
empty. `tosser.codec.message_parts` decides what each line is.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.address import Address
from tosser.codec.kludge import find_value, parse_msgid
from tosser.codec.message_parts import (
    CONTROL,
    MOST_LINES,
    PartKind,
    TextPart,
    clean_text,
    find_tearline,
    join_text,
    layout,
    text_parts,
)
from tosser.errors import AddressError, KludgeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tosser.codec.message_parts import Span
    from tosser.codec.seenby import Nets

__all__ = [
    "MessageText",
    "PartKind",
    "TextPart",
    "address_in_origin",
    "build_text",
    "join_text",
    "msgid",
    "origin_address",
    "reply",
    "split_text",
    "text_parts",
]

_NETMAIL_ONLY = re.compile(rb"(?:Via|INTL|FMPT|TOPT)(?:[: \t]|\Z)", re.IGNORECASE)
_CR = 0x0D
_REMEMBERED_LENGTH = 1024
"""Longest block of transport lines that is worth remembering: no sender may fill our memory with long ones."""
_ORIGIN_SEARCHED = 256
"""How many bytes from the end of an Origin line are searched for its address."""
_ORIGIN_ADDRESS = re.compile(rb"\(? *(\d{1,5}:\d{1,5}/\d{1,5}(?:\.\d{1,5})?(?:@[^)\s]{1,64})?) *\) *\Z")
_FOR_PEOPLE = frozenset((PartKind.BODY, PartKind.TEARLINE, PartKind.ORIGIN))
_CONTROL_IN_BODY = re.compile(rb"(?:\A|(?<=\r))\x01")


class MessageText(Struct):
    """A message text, taken apart.

    Attributes:
        raw: the text as it was; but with CR for LF if it had no CR at all, as it must be to be forwarded.
        area: the tag after ``AREA:`` as it was written, ISO 8859-1; ``None`` in netmail, which has no AREA line.
        kludges: the control paragraphs in order, each without 01, CR and LF; AREA, SEEN-BY and PATH are not among them.
        body: what people read, with CR line ends: tearline and Origin, but no control paragraphs or transport lines.
        tearline: what follows ``---``, stripped; ``None`` without a tearline.
        origin: what follows ``* Origin:``, stripped; ``None`` without an Origin line.
        seen_by: what follows ``SEEN-BY:`` in each line, stripped.
        path: what follows ``PATH:`` in each line of the last group of such lines, stripped.
        transit_end: offset in ``raw`` behind the CR of the Origin line: what is before it is forwarded byte for byte,
            save for an AREA line that is not in the usual form.
        moved: control paragraphs from behind that offset that are to be forwarded in front of SEEN-BY, with 01 and CR.
        usual: whether what is before that offset is known to be as it must be forwarded.
        nets: the nodes in ``seen_by``, where they were read in advance.
    """

    raw: bytes
    area: str | None
    kludges: list[bytes]
    body: bytes
    tearline: bytes | None
    origin: bytes | None
    seen_by: tuple[bytes, ...]
    path: tuple[bytes, ...]
    transit_end: int
    moved: bytes = b""
    usual: bool = False
    nets: Nets | None = None

    @property
    def transit(self) -> bytes:
        """What is forwarded in front of new SEEN-BY and PATH lines; ends in CR.

        It begins with the AREA line in the one form that all programs know: with 01, blanks, small letters, or control
        paragraphs before it some of them would take the message for netmail.
        """
        if self.usual:
            return self.raw[: self.transit_end]
        return _usual_transit(self)


def split_text(raw: bytes) -> MessageText:
    """Take a message text apart."""
    text = clean_text(raw)
    found = _split_usual(text) or _split_any(text)
    if len(text) != len(raw):
        found.raw, found.usual = raw, False
        found.transit_end = _raw_offset(raw, text, found.transit_end)
    return found


def _usual_transit(text: MessageText) -> bytes:
    own = text.raw[: text.transit_end]
    if text.area is not None and not own.startswith(_area_line(text.area)):
        own = _with_area_first(text.raw, text.area)
    return b"".join((own, b"" if own.endswith(b"\r") else b"\r", text.moved))


def _area_line(area: str) -> bytes:
    return b"AREA:%b\r" % area.encode("latin-1")


def msgid(text: MessageText) -> bytes | None:
    """The identity of a message: the value of MSGID, blanks at both ends removed; ``None`` without one (FTS-0009)."""
    return find_value(text.kludges, b"MSGID") or None


def reply(text: MessageText) -> bytes | None:
    """The MSGID of the message that this one answers, or ``None`` (FTS-0009)."""
    return find_value(text.kludges, b"REPLY") or None


def origin_address(text: MessageText) -> Address | None:
    """The author's address as stated in the Origin line or else in MSGID; ``None`` if neither has a whole one."""
    stated = None if text.origin is None else address_in_origin(text.origin)
    if stated is not None:
        return stated
    try:
        return parse_msgid(msgid(text) or b"").address
    except KludgeError:
        return None


def address_in_origin(line: bytes) -> Address | None:
    """The address that an Origin line ends with, or else the last word of it that is one; ``None`` without any."""
    return _address_at_end(line[-_ORIGIN_SEARCHED:])


@lru_cache(maxsize=4096)
def _address_at_end(line: bytes) -> Address | None:
    """Systems write many lines."""
    found = _ORIGIN_ADDRESS.search(line)
    for word in [found[1]] if found else [word.strip(b"()") for word in reversed(line.split())]:
        try:
            return Address.parse(word.decode("latin-1"))
        except AddressError:
            continue
    return None


def build_text(
    *,
    area: str | None = None,
    kludges: Sequence[bytes] = (),
    body: bytes = b"",
    tearline: bytes | None = None,
    origin: bytes | None = None,
    seen_by: Sequence[bytes] = (),
    path: Sequence[bytes] = (),
) -> bytes:
    """Compose a new message text.

    A line of the body that starts with 01 would become a control paragraph; it gets ``@`` instead, as editors quote it.

    Args:
        area: the area tag; ``None`` for netmail.
        kludges: control paragraphs without 01 and CR.
        body: CR, LF or CR LF line ends.
        tearline: what is to follow ``---``; ``None`` for no tearline.
        origin: what is to follow ``* Origin:``; ``None`` for no Origin line.
        seen_by: whole lines, as `tosser.codec.seenby.format_seen_by` makes them.
        path: whole lines, as `tosser.codec.seenby.format_path` makes them.
    """
    body = _CONTROL_IN_BODY.sub(b"@", body.replace(b"\r\n", b"\r").replace(b"\n", b"\r"))
    lines = [b"AREA:" + area.encode("latin-1")] if area is not None else []
    lines.extend(b"\x01" + kludge for kludge in kludges)
    if body:
        lines.append(body.removesuffix(b"\r"))
    if tearline is not None:
        lines.append((b"--- " + tearline).rstrip())
    if origin is not None:
        lines.append(b" * Origin: " + origin)
    lines.extend(seen_by)
    lines.extend(path)
    return b"".join(line + b"\r" for line in lines)


def _split_usual(text: bytes) -> MessageText | None:
    """Take a text apart that is laid out as nearly all echomail is; ``None`` if it is not.

    This is the hot path. It must give what `_split_any` gives, and look at no line of the body.
    """
    start = text.find(b"\r") + 1
    origin = text.rfind(b"\r * Origin:", start)
    end = text.find(b"\r", origin + 1) + 1
    if not start or origin < start or not end or not text.startswith(b"AREA:"):
        return None
    control = text.rfind(b"\x01", start, origin)
    kludges: list[bytes] = []
    body_at = start
    if control >= 0:
        body_at = text.find(b"\r", control) + 1
        head = text[start : body_at - 1]
        kludges = head[1:].split(b"\r\x01")
        if head[0] != CONTROL or head.count(b"\r") != len(kludges) - 1 or len(kludges) >= MOST_LINES:
            return None
    path_at = text.find(b"\x01PATH:", end)
    if path_at < 0:
        path_at = len(text)
    seen_by = _lines_after(text[end:path_at], b"SEEN-BY:")
    path = _lines_after(text[path_at:], b"\x01PATH:")
    if seen_by is None or path is None or text[path_at - 1] != _CR or text.count(b"\r", end) >= MOST_LINES:
        return None
    tearline = find_tearline(text, body_at, origin + 1)
    tag = text[5 : start - 1].strip()
    return MessageText(
        text,
        tag.decode("latin-1"),
        kludges,
        text[body_at:end],
        text[tearline.start + 3 : tearline.end].strip() if tearline else None,
        text[origin + 11 : end - 1].strip(),
        seen_by,
        path,
        end,
        usual=len(tag) == start - 6,
    )


def _lines_after(block: bytes, mark: bytes) -> tuple[bytes, ...] | None:
    """What follows a mark in each line of a block; ``None`` if other lines are among them. Blocks come again often."""
    if len(block) > _REMEMBERED_LENGTH:
        return _read_lines_after(block, mark)
    return _remembered_lines_after(block, mark)


def _read_lines_after(block: bytes, mark: bytes) -> tuple[bytes, ...] | None:
    lines = [line for line in block.split(b"\r") if line]
    if not all(line.startswith(mark) for line in lines):
        return None
    return tuple([line[len(mark) :].strip() for line in lines])


_remembered_lines_after = lru_cache(maxsize=2048)(_read_lines_after)


def _split_any(text: bytes) -> MessageText:
    """Take any text apart that has CR as its only line end."""
    spans, transit_end = layout(text)
    tag = _first(text, spans, PartKind.AREA, b":")
    area = None if tag is None else tag.decode("latin-1")
    moved = _moved(text, spans, transit_end)
    return MessageText(
        raw=text,
        area=area,
        kludges=[text[start + 1 : end].removesuffix(b"\r") for kind, start, end in spans if kind is PartKind.KLUDGE],
        body=b"".join(
            text[start:end]
            for kind, start, end in spans
            if kind in _FOR_PEOPLE and (start < transit_end or text[start:end].strip(b"\r"))
        ),
        tearline=_first(text, spans, PartKind.TEARLINE, b"---"),
        origin=_first(text, spans, PartKind.ORIGIN, b"Origin:"),
        seen_by=tuple(_after(text[start:end], b":") for kind, start, end in spans if kind is PartKind.SEEN_BY),
        path=_last_path(text, spans),
        transit_end=transit_end,
        moved=moved,
        usual=not moved
        and text.endswith(b"\r", 0, transit_end)
        and (area is None or text.startswith(_area_line(area), 0, transit_end)),
    )


def _after(line: bytes, mark: bytes) -> bytes:
    return line.partition(mark)[2].strip()


def _first(text: bytes, spans: list[Span], kind: PartKind, mark: bytes) -> bytes | None:
    """What follows the mark in the first span of a kind."""
    return next((_after(text[start:end], mark) for found, start, end in spans if found is kind), None)


def _last_path(text: bytes, spans: list[Span]) -> tuple[bytes, ...]:
    """The last group of PATH lines: bad rescans leave older ones, with SEEN-BY or other lines between."""
    lines: list[bytes] = []
    apart = False
    for kind, start, end in spans:
        if kind is PartKind.PATH:
            lines = [] if apart else lines
            apart = False
            lines.append(_after(text[start:end], b":"))
        elif kind is not PartKind.KLUDGE and text[start:end].strip(b"\r"):
            apart = True
    return tuple(lines)


def _moved(text: bytes, spans: list[Span], transit_end: int) -> bytes:
    """Control paragraphs that came behind the author's part of echomail and may be in echomail."""
    return b"".join(
        text[start:end].removesuffix(b"\r") + b"\r"
        for kind, start, end in spans
        if kind is PartKind.KLUDGE and start >= transit_end and not _NETMAIL_ONLY.match(text, start + 1)
    )


def _with_area_first(raw: bytes, area: str) -> bytes:
    """The author's part of an echomail text, without LF, its AREA line moved to the front and written anew."""
    text = clean_text(raw)
    spans, transit_end = layout(text)
    at = next(span for span in spans if span.kind is PartKind.AREA)
    return b"".join((_area_line(area), text[: at.start], text[at.end : transit_end]))


def _raw_offset(raw: bytes, text: bytes, offset: int) -> int:
    """Offset in ``raw`` of the end of a line that ends at ``offset`` in ``text``, the same without LF."""
    if not text.endswith(b"\r", 0, offset):
        return len(raw)
    at = len(raw)
    for _ in range(text.count(b"\r", offset) + 1):
        at = raw.rindex(b"\r", 0, at)
    return at + 1
