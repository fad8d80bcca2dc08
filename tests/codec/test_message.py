from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mail import echo_text
from tosser.address import Address
from tosser.codec import message
from tosser.codec.message import MessageText, build_text, msgid, origin_address, reply, split_text
from tosser.codec.message_parts import MOST_LINES, clean_text, join_text, text_parts
from tosser.codec.seenby import format_path, format_seen_by

HEAD = b"AREA:TQW_TECH\r\x01MSGID: 1337:1/300 0000002a\r\x01REPLY: 1337:1/301 00000007\r\x01PID: Prog 1\r"
BODY = b"Hello,\r\rthis is a test.\r--- Prog 1.0\r * Origin: Invented Systems (1337:1/300)\r"
TRAILER = b"SEEN-BY: 1/100 200\rSEEN-BY: 2/1\r\x01PATH: 1/300 100\r"
USUAL = HEAD + BODY + TRAILER

LINES = [
    b"",
    b" ",
    b"Hello",
    b"AREA:TEST",
    b"\x01AREA:OTHER",
    b"\x01MSGID: 1:2/3 1",
    b"\x01Via 1:2/3",
    b"x\x01y",
    b"\x01",
    b"--- Prog 1",
    b"---",
    b"----",
    b" * Origin: here (1:2/3)",
    b" * Origin:",
    b"* Origin: there (1:2/4)",
    b"> * Origin: quoted (1:2/5)",
    b" # Origin: gated (1:2/6)",
    b"SEEN-BY: 1/2 3",
    b"\x01SEEN-BY: 1/4",
    b"\x01PATH: 1/2",
]
lines = st.lists(st.sampled_from(LINES) | st.binary(max_size=3), max_size=12).map(b"\r".join)
texts = st.tuples(
    st.sampled_from([b"", b"AREA:T\r", HEAD]),
    lines,
    st.sampled_from([b"", b"\r", b"\r" + BODY, b"\r" + BODY + TRAILER, BODY + TRAILER + b"\x01Via 1:2/3\r"]),
).map(b"".join)


def test_usual_text() -> None:
    """A text laid out as nearly all echomail is comes apart into its fields."""
    assert split_text(USUAL) == MessageText(
        raw=USUAL,
        area="TQW_TECH",
        kludges=[b"MSGID: 1337:1/300 0000002a", b"REPLY: 1337:1/301 00000007", b"PID: Prog 1"],
        body=BODY,
        tearline=b"Prog 1.0",
        origin=b"Invented Systems (1337:1/300)",
        seen_by=(b"1/100 200", b"2/1"),
        path=(b"1/300 100",),
        transit_end=len(HEAD + BODY),
        usual=True,
    )


@given(texts.map(clean_text))
def test_short_way_and_long_way(text: bytes) -> None:
    """The short way through a usual text gives what the long way through any text gives."""
    usual = message._split_usual(text)
    assert usual is None or usual == message._split_any(text)


@pytest.mark.parametrize(
    "text",
    [
        USUAL,
        HEAD + BODY,
        b"AREA:T\r" + BODY + TRAILER,
        USUAL.replace(b"--- Prog 1.0\r", b""),
        USUAL.replace(b"--- Prog 1.0\r", b"\r"),
        USUAL.replace(b"\r\x01PATH", b"\r\r\x01PATH"),
        echo_text("TQW_GEN"),
    ],
)
def test_usual_texts_take_the_short_way(text: bytes) -> None:
    """What the hot path is made for is not left to the long way."""
    assert message._split_usual(text) is not None


@given(texts, st.sampled_from([b"\r", b"\r\n", b"\n"]))
def test_offset_of_the_transit_end(text: bytes, line_end: bytes) -> None:
    """Up to the end of transit, and with any line ends, the text is what it was; after it comes no author's line."""
    raw = text.replace(b"\n", b"").replace(b"\r", line_end)
    found = split_text(raw)
    clean = split_text(clean_text(raw))
    assert found.raw == (raw if b"\r" in raw else clean.raw)
    assert clean_text(found.raw[: found.transit_end]) == clean.raw[: clean.transit_end]
    assert found.transit_end in {0, len(found.raw)} or found.raw[found.transit_end - 1] == 13
    assert (found.area, found.kludges, found.body) == (clean.area, clean.kludges, clean.body)
    assert (found.seen_by, found.path, found.moved) == (clean.seen_by, clean.path, clean.moved)


