"""Where files are cut into batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.inbound.bundles import LIMITS, zip_of
from tests.mail import message, packet
from tosser.inbound import reading
from tosser.inbound.reading import Reader, ReadingLimits
from tosser.inbound.spool import ClaimedFile, Inbound
from tosser.rules.decision import FileProgress, PieceDecision
from tosser.rules.network import InboundClass

if TYPE_CHECKING:
    from pathlib import Path

    from tosser.rules.batch import Batch

BODY = b"x" * 400 + b"\r"


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Reader:
    """Cuts at 50 messages, or at 1500 bytes of text."""
    monkeypatch.setattr(reading, "BATCH_BYTES", 1500)
    return Reader(ReadingLimits(1 << 20, 1 << 16, LIMITS), {}, 50)


def claimed(directory: Path, name: str, data: bytes) -> ClaimedFile:
    """Put a file where a claim would."""
    path = directory / name
    path.write_bytes(data)
    return ClaimedFile("one", name, Inbound(directory, InboundClass.SECURE), path, len(data), 0.0)


def long_packet(count: int, first: int = 1) -> bytes:
    """Write a packet of messages of some 700 bytes."""
    return packet([message("TQW_GEN", number=number, body=BODY) for number in range(first, first + count)])


def cut(batches: list[Batch]) -> list[list[tuple[int, int, int]]]:
    """Packet, first message and number of messages of each piece."""
    return [[(piece.member, piece.first, len(piece.messages)) for piece in batch.pieces] for batch in batches]


def test_long_texts_cut_a_batch(reader: Reader, tmp_path: Path) -> None:
    """A batch ends where its texts are long together, so that memory does not follow what somebody sends."""
    file = claimed(tmp_path, "00000001.pkt", long_packet(7))
    batches = list(reader.batches([file], {}))
    assert cut(batches) == [[(0, 0, 3)], [(0, 3, 3)], [(0, 6, 1)]]
    assert [len(batch.ends) for batch in batches] == [0, 0, 1]
    for batch in batches:
        (piece,) = batch.pieces
        decided = PieceDecision("one", 0, piece.first, [0] * len(piece.messages), "", link=True, network="")
        assert reader.again(file, [decided]) == [piece]
    assert cut(list(reader.batches([file], {"one": FileProgress(member=0, next=3)}))) == [[(0, 3, 3)], [(0, 6, 1)]]


def test_packets_of_a_bundle_count_together(reader: Reader, tmp_path: Path) -> None:
    """It does not matter whether the texts are in one packet or in several."""
    members = [(f"{number}.pkt", long_packet(1, number)) for number in range(1, 8)]
    batches = list(reader.batches([claimed(tmp_path, "0000ffff.mo0", zip_of(*members))], {}))
    assert cut(batches) == [[(number, 0, 1) for number in group] for group in ((0, 1, 2), (3, 4, 5), (6,))]
