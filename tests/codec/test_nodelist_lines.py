from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.nodelists import DAY, LINES, POINT_LINES, body_of, nodelist
from tosser.address import Address
from tosser.codec import nodelist_lines
from tosser.codec.nodelist import Keyword
from tosser.codec.nodelist_lines import ListKind, ParsedList, parse_list
from tosser.errors import FormatError

REST = "Name,Place,Sysop,-Unpublished-,300"


def read(*lines: str, zone: int = 0, kind: ListKind = ListKind.NODELIST) -> ParsedList:
    """Read lines without a header."""
    return parse_list(body_of([*lines]), zone=zone, kind=kind)


def addresses(parsed: ParsedList) -> list[str]:
    """Write the addresses that were read, in their order."""
    return [str(entry.address) for entry in parsed.entries.values()]


def test_a_whole_network() -> None:
    """Each line gets its address, its hub and its region by the lines above it."""
    parsed = parse_list(nodelist().splitlines(keepends=True), domain="tqwnet")
    assert [(str(e.address.without_domain), e.keyword.value, e.hub, e.region) for e in parsed.entries.values()] == [
        ("1337:1337/0", "zone", 0, 1337), ("1337:1337/5", "", 0, 1337),
        ("1337:20/0", "region", 0, 20), ("1337:20/7", "", 0, 20),
        ("1337:1/0", "host", 0, 20), ("1337:1/50", "", 0, 20),
        ("1337:1/100", "hub", 0, 20), ("1337:1/201", "", 100, 20), ("1337:1/202", "pvt", 100, 20),
        ("1337:1/203", "down", 100, 20), ("1337:1/300", "hub", 0, 20), ("1337:1/301", "hold", 300, 20),
        ("1337:1/301.1", "point", 0, 0), ("1337:2/0", "host", 0, 20), ("1337:2/201", "", 0, 20),
    ]  # fmt: skip
    assert {entry.address.domain for entry in parsed.entries.values()} == {"tqwnet"}
    assert (parsed.damaged, parsed.header.date, parsed.warnings, parsed.skipped) == (False, DAY, (), 0)


def test_the_fields_of_an_entry() -> None:
    """Names are read with blanks for underscores, phone and flags as they stand; the line can be found again."""
    parsed = parse_list(nodelist().splitlines(keepends=True))
    entry = parsed.entries[1337, 1, 100, 0]
    assert (entry.name, entry.location, entry.sysop) == ("tqwNet hub", "Springfield", "Una Uplink")
    assert (entry.phone, entry.speed) == ("-Unpublished-", "300")
    assert entry.flags == ("CM", "INA:hub.example.org", "IBN", "U", "PING", "TRACE")
    assert LINES[entry.line - 2].startswith("Hub,100,")


def test_keywords_in_any_letter_case_and_blanks_around() -> None:
    """What list makers get wrong without harm is read all the same."""
    parsed = read(f"  ZONE, 5 ,{REST}", f"host,6,{REST},", f"PVT,7,{REST}", f"hOLD ,08,{REST}")
    assert addresses(parsed) == ["5:5/0", "5:6/0", "5:6/7", "5:6/8"]
    assert parsed.skipped == 0


def test_a_wrong_checksum_is_told() -> None:
    """A list that is not as it was made is read, and known to be damaged; one without a checksum cannot be."""
    damaged = parse_list(nodelist(good=False).splitlines(keepends=True))
    assert damaged.damaged
    assert len(damaged.entries) == 15
    assert damaged.header.crc == damaged.crc ^ 1
    assert not read(f"Zone,1,{REST}").damaged


def test_line_feeds_alone() -> None:
    """A list that lost its carriage returns is as good."""
    stored = nodelist().replace(b"\r", b"")
    assert (
        parse_list(stored.splitlines(keepends=True)).entries == parse_list(nodelist().splitlines(keepends=True)).entries
    )
    assert not parse_list(stored.splitlines(keepends=True)).damaged


def test_nothing_is_read_behind_the_end_mark() -> None:
    """Bytes behind 1A hex are no part of the list."""
    parsed = parse_list([*nodelist().splitlines(keepends=True), f"\r\n,999,{REST}\r\n".encode()])
    assert not parsed.damaged
    assert (1337, 2, 999, 0) not in parsed.entries
    cut = parse_list([f"Zone,1,{REST}\r\n".encode(), f",2,{REST}\x1a,3,{REST}\r\n".encode(), f",4,{REST}".encode()])
    assert addresses(cut) == ["1:1/0", "1:1/2"]


def test_character_sets() -> None:
    """A line that is not ASCII is UTF-8 where it can be, else of the character set that is given."""
    lines = [b"Zone,1,Caf\xc3\xa9,a,b,c,300\r\n", b",2,Caf\x82,a,b,c,300\r\n"]
    assert [entry.name for entry in parse_list(lines).entries.values()] == ["Café", "Café"]
    latin = parse_list([b"Zone,1,Caf\xe9,a,b,c,300"], charset="LATIN-1")
    assert [entry.name for entry in latin.entries.values()] == ["Café"]