@given(texts)
def test_forwarding_again_changes_nothing(text: bytes) -> None:
    """What is forwarded, with new SEEN-BY and PATH behind it, has the same author's part at the next system."""
    first = split_text(text)
    if first.area is None:
        return
    second = split_text(first.transit + b"SEEN-BY: 1/100\r\x01PATH: 1/100\r")
    assert second.transit == first.transit
    assert (second.area, second.seen_by, second.path) == (first.area, (b"1/100",), (b"1/100",))


@pytest.mark.parametrize(
    "head",
    [
        b"\x01AREA:TQW\r\x01MSGID: 1:2/3 1\r",
        b"area:TQW\r\x01MSGID: 1:2/3 1\r",
        b"AREA: \tTQW \r\x01MSGID: 1:2/3 1\r",
        b"\x01MSGID: 1:2/3 1\rAREA:TQW\r",
        b"\x01MSGID: 1:2/3 1\r\x01area: TQW\r",
    ],
)
@pytest.mark.parametrize("line_end", [b"\r", b"\n", b"\r\n"])
def test_area_line_is_sent_on_in_the_usual_form(head: bytes, line_end: bytes) -> None:
    """However the AREA line came, it leaves as the first line and plain, for those who would else see netmail."""
    found = split_text((head + BODY + TRAILER).replace(b"\r", line_end))
    assert found.area == "TQW"
    assert found.transit == b"AREA:TQW\r\x01MSGID: 1:2/3 1\r" + BODY
    assert b"\r" not in line_end or join_text(text_parts(found.raw)) == found.raw


@pytest.mark.parametrize("end", [b"", b"\r", b"\x01Via 1:2/3\r", b"\x01TID: x\r\r"])
def test_path_without_a_body(end: bytes) -> None:
    """In a message of nothing but control paragraphs PATH is what it is elsewhere, and not sent on in front of ours."""
    for head in (b"AREA:T\r", b"AREA:T\r\x01MSGID: 1:2/3 1\r", b"\x01MSGID: 1:2/3 1\rAREA:T\r"):
        sent_on = head if head.startswith(b"AREA") else b"AREA:T\r\x01MSGID: 1:2/3 1\r"
        found = split_text(head + b"\x01PATH: 1/300 100\r" + end)
        assert (found.path, found.transit_end) == ((b"1/300 100",), len(head))
        assert found.transit == sent_on + (b"\x01TID: x\r" if b"TID" in end else b"")
        assert join_text(text_parts(found.raw)) == found.raw
    assert split_text(b"AREA:T\r\x01PATH: 1/300\r" + BODY + end).path == ()


@pytest.mark.parametrize("line", [b"SEEN-BY: %s\r", b"\x01PATH: %s\r", b" * Origin: %s\r"])
def test_origin_before_many_like_it(line: bytes) -> None:
    """However often the word stands in lines that are none, the Origin line is found, both ways."""
    raw = HEAD + b"Hi\r * Origin: here\r" + line % (b"Origin:" * (MOST_LINES + 1))
    usual, found = message._split_usual(raw), message._split_any(raw)
    assert usual is None or usual == found
    assert found.origin is not None
    assert found.origin.startswith((b"here", b"Origin:"))


@pytest.mark.parametrize("count", [MOST_LINES - 2, MOST_LINES - 1, MOST_LINES, MOST_LINES + 1])
@pytest.mark.parametrize(
    "line", [b"\r", b"\x01K\r", b"SEEN-BY: 1/1\r", b"\x01PATH: 1/1\r", b"Origin:", b" # Origin:\r"]
)
def test_lines_are_bounded(line: bytes, count: int) -> None:
    """Texts with thousands of lines of one sort make bounded lists, lose no byte, and go both ways alike."""
    for raw in (HEAD + line * count, HEAD + line * count + BODY, USUAL + line * count, HEAD + b"x\r" + line * count):
        usual, found = message._split_usual(raw), message._split_any(raw)
        assert usual is None or usual == found
        assert max(len(found.kludges), len(found.seen_by), len(found.path)) < 2 * MOST_LINES
        assert join_text(text_parts(raw)) == raw
        assert raw.startswith(found.transit.removesuffix(found.moved).removesuffix(b"\r"))


