"""The verdict on single messages: a table of cases for every reason."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.corpus import EPOCH, HUB, US, echo_text, message, netmail, packed
from tests.rules.world import DAY, NOW, POINT, READER, STRANGER, make_network, make_piece, usual_rules
from tosser.address import Address
from tosser.codec.ftsdate import format_date, parse_date
from tosser.reason import Reason
from tosser.rules.dupe import dupe_key
from tosser.rules.network import InboundClass, StoreKind
from tosser.rules.policy import judge_packet
from tosser.rules.transit import Attachments
from tosser.rules.verdict import Judge, TargetKind, area_tag, bad_target

if TYPE_CHECKING:
    from collections.abc import Container

    from tosser.rules.network import Rulebook
    from tosser.rules.verdict import Verdict

LONGEST = "T" * 79


def judge(
    raw: bytes,
    rules: Rulebook | None = None,
    *,
    sender: str = HUB,
    cls: InboundClass = InboundClass.SECURE,
    known: Container[bytes] = (),
) -> Verdict:
    """Judge one packed message that came in a packet from a system."""
    rules = rules or usual_rules()
    piece = make_piece([raw], sender=sender, cls=cls)
    packet = judge_packet(piece.header, cls, piece.summary, rules)
    assert packet.network is not None
    packed_message, text = piece.messages[0]
    tag = area_tag(text)
    key = None if tag is None else dupe_key(packet.network.name, tag, packed_message, text)
    return Judge(piece.header, packet, rules, NOW, known, file=piece.file, attachments=Attachments()).judge(
        packed_message, text, key
    )


def dated(date: bytes, area: str = "DATED") -> bytes:
    """A message with a date field of one's own."""
    return packed(echo_text(area), date=date.ljust(20, b"\0"))


@pytest.mark.parametrize("area", ["TQW_TECH", "tqw_tech", "Tqw_Tech", " TQW_TECH ", "!ODD\\TAG`{|}~", "!odd\\tag`{|}~"])
def test_accepted(area: str) -> None:
    """A message for an area of ours is stored there; letter case and blanks around the tag do not count."""
    verdict = judge(message(area))
    assert verdict.reason is Reason.ACCEPTED
    assert verdict.target is not None
    assert (verdict.target.kind, verdict.target.network) == (TargetKind.AREA, "tqwnet")
    assert verdict.target.tag == area.strip().upper()
    assert verdict.target.path == f"/bases/{area.strip().lower()}"


def test_passthrough() -> None:
    """In a passthrough area a message is accepted and kept nowhere."""
    verdict = judge(message("PASSED_ON"))
    assert verdict.reason is Reason.ACCEPTED
    assert verdict.target is not None
    assert (verdict.target.store, verdict.target.path) == (StoreKind.PASSTHROUGH, "")


REFUSED: list[tuple[str, str, Reason]] = [
    ("", HUB, Reason.INVALID_TAG),
    ("TWO WORDS", HUB, Reason.INVALID_TAG),
    ("+TQW_TECH", HUB, Reason.INVALID_TAG),
    ("-TQW_TECH", HUB, Reason.INVALID_TAG),
    (LONGEST + "T", HUB, Reason.INVALID_TAG),
    ("TAB\tTAG", HUB, Reason.INVALID_TAG),
    ("DEL\x7fTAG", HUB, Reason.INVALID_TAG),
    (LONGEST, HUB, Reason.UNKNOWN_AREA),
    ("TQW_TECH2", HUB, Reason.UNKNOWN_AREA),
    ("../../ETC/PASSWD", HUB, Reason.UNKNOWN_AREA),
    ("BADMAIL.TQWNET", HUB, Reason.UNKNOWN_AREA),
    ("NOT_THE_HUB", HUB, Reason.NOT_LINKED),
    ("TQW_TECH", READER, Reason.MAY_NOT_WRITE),
    ("NOT_THE_HUB", READER, Reason.NOT_LINKED),
    ("PAUSED", HUB, Reason.AREA_PAUSED),
    ("PAUSED", READER, Reason.MAY_NOT_WRITE),
]


@pytest.mark.parametrize(("area", "sender", "reason"), REFUSED)
def test_refused_by_area(area: str, sender: str, reason: Reason) -> None:
    """What the area, or the sender's right in it, forbids goes to the network's bad area, with the first reason."""
    verdict = judge(message(area, sender=sender), sender=sender)
    assert verdict.reason is reason
    assert verdict.target == bad_target(usual_rules().networks["tqwnet"])
    assert verdict.target.path == "/bases/BADMAIL.TQWNET"


