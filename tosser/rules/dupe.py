"""Dupe keys: what makes two messages the same (FTS-0009, FSC-0074; formats of real tossers differ, ours is below).

With a MSGID, a message is the area and the MSGID text, blanks collapsed, case kept. Without one, or with one that is
an address and no more, which all messages of an author would share, it is the area, from, to, subject, date and the
text up to the Origin line, so that changed SEEN-BYs, PATHs, kludges, line feeds or soft carriage returns do not hide a
duplicate. The network is part of the area: two networks may use one tag.

Netmail is the same only if all of it is, MSGID and Via lines among it: what a system sends once more after a crash. A
part of a list without MSGID is never a duplicate, nor is a letter that comes back with a Via line more.

A key is a digest behind four bytes that are the serial number of the MSGID if it has one. Serials are made from clocks,
so that the keys of a day lie side by side in a sorted history, and adding them is cheap however long it is.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

from tosser.codec.kludge import find_value

if TYPE_CHECKING:
    from tosser.codec.message import MessageText
    from tosser.codec.packet import PackedMessage

DIGEST_SIZE = 12
"""Bytes of the digest: of ten million remembered messages two have the same once in 10**15 histories."""
SERIAL_SIZE = 4
KEY_SIZE = SERIAL_SIZE + DIGEST_SIZE
"""Bytes of a key."""
_SERIAL_DIGITS = 2 * SERIAL_SIZE
_BARE_ADDRESS = re.compile(rb"\s*(?:\d+:)?\d+/\d+(?:\.\d+)?(?:@\S*)?\s*")


def dupe_key(network: str, tag: str, message: PackedMessage, text: MessageText) -> bytes:
    """Compute the key of one echomail message; ``tag`` is upper case."""
    scope = _scope(network, tag)
    msgid = find_value(text.kludges, b"MSGID")
    if msgid and not _BARE_ADDRESS.fullmatch(msgid):
        return _msgid_key(scope, msgid)
    content = (scope, message.sender, message.to, message.subject, message.date.strip(), _authored(text.body))
    digest = blake2b(b"\0".join(content), digest_size=DIGEST_SIZE, person=b"no MSGID").digest()
    return digest[:SERIAL_SIZE] + digest


def netmail_key(message: PackedMessage, text: MessageText) -> bytes | None:
    """Compute the key of one netmail; ``None`` for one without MSGID, which is never a duplicate."""
    msgid = find_value(text.kludges, b"MSGID")
    if not msgid:
        return None
    system = b"%d/%d %d/%d" % (message.orig_net, message.orig_node, message.dest_net, message.dest_node)
    content = (system, message.sender, message.to, message.subject, message.date.strip(), message.text)
    digest = blake2b(b"\0".join(content), digest_size=DIGEST_SIZE, person=b"netmail").digest()
    return _serial(msgid.split()[-1], digest) + digest


def msgid_key(network: str, tag: str, msgid: bytes) -> bytes:
    """Compute the key of all messages of an area with this MSGID, which is not empty."""
    return _msgid_key(_scope(network, tag), msgid)


@lru_cache(maxsize=8192)
def _scope(network: str, tag: str) -> bytes:
    return f"{network}\0{tag}\0".encode()


def _msgid_key(scope: bytes, msgid: bytes) -> bytes:
    words = msgid.split()
    digest = blake2b(scope + b" ".join(words), digest_size=DIGEST_SIZE).digest()
    return _serial(words[-1], digest) + digest


def _serial(word: bytes, digest: bytes) -> bytes:
    """The number that ends a MSGID (FTS-0009: eight hexadecimal digits), or else any four bytes."""
    if len(word) == _SERIAL_DIGITS:
        try:
            return bytes.fromhex(word.decode("ascii"))
        except ValueError:
            pass
    return digest[:SERIAL_SIZE]


def _authored(body: bytes) -> bytes:
    """Cut at the end of the Origin line, and drop what transport programs add or remove."""
    start = body.rfind(b"\r * Origin:")
    if start >= 0:
        end = body.find(b"\r", start + 1)
        body = body if end < 0 else body[:end]
    return body.replace(b"\x8d", b"").rstrip()
