"""With which SEEN-BY and PATH a message is sent on (FTS-0004, FSC-0074, FSC-0093).

Both are 2D, so they tell of systems of the packet's zone only. Links of that zone get the list that came, with the
sender, us and all of them added; links of another zone get a list of their own, with us and themselves. PATH is kept
everywhere, and we are added to it once. Points stand in neither, also when we are one: their boss stands for them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.codec.seenby import by_net, format_nets, format_path, parse_nodes
from tosser.rules.network import SeenByMode
from tosser.rules.remembered import Memory, Remembered, weigh_lines

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from tosser.address import Address
    from tosser.codec.message import MessageText
    from tosser.codec.seenby import Nets, Node
    from tosser.rules.network import Area, Link


class Group(Struct, frozen=True, eq=False):
    """Recipients of a message whose SEEN-BY and PATH are the same.

    Attributes:
        links: they.
        mode: how much of the SEEN-BY that came is kept.
        added: nodes that SEEN-BY gets.
        stripped: nodes that it loses, whoever put them there.
        own: our entry in PATH; ``None`` when we are a point.
    """

    links: tuple[Link, ...]
    mode: SeenByMode
    added: frozenset[Node]
    stripped: frozenset[Node]
    own: Node | None

    def trailer(self, text: MessageText) -> bytes:
        """Write the SEEN-BY and PATH lines of a message, each with its CR."""
        known: tuple[bytes, ...] = ()
        if self.mode is SeenByMode.FULL:
            known = text.seen_by
        elif self.mode is SeenByMode.REDUCED:
            known = text.path
        lines = _seen_by.get((self.added, self.stripped, known))
        if lines is None:
            nets = seen_by_nets(text) if known is text.seen_by else listed[known]
            lines = _seen_by.remember((self.added, self.stripped, known), self._write_seen_by(nets))
        return lines + _path[self.own, text.path]

    def _write_seen_by(self, known: Nets) -> bytes:
        nets = dict(known)
        for net, nodes in _by_net(self.added).items():
            nets[net] = [*nets.get(net, ()), *nodes]
        for net, nodes in _by_net(self.stripped).items():
            rest = set(nets.pop(net, ())).difference(nodes)
            if rest:
                nets[net] = list(rest)
        return _joined(format_nets(nets))


def seen_by_nets(text: MessageText) -> Nets:
    """Give the nodes in SEEN-BY, by nets."""
    return listed[text.seen_by] if text.nets is None else text.nets


def listed_zone(area: Area, sender: Address | None) -> int:
    """Tell of which zone's systems SEEN-BY and PATH of a message tell: the sender's, or ours for our own programs."""
    return area.aka.zone if sender is None else sender.zone


def node_of(address: Address) -> Node:
    """Write an address as SEEN-BY and PATH do."""
    return address.net, address.node


def nodes_in(zone: int, addresses: Iterable[Address]) -> frozenset[Node]:
    """Pick the nodes of a zone out of some addresses; points are left out."""
    return frozenset(node_of(address) for address in addresses if address.zone == zone and not address.point)


def make_groups(
    area: Area, known_as: Collection[Address], sender: Address | None, recipients: Iterable[Link]
) -> tuple[Group, ...]:
    """Divide the recipients of a message by what they get.

    Args:
        area: the message's area.
        known_as: our AKAs that links of the area know us by.
        sender: the link that sent it; ``None`` when it comes from our own programs.
        recipients: links of the area.
    """
    divided: dict[tuple[object, ...], list[Link]] = {}
    for link in recipients:
        kind = (link.address.zone, _own(area, link), link.seen_by, link.sbadd, link.sbstrip)
        divided.setdefault(kind, []).append(link)
    getting = [link.address for links in divided.values() for link in links]
    return tuple(_make_group(area, known_as, sender, links, getting) for links in divided.values())


def _make_group(
    area: Area, known_as: Collection[Address], sender: Address | None, links: list[Link], getting: list[Address]
) -> Group:
    link = links[0]
    zone, own = link.address.zone, _own(area, link)
    at_home = zone == listed_zone(area, sender)
    mode = (link.seen_by or area.seen_by) if at_home else SeenByMode.TINY
    came_from = [sender] if sender is not None and mode is not SeenByMode.TINY else []
    return Group(
        links=tuple(links),
        mode=mode,
        added=_same(
            nodes_in(zone, (*getting, *known_as, *came_from, *area.sbadd, *link.sbadd)) | nodes_in(own.zone, [own])
        ),
        stripped=_same(nodes_in(zone, (*area.sbstrip, *link.sbstrip))),
        own=None if own.point else node_of(own),
    )


def _own(area: Area, link: Link) -> Address:
    """Tell as whom we pass a message on: in its own zone by the area's AKA, elsewhere by that for the link."""
    return area.aka if link.address.zone == area.aka.zone else link.our_aka


@lru_cache(maxsize=1024)
def _same(nodes: frozenset[Node]) -> frozenset[Node]:
    """Give the same set for equal sets: those of areas with the same links are compared at once then."""
    return nodes


def _write_path(asked: tuple[Node | None, tuple[bytes, ...]]) -> bytes:
    """PATH with us at its end, unless we are there already."""
    own, path = asked
    nodes = list(parse_nodes(path))
    if own is not None and nodes[-1:] != [own]:
        nodes.append(own)
    return _joined(format_path(nodes))


def _joined(lines: Iterable[bytes]) -> bytes:
    return b"".join(line + b"\r" for line in lines)


_by_net = lru_cache(maxsize=1024)(by_net)
_TO_TEXT = 8
"""How many times as large as the text it was read from a list is."""
listed: Remembered[tuple[bytes, ...], Nets] = Remembered(
    lambda lines: by_net(parse_nodes(lines)), lambda lines: _TO_TEXT * weigh_lines(lines)
)
"""The nodes in SEEN-BY or PATH lines, by nets."""
_seen_by: Memory[tuple[frozenset[Node], frozenset[Node], tuple[bytes, ...]], bytes] = Memory(
    lambda asked: weigh_lines(asked[2])
)
_path = Remembered(_write_path, lambda asked: weigh_lines(asked[1]))