@pytest.mark.parametrize("tag", [b"TQW_T\xc9CH", b"T\xdf", b"\xb5", b"\xff"])
def test_letters_beyond_ascii(tag: bytes) -> None:
    """A tag with letters beyond ASCII is none, even one whose upper case would be ASCII."""
    raw = message("XX").replace(b"AREA:XX", b"AREA:" + tag)
    assert judge(raw).reason is Reason.INVALID_TAG


@pytest.mark.parametrize(
    ("date", "reason"),
    [
        (b"01 Nov 26  08:00:00", Reason.ACCEPTED),
        (b"25 Oct 26  09:00:00", Reason.ACCEPTED),
        (b"25 Oct 26  08:59:59", Reason.TOO_OLD),
        (b"01 Nov 95  08:00:00", Reason.TOO_OLD),
        (b"02 Nov 26  09:00:00", Reason.ACCEPTED),
        (b"02 Nov 26  09:00:01", Reason.TOO_NEW),
        (b"01 Nov 79  08:00:00", Reason.TOO_NEW),
        (b"Sun  1 Nov 26 08:00", Reason.ACCEPTED),
        (b"", Reason.ACCEPTED),
        (b"no date at all", Reason.ACCEPTED),
        (b"00 Jan 00  00:00:00", Reason.ACCEPTED),
    ],
)
def test_dates(date: bytes, reason: Reason) -> None:
    """A message is refused beyond the ages its area accepts, to the second; an unreadable date is no reason."""
    assert judge(dated(date)).reason is reason
    assert judge(dated(date, "TQW_TECH")).reason is Reason.ACCEPTED


CLEAN_DATES = st.datetimes(
    datetime.fromtimestamp(NOW - 9 * DAY, UTC).replace(tzinfo=None),
    datetime.fromtimestamp(NOW + 3 * DAY, UTC).replace(tzinfo=None),
).map(format_date)
SPOILT_DATES = st.builds(
    lambda date, at, byte: date[:at] + byte + date[at + 1 :], CLEAN_DATES, st.integers(0, 18), st.binary(max_size=2)
)


@given(CLEAN_DATES | SPOILT_DATES)
def test_days_are_no_other_than_dates(date: bytes) -> None:
    """The age of a message is that of its date to the second, clean or not, although most are judged by their day."""
    written = parse_date(date[:19].partition(b"\0")[0]).value
    age = 0.0 if written is None else NOW - written.replace(tzinfo=UTC).timestamp()
    expected = Reason.TOO_OLD if age > 7 * DAY else Reason.TOO_NEW if age < -DAY else Reason.ACCEPTED
    assert judge(dated(date[:19])).reason is expected


@pytest.mark.parametrize("area", ["TQW_TECH", "PASSED_ON"])
def test_duplicate(area: str) -> None:
    """A message that was seen before goes nowhere, though loops and dates are no matter then."""
    raw = message(area, path=["1/200", "1/300", "1/200"])
    piece = make_piece([raw])
    key = dupe_key("tqwnet", area, *piece.messages[0])
    verdict = judge(raw, known={key})
    assert (verdict.reason, verdict.target) == (Reason.DUPLICATE, None)


def test_seen_before_but_not_permitted() -> None:
    """Rights and age are judged before duplicates: a refused message is refused however often it comes."""
    for raw, sender, reason in (
        (message("PAUSED"), HUB, Reason.AREA_PAUSED),
        (message("TQW_TECH", sender=READER), READER, Reason.MAY_NOT_WRITE),
        (dated(b"01 Nov 95  08:00:00"), HUB, Reason.TOO_OLD),
    ):
        piece = make_piece([raw])
        tag = area_tag(piece.messages[0][1]) or ""
        assert judge(raw, sender=sender, known={dupe_key("tqwnet", tag, *piece.messages[0])}).reason is reason


# --- PATH

