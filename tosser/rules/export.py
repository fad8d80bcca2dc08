"""Who an echomail message is sent on to (FTS-0004, FSC-0074); with what, is in `tosser.rules.trailer`.

A link of the area gets a message unless it sent it, wrote it, stands in SEEN-BY or PATH, is paused or may not read, or
the message answers a rescan. SEEN-BY and PATH are 2D and without points, so they say nothing about links of another
zone than the sender's, and nothing about points. A gate writes a new SEEN-BY, but keeps PATH: where the author is of
another zone, PATH may mean systems there, and only SEEN-BY counts.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.codec.kludge import find_value
from tosser.codec.message import origin_address
from tosser.rules.remembered import Memory, Remembered, weigh_lines
from tosser.rules.trailer import listed, listed_zone, make_groups, node_of, nodes_in, seen_by_nets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tosser.address import Address
    from tosser.codec.message import MessageText
    from tosser.codec.seenby import Node
    from tosser.rules.network import Area, AreaLink, Link, Rulebook
    from tosser.rules.trailer import Group


class Skip(StrEnum):
    """Why a link of an area does not get a message."""

    SENDER = "sender"
    AUTHOR = "author"
    SEEN_BY = "seen-by"
    PATH = "path"
    PAUSED = "paused"
    MAY_NOT_READ = "may-not-read"
    RESCANNED = "rescanned"
    NO_OUTBOUND = "no-outbound"

    @property
    def text(self) -> str:
        """What the code means, for people."""
        return _TEXTS[self]


_TEXTS = {
    Skip.SENDER: "it sent us the message, under this or another of its addresses",
    Skip.AUTHOR: "it wrote the message, under this or another of its addresses",
    Skip.SEEN_BY: "it stands in SEEN-BY: it has the message",
    Skip.PATH: "it stands in PATH: the message came through it",
    Skip.PAUSED: "it is paused",
    Skip.MAY_NOT_READ: "it may write to the area but not read it",
    Skip.RESCANNED: "the message answers a rescan and was for us alone",
    Skip.NO_OUTBOUND: "there is no outbound to send it by (paths.outbound)",
}


class Fate(Struct, frozen=True):
    """Whether one link gets one message: ``skip`` is ``None`` when it does."""

    link: Address
    skip: Skip | None


class Exports:
    """Decides who gets what, for one rulebook.

    Args:
        rules: the sysop's world.
    """

    def __init__(self, rules: Rulebook) -> None:
        self._rules = rules
        self._machines = _Machines(rules.links)
        self._areas: dict[tuple[str, str], AreaExports] = {}

    def of(self, area: Area) -> AreaExports:
        """Give what is known of one area."""
        key = (area.network, area.tag)
        found = self._areas.get(key)
        if found is None:
            found = self._areas[key] = AreaExports(area, self._rules, self._machines)
        return found


@lru_cache(maxsize=4)
def exports_of(rules: Rulebook) -> Exports:
    """Give what is remembered for a rulebook."""
    return Exports(rules)


def path_tells_of(zone: int, author: Address | None) -> bool:
    """Tell whether PATH can only mean systems of a zone: those it began with are of the author's zone."""
    return author is None or author.zone == zone


class _Machines:
    """Which links are the same machine under several addresses: each machine has a number."""

    def __init__(self, links: Mapping[Address, Link]) -> None:
        self._numbers = {address: number for number, address in enumerate(links)}
        for link in links.values():
            same = link.same_system_as
            if same is not None and same in links:
                one, other = self._numbers[link.address], self._numbers[same]
                self._numbers = {at: other if number == one else number for at, number in self._numbers.items()}
        self._by_system = {
            (link.network, at.zone, at.net, at.node, at.point): self._numbers[at] for at, link in links.items()
        }

    def of_link(self, link: Address) -> int | None:
        """Find the machine of a link."""
        return self._numbers.get(link)

    def of_author(self, network: str, author: Address) -> int | None:
        """Find the machine of an author, whose Origin may state any domain or none."""
        return self._by_system.get((network, author.zone, author.net, author.node, author.point))


class _Case(Struct, frozen=True):
    """What the answer for a message depends on: nearly always the same few values, however different the messages.

    Attributes:
        zone: of whose systems SEEN-BY and PATH tell.
        sender: the machine that sent it; ``None`` when it comes from our own programs.
        author: the machine that wrote it, if it is a link of the network.
        rescanned: whether it answers a rescan.
        seen_by: the nodes of links of the area that stand in SEEN-BY.
        path: those that stand in PATH, as far as it tells of them.
    """

    zone: int
    sender: int | None
    author: int | None
    rescanned: bool
    seen_by: frozenset[Node]
    path: frozenset[Node]


