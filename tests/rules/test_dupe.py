"""What makes two messages the same, and what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus import echo_text, fido_date, packed, seen_by_nodes
from tests.mail import EPOCH
from tests.rules.world import read_message
from tosser.rules.dupe import KEY_SIZE, dupe_key

if TYPE_CHECKING:
    from collections.abc import Callable

MSGID = "1337:1/300 65ec6b92"
BODY = b"Hello,\r\rthis is a test.\r"
WITHOUT = echo_text("TQW_TECH", body=BODY, msgid=None)
WITH = echo_text("TQW_TECH", body=BODY, msgid=MSGID)


def key(
    text: bytes, *, network: str = "tqwnet", tag: str = "TQW_TECH", fields: dict[str, bytes] | None = None
) -> bytes:
    """The key of a message with this text and the usual, or other, header fields."""
    chosen = {"to": b"All", "from": b"Mira Kovale", "subject": b"Test", "date": fido_date(EPOCH)} | (fields or {})
    raw = packed(text, to_name=chosen["to"], from_name=chosen["from"], subject=chosen["subject"], date=chosen["date"])
    return dupe_key(network, tag, *read_message(raw))


TRANSPORT: dict[str, Callable[[bytes], bytes]] = {
    "seen-by": lambda text: text.replace(b"SEEN-BY: 1/100 200\r", b"SEEN-BY: 1/100 200 300 5020/1042\r"),
    "no seen-by": lambda text: text.replace(b"SEEN-BY: 1/100 200\r", b""),
    "path": lambda text: text.replace(b"PATH: 1/300 100\r", b"PATH: 1/300 7 8 100\r"),
    "kludge added": lambda text: text.replace(b"\x01PID:", b"\x01TID: relay 1.0\r\x01PID:"),
    "kludge lost": lambda text: text.replace(b"\x01TZUTC: 0100\r", b""),
    "line feeds": lambda text: text.replace(b"\r", b"\r\n"),
    "soft carriage returns": lambda text: text.replace(b"this is", b"this\x8d is"),
    "tag in lower case": lambda text: text.replace(b"AREA:TQW_TECH", b"AREA:tqw_tech"),
    "lines behind the trailer": lambda text: text + b"\x01Via 1337:1/7 @20260101.000000.UTC relay 1.0\r",
}


@pytest.mark.parametrize("change", TRANSPORT.values(), ids=TRANSPORT)
@pytest.mark.parametrize("text", [WITH, WITHOUT], ids=["MSGID", "no MSGID"])
def test_transport_does_not_count(text: bytes, change: Callable[[bytes], bytes]) -> None:
    """What programs on the way add or remove leaves the key as it was."""
    changed = change(text)
    assert changed != text
    assert key(changed) == key(text)


@pytest.mark.parametrize(
    "other",
    [
        MSGID.replace("65ec6b92", "65ec6b93"),
        MSGID.replace("65ec6b92", "65EC6B92"),
        MSGID.replace("1/300", "1/301"),
        f"{MSGID} x",
    ],
)
def test_other_msgid(other: str) -> None:
    """Another MSGID is another message, letter by letter."""
    assert key(echo_text("TQW_TECH", body=BODY, msgid=other)) != key(WITH)


@pytest.mark.parametrize("same", [f" {MSGID}", f"{MSGID} ", MSGID.replace(" ", "   "), MSGID.replace(" ", "\t")])
def test_blanks_in_msgid(same: str) -> None:
    """Repeated blanks and those at the ends do not count."""
    assert key(echo_text("TQW_TECH", body=BODY, msgid=same)) == key(WITH)


@pytest.mark.parametrize("bare", ["1337:1/300", "1337:1/300.7", "1337:1/300@tqwnet", "1/300", " 1337:1/300 "])
def test_msgid_without_serial(bare: str) -> None:
    """A MSGID that is an address alone is that of all its author writes: then what he wrote counts, as without one."""
    assert key(echo_text("TQW_TECH", body=BODY, msgid=bare)) == key(WITHOUT)
    assert key(echo_text("TQW_TECH", body=b"Something else.\r", msgid=bare)) != key(WITHOUT)


@pytest.mark.parametrize("whole", ["<4768@example.org>", "4768.tqw_tech@1337:1/300", "65ec6b92"])
def test_msgid_of_one_word(whole: str) -> None:
    """One word that is no address is an identity as any other."""
    assert key(echo_text("TQW_TECH", body=b"Cut.\r", msgid=whole)) == key(echo_text("TQW_TECH", body=BODY, msgid=whole))


def test_msgid_alone_counts() -> None:
    """With the same MSGID a message is the same, whatever else became of it on the way."""
    changed = {"subject": b"Re: Test", "from": b"M. Kovale", "date": bytes(20)}
    assert key(echo_text("TQW_TECH", body=b"Cut.\r", msgid=MSGID), fields=changed) == key(WITH)


@pytest.mark.parametrize(
    "fields",
    [{"from": b"Mira"}, {"to": b"Sysop"}, {"subject": b"Test 2"}, {"date": b"01 Nov 26  08:00:01\0"}],
    ids=["from", "to", "subject", "date"],
)
def test_fields_count_without_msgid(fields: dict[str, bytes]) -> None:
    """Without MSGID another author, addressee, subject or date is another message."""
    assert key(WITHOUT, fields=fields) != key(WITHOUT)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"a test.", b"a text."),
        lambda text: text.replace(b"Invented Systems", b"Invented System"),
        lambda text: text.replace(b"--- Mystic", b"--- Myst"),
    ],
    ids=["body", "origin", "tearline"],
)
def test_text_counts_without_msgid(change: Callable[[bytes], bytes]) -> None:
    """Without MSGID everything the author wrote counts, up to the Origin line."""
    changed = change(WITHOUT)
    assert changed != WITHOUT
    assert key(changed) != key(WITHOUT)


def test_empty_msgid_is_none() -> None:
    """A MSGID without a value makes no two messages the same."""
    texts = [echo_text("TQW_TECH", body=body, msgid="") for body in (b"One.\r", b"Two.\r")]
    assert key(texts[0]) != key(texts[1])


@pytest.mark.parametrize("text", [WITH, WITHOUT], ids=["MSGID", "no MSGID"])
def test_areas_are_apart(text: bytes) -> None:
    """The same message in two areas, or in areas of two networks with one tag, is two messages."""
    keys = {
        key(text),
        key(text, tag="TQW_GEN"),
        key(text, network="fidonet"),
        key(text, network="tqwnetT", tag="QW_TECH"),
    }
    assert len(keys) == 4


@pytest.mark.parametrize(
    ("msgid", "starts"),
    [
        ("1337:1/300 65ec6b92", "65ec6b92"),
        ("4768.fsx_adq@21:1/242 2D03F962", "2d03f962"),
        ("<1234@example.invalid> 00000000", "00000000"),
    ],
)
def test_serial_comes_first(msgid: str, starts: str) -> None:
    """Keys begin with the serial, so that the messages of one day are neighbours in the history."""
    assert key(echo_text("TQW_TECH", msgid=msgid)).hex().startswith(starts)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126) | st.just(" "), max_size=60))
def test_every_msgid_has_a_key(msgid: str) -> None:
    """Whatever stands in MSGID, there is a key of the right size, and the same one again."""
    text = echo_text("TQW_TECH", msgid=msgid)
    assert key(text) == key(text)
    assert len(key(text)) == KEY_SIZE


@given(st.binary(max_size=300).map(lambda data: data.replace(b"\0", b"").replace(b"\n", b"")), st.integers(0, 9))
def test_trailer_never_counts(body: bytes, count: int) -> None:
    """Whatever the author wrote, SEEN-BY and PATH do not change the key of a message without MSGID."""
    texts = [
        echo_text("TQW_TECH", body=body + b"\r", msgid=None, seen_by=seen_by_nodes(count=nodes), path=path)
        for nodes, path in ((2, ["1/300"]), (3 + count, ["1/300", f"5/{count}", "1/100"]))
    ]
    assert key(texts[0]) == key(texts[1])
