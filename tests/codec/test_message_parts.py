from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tosser.codec.message import PartKind, join_text, split_text, text_parts

AREA, KLUDGE, BODY = PartKind.AREA, PartKind.KLUDGE, PartKind.BODY
TEARLINE, ORIGIN, SEEN_BY, PATH = PartKind.TEARLINE, PartKind.ORIGIN, PartKind.SEEN_BY, PartKind.PATH

LINES = [
    b"",
    b" ",
    b"Hello",
    b"AREA:TEST",
    b"Area: test two",
    b"\x01AREA:OTHER",
    b"\x01MSGID: 1:2/3 1",
    b"\x01Via 1:2/3",
    b"x\x01y",
    b"\x01",
    b"---",
    b"--- Prog 1",
    b"----",
    b" * Origin: here (1:2/3)",
    b"* Origin: there (1:2/4)",
    b"> * Origin: quoted (1:2/5)",
    b" # Origin: gated (1:2/6)",
    b"SEEN-BY: 1/2 3",
    b"\x01SEEN-BY: 1/4",
    b"seen-by: 1/5",
    b"\x01PATH: 1/2",
    b"\x01Path: 1/3",
    b"PATH: 1/4",
]
"""Lines whose order and neighbours decide what they are."""
LINE_ENDS = [b"\r", b"\r\n", b"\n", b"\r\n\n", b"\r\r"]


def texts() -> st.SearchStrategy[bytes]:
    """Texts of significant lines with one or several kinds of line end, with or without a last one."""
    lines = st.lists(st.sampled_from(LINES) | st.binary(max_size=3), max_size=14)
    same_ends = st.tuples(lines, st.sampled_from(LINE_ENDS)).map(lambda pair: pair[1].join(pair[0]))
    ends = st.tuples(lines, st.lists(st.sampled_from(LINE_ENDS), min_size=14, max_size=14))
    mixed_ends = ends.map(lambda pair: b"".join(line + end for line, end in zip(*pair, strict=False)))
    head = st.sampled_from([b"", b"AREA:T\r", b"AREA:T\r\x01PID: p\r", b"AREA:T\r\nHi\r\n * Origin: o (1:2/3)\r\n"])
    tail = st.sampled_from([b"", b"\r", b" * Origin: o (1:2/3)\rSEEN-BY: 1/2\r", b"\rSEEN-BY: 1/2\r\x01PATH: 1/2\r"])
    return st.tuples(head, same_ends | mixed_ends, tail).map(b"".join)


@given(texts() | st.binary(max_size=120))
def test_parts_make_up_the_text(raw: bytes) -> None:
    """The parts of any text, joined, are the text."""
    assert join_text(text_parts(raw)) == raw


@given(texts())
def test_parts_agree_with_the_splitter(raw: bytes) -> None:
    """The splitter and the parts have the same control paragraphs, area, SEEN-BY, tearline and Origin."""
    text = split_text(raw)
    parts = [(part.kind, part.data.replace(b"\n", b"").replace(b"\r", b"")) for part in text_parts(raw)]
    of = {kind: [data for found, data in parts if found is kind] for kind in PartKind}
    assert text.kludges == [data[1:] for data in of[KLUDGE]]
    assert text.area == next((data.partition(b":")[2].strip().decode("latin-1") for data in of[AREA]), None)
    assert list(text.seen_by) == [data.partition(b":")[2].strip() for data in of[SEEN_BY]]
    assert text.tearline == next((data[3:].strip() for data in of[TEARLINE]), None)
    assert text.origin == next((data.partition(b"Origin:")[2].strip() for data in of[ORIGIN]), None)
    assert all(len(of[kind]) <= 1 for kind in (AREA, TEARLINE, ORIGIN))
    assert set(text.path) <= {data.partition(b":")[2].strip() for data in of[PATH]}
    assert bool(text.path) is bool(of[PATH])


@pytest.mark.parametrize(
    ("raw", "kinds"),
    [
        (b"", []),
        (b"Hello", [BODY]),
        (b"AREA:T\r", [AREA]),
        (b"AREA:T\r\x01PID: p\r\x01TID: t\rHi\r\rAda\r", [AREA, KLUDGE, KLUDGE, BODY]),
        (b"\x01PID: p\rAREA:T\r\x01TID: t\rHi\r", [KLUDGE, AREA, KLUDGE, BODY]),
        (b"\x01PID: p\r\x01AREA:T\rAREA:U\r", [KLUDGE, AREA, BODY]),
        (b"\rAREA:T\r", [BODY]),
        (b"AREA:T\rAREA:U\r\x01AREA:V\r", [AREA, BODY, KLUDGE]),
        (b"AREA:T\rHi\r--- p\r * Origin: o (1:2/3)\r", [AREA, BODY, TEARLINE, ORIGIN]),
        (b"AREA:T\r---\r * Origin: o", [AREA, TEARLINE, ORIGIN]),
        (b"AREA:T\rHi\r--- p\r\r # Origin: g\r * Origin: o\r", [AREA, BODY, TEARLINE, BODY, ORIGIN]),
        (b"AREA:T\r--- p\rHi\r * Origin: o\r", [AREA, BODY, ORIGIN]),
        (b"AREA:T\r---- \r * Origin: o\r", [AREA, BODY, ORIGIN]),
        (b"AREA:T\rHi\r--- p\rSEEN-BY: 1/2\r", [AREA, BODY, TEARLINE, SEEN_BY]),
        (b"AREA:T\rA\r\x01K: v\rB\r * Origin: o\r", [AREA, BODY, KLUDGE, BODY, ORIGIN]),
        (b"AREA:T\r * Origin: o\rSEEN-BY: 1/2\r\x01PATH: 1/2\r", [AREA, ORIGIN, SEEN_BY, PATH]),
        (b"AREA:T\r * Origin: o\r\rSEEN-BY: 1/2\rad\r", [AREA, ORIGIN, BODY, SEEN_BY, BODY]),
        (b"AREA:T\r * Origin: o\rtext\rSEEN-BY: 1/2\rSEEN-BY: 3\r", [AREA, ORIGIN, BODY, SEEN_BY, SEEN_BY]),
        (b"AREA:T\rSEEN-BY: 1/2\rHi\r", [AREA, BODY]),
        (b"Hi\r\x01PATH: 1/2\rSEEN-BY: 1/2\r\x01Via 1:2/3\r", [BODY, KLUDGE, BODY, KLUDGE]),
        (b"AREA:T\r\nHi\r\n", [AREA, BODY]),
        (b"AREA:T\nHi\n\x01K: v\n", [AREA, BODY, KLUDGE]),
    ],
)
def test_kinds(raw: bytes, kinds: list[PartKind]) -> None:
    """Each line is what the standards, or what real software makes of them, say it is."""
    assert [part.kind for part in text_parts(raw)] == kinds


def test_line_feeds_stay_with_their_line() -> None:
    """The LF of a CR LF text belong to the part whose line they end."""
    raw = b"\nAREA:T\r\n\x01K: v\r\n\nHi\r\n * Origin: o"
    assert [part.data for part in text_parts(raw)] == [
        b"\nAREA:T\r\n",
        b"\x01K: v\r\n\n",
        b"Hi\r\n",
        b" * Origin: o",
    ]