DIRTY: list[tuple[str, list[str], str]] = [
    (f"Husb,3,{REST}", ["1:1/0", "1:9/0", "1:9/2", "1:9/4"], "'Husb' is no keyword"),
    ("rubbish", ["1:1/0", "1:9/0", "1:9/2", "1:9/4"], "'rubbish' is no keyword"),
    (f",0,{REST}", ["1:1/0", "1:9/0", "1:9/2", "1:9/4"], "its number is not one from 1 to 32767"),
    (f",32768,{REST}", ["1:1/0", "1:9/0", "1:9/2", "1:9/4"], "its number is not one from 1 to 32767"),
    (f",-1,{REST}", ["1:1/0", "1:9/0", "1:9/2", "1:9/4"], "its number is not one from 1 to 32767"),
    (f",99999999999999999999,{REST}", ["1:1/0", "1:9/0", "1:9/2", "1:9/4"], "its number is not one from 1 to 32767"),
    (f",\N{SUPERSCRIPT TWO},{REST}", ["1:1/0", "1:9/0", "1:9/2", "1:9/4"], "its number is not one from 1 to 32767"),
    (f",2,{REST}", ["1:1/0", "1:9/0", "1:9/2", "1:9/4"], "1:9/2 is in line 3 already"),
    (",5," + "x" * 1025, ["1:1/0", "1:9/0", "1:9/2", "1:9/4"], "it has 1028 bytes, and the limit is 1024"),
    (",5,Short", ["1:1/0", "1:9/0", "1:9/2", "1:9/5", "1:9/4"], "it has less than seven fields"),
    (",5", ["1:1/0", "1:9/0", "1:9/2", "1:9/5", "1:9/4"], "it has less than seven fields"),
    (f"Boss,nowhere,{REST}", ["1:1/0", "1:9/0", "1:9/2"], "'nowhere' is no address of a boss"),
    (f"Host,,{REST}", ["1:1/0", "1:9/0", "1:9/2"], "its number is not one from 1 to 32767"),
    (f"Region,x,{REST}", ["1:1/0", "1:9/0", "1:9/2"], "its number is not one from 1 to 32767"),
    (f"Zone,70000,{REST}", ["1:1/0", "1:9/0", "1:9/2"], "its number is not one from 1 to 32767"),
]


@pytest.mark.parametrize(("line", "left", "told"), DIRTY)
def test_dirty_lines(line: str, left: list[str], told: str) -> None:
    """A line that cannot be read is told and passed over; what is below a lost net is in no other net."""
    parsed = read(f"Zone,1,{REST}", f"Host,9,{REST}", f",2,{REST}", line, f",4,{REST}")
    assert addresses(parsed) == left
    assert parsed.warnings[0] == (4, told)


def test_a_lost_net_ends_with_the_next() -> None:
    """What stands below a net without a number is passed over, and counted, as far as the next net or zone."""
    parsed = read(f"Zone,1,{REST}", f"Host,x,{REST}", f",2,{REST}", f"Hub,3,{REST}", f"Host,4,{REST}", f",5,{REST}")
    assert addresses(parsed) == ["1:1/0", "1:4/0", "1:4/5"]
    assert parsed.skipped == 3
    parsed = read(f"Zone,x,{REST}", f"Host,2,{REST}", f",3,{REST}", f"Zone,4,{REST}", f",5,{REST}")
    assert addresses(parsed) == ["4:4/0", "4:4/5"]
    assert parsed.warnings[1] == (2, "it is in no known zone")


def test_a_hub_without_a_number_is_nobodys_hub() -> None:
    """Nodes below it belong to no hub, least of all to the one before."""
    parsed = read(f"Zone,1,{REST}", f"Hub,2,{REST}", f"Hub,x,{REST}", f",3,{REST}")
    assert addresses(parsed) == ["1:1/0", "1:1/2", "1:1/3"]
    assert [entry.hub for entry in parsed.entries.values()] == [0, 0, 0]


def test_one_system_in_two_offices() -> None:
    """A zone whose number is that of a net in it is usual in small networks, and nothing to warn of."""
    parsed = read(f"Zone,5,{REST}", f"Region,5,{REST}", f"Host,5,{REST}", f",6,{REST}")
    assert addresses(parsed) == ["5:5/0", "5:5/6"]
    assert parsed.entries[5, 5, 0, 0].keyword is Keyword.ZONE
    assert parsed.warnings == ()


def test_the_zone_of_a_segment() -> None:
    """A part of a list begins with a net; its zone is told, or nothing can be read."""
    assert addresses(read(f"Host,9,{REST}", f",2,{REST}", zone=5)) == ["5:9/0", "5:9/2"]
    with pytest.raises(FormatError, match="there is no entry in this nodelist"):
        read(f"Host,9,{REST}", f",2,{REST}")