@pytest.mark.parametrize(
    ("raw", "area"),
    [
        (b"AREA:TAG\rHi\r", "TAG"),
        (b"AREA: Tag \rHi\r", "Tag"),
        (b"area:tag\rHi\r", "tag"),
        (b"AREA:TWO WORDS\r", "TWO WORDS"),
        (b"AREA:\r", ""),
        (b"AREA:TAG", "TAG"),
        (b"AREA:T\xc4G\r", "TÄG"),
        (b"\x01AREA:TAG\r", "TAG"),
        (b"\x01PID: p\rAREA:TAG\r", "TAG"),
        (b"\nAREA:TAG\r\n", "TAG"),
        (b"AREA:TAG\n\nHi\n", "TAG"),
        (b"\rAREA:TAG\r", None),
        (b"> AREA:TAG\r", None),
        (b"Hi\rAREA:TAG\r", None),
        (b"Hi\r\x01AREA:TAG\r", None),
        (b"", None),
    ],
)
def test_area(raw: bytes, area: str | None) -> None:
    """Only the first line that is no control paragraph, or one of the leading control paragraphs, names the area."""
    assert split_text(raw).area == area


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_line_feeds(end: bytes) -> None:
    """A text with CR LF or LF says the same as with CR, and what is forwarded has CR in every line."""
    found = split_text(USUAL.replace(b"\r", end))
    usual = split_text(USUAL)
    assert (found.area, found.kludges, found.body) == (usual.area, usual.kludges, usual.body)
    assert (found.tearline, found.origin) == (usual.tearline, usual.origin)
    assert (found.seen_by, found.path) == (usual.seen_by, usual.path)
    assert found.transit.replace(b"\n", b"") == HEAD + BODY


def test_stray_line_feeds() -> None:
    """A LF without CR in a text that has CR ends no line, and stays in what is forwarded."""
    found = split_text(USUAL.replace(b"this is", b"this\n\x01 is"))
    assert found.body == BODY.replace(b"this is", b"this\x01 is")
    assert found.transit == (HEAD + BODY).replace(b"this is", b"this\n\x01 is")


def test_kludges_in_the_body() -> None:
    """A control paragraph amid the body is listed in its place, and people do not see it."""
    found = split_text(USUAL.replace(b"Hello,\r", b"Hello,\r\x01NOTE: n\r"))
    assert found.kludges[-1] == b"NOTE: n"
    assert found.body == BODY
    assert found.transit == (HEAD + BODY).replace(b"Hello,\r", b"Hello,\r\x01NOTE: n\r")


def test_kludges_behind_the_origin() -> None:
    """Unknown control paragraphs from behind the Origin go on in front of SEEN-BY; what is for netmail does not."""
    found = split_text(USUAL + b"\x01NOTE: n\r\x01Via 1:2/3\r\x01INTL 1:2/3 1:2/4\r\x01X")
    assert found.kludges[-4:] == [b"NOTE: n", b"Via 1:2/3", b"INTL 1:2/3 1:2/4", b"X"]
    assert found.transit == HEAD + BODY + b"\x01NOTE: n\r\x01X\r"
    assert found.body == BODY


def test_text_behind_path() -> None:
    """What a gateway adds behind PATH is shown to people and not sent on."""
    found = split_text(USUAL + b"Visit us!\r")
    assert found.body == BODY + b"Visit us!\r"
    assert found.transit == HEAD + BODY
    assert found.path == (b"1/300 100",)


def test_origin_in_a_quotation() -> None:
    """An Origin line with the author's own lines below it, and none at the end, is no end of the author's part."""
    raw = HEAD + b"Look:\r * Origin: Elsewhere (2:3/4)\rWhat do you think?\rSEEN-BY: 1/100\r\x01PATH: 1/100\r"
    found = split_text(raw)
    assert found.transit.endswith(b"What do you think?\r")
    assert found.seen_by == (b"1/100",)


def test_last_origin_counts() -> None:
    """Of several Origin lines the last one is the author's; quoted ones do not begin a line."""
    raw = USUAL.replace(b"Hello,\r", b" * Origin: Old (1:2/3)\rAd> * Origin: Quoted (1:2/4)\r")
    assert split_text(raw).origin == b"Invented Systems (1337:1/300)"


