"""The invented network of the demo: its configuration, and sample files with what must become of each.

We are a node of two networks and have a hub in each. All names, systems and texts are made up.
"""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from msgspec import Struct, field

from tosser.address import Address
from tosser.codec import kludge
from tosser.codec.ftsdate import format_date
from tosser.codec.kludge import Chrs, Intl, build_kludge
from tosser.codec.message import build_text
from tosser.codec.packet import PackedMessage, PacketHeader, PacketType, build_packet
from tosser.codec.seenby import format_path, format_seen_by
from tosser.discreet import Discreet
from tosser.reason import FileState, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

PREFIX = "ftn"
"""First level of all topics."""
SECURE, INSECURE = "in.secure", "in"
"""The inbound directories."""
DIRECTORIES = (SECURE, INSECURE, "out")
"""What a mailer would have made."""
_CONFIG = """\
# Made by `tosser demo`. Relative paths start at this file. All there is to configure: docs/configuration.md.
system: {{name: The Demo Deck, sysop: Ada Demo, location: Nowhere}}
paths:
  state: state
  bases: bases
  inbound: {{secure: [{secure}], insecure: [{insecure}]}}
  outbound: out
networks:
  tqwnet: {{addresses: [1337:1/200]}}
  nightnet: {{addresses: [77:1/5]}}
links:
  - {{address: 1337:1/100, name: tqwNet hub, sysop: Hugo Hub, packet_password: SESAME}}
  - {{address: 77:1/1, name: nightNet hub, sysop: Nora Night}}
areas:
  - {{tag: TQW_GEN, description: General talk, links: [1337:1/100]}}
  - {{tag: TQW_TECH, description: Technology, links: [1337:1/100]}}
  - {{tag: NIGHT_CHAT, description: Talk after midnight, links: [77:1/1]}}
mqtt:
  url: mqtt://127.0.0.1:{port}
  prefix: {prefix}
  version: "3.1.1"   # the broker of the demo speaks no other; mosquitto speaks 5
toss: {{settle: 300ms, min_free: 0}}
log: {{format: console}}
"""


class Sample(Discreet, frozen=True):
    """A file for an inbound.

    Attributes:
        name: of the file.
        about: what it is, for people.
        data: its bytes.
        state: the final state it must reach.
        reason: the reason that must be given, or ``None``.
        messages: how many messages must get each verdict.
        areas: how many messages must be stored in each area.
        inbound: the directory it is dropped into.
    """

    HIDDEN: ClassVar = frozenset({"data"})

    name: str
    about: str
    data: bytes
    state: FileState
    reason: Reason | None = None
    messages: Mapping[Reason, int] = field(default_factory=dict)
    areas: Mapping[str, int] = field(default_factory=dict)
    inbound: str = SECURE


def configuration(port: int) -> str:
    """Write the configuration of the node, whose broker is at a port of this machine."""
    return _CONFIG.format(secure=SECURE, insecure=INSECURE, port=port, prefix=PREFIX)


class _Hub(Struct, frozen=True):
    """A hub of ours: its address, our address, and the password of its packets."""

    address: Address
    ours: Address
    password: bytes = b""


class _Letter(Struct, frozen=True):
    """One message; its number makes its MSGID, and those of its area name what it answers."""

    number: int
    author: Address
    sender: str
    to: str
    subject: str
    body: str
    area: str | None = None
    charset: str = "CP437"
    reply: _Letter | None = None


_TQW = _Hub(Address(1337, 1, 100), Address(1337, 1, 200), b"SESAME")
_NIGHT = _Hub(Address(77, 1, 1), Address(77, 1, 5))
_STRANGER = _Hub(Address(1337, 1, 321), Address(1337, 1, 200))
_CODECS = {"CP437": ("cp437", 2), "UTF-8": ("utf-8", 4)}
"""Python codec and CHRS level of each character set."""

_ANTENNA = _Letter(
    1, Address(1337, 1, 301), "Mira Kovale", "All", "Antenne für 40 Meter",
    "Grüße vom Dach!\n\n┌────────┐\n│ Dipol  │ 2 x 10 m, 4:1 Balun\n└────────┘\n\nMira\n", "TQW_TECH",
)  # fmt: skip
_GREETING = _Letter(
    2, Address(1337, 1, 302), "Олег Выдумов", "All", "Привет, сеть!",
    "Привет! Первое сообщение отсюда. ☕\n\nOleg, somewhere north\n", "TQW_GEN", "UTF-8",
)  # fmt: skip
_ANSWER = _Letter(
    3, Address(1337, 1, 303), "Tom Invented", "Mira Kovale", "Re: Antenne für 40 Meter",
    " MK> 2 x 10 m, 4:1 Balun\n\nTry a 1:1 balun, the dipole is balanced already.\n", "TQW_TECH", reply=_ANTENNA,
)  # fmt: skip
_NIGHT_OWL = _Letter(
    4, Address(77, 1, 7), "Nora Night", "All", "Who is awake?", "Half past three. The modem sings.\n", "NIGHT_CHAT"
)
_STRAY = _Letter(
    5, Address(1337, 1, 304), "Rex Random", "All", "Selling a lamp", "Hardly used, only at night.\n", "TQW_FLEA"
)
_PRIVATE = _Letter(
    6, _STRANGER.address, "Sam Stranger", "Ada Demo", "May I join?", "Hello Ada,\n\nhow do I become a point of yours?\n"
)


