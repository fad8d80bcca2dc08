"""Which way netmail goes: a table of more than 300 cases, each with the way that the rules of routing give by hand.

The world: we are 1337:1/200, with two points of ours among the links, a hub, a downlink with points, a node in another
net, a downlink whose netmail is left to the tables, and a gateway in zone 21, which is a network of its own.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest
from msgspec.structs import replace

from tests.corpus import US
from tests.rules.world import make_link, make_network, make_rules
from tosser.address import Address, AddressPattern
from tosser.codec.flow import Flavour
from tosser.reason import Reason
from tosser.rules.routing import NetmailPolicy, Route, Via, Way, find_way, passed_over

if TYPE_CHECKING:
    from tosser.rules.network import Rulebook

HUB: Final = "1337:1/100"
DOWN: Final = "1337:1/201"
FAR: Final = "1337:5/1"
HOST: Final = "1337:7/0"
TABLED: Final = "1337:1/202"
POINT: Final = "1337:1/200.5"
POINTS_LINK: Final = "1337:1/201.9"
GATE: Final = "21:1/100"
LINKS: Final = (HUB, DOWN, FAR, HOST, TABLED, POINT, POINTS_LINK)


def route(match: str, via: str, flavour: Flavour | None = None) -> Route:
    """Write a line of a table."""
    to = Via(via) if via in set(Via) else Address.parse(via)
    return Route(AddressPattern.parse(match), to, flavour)


ROUTES: Final = (
    route("1337:3/7", "noroute"),
    route("1337:3/8*", "noroute", Flavour.CRASH),
    route("1337:1/202*", HUB, Flavour.HOLD),
    route("1337:5/*", FAR, Flavour.CRASH),
    route("1337:7/*", "host"),
    route("1337:8/*", "hub"),
    route("1337:9/*", "boss"),
    route("1337:*", HUB),
    route("21:*", GATE, Flavour.DIRECT),
)
FILE_ROUTES: Final = (route("1337:5/*", FAR), route("1337:6/*", "host"), route("1337:1/202", "1337:1/202"))


class Hubs:
    """Who is whose hub and host, without a nodelist."""

    hubs: Final = {"1337:8/11": DOWN, "1337:8/12": "1337:8/10"}

    def hub_of(self, address: Address) -> Address | None:
        """Find the hub of a node, or of the boss of a point."""
        found = self.hubs.get(str(address.boss.without_domain))
        return Address.parse(found) if found else None

    def host_of(self, address: Address) -> Address | None:
        """Of net 6, the far node is the host; the others are not in the list."""
        return Address.parse(FAR) if address.net == 6 else None


def make_world(routes: tuple[Route, ...] = ROUTES, files: tuple[Route, ...] = FILE_ROUTES) -> Rulebook:
    """Put the world of the cases together."""
    net, other = make_network("tqwnet", US), make_network("fsxnet", "21:1/200")
    links = [make_link(text, net) for text in LINKS] + [make_link(GATE, other)]
    links = [replace(link, direct_netmail=str(link.address.without_domain) != TABLED) for link in links]
    rules = make_rules([net, other], links, [])
    policy = NetmailPolicy(routes=routes, file_routes=files)
    return replace(rules, netmail=replace(rules.netmail, policy=policy), nodelist=Hubs())


RULES: Final = make_world()


class Case(NamedTuple):
    """An address, and where its netmail goes: via whom (or why not), how urgently, and by which line."""

    dest: str
    via: str
    flavour: Flavour | None = None
    line: int | None = None
    direct: bool = False
    files: bool = False
    urgent: Flavour | None = None

    def __str__(self) -> str:
        extra = ("with files " if self.files else "") + (f"{self.urgent} " if self.urgent else "")
        return f"{self.dest} {extra}via {self.via}"


def by_line(
    dest: str, via: str, line: int, flavour: Flavour | None = None, *, direct: bool = False, files: bool = False
) -> Case:
    """Write a case that a line of the table decides."""
    return Case(dest, via, flavour, line, direct=direct, files=files)


URGENT: Final = (None, Flavour.CRASH, Flavour.DIRECT, Flavour.IMMEDIATE, Flavour.HOLD)


def links_and_points() -> list[Case]:
    """Write the cases that no table decides; each line is one rule."""
    to_links = product((HUB, DOWN, FAR, HOST, POINT, POINTS_LINK, GATE), URGENT, (False, True))
    to_points = product((HUB, DOWN, FAR, HOST, GATE), (1, 7, 32767), (False, True))
    to_ours = product((1, 4, 6, 99), (False, True), (None, Flavour.CRASH))
    strangers = product((1, 2, 20, 133, 1338, 13370), (1, 5), (False, True))
    reasons = {True: Reason.ATTACH_NO_ROUTE, False: Reason.NO_ROUTE}
    return [
        # A link gets its own mail, whatever the tables say, as urgently as it asks for; so do files.
        *(Case(dest, dest, urgent, direct=True, files=files, urgent=urgent) for dest, urgent, files in to_links),
        # Points of a link go to it, their boss; the one point that is a link itself does not.
        *(Case(f"{boss}.{point}", boss, direct=True, files=files) for boss, point, files in to_points),
        # Points of ours that are no links are known to nobody else.
        *(Case(f"{US}.{p}", Reason.UNKNOWN_POINT, files=files, urgent=urgent) for p, files, urgent in to_ours),
        # What no line is about cannot go, with files or without.
        *(Case(f"{zone}:{net}/200", reasons[files], files=files) for zone, net, files in strangers),
        # A link whose netmail is left to the tables; what is urgent goes to it all the same, and files no table has.
        *(Case(TABLED, TABLED, urgent, direct=True, urgent=urgent) for urgent in URGENT if urgent),
        Case(f"{TABLED}.3", TABLED, direct=True, files=True),
    ]


def by_routes() -> list[Case]:
    """Write the cases that the table for messages decides; each line is one rule."""
    around = product((2, 4, 6, 300, 32767), (0, 1, 203, 4000), ("", ".1", ".300"))
    far, other = product((0, 2, 3, 32767), ("", ".1", ".12")), product((1, 2, 21), (0, 1, 5), ("", ".1"))
    hubs, near = product(((11, DOWN, 6), (12, HUB, 8), (13, HUB, 8)), ("", ".4")), (0, 1, 203, 4000)
    return [
        # Whatever is in our zone and nothing else goes to the hub; how urgent it is means nothing on the way.
        *(by_line(f"1337:{net}/{n}{point}", HUB, 8) for net, n, point in around),
        *(by_line(f"1337:1/{node}", HUB, 8) for node in near),
        *(Case("1337:2/5", HUB, None, 8, urgent=urgent) for urgent in URGENT[1:]),
        # The far node gets all of its net, with a flavour of the line; so does the gateway another zone.
        *(by_line(f"1337:5/{node}{point}", FAR, 4, Flavour.CRASH) for node, point in far),
        *(by_line(f"21:{net}/{node}{point}", GATE, 9, Flavour.DIRECT) for net, node, point in other),
        # The host, where it is a link; node 0 of the net, where no list tells.
        *(by_line(f"1337:7/{node}{point}", HOST, 5) for node, point in product((1, 2, 500), ("", ".4"))),
        # The hub where it is a link; a hub that is none, or that nobody knows, makes the next line count.
        *(by_line(f"1337:8/{node}{point}", via, line) for (node, via, line), point in hubs),
        # So does a boss that is no link, for its points as for itself.
        *(by_line(f"1337:9/{node}{point}", HUB, 8) for node, point in product((1, 2), ("", ".4"))),
        # No route: straight to the system, which is no link of ours; its points, if the line is for them, by it.
        by_line("1337:3/7", "1337:3/7", 1, Flavour.DIRECT, direct=True),
        by_line("1337:3/7.1", HUB, 8),
        *(
            by_line(f"1337:3/{node}{point}", f"1337:3/{node}", 2, Flavour.CRASH, direct=True)
            for node, point in product((8, 80, 81, 8000), ("", ".1"))
        ),
        # A link whose netmail is left to the tables.
        *(by_line(f"{TABLED}{point}", HUB, 3, Flavour.HOLD) for point in ("", ".3")),
    ]


def by_file_routes() -> list[Case]:
    """Write the cases with files; they go by their own table, and no other way."""
    known, unknown = product((0, 2, 900), ("", ".1")), product((1, 2, 3, 4, 7, 8), (1, 7, 5000), ("", ".1"))
    return [
        *(
            by_line(f"1337:{net}/{node}{point}", FAR, line, files=True)
            for (net, line), (node, point) in product(((5, 1), (6, 2)), known)
        ),
        *(Case(f"1337:{net}/{node}{p}", Reason.ATTACH_NO_ROUTE, files=True) for net, node, p in unknown),
        by_line(TABLED, TABLED, 3, direct=True, files=True),
    ]


CASES: Final = [*links_and_points(), *by_routes(), *by_file_routes()]


def test_there_are_enough_cases() -> None:
    """The table is as large as it is said to be, and no case is in it twice."""
    assert len(CASES) >= 300
    assert len({(case.dest, case.files, case.urgent) for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_ways(case: Case) -> None:
    """Every address has the way that the rules give, or none for the reason they give."""
    way = find_way(Address.parse(case.dest), RULES, files=case.files, urgent=case.urgent)
    via = str(way.link.address.without_domain) if way.link else way.reason
    assert (via, way.flavour, way.line, way.direct) == (case.via, case.flavour, case.line, case.direct)
    assert (way.reason is Reason.ROUTED) == (way.link is not None)
    assert way.why


def test_first_match() -> None:
    """Of lines that match the first counts, also if a later one is narrower."""
    rules = make_world((route("*", HUB), route("1337:4/4", FAR)))
    assert via_of(find_way(Address.parse("1337:4/4"), rules)) == HUB
    rules = make_world((route("1337:4/4", FAR), route("*", HUB)))
    assert via_of(find_way(Address.parse("1337:4/4"), rules)) == FAR
    assert via_of(find_way(Address.parse("9:9/9"), rules)) == HUB


def via_of(way: Way) -> str:
    """Name who gets the mail."""
    return str(way.link.address.without_domain) if way.link else way.reason.value


def test_without_tables() -> None:
    """Without any line, links and their points are all that can be reached."""
    rules = make_world((), ())
    assert via_of(find_way(Address.parse(f"{DOWN}.3"), rules)) == DOWN
    assert via_of(find_way(Address.parse(TABLED), rules)) == TABLED
    assert via_of(find_way(Address.parse("1337:1/1"), rules)) == "no-route"


@pytest.mark.parametrize("domain", ["tqwnet", "fsxnet"])
def test_domains(domain: str) -> None:
    """A system of the same numbers in another domain is another system."""
    way = find_way(Address.parse(f"{DOWN}@{domain}"), RULES)
    assert via_of(way) == (DOWN if domain == "tqwnet" else HUB)


def test_stranger() -> None:
    """A system that is no link is sent to in its network, from our closest address; where there is none, it is not."""
    way = find_way(Address.parse("1337:3/7"), RULES)
    assert way.link is not None
    assert not way.link.known
    assert (way.link.network, str(way.link.our_aka), way.link.archiver) == ("tqwnet", f"{US}@tqwnet", "none")
    rules = make_world((route("*", "noroute"),))
    assert via_of(find_way(Address.parse("99:1/1"), rules)) == "no-route"
    assert via_of(find_way(Address.parse("21:1/5.3"), rules)) == "21:1/5"


def test_lines_that_lead_nowhere() -> None:
    """The lines in front of the one that counts are told, each with what is wrong."""
    assert list(passed_over(Address.parse("1337:8/12"), RULES)) == [
        "line 6, 1337:8/* via hub, leads to no link of ours"
    ]
    assert list(passed_over(Address.parse("1337:2/2"), RULES)) == []
    assert list(passed_over(Address.parse("1337:9/1"), RULES)) == [
        "line 7, 1337:9/* via boss, leads to no link of ours"
    ]