@pytest.mark.parametrize("start", [b"* Origin: ", b" *Origin: ", b"*Origin:"])
def test_origin_with_other_blanks(start: bytes) -> None:
    """Origin lines with a blank too few are Origin lines."""
    found = split_text(USUAL.replace(b" * Origin: ", start))
    assert found.origin == b"Invented Systems (1337:1/300)"
    assert found.transit == (HEAD + BODY).replace(b" * Origin: ", start)


def test_no_origin() -> None:
    """Without an Origin line the author's part ends where the last run of transport lines begins."""
    raw = HEAD + b"Hello\rSEEN-BY: 9/9\rBye\r\rSEEN-BY: 1/100\r\r\x01NOTE: n\r\x01PATH: 1/100\r\r"
    found = split_text(raw)
    assert found.origin is None
    assert found.transit == HEAD + b"Hello\rSEEN-BY: 9/9\rBye\r\r\x01NOTE: n\r"
    assert found.body == b"Hello\rSEEN-BY: 9/9\rBye\r\r"
    assert (found.seen_by, found.path) == ((b"1/100",), (b"1/100",))


@pytest.mark.parametrize("between", [b"SEEN-BY: 1/3\r", b"x\r", b"\x01X\rSEEN-BY: 1/3\r\r"])
@pytest.mark.parametrize("within", [b"", b"\r", b"\x01X\r"])
def test_last_group_of_path(between: bytes, within: bytes) -> None:
    """After a bad rescan there are several groups of PATH lines, and the last one is valid."""
    old, new = b"\x01PATH: 1/1\r\x01PATH: 1/2\r", b"\x01PATH: 1/4\r" + within + b"\x01PATH: 1/5\r"
    assert split_text(HEAD + BODY + old + between + new).path == (b"1/4", b"1/5")


def test_transport_lines_as_others_write_them() -> None:
    """SEEN-BY may be a control paragraph, and both keywords may be in small letters."""
    found = split_text(HEAD + BODY + b"\x01SEEN-BY: 1/1\rseen-by:\t1/2\rSEEN-BY:1/3\r\x01path:1/4 \r")
    assert (found.seen_by, found.path) == ((b"1/1", b"1/2", b"1/3"), (b"1/4",))


def test_netmail_has_no_transport_lines() -> None:
    """In netmail, SEEN-BY is something a person wrote, and all of it is forwarded."""
    raw = b"\x01INTL 1:2/3 1:2/4\rLook at this:\rSEEN-BY: 1/2\r\x01PATH: 1/2\r\x01Via 1:2/4 @20261101.080000.UTC p 1\r"
    found = split_text(raw)
    assert found.area is None
    assert found.body == b"Look at this:\rSEEN-BY: 1/2\r"
    assert found.kludges == [b"INTL 1:2/3 1:2/4", b"PATH: 1/2", b"Via 1:2/4 @20261101.080000.UTC p 1"]
    assert (found.seen_by, found.path, found.transit, found.moved) == ((), (), raw, b"")


def test_transit_ends_a_line() -> None:
    """An Origin line that ends the text without CR gets one when it is forwarded."""
    found = split_text((HEAD + BODY).removesuffix(b"\r"))
    assert found.transit_end == len(HEAD + BODY) - 1
    assert found.transit == HEAD + BODY


@pytest.mark.parametrize(
    ("tear", "tearline"),
    [
        (b"---\r", b""),
        (b"--- \r", b""),
        (b"---  A b \r", b"A b"),
        (b"--- A\r\r", b"A"),
        (b"--- A\r # Origin: g\r", b"A"),
        (b"--- A\r\x01K: v\r", b"A"),
        (b"----\r", None),
        (b"---A\r", None),
        (b" --- A\r", None),
        (b"--- A\rx\r", None),
    ],
)
def test_tearline(tear: bytes, tearline: bytes | None) -> None:
    """The tearline has three dashes and then a blank or nothing, and stands above the Origin."""
    assert split_text(USUAL.replace(b"--- Prog 1.0\r", tear)).tearline == tearline


def test_identities() -> None:
    """MSGID and REPLY are found in any letter case; an empty one is none."""
    text = split_text(HEAD.replace(b"MSGID", b"MsgId").replace(b"REPLY: 1337:1/301 00000007", b"REPLY:"))
    assert (msgid(text), reply(text)) == (b"1337:1/300 0000002a", None)
    assert reply(split_text(USUAL)) == b"1337:1/301 00000007"


