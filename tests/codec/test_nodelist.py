from __future__ import annotations

import pytest

from tests.nodelists import LINES, POINT_LINES, body_of
from tosser.address import Address
from tosser.codec.nodelist import Keyword, Nodelist
from tosser.codec.nodelist_lines import ListKind, parse_list

REST = "Name,Place,Sysop,-Unpublished-,300"
NETWORK = parse_list(body_of(LINES), domain="tqwnet").table("tqwnet", "NODELIST.324")
POINTS = parse_list(body_of(POINT_LINES), kind=ListKind.POINTLIST, domain="tqwnet").table("tqwnet", "points.txt")
LISTS = Nodelist([NETWORK, POINTS])


def at(text: str | None) -> Address | None:
    """Read the address of an expectation."""
    return None if text is None else Address.parse(text)


ABOVE = {
    # address: hub, host, region
    "1337:1/201": ("1337:1/100", "1337:1/0", "1337:20/0"),
    "1337:1/201.1": ("1337:1/100", "1337:1/0", "1337:20/0"),
    "1337:1/201.77": ("1337:1/100", "1337:1/0", "1337:20/0"),
    "1337:1/202": ("1337:1/100", "1337:1/0", "1337:20/0"),
    "1337:1/100": ("1337:1/100", "1337:1/0", "1337:20/0"),
    "1337:1/301": ("1337:1/300", "1337:1/0", "1337:20/0"),
    "1337:1/301.1": ("1337:1/300", "1337:1/0", "1337:20/0"),
    "1337:1/50": (None, "1337:1/0", "1337:20/0"),
    "1337:1/0": (None, "1337:1/0", "1337:20/0"),
    "1337:2/201": (None, "1337:2/0", "1337:20/0"),
    "1337:20/7": (None, "1337:20/0", "1337:20/0"),
    "1337:20/0": (None, "1337:20/0", "1337:20/0"),
    "1337:1337/5": (None, "1337:1337/0", "1337:1337/0"),
    "1337:1/999": (None, "1337:1/0", "1337:20/0"),
    "1337:1/999.5": (None, "1337:1/0", "1337:20/0"),
    "1337:9/9": (None, None, None),
    "1337:9/9.3": (None, None, None),
    "5:1/201": (None, None, None),
}


@pytest.mark.parametrize(("address", "above"), ABOVE.items())
def test_who_is_above(address: str, above: tuple[str | None, str | None, str | None]) -> None:
    """Hub, host and region of a system, of a point those of its boss; of one that is in no list those of its net."""
    asked = Address.parse(address)
    found = (LISTS.hub_of(asked), LISTS.host_of(asked), LISTS.region_of(asked))
    assert tuple(each and each.without_domain for each in found) == tuple(at(text) for text in above)
    assert {each.domain for each in found if each} <= {"tqwnet"}


def test_the_coordinator_of_a_zone() -> None:
    """Each zone has its own, and an unknown zone none."""
    assert LISTS.coordinator_of(1337) == Address(1337, 1337, 0, 0, "tqwnet")
    assert LISTS.coordinator_of(1337, "tqwnet") == Address(1337, 1337, 0, 0, "tqwnet")
    assert LISTS.coordinator_of(1337, "fsxnet") is None
    assert LISTS.coordinator_of(5) is None


def test_the_boss_of_a_point() -> None:
    """It is told where it is in a list; a node has none."""
    assert LISTS.boss_of(Address.parse("1337:1/201.1")) == Address.parse("1337:1/201@tqwnet")
    assert LISTS.boss_of(Address.parse("1337:1/201.999")) == Address.parse("1337:1/201@tqwnet")
    assert LISTS.boss_of(Address.parse("1337:9/9.3")) is None
    assert LISTS.boss_of(Address.parse("1337:1/201")) is None


def test_points_are_found_in_any_list() -> None:
    """Points of the nodelist and of the point list are found alike, and the list that has them is known."""
    for text, source in (
        ("1337:1/301.1", "NODELIST.324"),
        ("1337:1/201.2", "points.txt"),
        ("1337:1/0", "NODELIST.324"),
    ):
        address = Address.parse(text)
        entry, table = LISTS.find(address), LISTS.table_of(address)
        assert entry is not None
        assert table is not None
        assert entry.address.without_domain == address
        assert table.source == source
    assert LISTS.table_of(Address.parse("1337:9/9")) is None


