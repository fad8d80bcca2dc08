"""Dupe keys: what makes two messages the same (FTS-0009, FSC-0074; formats of real tossers differ, ours is below).

With a MSGID the key is the area and the MSGID text, blanks collapsed, case kept. Without one it is a digest of the area,
from, to, subject, date and the text up to the Origin line, so that changed SEEN-BYs, PATHs, kludges, line feeds or soft
carriage returns do not hide a duplicate. The network is part of the area: two networks may use one tag.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from tosser.codec.kludge import find_value

if TYPE_CHECKING:
    from tosser.codec.message import MessageText
    from tosser.codec.packet import PackedMessage

KEY_SIZE = 12
"""Bytes of a key: at ten million remembered messages two of them collide once in 10**15 histories."""


def dupe_key(network: str, tag: str, message: PackedMessage, text: MessageText) -> bytes:
    """Compute the key of one echomail message; ``tag`` is upper case."""
    msgid = find_value(text.kludges, b"MSGID")
    scope = f"{network}\0{tag}\0".encode()
    if msgid:
        return blake2b(scope + b" ".join(msgid.split()), digest_size=KEY_SIZE).digest()
    content = (scope, message.sender, message.to, message.subject, message.date.strip(), _authored(text.body))
    return blake2b(b"\0".join(content), digest_size=KEY_SIZE, person=b"no MSGID").digest()


def _authored(body: bytes) -> bytes:
    """Cut at the end of the Origin line, and drop what transport programs add or remove."""
    start = body.rfind(b"\r * Origin:")
    if start >= 0:
        end = body.find(b"\r", start + 1)
        body = body if end < 0 else body[:end]
    return body.replace(b"\x8d", b"").rstrip()