PATHS: list[tuple[list[str], str, Reason]] = [
    (["1/300", "1/100"], HUB, Reason.ACCEPTED),
    ([], HUB, Reason.ACCEPTED),
    (["1/200", "1/100"], HUB, Reason.LOOP),
    (["1/300", "1/200", "1/100"], HUB, Reason.LOOP),
    (["1/300", "1/100", "1/200"], HUB, Reason.LOOP),
    (["1/200"], HUB, Reason.LOOP),
    (["2/200", "20/1", "1/2000"], HUB, Reason.ACCEPTED),
    # our points begin with us; but only begin
    (["1/200"], POINT, Reason.ACCEPTED),
    (["1/300", "1/200"], POINT, Reason.LOOP),
    # the same system twice
    (["1/300", "1/300", "1/100"], HUB, Reason.ACCEPTED),
    (["1/300", "5/1", "1/300"], HUB, Reason.CIRCULAR),
    (["1/100", "5/1", "5/2", "1/100"], HUB, Reason.CIRCULAR),
    (["1/200", "5/1", "1/200"], HUB, Reason.LOOP),
]


@pytest.mark.parametrize(("path", "sender", "reason"), PATHS)
def test_path(path: list[str], sender: str, reason: Reason) -> None:
    """Our own address in PATH is a loop; another one twice, with others between, has gone in a circle."""
    assert judge(message("TQW_TECH", path=path, sender=sender), sender=sender).reason is reason


@pytest.mark.parametrize("rescanned", [b"RESCANNED 1337:1/100", b"RESCANNED: 1337:1/100", b"rescanned 1337:1/100"])
@pytest.mark.parametrize("path", [["1/200", "1/100"], ["1/300", "5/1", "1/300"]])
def test_rescanned(rescanned: bytes, path: list[str]) -> None:
    """Mail that was asked for again has been here before, and that is no loop."""
    raw = message("TQW_TECH", path=path)
    assert judge(raw).reason in {Reason.LOOP, Reason.CIRCULAR}
    assert judge(raw.replace(b"\x01PID:", b"\x01" + rescanned + b"\r\x01PID:")).reason is Reason.ACCEPTED


@pytest.mark.parametrize(
    ("path", "reason"), [(["1/200"], Reason.ACCEPTED), (["1/300", "1/200"], Reason.LOOP), (["1/300"], Reason.ACCEPTED)]
)
def test_path_of_our_own_programs(path: list[str], reason: Reason) -> None:
    """Our own programs may begin PATH with us; what has been elsewhere before is a loop here too."""
    raw = message("TQW_TECH", path=path, sender=US)
    assert judge(raw, sender=US, cls=InboundClass.LOCAL).reason is reason


def zones(area_aka: str) -> Rulebook:
    """One network with an AKA in two zones; the area goes by one of them."""
    net = make_network("tqwnet", US, "42:1/200")
    rules = usual_rules(network=net)
    aka = next(aka for aka in net.addresses if str(aka.without_domain) == area_aka)
    key = ("tqwnet", "TQW_TECH")
    return replace(rules, areas={key: replace(rules.areas[key], aka=aka)})


@pytest.mark.parametrize(("area_aka", "reason"), [(US, Reason.LOOP), ("42:1/200", Reason.ACCEPTED)])
@pytest.mark.parametrize("path", [["1/300", "1/200", "1/100"], ["1/300", "1/200", "1/300"]])
def test_path_of_another_zone(area_aka: str, reason: Reason, path: list[str]) -> None:
    """PATH has no zones, so it proves nothing about us when the packet is from another zone than our AKA."""
    assert judge(message("TQW_TECH", path=path), zones(area_aka)).reason is reason


@pytest.mark.parametrize("path", [["1/200", "1/100"], ["9/9", "1/200", "1/100"], ["5/5", "1/100", "5/5", "1/100"]])
def test_path_of_an_author_in_another_zone(path: list[str]) -> None:
    """Behind a gate PATH still has nodes of the author's zone, so one with our numbers, or twice, proves nothing."""
    raw = message("TQW_TECH", path=path)
    assert judge(raw).reason in {Reason.LOOP, Reason.CIRCULAR}
    for text in (raw.replace(b"(1337:", b"(42:"), raw.replace(b" (1337:", b" (x").replace(b"D: 1337:", b"D: 42:")):
        assert text != raw
        assert judge(text).reason is Reason.ACCEPTED