@pytest.mark.parametrize(
    ("address", "routable", "calls"),
    [
        ("1337:1/201", True, True), ("1337:1/100", True, True), ("1337:1/202", True, False),
        ("1337:1/301", True, False), ("1337:1/203", False, False), ("1337:1/201.1", True, False),
    ],
)  # fmt: skip
def test_what_a_keyword_allows(address: str, *, routable: bool, calls: bool) -> None:
    """Mail goes to all but those that are down; calls only to those that are neither private nor on hold."""
    entry = LISTS.find(Address.parse(address))
    assert entry is not None
    assert (entry.routable, entry.takes_calls) == (routable, calls)


def test_flags_are_found_in_any_form() -> None:
    """A flag is found among standard and user flags, in any letter case, also with the U before it."""
    lines = [f"Zone,1,{REST},CM,ping", f",2,{REST},U,PING", f",3,{REST},UPING,,", f",4,{REST},IBN:PING", ",5"]
    entries = parse_list(body_of(lines)).entries.values()
    assert [entry.has_flag("PING") for entry in entries] == [True, True, True, False, False]


def test_everybody_above_once() -> None:
    """From a point upwards each is named once, with what it is; a chain that folds into one names one."""
    chain = [(role, str(entry.address.without_domain)) for role, entry in LISTS.above(Address.parse("1337:1/201.1"))]
    assert chain == [
        ("boss", "1337:1/201"), ("hub", "1337:1/100"), ("host", "1337:1/0"), ("region", "1337:20/0"),
        ("zone", "1337:1337/0"),
    ]  # fmt: skip
    assert [role for role, _ in LISTS.above(Address.parse("1337:1337/5"))] == ["host"]
    assert LISTS.above(Address.parse("1337:1337/0")) == []
    assert [role for role, _ in LISTS.above(Address.parse("1337:9/9"))] == ["zone"]
    lines = [f"Zone,9,{REST}", f"Host,1,{REST}", f",2,{REST}"]
    regionless = Nodelist([parse_list(body_of(lines)).table("", "a")])
    assert [role for role, _ in regionless.above(Address.parse("9:1/2"))] == ["host", "zone"]


def test_networks_that_share_a_zone_number() -> None:
    """A domain chooses among the lists; without one the first list that has the system counts."""
    first = parse_list(body_of([f"Zone,9,One,{REST}", f",1,One,{REST}"]), domain="one").table("one", "a")
    second = parse_list(body_of([f"Zone,9,Two,{REST}", f",2,Two,{REST}"]), domain="two").table("two", "b")
    both = Nodelist([first, second])
    assert both.host_of(Address.parse("9:9/2@two")) == Address.parse("9:9/0@two")
    assert both.host_of(Address.parse("9:9/2@one")) == Address.parse("9:9/0@one")
    assert both.region_of(Address.parse("9:9/2")) == Address.parse("9:9/0@two")
    assert both.find(Address.parse("9:9/2@one")) is None
    entry = both.find(Address.parse("9:9/2"))
    assert entry is not None
    assert entry.address.domain == "two"


def test_a_list_of_no_known_network_answers_for_all() -> None:
    """A list without a domain has its systems in every network."""
    anywhere = Nodelist([parse_list(body_of(LINES)).table("", "x")])
    assert anywhere.hub_of(Address.parse("1337:1/201@any")) == Address.parse("1337:1/100")


def test_no_lists() -> None:
    """Without lists nothing is known, and nothing fails."""
    none = Nodelist()
    address = Address.parse("1337:1/201.1")
    answers = [none.find(address), none.hub_of(address), none.host_of(address), none.region_of(address)]
    assert [*answers, none.boss_of(address), none.coordinator_of(1337), none.table_of(address)] == [None] * 7
    assert none.above(address) == []
    assert not none
    assert LISTS
    assert LISTS.tables == (NETWORK, POINTS)
    assert NETWORK.entries[1337, 1, 100, 0].keyword is Keyword.HUB