def test_points_below_their_boss() -> None:
    """A Point line belongs to the system above it, be that a node, a hub or a host."""
    heads = ["Zone,1", "Point,1", "Host,9", ",2", "Point,1", "Point,2", "Hub,3", "Point,1", ",4"]
    parsed = read(*(f"{head},{REST}" for head in heads))
    points = [str(entry.address) for entry in parsed.entries.values() if entry.keyword is Keyword.POINT]
    assert points == ["1:1/0.1", "1:9/2.1", "1:9/2.2", "1:9/3.1"]
    assert str(list(parsed.entries.values())[-1].address) == "1:9/4"


def test_points_of_a_boss_line() -> None:
    """Behind a Boss line all are points, until the next net; the boss need not be in the list."""
    parsed = read(*POINT_LINES, f"Host,2,{REST}", zone=1337)
    assert addresses(parsed) == ["1337:1/201.1", "1337:1/201.2", "1337:9/9.3", "1337:2/0"]
    assert [entry.keyword for entry in parsed.entries.values()] == [*[Keyword.POINT] * 3, Keyword.HOST]
    assert addresses(read("Boss,9/8", f",1,{REST}", zone=5)) == ["5:9/8.1"]


def test_points_of_a_line_that_cannot_be_read() -> None:
    """Points behind a line that is lost are nobody's, not those of the node before it."""
    parsed = read(f"Zone,1,{REST}", f",2,{REST}", f"Nod,3,{REST}", f"Point,1,{REST}", f",x,{REST}", f"Point,2,{REST}")
    assert addresses(parsed) == ["1:1/0", "1:1/2"]
    assert parsed.warnings[1] == (4, "it is a point, and no boss is known")
    assert parsed.skipped == 4


def test_only_points_count_in_a_point_list() -> None:
    """The nodes of a point list say whose points they are, and are no entries."""
    parsed = read(*LINES, kind=ListKind.POINTLIST)
    assert addresses(parsed) == ["1337:1/301.1"]
    with pytest.raises(FormatError, match="there is no entry in this pointlist"):
        read(f"Zone,1,{REST}", f",2,{REST}", kind=ListKind.POINTLIST)


@pytest.mark.parametrize(
    "data", [b"", b"\x1a", b";A nothing but a comment : 12345\r\n", b"\xff" * 5000, b"<html>\n</html>\n"]
)
def test_what_is_no_list(data: bytes) -> None:
    """A file without any entry is refused."""
    with pytest.raises(FormatError, match="no entry"):
        parse_list(data.splitlines(keepends=True))


def test_too_many_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that is larger than any network is refused, not kept."""
    monkeypatch.setattr(nodelist_lines, "_MOST_ENTRIES", 15)
    assert len(read(*LINES).entries) == 15
    with pytest.raises(FormatError, match="more than 15 entries"):
        read(*LINES, f",999,{REST}")


def test_warnings_are_bounded() -> None:
    """Of a list that is all wrong so many warnings are kept, and the rest is counted."""
    parsed = read(f"Zone,1,{REST}", *["rubbish"] * 500)
    assert (len(parsed.warnings), parsed.skipped) == (100, 500)


FIELD = st.text(st.characters(codec="latin-1", exclude_characters=",\r\n\x1a\x85"), max_size=12)
KEYWORD = st.sampled_from(
    ["Zone", "Region", "Host", "Hub", "Pvt", "Hold", "Down", "", "Point", "Boss", "boss", "x", ";"]
)
LINE = st.builds(
    lambda keyword, number, fields: ",".join([keyword, number, *fields]),
    KEYWORD,
    st.one_of(st.integers(-1, 40000).map(str), st.sampled_from(["1:2/3", "2/3", "", " 7 "])),
    st.lists(FIELD, max_size=9),
)


@given(st.lists(LINE, max_size=30), st.sampled_from(ListKind), st.integers(0, 3))
def test_any_lines_are_read_or_refused(lines: list[str], kind: ListKind, zone: int) -> None:
    """Whatever stands in a list, each entry has an address that can be written and read, and no other error comes."""
    try:
        parsed = parse_list(body_of(lines), kind=kind, zone=zone)
    except FormatError:
        return
    for key, entry in parsed.entries.items():
        address = entry.address
        assert key == (address.zone, address.net, address.node, address.point)
        assert Address.parse(str(address)) == address
        assert (entry.keyword is Keyword.POINT) == (address.point > 0)
        assert kind is ListKind.NODELIST or address.point
        assert len((entry.name, entry.location, entry.sysop, entry.phone, entry.speed)) == 5
    assert len(parsed.entries) + parsed.skipped <= len(lines)


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_any_bytes_are_read_or_refused(lines: list[bytes]) -> None:
    """Not even bytes that never were a list give another error; what precedes a list does it no harm."""
    try:
        read_alone = parse_list([line + b"\n" for line in lines]).entries
    except FormatError:
        read_alone = {}
    before = [b"x" + line.translate(None, b"\x1a,") + b"\n" for line in lines]
    together = parse_list([*before, *body_of([f"Zone,1,{REST}"])]).entries
    assert list(together) == [(1, 1, 0, 0)]
    assert all(len(key) == 4 for key in read_alone)
