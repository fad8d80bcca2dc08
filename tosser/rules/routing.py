"""Where netmail goes from here: the tables of routes, in order, the first that matches counts; and what may pass.

Before the tables are asked, mail for a point of ours goes to that point, and mail for one of the links, or for a point
of a link, to that link, unless its netmail is left to the tables. A line that names a host, hub or boss counts only
where that is a link of ours; otherwise the next line is tried. Whoever is told a decision is told the line, too.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct, field

from tosser.address import Address
from tosser.codec.flow import Flavour
from tosser.reason import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tosser.address import AddressPattern
    from tosser.rules.network import Link, Rulebook


class Via(StrEnum):
    """To whom a route leads that names no address."""

    HOST = "host"
    HUB = "hub"
    BOSS = "boss"
    NOROUTE = "noroute"
    """To the system itself, whether or not it is a link; to its boss, if it is a point."""


class Requests(StrEnum):
    """What becomes of a file request that is not for us."""

    REFUSE = "refuse"
    STRIP = "strip"


class Directory(Protocol):
    """What says who is above a system; `tosser.codec.nodelist.Nodelist` is one."""

    def host_of(self, address: Address) -> Address | None:
        """Find the host of its net."""

    def hub_of(self, address: Address) -> Address | None:
        """Find its hub."""


class Route(Struct, frozen=True):
    """A line of a table.

    Attributes:
        match: the addresses it is about.
        via: who gets their mail.
        flavour: how urgently it is sent; ``None`` as the link's other mail.
    """

    match: AddressPattern
    via: Address | Via
    flavour: Flavour | None = None


class Readdress(Struct, frozen=True):
    """Netmail that gets another address, or of which a copy goes to one.

    Attributes:
        name: addressee it is about, in lower case; empty for all.
        match: addresses it is about; ``None`` for our own.
        to: the other address.
    """

    name: bytes
    match: AddressPattern | None
    to: Address


class TransitPolicy(Struct, frozen=True):
    """Which netmail for other systems may pass.

    Attributes:
        allow: senders it is accepted from.
        insecure: whether also from systems that no password has proven.
        max_size: bytes of text; ``None`` for no limit.
        requests: what becomes of file requests.
    """

    allow: tuple[AddressPattern, ...] | None = None
    insecure: bool = False
    max_size: int | None = None
    requests: Requests = Requests.REFUSE


class NetmailPolicy(Struct, frozen=True):
    """All that decides where netmail goes.

    Attributes:
        routes: for messages.
        file_routes: for messages with files.
        remap: mail that gets another address.
        copies: mail to us that is copied.
        here: addresses besides our own whose mail is kept here.
        transit: what may pass.
    """

    routes: tuple[Route, ...] = ()
    file_routes: tuple[Route, ...] = ()
    remap: tuple[Readdress, ...] = ()
    copies: tuple[Readdress, ...] = ()
    here: tuple[AddressPattern, ...] = ()
    transit: TransitPolicy = field(default_factory=TransitPolicy)


class Onward(Struct, frozen=True):
    """A netmail on its way to a link.

    Attributes:
        link: who gets it.
        flavour: how urgently; ``None`` as the link's other mail.
        dest: its new address, where it was readdressed.
        direct: whether that is the addressee, or the addressee's boss.
        files: paths of the files that go with it.
    """

    link: Address
    flavour: Flavour | None = None
    dest: Address | None = None
    direct: bool = False
    files: tuple[str, ...] = ()


class Way(Struct, frozen=True):
    """Where a netmail goes, and why.

    Attributes:
        reason: ROUTED, or why there is no way.
        why: a sentence.
        link: who gets it; ``None`` when there is no way.
        flavour: how urgently; ``None`` as the link's other mail.
        direct: whether that is the addressee, or the addressee's boss.
        line: number of the line that decided, from 1; ``None`` when none did.
    """

    reason: Reason
    why: str
    link: Link | None = None
    flavour: Flavour | None = None
    direct: bool = False
    line: int | None = None


def find_way(dest: Address, rules: Rulebook, *, files: bool = False, urgent: Flavour | None = None) -> Way:
    """Find the way to an address that is not ours.

    Args:
        dest: where it is going.
        rules: links and tables.
        files: whether files go with it.
        urgent: the flavour that the message asks for; it means something only to a link that is the addressee.
    """
    if dest.point and rules.own_aka(dest.boss) is not None:
        link = _link_at(dest, rules)
        if link is None:
            return Way(Reason.UNKNOWN_POINT, "it is a point of ours that is not among the links")
        return Way(Reason.ROUTED, "it is a point of ours", link, urgent, direct=True)
    direct = _link_at(dest, rules) or _link_at(dest.boss, rules)
    whose = "it is a link of ours" if direct and direct.address.point == dest.point else "its boss is a link of ours"
    if direct is not None and (urgent or direct.direct_netmail):
        return Way(Reason.ROUTED, whose, direct, urgent, direct=True)
    return _by_table(dest, rules, files=files) or _without_table(direct, whose, files=files)


def _by_table(dest: Address, rules: Rulebook, *, files: bool) -> Way | None:
    """Find the first line that matches and leads somewhere."""
    for number, route in enumerate(_table(rules, files=files), 1):
        link = _target(route, dest, rules) if route.match.matches(dest) else None
        if link is not None:
            direct = link.address.without_domain in {dest.without_domain, dest.boss.without_domain}
            why = f"line {number} of {_name(files=files)}: {route.match} via {_shown(route.via)}"
            flavour = route.flavour or (None if link.known else Flavour.DIRECT)
            return Way(Reason.ROUTED, why, link, flavour, direct, number)
    return None


def _without_table(direct: Link | None, whose: str, *, files: bool) -> Way:
    name = _name(files=files)
    if direct is not None:
        return Way(Reason.ROUTED, f"no line of {name} applies, and {whose}", direct, direct=True)
    if files:
        return Way(Reason.ATTACH_NO_ROUTE, f"no line of {name} applies, and files go no other way")
    return Way(Reason.NO_ROUTE, f"no line of {name} applies, and it is no link of ours")


def passed_over(dest: Address, rules: Rulebook, *, files: bool = False) -> Iterator[str]:
    """Tell which lines match an address and lead nowhere, each as a sentence."""
    for number, route in enumerate(_table(rules, files=files), 1):
        if route.match.matches(dest):
            if _target(route, dest, rules) is not None:
                return
            yield f"line {number}, {route.match} via {_shown(route.via)}, leads to no link of ours"


def _table(rules: Rulebook, *, files: bool) -> Sequence[Route]:
    policy = rules.netmail.policy
    return policy.file_routes if files else policy.routes


def _name(*, files: bool) -> str:
    return "netmail.file_routes" if files else "netmail.routes"


def _shown(via: Address | Via) -> str:
    return via.value if isinstance(via, Via) else str(via.without_domain)


def _link_at(address: Address, rules: Rulebook) -> Link | None:
    return next(iter(rules.links_at(address)), None)


def _target(route: Route, dest: Address, rules: Rulebook) -> Link | None:
    """Find the system that a line leads to for an address; ``None`` where that is none we have to do with."""
    via = route.via
    if via is Via.NOROUTE:
        return _link_at(dest, rules) or _link_at(dest.boss, rules) or rules.stranger(dest.boss)
    above = _above(via, dest, rules)
    return None if above is None else _link_at(above, rules)


def _above(via: Address | Via, dest: Address, rules: Rulebook) -> Address | None:
    """Say who is meant; without nodelist a host is known by its number, a hub is not."""
    if not isinstance(via, Via):
        return via
    if via is Via.BOSS:
        return dest.boss
    nodelist = rules.nodelist
    if via is Via.HUB:
        return nodelist.hub_of(dest) if nodelist is not None else None
    found = nodelist.host_of(dest) if nodelist is not None else None
    return found or Address(dest.zone, dest.net, 0, 0, dest.domain)