class AreaExports:
    """The links of one area, and what they get; made by `Exports`."""

    def __init__(self, area: Area, rules: Rulebook, machines: _Machines) -> None:
        self._area = area
        self._machines = machines
        self._sends = rules.sends
        self._links = [(rules.links[at], rights) for at, rights in sorted(area.links.items())]
        self._by_address = {link.address: link for link, _ in self._links}
        self._known_as = {link.our_aka for link, _ in self._links if link.our_aka.zone == link.address.zone}
        self._nodes = frozenset(node_of(address) for address in self._by_address)

    def recipients(self, sender: Address | None, text: MessageText) -> tuple[Address, ...]:
        """Tell which links get a message; nearly always the same tuple for equal answers.

        Args:
            sender: the link that sent it; ``None`` when it comes from our own programs.
            text: the message.
        """
        if not self._links or not self._sends or (len(self._links) == 1 and sender in self._by_address):
            return ()
        return _recipients[self, self._case(sender, text)]

    def fates(self, sender: Address | None, text: MessageText) -> tuple[Fate, ...]:
        """Tell for each link of the area whether it gets a message, and if not, why; arguments as `recipients`."""
        return self.judge(self._case(sender, text))

    def groups(self, sender: Address | None, recipients: tuple[Address, ...]) -> tuple[Group, ...]:
        """Divide the recipients of a message by what they get; who is no link of the area any more is left out.

        Args:
            sender: as `recipients`.
            recipients: from `recipients`.
        """
        return _groups[self, sender, recipients]

    def divide(self, sender: Address | None, recipients: tuple[Address, ...]) -> tuple[Group, ...]:
        """Make the answer that `groups` remembers."""
        links = [self._by_address[address] for address in recipients if address in self._by_address]
        return make_groups(self._area, self._known_as, sender, links)

    def judge(self, case: _Case) -> tuple[Fate, ...]:
        """Make the answer that `fates` gives and `recipients` remembers."""
        return tuple(Fate(link.address, self._skip(case, link, rights)) for link, rights in self._links)

    def _case(self, sender: Address | None, text: MessageText) -> _Case:
        author = origin_address(text)
        zone = listed_zone(self._area, sender)
        return _Case(
            zone,
            None if sender is None else self._machines.of_link(sender),
            None if author is None else self._machines.of_author(self._area.network, author),
            find_value(text.kludges, b"RESCANNED") is not None,
            self._find(text.seen_by, text),
            self._find(text.path, text) if path_tells_of(zone, author) else frozenset(),
        )

    def _find(self, lines: tuple[bytes, ...], text: MessageText) -> frozenset[Node]:
        """Find which of the nodes of our links stand in SEEN-BY or PATH lines of a text."""
        found = _found.get((self._nodes, lines))
        if found is None:
            nets = seen_by_nets(text) if lines is text.seen_by else listed[lines]
            there = [node for node in self._nodes if node[0] in nets and node[1] in nets[node[0]]]
            found = _found.remember((self._nodes, lines), frozenset(there))
        return found

    def _skip(self, case: _Case, link: Link, rights: AreaLink) -> Skip | None:
        address, node = link.address, node_of(link.address)
        machine = self._machines.of_link(address)
        listed = address.zone == case.zone and not address.point
        ignored = link.sbignore or node in nodes_in(case.zone, self._area.sbignore)
        cases = (
            (Skip.SENDER, machine == case.sender),
            (Skip.AUTHOR, machine == case.author),
            (Skip.RESCANNED, case.rescanned),
            (Skip.MAY_NOT_READ, not rights.read),
            (Skip.PAUSED, link.paused),
            (Skip.SEEN_BY, listed and not ignored and node in case.seen_by),
            (Skip.PATH, listed and node in case.path),
            (Skip.NO_OUTBOUND, not self._sends),
        )
        return next((skip for skip, holds in cases if holds), None)


_NODE = 128
"""Bytes that a node or an address takes, about."""


def _choose(asked: tuple[AreaExports, _Case]) -> tuple[Address, ...]:
    area, case = asked
    return tuple(fate.link for fate in area.judge(case) if fate.skip is None)


def _divide(asked: tuple[AreaExports, Address | None, tuple[Address, ...]]) -> tuple[Group, ...]:
    area, sender, recipients = asked
    return area.divide(sender, recipients)


_recipients = Remembered(_choose, lambda asked: _NODE * (len(asked[1].seen_by) + len(asked[1].path)))
_groups = Remembered(_divide, lambda asked: _NODE * len(asked[2]))
_found: Memory[tuple[frozenset[Node], tuple[bytes, ...]], frozenset[Node]] = Memory(lambda asked: weigh_lines(asked[1]))
