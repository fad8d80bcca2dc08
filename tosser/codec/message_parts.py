"""What each paragraph of a message text is (FTS-0004, FSC-0043, FSC-0068, FSC-0074, FTS-4000).

A text is a run of paragraphs that end in CR. LF counts for nothing, except in a text without any CR, where it takes the
place of CR. Paragraphs that begin with 01 hex are control paragraphs. Nothing is refused: what is not recognised is
body. Divided into parts and joined again, a text is what it was, byte for byte.
"""

from __future__ import annotations

import re
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CONTROL = 0x01
"""First byte of a control paragraph."""
MOST_LINES = 4096
"""So many lines are looked at one by one in each section of a text; what is beyond is body.

A text of megabytes that is nothing but control paragraphs would otherwise take seconds, and many times its memory.
"""
_CR = 0x0D
_AREA = re.compile(rb"\x01?AREA:", re.IGNORECASE)
_SEEN_BY = re.compile(rb"\x01?SEEN-BY:", re.IGNORECASE)
_PATH = re.compile(rb"\x01PATH:", re.IGNORECASE)
_ORIGIN_STARTS = (b" * ", b"* ", b" *", b"*")
"""What may stand between the start of a line and ``Origin:``; the first is the standard's."""
_ORIGIN = b"Origin:"
_GATE_ORIGIN = b" # Origin:"
"""Begins a second Origin line, which a gateway leaves between tearline and Origin (FSC-0068); it is text."""
_TEARLINE_STARTS = frozenset((b"---", b"--- "))
"""The first four bytes of a tearline: three dashes, and a blank if anything follows."""


class PartKind(StrEnum):
    """What a part of a message text is."""

    AREA = "area"
    """The line that makes it echomail and names the area."""
    KLUDGE = "kludge"
    """One control paragraph, other than the following two."""
    BODY = "body"
    """Lines for people."""
    TEARLINE = "tearline"
    """The line that names the program it was written with."""
    ORIGIN = "origin"
    """The line that ends what the author wrote."""
    SEEN_BY = "seen-by"
    """One line of the systems that have the message."""
    PATH = "path"
    """One line of the systems it went through."""


class TextPart(Struct, frozen=True):
    """One part of a message text: its kind, and its bytes with line ends and control byte."""

    kind: PartKind
    data: bytes


class Span(NamedTuple):
    """Where a part begins and ends in a text that has CR as its only line end."""

    kind: PartKind
    start: int
    end: int


class Layout(NamedTuple):
    """The spans of a text from its start to its end, and the offset up to which it is forwarded as it is."""

    spans: list[Span]
    transit_end: int


def text_parts(raw: bytes) -> list[TextPart]:
    """Divide a message text into its parts."""
    text = clean_text(raw)
    parts = []
    at = 0
    for kind, start, end in layout(text).spans:
        raw_end = end if len(text) == len(raw) else _raw_end(raw, at, text[start:end])
        parts.append(TextPart(kind, raw[at:raw_end]))
        at = raw_end
    return parts


def join_text(parts: Iterable[TextPart]) -> bytes:
    """Put the parts of a message text together again."""
    return b"".join(part.data for part in parts)


def clean_text(raw: bytes) -> bytes:
    """Make CR the only line end: drop LF, or turn it into CR where there is no CR at all."""
    if b"\n" not in raw:
        return raw
    return raw.replace(b"\n", b"") if b"\r" in raw else raw.replace(b"\n", b"\r")


def layout(text: bytes) -> Layout:
    """Find out what each line of a text is, whose only line end is CR.

    Only echomail has SEEN-BY and PATH: in netmail the like are control paragraphs or body.
    """
    head, at = _head(text)
    origin = _last_origin(text, at)
    area = next((span for span in head if span.kind is PartKind.AREA), None)
    if area is None:
        transit_end = len(text)
    else:
        transit_end = _transit_end(text, area.end, origin)
        if transit_end < at:  # there is no body, so what looked like more of the head is what follows a body
            head = [span for span in head if span.start < transit_end]
            at = transit_end
    special = list(islice(_kludges(text, at, transit_end), MOST_LINES))
    if origin is not None:
        special.append(origin)
    tearline = find_tearline(text, at, transit_end if origin is None else origin.start)
    if tearline is not None:
        special.append(tearline)
    spans = head + _with_body(sorted(special, key=lambda span: span.start), at, transit_end)
    return Layout(spans + list(_trailer(text, transit_end)), transit_end)


def find_tearline(text: bytes, floor: int, stop: int) -> Span | None:
    """The last line for people between ``floor`` and ``stop``, if it is a tearline."""
    for _ in range(MOST_LINES):
        if stop <= floor:
            break
        start = max(text.rfind(b"\r", floor, stop - 1) + 1, floor)
        line = text[start:stop].rstrip(b"\r")
        if line[:4] in _TEARLINE_STARTS:
            return Span(PartKind.TEARLINE, start, stop)
        if line.strip() and line[0] != CONTROL and not line.startswith(_GATE_ORIGIN):
            break
        stop = start
    return None