@pytest.mark.parametrize(
    ("path", "reason"),
    [(["1/300", "1/200"], Reason.ACCEPTED), (["1/200"], Reason.ACCEPTED), (["3/3", "1/200", "3/3"], Reason.CIRCULAR)],
)
def test_when_we_are_a_point(path: list[str], reason: Reason) -> None:
    """Our boss stands in the PATH of all we get; a circle is one all the same."""
    rules = usual_rules(network=make_network("tqwnet", "1337:1/200.7"))
    piece = make_piece([message("TQW_TECH", path=path)], dest="1337:1/200.7")
    packet = judge_packet(piece.header, InboundClass.SECURE, piece.summary, rules)
    assert (
        Judge(piece.header, packet, rules, NOW, (), file=piece.file, attachments=Attachments())
        .judge(*piece.messages[0], b"key")
        .reason
        is reason
    )


# --- our own programs, netmail


@pytest.mark.parametrize("area", ["TQW_TECH", "NOT_THE_HUB"])
@pytest.mark.parametrize("sender", [US, STRANGER, READER])
def test_our_own_programs(area: str, sender: str) -> None:
    """What our own programs bring needs no link and no right."""
    raw = message(area, sender=sender, path=["1/300"])
    assert judge(raw, sender=sender, cls=InboundClass.LOCAL).reason is Reason.ACCEPTED


@pytest.mark.parametrize(("area", "reason"), [("PAUSED", Reason.AREA_PAUSED), ("NO_SUCH", Reason.UNKNOWN_AREA)])
def test_areas_bind_our_own_programs(area: str, reason: Reason) -> None:
    """An area that is paused or not there is so for everybody."""
    assert judge(message(area), sender=US, cls=InboundClass.LOCAL).reason is reason


@pytest.mark.parametrize(
    ("addressee", "reason"), [(US, Reason.NETMAIL), ("1337:1/300", Reason.NO_ROUTE), (f"{US}.9", Reason.UNKNOWN_POINT)]
)
@pytest.mark.parametrize("sender", [HUB, STRANGER])
def test_netmail(addressee: str, reason: Reason, sender: str) -> None:
    """Netmail is kept in the netmail base, from whomever; also what is not for us and cannot go on."""
    verdict = judge(netmail(author=sender, addressee=addressee), sender=sender)
    assert verdict.reason is reason
    assert verdict.target is not None
    assert (verdict.target.kind, verdict.target.network, verdict.target.tag) == (TargetKind.NETMAIL, "", "")
    assert verdict.target.path == "/bases/netmail"


@pytest.mark.parametrize("tag", ["NETMAIL", "netmail", "Netmail"])
def test_netmail_with_an_area_line(tag: str) -> None:
    """Some packers give netmail an AREA line; it is netmail all the same."""
    assert judge(message(tag)).reason is Reason.NETMAIL


def test_old_netmail() -> None:
    """Netmail has no age limit, and is never a duplicate."""
    raw = netmail().replace(b"01 Nov 26", b"01 Nov 86")
    assert [judge(raw).reason for _ in range(2)] == [Reason.NETMAIL] * 2


def test_equal_verdicts_are_one_value() -> None:
    """A judge gives the same value for all messages with the same verdict, which is cheap to compare."""
    rules = usual_rules()
    raw = [message(area, number=number) for number, area in enumerate(("TQW_TECH", "TQW_GEN", "TQW_TECH", "NO", "NO2"))]
    piece = make_piece(raw)
    packet = judge_packet(piece.header, InboundClass.SECURE, piece.summary, rules)
    judging = Judge(piece.header, packet, rules, NOW, (), file=piece.file, attachments=Attachments())
    verdicts = [judging.judge(packed_message, text, b"") for packed_message, text in piece.messages]
    assert verdicts[0] is verdicts[2]
    assert verdicts[3] is verdicts[4]
    assert len({id(verdict) for verdict in verdicts}) == 3


def test_packets_for_others_have_no_judge() -> None:
    """There is nothing to judge in a packet that is not for us."""
    piece = make_piece([message("TQW_TECH")], dest="1337:9/9")
    packet = judge_packet(piece.header, InboundClass.SECURE, piece.summary, usual_rules())
    with pytest.raises(ValueError, match="not for us"):
        Judge(piece.header, packet, usual_rules(), NOW, (), file=piece.file, attachments=Attachments())


def test_clock() -> None:
    """The table of dates above stands an hour after the first message of the corpus."""
    assert EPOCH.timestamp() + 3600 == NOW
    area = usual_rules().areas["tqwnet", "DATED"]
    assert (area.max_age, area.max_future) == (7 * DAY, DAY)
    assert area.aka == Address.parse(f"{US}@tqwnet")
