"""A netmail as it is sent on: its text byte for byte, and a Via line behind it (FTS-4009, FTS-4001).

The header has the net and node of author and addressee, not of the two systems that pass it on; mail for a zone gate
keeps the gate there. INTL is added where it is missing. What was readdressed gets INTL and TOPT of its new address.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tosser import __version__
from tosser.codec.kludge import Intl, Via, build_intl, build_kludge, build_number, build_via
from tosser.codec.packed_message import build_message_head, build_message_tail

if TYPE_CHECKING:
    from datetime import datetime

    from tosser.address import Address
    from tosser.codec.message import MessageText
    from tosser.codec.packed_message import PackedMessage
    from tosser.rules.netmail import Envelope
    from tosser.rules.routing import Onward

PROGRAM = f"tosser {__version__}".encode("ascii")
_LASTING = 0x0001 | 0x0010 | 0x1000 | 0x2000 | 0x4000
"""Private, file attached, receipts and requests for them (FTS-0001); others belong to the system they were set on."""
_CRASH, _FILE_ATTACHED = 0x0002, 0x0010
_AREA_LINE = re.compile(rb"AREA:[^\r\n]*\r?\n?")
_ADDRESSING = re.compile(rb"(?:\A|(?<=[\r\n]))\x01(?:INTL|TOPT):?[ \t][^\r]*\r\n?", re.IGNORECASE)


def compose(
    packed: PackedMessage, text: MessageText, envelope: Envelope, onward: Onward, *, aka: Address, moment: datetime
) -> tuple[bytes, bytes]:
    """Write the head and the rest of a packed message.

    Args:
        packed: the message as it came.
        text: its text.
        envelope: its addresses.
        onward: where it goes.
        aka: who we are to the link.
        moment: when it was decided, UTC; the same again after a crash.
    """
    dest = onward.dest or envelope.dest
    to = (packed.dest_node, packed.dest_net) if envelope.gate else (dest.node, dest.net)
    orig = envelope.orig
    attributes = packed.attributes & (_LASTING | (_CRASH if onward.direct else 0))
    if not onward.files:
        attributes &= ~_FILE_ATTACHED
    head = build_message_head((orig.node, to[0], orig.net, to[1]), attributes)
    tail = build_message_tail(
        date=packed.date,
        to=packed.to,
        sender=packed.sender,
        subject=packed.subject,
        text=_text(text.raw, envelope, onward, aka, moment),
    )
    return head, tail


def _text(raw: bytes, envelope: Envelope, onward: Onward, aka: Address, moment: datetime) -> bytes:
    raw = _AREA_LINE.sub(b"", raw, count=1) if raw.startswith(b"AREA:") else raw
    front = b""
    if onward.dest is not None:
        raw = _ADDRESSING.sub(b"", raw)
        front = _intl(onward.dest, envelope.orig)
        front += _line(b"TOPT", build_number(onward.dest.point)) if onward.dest.point else b""
    elif not envelope.stated:
        front = _intl(envelope.dest, envelope.orig)
    end = b"" if not raw or raw.endswith((b"\r", b"\n")) else b"\r"
    via = Via(aka.without_domain, moment, "UTC", PROGRAM)
    return b"".join((front, raw, end, _line(b"Via", build_via(via))))


def _intl(dest: Address, orig: Address) -> bytes:
    return _line(b"INTL", build_intl(Intl(dest, orig)))


def _line(tag: bytes, value: bytes) -> bytes:
    return b"\x01" + build_kludge(tag, value) + b"\r"