def _raw_end(raw: bytes, at: int, lines: bytes) -> int:
    """Where these lines end in the text that still has its LF and has them at ``at``; LF behind a line belong to it."""
    if not lines.endswith(b"\r"):
        return len(raw)
    for _ in range(lines.count(b"\r")):
        at = raw.index(b"\r", at) + 1
    while raw.startswith(b"\n", at):
        at += 1
    return at


def _line_end(text: bytes, at: int) -> int:
    """Offset behind the CR of the line at ``at``, or the end of the text."""
    return text.find(b"\r", at) + 1 or len(text)


def _lines(text: bytes, at: int) -> Iterator[tuple[int, int]]:
    """Start and end of each line from ``at`` on, as far as they are looked at."""
    for _ in range(MOST_LINES):
        if at >= len(text):
            return
        end = _line_end(text, at)
        yield at, end
        at = end


def _lines_back(text: bytes, floor: int, end: int) -> Iterator[tuple[int, int]]:
    """Start and end of each line from ``floor`` to ``end``, the last one first, as far as they are looked at."""
    for _ in range(MOST_LINES):
        if end <= floor:
            return
        start = max(text.rfind(b"\r", floor, end - 1) + 1, floor)
        yield start, end
        end = start


def _head(text: bytes) -> tuple[list[Span], int]:
    """The control paragraphs at the start and AREA, which is the first other line or one of them (FSC-0043)."""
    spans: list[Span] = []
    at, named = 0, False
    for start, end in _lines(text, 0):
        if not named and _AREA.match(text, start):
            spans.append(Span(PartKind.AREA, start, end))
            named = True
        elif text[start] == CONTROL:
            spans.append(Span(PartKind.KLUDGE, start, end))
        else:
            break
        at = end
    return spans, at


def _last_origin(text: bytes, floor: int) -> Span | None:
    """The last Origin line; quoted ones do not start at the start of a line."""
    start = max(_last_line(text, start + _ORIGIN, floor) for start in _ORIGIN_STARTS)
    return None if start < 0 else Span(PartKind.ORIGIN, start, _line_end(text, start))


def _last_line(text: bytes, beginning: bytes, floor: int) -> int:
    """Where the last line starts that begins so; -1 if there is none from ``floor`` on, where a line starts."""
    at = text.rfind(b"\r" + beginning, floor)
    return at + 1 if at >= 0 else floor if text.startswith(beginning, floor) else -1


def _transit_end(text: bytes, floor: int, origin: Span | None) -> int:
    """Where the author's part of an echomail text ends.

    That is the end of its Origin line, unless lines for people follow it before any SEEN-BY: then it was a quotation.
    Without Origin it is the start of the first SEEN-BY or PATH in a run of these, control paragraphs and empty
    lines at the end of the text.
    """
    if origin is not None:
        floor = origin.end
        for start, _ in _lines(text, floor):
            if _is_transport(text, start):
                return floor
            if text[start] not in {CONTROL, _CR}:
                break
        else:
            return floor
    transit_end = len(text)
    for start, _ in _lines_back(text, floor, len(text)):
        if _is_transport(text, start):
            transit_end = start
        elif text[start] not in {CONTROL, _CR}:
            break
    return transit_end


def _is_transport(text: bytes, start: int) -> bool:
    return _SEEN_BY.match(text, start) is not None or _PATH.match(text, start) is not None


def _kludges(text: bytes, at: int, stop: int) -> Iterator[Span]:
    """The control paragraphs among the lines of the body."""
    at = text.find(b"\r\x01", at, stop)
    while at >= 0:
        end = _line_end(text, at + 1)
        yield Span(PartKind.KLUDGE, at + 1, end)
        at = text.find(b"\r\x01", end - 1, stop)


def _with_body(special: list[Span], at: int, stop: int) -> list[Span]:
    """Fill what is between the given spans with body."""
    spans = []
    for span in special:
        if at < span.start:
            spans.append(Span(PartKind.BODY, at, span.start))
        spans.append(span)
        at = span.end
    if at < stop:
        spans.append(Span(PartKind.BODY, at, stop))
    return spans


def _trailer(text: bytes, at: int) -> Iterator[Span]:
    """Transport lines, control paragraphs and whatever a gateway added behind the author's part."""
    body_at = at
    for start, end in _lines(text, at):
        if _SEEN_BY.match(text, start):
            kind = PartKind.SEEN_BY
        elif _PATH.match(text, start):
            kind = PartKind.PATH
        elif text[start] == CONTROL:
            kind = PartKind.KLUDGE
        else:
            continue
        if body_at < start:
            yield Span(PartKind.BODY, body_at, start)
        yield Span(kind, start, end)
        body_at = end
    if body_at < len(text):
        yield Span(PartKind.BODY, body_at, len(text))
