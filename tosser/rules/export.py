"""Who an echomail message is sent on to, and with which SEEN-BY and PATH (FTS-0004, FSC-0074, FSC-0093).

A link of the area gets a message unless it sent it, wrote it, stands in SEEN-BY or PATH, is paused or may not read, or
the message answers a rescan. SEEN-BY and PATH are 2D, so they tell about systems of the packet's zone only: links there
get the full list with us and each other added; links of another zone get a list of their own, with us and themselves;
PATH is kept everywhere. Points stand in neither, their boss stands for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from tosser.codec.kludge import find_value
from tosser.codec.message import origin_address
from tosser.codec.seenby import format_path, format_seen_by, parse_nodes
from tosser.rules.network import SeenByMode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tosser.address import Address
    from tosser.codec.message import MessageText
    from tosser.codec.seenby import Node
    from tosser.rules.network import Area, AreaLink, Link, Rulebook


class Skip(StrEnum):
    """Why a link of an area does not get a message."""

    SENDER = "sender"
    AUTHOR = "author"
    SEEN_BY = "seen-by"
    PATH = "path"
    PAUSED = "paused"
    MAY_NOT_READ = "may-not-read"
    RESCANNED = "rescanned"

    @property
    def text(self) -> str:
        """What the code means, for people."""
        return _TEXTS[self]


_TEXTS = {
    Skip.SENDER: "it sent us the message, under this or another of its addresses",
    Skip.AUTHOR: "it wrote the message",
    Skip.SEEN_BY: "it stands in SEEN-BY: it has the message",
    Skip.PATH: "it stands in PATH: the message came through it",
    Skip.PAUSED: "it is paused",
    Skip.MAY_NOT_READ: "it may write to the area but not read it",
    Skip.RESCANNED: "the message answers a rescan and was for us alone",
}


@dataclass(frozen=True, slots=True)
class Fate:
    """Whether one link gets one message: ``skip`` is ``None`` when it does."""

    link: Address
    skip: Skip | None


@dataclass(frozen=True, slots=True)
class Trailer:
    """The transport lines behind the Origin line, each ending in CR."""

    lines: bytes


class Exports:
    """Decides who gets what, for one rulebook; remembers what many messages share.

    Args:
        rules: the sysop's world.
    """

    def __init__(self, rules: Rulebook) -> None:
        self._rules = rules
        self._areas: dict[tuple[str, str], AreaExports] = {}

    def of(self, area: Area) -> AreaExports:
        """Give what is known of one area."""
        key = (area.network, area.tag)
        found = self._areas.get(key)
        if found is None:
            found = self._areas[key] = AreaExports(area, self._rules)
        return found


@lru_cache(maxsize=4)
def exports_of(rules: Rulebook) -> Exports:
    """Give what is remembered for a rulebook."""
    return Exports(rules)


class _Case(NamedTuple):
    """What the answer for a message depends on: nearly always the same few values, however different the messages.

    Attributes:
        sender: the link that sent it; ``None`` when it comes from our own programs.
        author: the link of the area that wrote it, if one did.
        seen_by: the nodes of links of the area that stand in SEEN-BY.
        path: those that stand in PATH.
        rescanned: whether it answers a rescan.
    """

    sender: Address | None
    author: Address | None
    seen_by: frozenset[Node]
    path: frozenset[Node]
    rescanned: bool


class AreaExports:
    """The links of one area, and what they get."""

    def __init__(self, area: Area, rules: Rulebook) -> None:
        self._area = area
        self._links = [(rules.links[at], rights) for at, rights in sorted(area.links.items()) if rules.sends]
        self._by_address = {link.address: link for link, _ in self._links}
        self._by_number = {link.address.without_domain: link.address for link, _ in self._links}
        self._nodes = frozenset(_node(link.address) for link, _ in self._links)
        self._own = _own_nodes(area, rules)
        self._chosen: dict[_Case, tuple[Address, ...]] = {}

    def has(self, address: Address) -> bool:
        """Tell whether a system is still a link of the area."""
        return address in self._by_address

    def recipients(self, sender: Address | None, text: MessageText) -> tuple[Address, ...]:
        """Tell which links get a message; the same tuple for equal answers."""
        if not self._links or (len(self._links) == 1 and sender in self._by_address):
            return ()
        case = self._case(sender, text)
        chosen = self._chosen.get(case)
        if chosen is None:
            if len(self._chosen) >= _MOST_REMEMBERED:
                self._chosen.clear()
            chosen = self._chosen[case] = tuple(fate.link for fate in self._judge(case) if fate.skip is None)
        return chosen

    def fates(self, sender: Address | None, text: MessageText) -> tuple[Fate, ...]:
        """Tell for each link of the area whether it gets a message, and if not, why.

        Args:
            sender: the link that sent it; ``None`` when it comes from our own programs.
            text: the message.
        """
        return self._judge(self._case(sender, text))

    def _case(self, sender: Address | None, text: MessageText) -> _Case:
        author = origin_address(text)
        writer = self._by_number.get(author.without_domain) if author is not None else None
        rescanned = find_value(text.kludges, b"RESCANNED") is not None
        return _Case(sender, writer, _nodes(text.seen_by) & self._nodes, _nodes(text.path) & self._nodes, rescanned)

    def _judge(self, case: _Case) -> tuple[Fate, ...]:
        return tuple(Fate(link.address, self._skip(case, link, rights)) for link, rights in self._links)

    def _skip(self, case: _Case, link: Link, rights: AreaLink) -> Skip | None:
        address, node = link.address, _node(link.address)
        listed = address.zone == self._zone(case.sender) and not address.point
        ignored = node in self._area.sbignore or node in link.sbignore
        cases = (
            (Skip.SENDER, case.sender is not None and self._same_system(link, case.sender)),
            (Skip.AUTHOR, address == case.author),
            (Skip.RESCANNED, case.rescanned),
            (Skip.MAY_NOT_READ, not rights.read),
            (Skip.PAUSED, link.paused),
            (Skip.SEEN_BY, listed and node in case.seen_by and not ignored),
            (Skip.PATH, listed and node in case.path),
        )
        return next((skip for skip, holds in cases if holds), None)

    def _zone(self, sender: Address | None) -> int:
        """The zone whose systems SEEN-BY and PATH tell of."""
        return sender.zone if sender is not None else self._area.aka.zone

    def _same_system(self, link: Link, sender: Address) -> bool:
        if link.address.same_system(sender) or (link.same_system_as and link.same_system_as.same_system(sender)):
            return True
        other = self._by_address.get(sender)
        return other is not None and other.same_system_as is not None and other.same_system_as.same_system(link.address)

    # --- SEEN-BY and PATH

    def trailers(
        self, sender: Address | None, text: MessageText, recipients: Sequence[Address]
    ) -> dict[Address, Trailer]:
        """Make the transport lines for each recipient; the same object for those whose lines are the same.

        Args:
            sender: the link that sent the message; ``None`` when it comes from our own programs.
            text: the message.
            recipients: from `recipients`.
        """
        zone = self._zone(sender)
        group_nodes = _group(recipients)
        made: dict[tuple[object, ...], Trailer] = {}
        trailers: dict[Address, Trailer] = {}
        for address in recipients:
            link = self._by_address[address]
            style = (address.zone, link.seen_by or self._area.seen_by, link.sbadd, link.sbstrip)
            trailer = made.get(style)
            if trailer is None:
                own = self._own_in(address.zone, link)
                known = _known(text, style[1], sender, in_zone=address.zone == zone)
                added = group_nodes[address.zone] | frozenset(self._area.sbadd) | frozenset(link.sbadd) | own
                stripped = frozenset(self._area.sbstrip) | frozenset(link.sbstrip)
                seen_by = _seen_by_lines(known, added, stripped)
                trailer = made[style] = Trailer(seen_by + _path_lines(text.path, next(iter(own), None)))
            trailers[address] = trailer
        return trailers

    def _own_in(self, zone: int, link: Link) -> frozenset[Node]:
        """Our own entry towards a zone: the area's AKA at home, elsewhere our AKA there; none when we are a point."""
        own = self._own.get(zone)
        if own is None:
            aka = link.our_aka
            own = frozenset() if aka.point else frozenset([_node(aka)])
        return own


