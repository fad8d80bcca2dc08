"""Batches as bytes, to be handed from the process that read them to the one that tosses them.

Both are one program at one moment, so the form may change with every version. Messages are nearly all of it and go as
tuples through `marshal`, which takes a quarter of the time that `pickle` takes for the same values as objects.
"""

from __future__ import annotations

import marshal
import pickle
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec.structs import replace

from tosser.codec.jam_message import JamRecord
from tosser.codec.message import MessageText
from tosser.codec.packet import PackedMessage
from tosser.codec.seenby import by_net, parse_nodes
from tosser.rules.plan import record_in_advance

if TYPE_CHECKING:
    from tosser.codec.seenby import Nets
    from tosser.rules.batch import Batch

_Table: TypeAlias = "dict[tuple[bytes, ...], int]"
"""The SEEN-BYs or PATHs of a batch, of which there are few different ones, each with its place in their order."""
_PLAIN = 2
"""The version of marshal that does not look for values that occur twice: few do, and looking takes longer."""


def pack_batch(batch: Batch, share: float = 1.0, *, lists: bool = False) -> tuple[bytes, bytes]:
    """Write a batch: everything but its messages, and its messages.

    Args:
        batch: what was read.
        share: of how many of its messages, 0 to 1, the record is to be made in advance.
        lists: whether SEEN-BYs are to be read in advance.
    """
    light = replace(batch, pieces=[replace(piece, messages=[]) for piece in batch.pieces])
    seen: _Table = {}
    paths: _Table = {}
    heavy = []
    for piece in batch.pieces:
        prepared = round(share * len(piece.messages))
        flat = [_flatten(m, text, record_in_advance(m, text), seen, paths) for m, text in piece.messages[:prepared]]
        flat += [_flatten(m, text, None, seen, paths) for m, text in piece.messages[prepared:]]
        heavy.append(flat)
    read = [(lines, by_net(parse_nodes(lines)) if lists else None) for lines in seen]
    return pickle.dumps(light, pickle.HIGHEST_PROTOCOL), marshal.dumps((read, list(paths), heavy), _PLAIN)


def unpack_batch(light: bytes | memoryview, heavy: bytes | memoryview) -> Batch:
    """Read what `pack_batch` wrote, which only this program may have done."""
    batch: Batch = pickle.loads(light)  # noqa: S301 - it comes from a process of ours
    seen, paths, pieces = marshal.loads(heavy)  # noqa: S302 - as above
    for piece, flat in zip(batch.pieces, pieces, strict=True):
        for values in flat:
            message, text, record = _restore(seen, paths, *values)
            piece.messages.append((message, text))
            piece.records.append(record)
    return batch


def _flatten(
    m: PackedMessage, t: MessageText, record: JamRecord | None, seen: _Table, paths: _Table
) -> tuple[Any, ...]:
    """Take a message apart; what is a part of its text, or the same, is not repeated, nor is what is in the tables."""
    raw = None if t.raw is m.text else t.raw
    length, end = len(t.body), t.transit_end
    body = None if t.raw.endswith(t.body, 0, end) else t.body
    kept = None
    if record is not None:
        text = None if record.text is t.body else record.text
        crcs = (record.user_crc, record.msgid_crc, record.reply_crc)
        kept = (record.subfields, text, *crcs, record.written, record.attribute)
    return (
        (m.offset, m.orig_node, m.dest_node, m.orig_net, m.dest_net, m.attributes, m.cost, m.date, m.to, m.sender),
        (m.subject, m.text, m.truncated_fields), raw, body, length,
        t.area, t.kludges, t.tearline, t.origin, seen.setdefault(t.seen_by, len(seen)),
        paths.setdefault(t.path, len(paths)), (end, t.moved, t.usual), kept,
    )  # fmt: skip


def _restore(  # noqa: PLR0917 - what `_flatten` returns, in its order
    seen: list[tuple[Any, Nets]], paths: list[tuple[bytes, ...]], first: tuple[Any, ...], second: tuple[Any, ...],
    raw: bytes | None, body: bytes | None, length: int, area: str | None, kludges: list[bytes],
    tearline: bytes | None, origin: bytes | None, seen_at: int, path_at: int, transit: tuple[Any, ...],
    kept: tuple[Any, ...] | None,
) -> tuple[PackedMessage, MessageText, JamRecord | None]:  # fmt: skip
    message = PackedMessage(*first, *second)
    end, moved, usual = transit
    if raw is None:
        raw = message.text
    if body is None:
        body = raw[end - length : end]
    record = None
    if kept is not None:
        subfields, stored, *numbers = kept
        record = JamRecord(subfields, body if stored is None else stored, *numbers)
    seen_by, nets = seen[seen_at]
    path = paths[path_at]
    text = MessageText(raw, area, kludges, body, tearline, origin, seen_by, path, end, moved, usual, nets)
    return message, text, record
