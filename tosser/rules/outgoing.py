"""The packets that a batch sends on, as bytes: drawn up from the messages and the decision alone.

Of echomail, what is behind the fourteen bytes that name the two systems is the same for all links that get the same
SEEN-BY and PATH, and is made once for them; links that get the same messages share the whole row of them. Netmail is
composed by `tosser.rules.onward`; what is more urgent than the link's other mail is in packets of its own. A packet is
closed when the next message would make it larger than the link allows.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime
from itertools import accumulate, chain, compress
from typing import TYPE_CHECKING

from msgspec import Struct, field

from tosser.address import Address
from tosser.codec.packed_message import MESSAGE_HEAD_SIZE, build_message_head, forward_tail
from tosser.codec.packet import TERMINATOR
from tosser.codec.packet_header import PacketHeader, build_packet_header
from tosser.errors import AddressError
from tosser.rules.export import exports_of
from tosser.rules.netmail import read_envelope
from tosser.rules.onward import compose

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tosser.codec.flow import Flavour
    from tosser.rules.batch import Piece
    from tosser.rules.decision import Decision, PieceDecision
    from tosser.rules.network import Link, Rulebook
    from tosser.rules.routing import Onward
    from tosser.rules.trailer import Group
    from tosser.rules.verdict import Verdict

PRODUCT = 0x00FE
"""FTSC product code: none allocated (FSC-0090)."""
REVISION = (0, 1)
_BLOCK_MESSAGES, _BLOCK_BYTES = 128, 192 * 1024
"""How much of a packet is given at once: enough to be worth a call, little enough for the disk (`tosser.disk`)."""


class Run(Struct, frozen=True):
    """Messages one behind the other whose heads are the same.

    Attributes:
        head: what each of them begins with.
        tails: the rest of each, in a row that other runs may share.
        first: the first one of the row that is meant.
        last: the one behind the last.
    """

    head: bytes
    tails: Sequence[bytes]
    first: int
    last: int


class _Row:
    """Echomail, without the heads, that links get which get the same.

    Attributes:
        tails: the messages.
        ends: where each would end if they stood one behind the other, with their heads.
    """

    __slots__ = ("ends", "tails")

    def __init__(self, tails: list[bytes]) -> None:
        self.tails = tails
        self.ends = list(accumulate([MESSAGE_HEAD_SIZE + len(tail) for tail in tails]))


class OutPacket(Struct):
    """A packet for a link.

    Attributes:
        link: who gets it.
        header: its header.
        runs: its messages.
        size: bytes in all.
        messages: how many are in it.
        flavour: how urgently it is sent; ``None`` as the link's other mail.
        file: path of a file that is sent as it is, instead of all that; empty for a packet.
        name: where that is put, and under which name.
    """

    link: Link
    header: bytes = b""
    runs: list[Run] = field(default_factory=list)
    size: int = 0
    messages: int = 0
    flavour: Flavour | None = None
    file: str = ""
    name: str = ""

    def blocks(self) -> Iterator[list[bytes]]:
        """Give its bytes in pieces, some at a time; the same message in several packets is the same object."""
        count = min(max(_BLOCK_BYTES * self.messages // self.size, 1), _BLOCK_MESSAGES)
        pieces = [self.header]
        for run in self.runs:
            for first in range(run.first, run.last, count):
                tails = run.tails[first : min(first + count, run.last)]
                messages = [run.head] * (2 * len(tails))
                messages[1::2] = tails
                pieces += messages
                if len(pieces) >= 2 * count:
                    yield pieces
                    pieces = []
        pieces.append(TERMINATOR)
        yield pieces

    def content(self) -> bytes:
        """Give its bytes."""
        return b"".join(chain.from_iterable(self.blocks()))


def draw_packets(pieces: Sequence[Piece], decision: Decision, rules: Rulebook, created: datetime) -> list[OutPacket]:
    """Compose the packets of a decision; those of one link are in the order of its messages.

    Args:
        pieces: the decided pieces.
        decision: the verdicts, with the recipients of each message.
        rules: links and areas; a link that is gone meanwhile gets nothing.
        created: local time for the packet headers.
    """
    if not rules.sends or not any(verdict.recipients or verdict.onward for verdict in decision.verdicts):
        return []
    drawing = _Drawing(rules, created)
    by_place = {(piece.file.claim, piece.member, piece.first): piece for piece in pieces}
    decided = [(by_place[each.claim, each.member, each.first], each) for each in decision.pieces]
    for piece, verdicts in decided:
        sender = _sender(verdicts, rules)
        ways = {index: drawing.way(decision.verdicts[index], sender) for index in set(verdicts.verdicts)}
        for (packed, text), index in zip(piece.messages, verdicts.verdicts, strict=True):
            for group, way in ways[index]:
                drawing.send(way, forward_tail(packed, text.transit, group.trailer(text)))
    drawing.fill()
    moment = datetime.fromtimestamp(int(decision.decided), UTC)
    for piece, verdicts in decided:
        for number, index in enumerate(verdicts.verdicts):
            for onward in decision.verdicts[index].onward:
                drawing.send_on(piece, number, onward, moment)
    return drawing.finished()


def _sender(decided: PieceDecision, rules: Rulebook) -> Address | None:
    """Find the link that sent a piece; ``None`` where none of the network did, or the packet names no system."""
    try:
        links = rules.links_at(Address.parse(decided.sender))
    except AddressError:
        return None
    return next((link.address for link in links if link.network == decided.network), None)


class _Lane:
    """The packets of one link, of which the last one is being filled."""

    __slots__ = ("_flavour", "_head", "_header", "_link", "_open", "_packets")

    def __init__(self, link: Link, flavour: Flavour | None, created: datetime, packets: list[OutPacket]) -> None:
        """``packets`` receives each packet as it is begun."""
        self._link = link
        self._flavour = flavour
        self._packets = packets
        self._open: OutPacket | None = None
        self._head = _message_head(link)
        self._header = _packet_header(link, created)

    def add_echomail(self, row: _Row) -> None:
        """Add messages that are between us and the link."""
        first = 0
        while first < len(row.tails):
            packet = self._open or self._begin()
            start = row.ends[first - 1] if first else 0
            last = bisect_right(row.ends, start + self._link.max_packet - packet.size)
            if last <= first:
                packet = self._begin() if packet.messages else packet
                last = max(bisect_right(row.ends, start + self._link.max_packet - packet.size), first + 1)
            packet.runs.append(Run(self._head, row.tails, first, last))
            packet.size += row.ends[last - 1] - start
            packet.messages += last - first
            first = last

    def add(self, head: bytes, tail: bytes) -> None:
        """Append a message to the open packet, or to a new one where it would grow too large."""
        packet = self._open
        size = len(head) + len(tail)
        if packet is None or packet.size + size > self._link.max_packet:
            packet = self._begin()
        packet.runs.append(Run(head, (tail,), 0, 1))
        packet.size += size
        packet.messages += 1

    def _begin(self) -> OutPacket:
        size = len(self._header) + len(TERMINATOR)
        packet = self._open = OutPacket(self._link, self._header, size=size, flavour=self._flavour)
        self._packets.append(packet)
        return packet


class _Drawing:
    """The packets that are being filled.

    Echomail is collected first, each message with the number of its way, which stands for the links that get it; then
    each link takes its own out of the row, which is many times as fast as handing every message to every link.
    """

    def __init__(self, rules: Rulebook, created: datetime) -> None:
        self._rules = rules
        self._created = created
        self._exports = exports_of(rules)
        self._lanes: dict[tuple[Address, Flavour | None], _Lane] = {}
        self._packets: list[OutPacket] = []
        self._ways: list[set[_Lane]] = []
        self._tails: list[bytes] = []
        self._numbers: list[int] = []

    def way(self, verdict: Verdict, sender: Address | None) -> list[tuple[Group, int]]:
        """Find the groups that get the messages of a verdict, and number the way to each."""
        target = verdict.target
        area = self._rules.area_of(target.network, target.tag) if target and verdict.recipients else None
        if area is None:
            return []
        numbered = []
        for group in self._exports.of(area).groups(sender, verdict.recipients):
            numbered.append((group, len(self._ways)))
            self._ways.append({self._lane(link) for link in group.links})
        return numbered

    def send(self, way: int, tail: bytes) -> None:
        """Send echomail, given without its head, to the links of a way."""
        self._tails.append(tail)
        self._numbers.append(way)

    def fill(self) -> None:
        """Give every link its echomail."""
        rows: dict[tuple[bool, ...], _Row] = {}
        for lane in list(self._lanes.values()):
            gets = tuple([lane in lanes for lanes in self._ways])
            row = rows.get(gets)
            if row is None:
                row = rows[gets] = _Row(list(compress(self._tails, map(gets.__getitem__, self._numbers))))
            lane.add_echomail(row)

    def send_on(self, piece: Piece, number: int, onward: Onward, moment: datetime) -> None:
        """Add a netmail to the packets of a link, and the files that go with it; ``number`` is that of the message."""
        link = self._rules.links.get(onward.link) or self._rules.stranger(onward.link)
        if link is None:
            return
        flavour = None if link.known and onward.flavour is link.flavour else onward.flavour
        packed, text = piece.messages[number]
        envelope = read_envelope(piece.header, packed, text, self._rules)
        self._lane(link, flavour).add(*compose(packed, text, envelope, onward, aka=link.our_aka, moment=moment))
        for index, path in enumerate(onward.files):
            place = f"{piece.file.claim}-{piece.member}-{piece.first + number}-{index}"
            name = f"{place}/{path.rpartition('/')[2]}"
            self._packets.append(OutPacket(link, flavour=flavour or link.flavour, file=path, name=name))

    def _lane(self, link: Link, flavour: Flavour | None = None) -> _Lane:
        lane = self._lanes.get((link.address, flavour))
        if lane is None:
            lane = self._lanes[link.address, flavour] = _Lane(link, flavour, self._created, self._packets)
        return lane

    def finished(self) -> list[OutPacket]:
        """Give what was drawn up."""
        return self._packets


def _packet_header(link: Link, created: datetime) -> bytes:
    return build_packet_header(
        PacketHeader(
            type=link.packet_type,
            orig=link.our_aka,
            dest=link.address,
            password=link.packet_password,
            created=created,
            product=PRODUCT,
            revision=REVISION,
        )
    )


def _message_head(link: Link) -> bytes:
    """Name us and the link, as every packed message of echomail does; attributes and cost are zero."""
    ours, theirs = link.our_aka, link.address
    return build_message_head((ours.node, theirs.node, ours.net, theirs.net))