def _own_nodes(area: Area, rules: Rulebook) -> dict[int, frozenset[Node]]:
    akas = {aka.zone: aka for aka in reversed(rules.networks[area.network].addresses)}
    akas[area.aka.zone] = area.aka
    return {zone: frozenset() if aka.point else frozenset([_node(aka)]) for zone, aka in akas.items()}


def _group(recipients: Iterable[Address]) -> dict[int, frozenset[Node]]:
    """The nodes that get the message now, by zone; points are left out."""
    groups: dict[int, set[Node]] = {}
    for address in recipients:
        nodes = groups.setdefault(address.zone, set())
        if not address.point:
            nodes.add(_node(address))
    return {zone: frozenset(nodes) for zone, nodes in groups.items()}


def _known(text: MessageText, mode: SeenByMode, sender: Address | None, *, in_zone: bool) -> tuple[bytes, ...]:
    """The list that the new one is made from: what stands in the message, as far as it means something there."""
    if not in_zone or mode is SeenByMode.TINY:
        return ()
    from_sender = () if sender is None or sender.point else (b"%d/%d" % (sender.net, sender.node),)
    if mode is SeenByMode.REDUCED:
        return (*text.path, *from_sender)
    return (*text.seen_by, *from_sender)


_MOST_REMEMBERED = 4096
"""Answers kept for an area; a hostile sender may not fill the memory with them."""


@lru_cache(maxsize=8192)
def _nodes(lines: tuple[bytes, ...]) -> frozenset[Node]:
    return frozenset(parse_nodes(lines))


@lru_cache(maxsize=8192)
def _seen_by_lines(known: tuple[bytes, ...], added: frozenset[Node], stripped: frozenset[Node]) -> bytes:
    lines = format_seen_by((_nodes(known) | added) - stripped)
    return b"\r".join((*lines, b"")) if lines else b""


@lru_cache(maxsize=8192)
def _path_lines(path: tuple[bytes, ...], own: Node | None) -> bytes:
    """PATH with us at its end, unless we are there already."""
    nodes = list(parse_nodes(path))
    if own is not None and nodes[-1:] != [own]:
        nodes.append(own)
    lines = format_path(nodes)
    return b"\r".join((*lines, b"")) if lines else b""


def _node(address: Address) -> Node:
    return address.net, address.node


def export_text(text: MessageText, trailer: Trailer) -> bytes:
    """Compose the text that is sent on: everything up to the Origin byte for byte, then the transport lines."""
    return text.transit + trailer.lines