def samples(now: datetime) -> list[Sample]:
    """Make the sample files, in the order in which they are to arrive.

    Args:
        now: the present, UTC; the mail was written a little earlier.
    """
    packets = _Packer(now)
    bundle = {"00000002.pkt": packets.pack(_TQW, _GREETING), "00000003.pkt": packets.pack(_TQW, _ANSWER)}
    return [
        Sample(
            "00000001.pkt", "a packet with a message in CP437", packets.pack(_TQW, _ANTENNA),
            FileState.TOSSED, messages={Reason.ACCEPTED: 1}, areas={"TQW_TECH": 1},
        ),
        Sample(
            "0001ffff.mo0", "a ZIP bundle of two packets: a message in UTF-8, a reply to the first message",
            packets.bundle(bundle),
            FileState.TOSSED, messages={Reason.ACCEPTED: 2}, areas={"TQW_GEN": 1, "TQW_TECH": 1},
        ),
        Sample(
            "00000004.pkt", "a packet of the other network", packets.pack(_NIGHT, _NIGHT_OWL),
            FileState.TOSSED, messages={Reason.ACCEPTED: 1}, areas={"NIGHT_CHAT": 1},
        ),
        Sample(
            "00000005.pkt", "the first message once more", packets.pack(_TQW, _ANTENNA),
            FileState.DUPLICATE, messages={Reason.DUPLICATE: 1},
        ),
        Sample(
            "00000006.pkt", "a packet that was cut on its way", packets.pack(_TQW, _GREETING, _ANSWER)[:-100],
            FileState.QUARANTINED, Reason.TRUNCATED,
        ),
        Sample(
            "00000007.pkt", "a message for an area that is not here", packets.pack(_TQW, _STRAY),
            FileState.TOSSED, messages={Reason.UNKNOWN_AREA: 1},
        ),
        Sample(
            "00000008.pkt", "a netmail from a stranger, by the insecure inbound", packets.pack(_STRANGER, _PRIVATE),
            FileState.TOSSED, messages={Reason.NETMAIL: 1}, inbound=INSECURE,
        ),
    ]  # fmt: skip


class _Packer:
    """Packs letters as the hubs would.

    Args:
        now: the present, UTC.
    """

    def __init__(self, now: datetime) -> None:
        self._now = now

    def pack(self, hub: _Hub, *letters: _Letter) -> bytes:
        """Make a packet from a hub to us."""
        header = PacketHeader(
            PacketType.TYPE_2PLUS, hub.address, hub.ours, hub.password, self._now.replace(tzinfo=None), 0x00FE, (1, 0)
        )
        return build_packet(header, [self._packed(hub, letter) for letter in letters])

    def bundle(self, packets: Mapping[str, bytes]) -> bytes:
        """Put packets into a ZIP file."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as bundle:
            for name, data in packets.items():
                bundle.writestr(zipfile.ZipInfo(name, self._now.timetuple()[:6]), data, zipfile.ZIP_DEFLATED)
        return archive.getvalue()

    def _packed(self, hub: _Hub, letter: _Letter) -> PackedMessage:
        codec, level = _CODECS[letter.charset]
        written = self._now - timedelta(minutes=30 - letter.number)
        return PackedMessage(
            offset=0,
            orig_node=hub.address.node,
            dest_node=hub.ours.node,
            orig_net=hub.address.net,
            dest_net=hub.ours.net,
            attributes=0 if letter.area else 1,
            cost=0,
            date=format_date(written),
            to=letter.to.encode(codec),
            sender=letter.sender.encode(codec),
            subject=letter.subject.encode(codec),
            text=self._text(hub, letter, kludge.build_chrs(Chrs(letter.charset, level)), letter.body.encode(codec)),
        )

    def _text(self, hub: _Hub, letter: _Letter, chrs: bytes, body: bytes) -> bytes:
        kludges = [] if letter.area else [build_kludge(b"INTL", kludge.build_intl(Intl(hub.ours, letter.author)))]
        kludges.append(build_kludge(b"MSGID", self._msgid(letter)))
        if letter.reply is not None:
            kludges.append(build_kludge(b"REPLY", self._msgid(letter.reply)))
        kludges += [build_kludge(b"CHRS", chrs), build_kludge(b"TZUTC", kludge.build_tzutc(0))]
        if not letter.area:
            return build_text(kludges=kludges, body=body)
        way = [(letter.author.net, letter.author.node), (hub.address.net, hub.address.node)]
        return build_text(
            area=letter.area,
            kludges=kludges,
            body=body,
            tearline=b"Invented Editor 1.0",
            origin=f"Made up for the demo ({letter.author})".encode("ascii"),
            seen_by=format_seen_by([*way, (hub.ours.net, hub.ours.node)]),
            path=format_path(way),
        )

    def _msgid(self, letter: _Letter) -> bytes:
        return kludge.build_msgid(letter.author, int(self._now.timestamp()) + letter.number)