@pytest.mark.parametrize(
    ("origin", "address"),
    [
        (b"Here (2:5020/1042)", "2:5020/1042"),
        (b"Here (2:5020/1042.7@fidonet.org)", "2:5020/1042.7@fidonet"),
        (b"Here ( 2:5020/1042 )", "2:5020/1042"),
        (b"Here (2:5020/1042", "2:5020/1042"),
        (b"Here 2:5020/1042", "2:5020/1042"),
        (b"(1:2/3) or rather (2:5020/1042) ", "2:5020/1042"),
        (b"2:5020/1042 is where I am", "2:5020/1042"),
        (b"Here (5020/1042)", "1337:1/300"),
        (b"Here (99999:1/1)", "1337:1/300"),
        (b"Here ()", "1337:1/300"),
        (b"x" * 90 + b" (2:5020/1042)", "2:5020/1042"),
    ],
)
def test_address_in_the_origin(origin: bytes, address: str) -> None:
    """The author's address is the last one of the Origin line, or else that of MSGID."""
    text = split_text(USUAL.replace(b"Invented Systems (1337:1/300)", origin))
    assert origin_address(text) == Address.parse(address)


@pytest.mark.parametrize(
    "raw", [b"Hi\r", b"\x01MSGID:\rHi\r", b"\x01MSGID: <1@example.org> 12345678\r", b"AREA:T\r * Origin: nowhere\r"]
)
def test_no_author_address(raw: bytes) -> None:
    """A text that states no address has none."""
    assert origin_address(split_text(raw)) is None


def test_build_usual_text() -> None:
    """A new text is laid out in the order of the standards."""
    text = build_text(
        area="TQW_TECH",
        kludges=[b"MSGID: 1337:1/300 0000002a", b"REPLY: 1337:1/301 00000007", b"PID: Prog 1"],
        body=b"Hello,\r\n\r\nthis is a test.",
        tearline=b"Prog 1.0",
        origin=b"Invented Systems (1337:1/300)",
        seen_by=format_seen_by([(1, 200), (1, 100)]),
        path=format_path([(1, 300), (1, 100)]),
    )
    assert text == HEAD + BODY + b"SEEN-BY: 1/100 200\r\x01PATH: 1/300 100\r"


def test_build_netmail() -> None:
    """A netmail has neither AREA line nor anything else that was not asked for."""
    assert build_text(kludges=[b"INTL 1:2/3 1:2/4"], body=b"Hi\nAda\n") == b"\x01INTL 1:2/3 1:2/4\rHi\rAda\r"
    assert build_text(tearline=b"") == b"---\r"


def test_build_quotes_control_bytes() -> None:
    """No line of a body becomes a control paragraph; 01 elsewhere stays."""
    body = b"\x01MSGID: forged\r\nHi\n\x01PATH: 1/1\rx\x01y"
    assert build_text(body=body) == b"@MSGID: forged\rHi\r@PATH: 1/1\rx\x01y\r"


plain = st.text("abc d", min_size=1, max_size=8).map(lambda text: text.strip().encode() or b"a")


@given(
    st.lists(plain.map(lambda raw: b"K: " + raw), max_size=3),
    st.lists(plain, max_size=4),
    st.none() | plain,
    st.sets(st.tuples(st.integers(1, 9), st.integers(0, 99)), max_size=30),
)
def test_built_texts_come_back(
    kludges: list[bytes], body: list[bytes], tearline: bytes | None, nodes: set[tuple[int, int]]
) -> None:
    """What a text is built from is what it comes apart into."""
    seen_by, path = format_seen_by(nodes), format_path(nodes)
    text = split_text(
        build_text(
            area="T",
            kludges=kludges,
            body=b"\r".join(body),
            tearline=tearline,
            origin=b"o (1:2/3)",
            seen_by=seen_by,
            path=path,
        )
    )
    assert (text.area, text.kludges, text.tearline, text.origin) == ("T", kludges, tearline, b"o (1:2/3)")
    assert text.body.startswith(b"".join(line + b"\r" for line in body))
    assert text.seen_by == tuple(line.removeprefix(b"SEEN-BY: ") for line in seen_by)
    assert text.path == tuple(line.removeprefix(b"\x01PATH: ") for line in path)
