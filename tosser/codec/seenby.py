"""SEEN-BY and PATH: lists of net/node without zones, points and domains (FTS-0004, FSC-0068, FSC-0074).

Read with the tolerance real software needs: items may be separated by blanks, tabs, CR or FE hex; a zone and a point
are dropped; a line may begin with a bare node, of the net that the line before ended with. What is no item ends its
line. Nothing is refused. Written in lines of at most 78 characters.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tosser.address import Address

Node: TypeAlias = tuple[int, int]
"""Net and node."""
Nets: TypeAlias = "Mapping[int, Sequence[int]]"
"""Nodes by their nets, in any order, perhaps with repetitions."""

_SEEN_BY = b"SEEN-BY:"
_PATH = b"\x01PATH:"
_LONGEST_LINE = 78
"""Bytes of a line with its keyword, without CR: what all software keeps to, if not the longest legal one."""
_BLANKS = bytes.maketrans(b"\xfe", b" ")
_ITEM = re.compile(rb"(?:(?:\d{1,5}:)?(\d{1,5})/)?(\d{1,5})(?:\.\d{1,5})?")
_DIGITS = 5
_HIGHEST = 0xFFFF
_MOST_NODES = 8192
"""Lists are read as far as the line with this node, and of each line so many items; no network is as large."""


def parse_nodes(lines: Iterable[bytes]) -> tuple[Node, ...]:
    """Read what follows the keyword in SEEN-BY or PATH lines: each net and node in order, with repetitions.

    No more than some 16,000 are read, so that a hostile list takes no more memory than that.
    """
    nodes: list[Node] = []
    net = 0
    for line in lines:
        if len(nodes) >= _MOST_NODES:
            break
        for item in line.translate(_BLANKS).split(None, _MOST_NODES):
            if not item.isdigit() or len(item) > _DIGITS:
                match = _ITEM.fullmatch(item)
                if match is None:
                    break
                stated, item = match.groups()  # noqa: PLW2901 - without net and point it is a bare node, as most are
                net = int(stated) if stated else net
            node = int(item)
            if net > _HIGHEST or node > _HIGHEST:
                break
            if net:
                nodes.append((net, node))
    return tuple(nodes)


def by_net(nodes: Iterable[Node]) -> Nets:
    """Sort nodes by their nets."""
    nets: dict[int, list[int]] = {}
    for net, node in nodes:
        nets.setdefault(net, []).append(node)
    return nets


def format_seen_by(nodes: Iterable[Node]) -> list[bytes]:
    """Write SEEN-BY lines without CR: sorted, each node once; no line at all for no node."""
    return format_nets(by_net(nodes))


def format_nets(nets: Nets) -> list[bytes]:
    """Write SEEN-BY lines as `format_seen_by`."""
    text = "".join([_write_run(net, sorted(set(nets[net]))) for net in sorted(nets)]).encode("ascii")
    room = _LONGEST_LINE - len(_SEEN_BY)
    lines: list[bytes] = []
    while len(text) > room:
        end = text.rfind(b" ", 1, room + 1)
        line, text = text[:end], text[end:]
        lines.append(_SEEN_BY + line)
        if b"/" not in text.partition(b" ")[2].partition(b" ")[0]:  # it goes on in the same net
            net = line[: line.rfind(b"/") + 1]
            text = net[net.rfind(b" ") :] + text[1:]
    if text:
        lines.append(_SEEN_BY + text)
    return lines


def _write_run(net: int, nodes: list[int]) -> str:
    return f" {net}/{' '.join(['%d'] * len(nodes)) % tuple(nodes)}"  # twice as fast as to write each for itself


def format_path(nodes: Iterable[Node]) -> list[bytes]:
    """Write PATH lines with their 01 hex and without CR, in the order given; no line at all for no node."""
    lines: list[bytes] = []
    line, last = b"", 0
    for net, node in nodes:
        item = b" %d" % node if net == last else b" %d/%d" % (net, node)
        if len(line) + len(item) > _LONGEST_LINE or not line:
            if line:
                lines.append(line)
            line, item = _PATH, b" %d/%d" % (net, node)
        line += item
        last = net
    if line:
        lines.append(line)
    return lines


def in_path(path: Sequence[Node], address: Address) -> bool:
    """Tell whether a system, or the boss of a point, is in a PATH of its zone."""
    return (address.net, address.node) in path


def circular(path: Sequence[Node]) -> bool:
    """Tell whether a system stands twice in a PATH with others between, so that the message went round."""
    seen: set[Node] = set()
    last = None
    for node in path:
        if node != last and node in seen:
            return True
        seen.add(node)
        last = node
    return False
