"""A sysop's world and batches of mail as the rules see them, for the tests of the rules and of the state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypedDict, Unpack

from msgspec.structs import replace

from tests.corpus import EPOCH, HUB, US, message, packet
from tosser.address import Address
from tosser.codec.message import split_text
from tosser.codec.packet import parse_packet
from tosser.rules.batch import Batch, FileEnd, FileIn, PacketSummary, Piece
from tosser.rules.decision import decide, prepare_batch
from tosser.rules.network import Area, AreaLink, InboundClass, Link, NetmailRules, Network, Rulebook, StoreKind
from tosser.rules.verdict import area_tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tosser.codec.message import MessageText
    from tosser.codec.packet import PackedMessage
    from tosser.rules.batch import Refusal
    from tosser.rules.decision import Decision, FileProgress

NOW: Final = EPOCH.timestamp() + 3600.0
"""The moment of every decision: an hour after the first message of `tests.corpus` was written."""
DAY: Final = 86400
DOWNLINK: Final = "1337:1/201"
READER: Final = "1337:1/202"
"""May read all areas and write to none."""
STRANGER: Final = "1337:1/999"
POINT: Final = "1337:1/200.5"
"""A point of ours."""


def make_network(name: str, *addresses: str, zones: Iterable[int] = (), domain: str = "") -> Network:
    """Make a network of the given AKAs of ours."""
    own = tuple(replace(Address.parse(text), domain=domain or name) for text in addresses)
    bad = f"BADMAIL.{name.upper()}"
    return Network(name, domain or name, own, frozenset(zones or (aka.zone for aka in own)), bad, f"/bases/{bad}")


def make_link(address: str, network: Network, password: bytes = b"") -> Link:
    """Make a link of a network."""
    return Link(
        address=replace(Address.parse(address), domain=network.domain),
        network=network.name,
        name=f"System {address}",
        sysop="Some Sysop",
        packet_password=password,
        our_aka=network.main,
    )


class AreaParts(TypedDict, total=False):
    """What a test may set of an area."""

    store: StoreKind
    aka: Address
    max_age: int | None
    max_future: int | None
    paused: bool
    dupe_history: int


def make_area(tag: str, network: Network, links: Mapping[Address, AreaLink], **parts: Unpack[AreaParts]) -> Area:
    """Make an area; it is kept in a JAM base and accepts any date unless said otherwise."""
    chosen = AreaParts(
        store=StoreKind.JAM, aka=network.main, max_age=None, max_future=None, paused=False, dupe_history=30 * DAY
    )
    chosen.update(parts)
    path = f"/bases/{tag.lower()}" if chosen["store"] is StoreKind.JAM else ""
    return Area(tag=tag, network=network.name, description="", path=path, links=links, charset="CP437", **chosen)


def make_rules(networks: Iterable[Network], links: Iterable[Link], areas: Iterable[Area]) -> Rulebook:
    """Put a world together; netmail is kept in a JAM base."""
    return Rulebook(
        networks={network.name: network for network in networks},
        links={link.address: link for link in links},
        areas={(area.network, area.tag): area for area in areas},
        netmail=NetmailRules(StoreKind.JAM, "/bases/netmail", "CP437", publish_text=False),
    )


def usual_rules(password: bytes = b"", *, network: Network | None = None) -> Rulebook:
    """One network with the hub, two downlinks and a point of ours; an area for each thing that can be said of one."""
    net = network or make_network("tqwnet", US)
    systems = [make_link(HUB, net, password), *(make_link(text, net) for text in (DOWNLINK, READER, POINT))]
    full = {link.address: AreaLink() for link in systems}
    full[systems[2].address] = AreaLink(write=False)
    areas = [
        make_area("TQW_TECH", net, full),
        make_area("TQW_GEN", net, full),
        make_area("PASSED_ON", net, full, store=StoreKind.PASSTHROUGH),
        make_area("PAUSED", net, full, paused=True),
        make_area("DATED", net, full, max_age=7 * DAY, max_future=DAY),
        make_area("NOT_THE_HUB", net, {systems[1].address: AreaLink()}),
        make_area("!ODD\\TAG`{|}~", net, full),
    ]
    return make_rules([net], systems, areas)


class PieceParts(TypedDict, total=False):
    """What a test may set of a piece."""

    sender: str
    dest: str
    password: bytes
    kind: Literal["2", "2+", "2.2"]
    cls: InboundClass
    claim: str
    member: int
    member_name: str
    junk: bytes


_PARTS: Final = PieceParts(
    sender=HUB,
    dest=US,
    password=b"",
    kind="2+",
    cls=InboundClass.SECURE,
    claim="one",
    member=0,
    member_name="",
    junk=b"",
)


def make_pieces(raw: Sequence[bytes], size: int, **parts: Unpack[PieceParts]) -> list[Piece]:
    """Put packed messages into a packet, read it, and cut it into pieces of ``size`` messages."""
    chosen = _PARTS | parts
    data = packet(
        raw,
        sender=chosen["sender"],
        dest=chosen["dest"],
        password=chosen["password"],
        kind=chosen["kind"],
        end=b"\0\0" + chosen["junk"],
    )
    found = parse_packet(data)
    messages = [(each, split_text(each.text)) for each in found.messages]
    echomail = any(area_tag(text) is not None for _, text in messages)
    summary = PacketSummary(len(messages), echomail, tuple(found.warnings), found.trailing)
    file = make_file(chosen["claim"], chosen["cls"])
    return [
        Piece(
            file, chosen["member"], chosen["member_name"], found.header, summary, first, messages[first : first + size]
        )
        for first in range(0, max(len(messages), 1), size)
    ]


def make_piece(raw: Sequence[bytes], **parts: Unpack[PieceParts]) -> Piece:
    """Put packed messages into a packet and read it."""
    return make_pieces(raw, len(raw) or 1, **parts)[0]


def make_file(claim: str = "one", cls: InboundClass = InboundClass.SECURE) -> FileIn:
    """Describe a claimed file."""
    return FileIn(claim, f"{claim}.pkt", "/in", cls, 1234, EPOCH.timestamp())


def make_batch(pieces: Sequence[Piece], *refusals: Refusal, ends: Iterable[str] | None = None) -> Batch:
    """Make a batch in which every file ends, or those with the given claims."""
    files = {file.claim: file for file in (*(p.file for p in pieces), *(r.file for r in refusals))}
    ended = files if ends is None else ends
    packets = {piece.file.claim: piece.member + 1 for piece in pieces}
    return Batch(
        list(pieces), list(refusals), [FileEnd(files[claim], "ab" * 32, packets.get(claim, 1)) for claim in ended]
    )


def decide_batch(
    batch: Batch,
    rules: Rulebook,
    known: Iterable[bytes] = (),
    progress: Mapping[str, FileProgress] | None = None,
) -> Decision:
    """Prepare and decide in one step, now."""
    return decide(prepare_batch(batch, rules), rules, set(known), progress or {}, NOW)


def read_message(raw: bytes) -> tuple[PackedMessage, MessageText]:
    """Read one packed message."""
    return make_piece([raw]).messages[0]


def echo(area: str = "TQW_TECH", number: int = 1, *path: str) -> bytes:
    """Write one packed echomail message, with a PATH of one's own if one is given."""
    return message(area, number=number, path=path) if path else message(area, number=number)
