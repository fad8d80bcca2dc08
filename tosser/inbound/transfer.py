"""Batches as bytes, to be handed from the process that read them to the one that tosses them.

Both are one program at one moment, so the form may change with every version. Messages are nearly all of it and go in
columns, each field of all of them by itself, through `marshal`: with making objects of them again, by a few calls for
all, that takes two thirds of the time that `pickle` takes.
"""

from __future__ import annotations

import marshal
import pickle
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec.structs import replace

from tosser.codec.jam_message import JamRecord
from tosser.codec.message import MessageText
from tosser.codec.packet import PackedMessage
from tosser.codec.seenby import by_net, parse_nodes
from tosser.rules.plan import record_in_advance

if TYPE_CHECKING:
    from tosser.codec.seenby import Nets
    from tosser.rules.batch import Batch, Piece

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
    heavy = [_columns(piece, round(share * len(piece.messages)), seen, paths) for piece in batch.pieces]
    read = [(lines, by_net(parse_nodes(lines)) if lists else None) for lines in seen]
    return pickle.dumps(light, pickle.HIGHEST_PROTOCOL), marshal.dumps((read, list(paths), heavy), _PLAIN)


def unpack_batch(light: bytes | memoryview, heavy: bytes | memoryview) -> Batch:
    """Read what `pack_batch` wrote, which only this program may have done."""
    batch: Batch = pickle.loads(light)  # noqa: S301 - it comes from a process of ours
    seen, paths, pieces = marshal.loads(heavy)  # noqa: S302 - as above
    for piece, columns in zip(batch.pieces, pieces, strict=True):
        _fill(piece, columns, seen, paths)
    return batch


_PACKED = attrgetter(*PackedMessage.__struct_fields__)
_TEXT_AT = PackedMessage.__struct_fields__.index("text")
_TEXT = attrgetter("area", "kludges", "tearline", "origin", "transit_end", "moved", "usual")
_RECORD = attrgetter("subfields", "user_crc", "msgid_crc", "reply_crc", "written", "attribute")


def _columns(piece: Piece, prepared: int, seen: _Table, paths: _Table) -> tuple[Any, ...]:
    """Take messages apart; what is a part of its text, or the same, is not repeated, nor is what is in the tables."""
    texts = [text for _, text in piece.messages]
    odd = {
        number: (text.raw, text.body)
        for number, (message, text) in enumerate(piece.messages)
        if text.raw is not message.text or not text.raw.endswith(text.body, 0, text.transit_end)
    }
    records = {
        number: record
        for number, (message, text) in enumerate(piece.messages[:prepared])
        if (record := record_in_advance(message, text)) is not None
    }
    return (
        list(zip(*[_PACKED(message) for message, _ in piece.messages], strict=True)),
        list(zip(*map(_TEXT, texts), strict=True)),
        [len(text.body) for text in texts],
        odd,
        [seen.setdefault(text.seen_by, len(seen)) for text in texts],
        [paths.setdefault(text.path, len(paths)) for text in texts],
        list(records),
        list(zip(*map(_RECORD, records.values()), strict=True)),
        {number: record.text for number, record in records.items() if record.text is not texts[number].body},
    )


def _fill(piece: Piece, columns: tuple[Any, ...], seen: list[tuple[Any, Nets]], paths: list[Any]) -> None:
    """Put the messages of a piece together again from what `_columns` gives."""
    packed, texts, lengths, odd, seen_at, path_at, recorded, records, stored = columns
    if not packed:
        return
    areas, kludges, tearlines, origins, ends, moved, usual = texts
    raws = list(packed[_TEXT_AT])
    bodies = [raw[end - length : end] for raw, end, length in zip(raws, ends, lengths, strict=True)]
    for number, (raw, body) in odd.items():
        raws[number], bodies[number] = raw, body
    seen_by, nets = [seen[at][0] for at in seen_at], [seen[at][1] for at in seen_at]
    path = [paths[at] for at in path_at]
    split = map(
        MessageText, raws, areas, kludges, bodies, tearlines, origins, seen_by, path, ends, moved, usual, nets
    )  # fmt: skip
    piece.messages.extend(zip(map(PackedMessage, *packed), split, strict=True))
    piece.records = [None] * len(raws)
    if recorded:
        subfields, *numbers = records
        kept = [bodies[number] if number not in stored else stored[number] for number in recorded]
        for number, record in zip(recorded, map(JamRecord, subfields, kept, *numbers), strict=True):
            piece.records[number] = record
