"""The peer itself: crashmail writes packets, and as our uplink exports what it tossed."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tests.corpus import HUB, US, make_packets
from tests.peers.crashmail import Crashmail, CrashmailLink, crashwrite

if TYPE_CHECKING:
    from pathlib import Path

WRITER = "1337:1/300"


def test_crashwrite_makes_one_packet_a_text(tmp_path: Path) -> None:
    """Each text becomes one packet from the hub to us, with a MSGID of its own."""
    packets = crashwrite(tmp_path, "First\n", "Second\n", password="SECRET")  # noqa: S106 - an invented password

    assert sorted(tmp_path.iterdir()) == packets
    raw = [packet.read_bytes() for packet in packets]
    assert [(data[:4], data[26:34]) for data in raw] == [(struct.pack("<HH", 100, 200), b"SECRET\0\0")] * 2
    assert [text in data for text, data in zip((b"First", b"Second"), raw, strict=True)] == [True, True]
    msgids = [data.partition(b"\x01MSGID: ")[2].partition(b"\r")[0] for data in raw]
    assert len(set(msgids)) == 2


def test_crashmail_exports_to_us_what_another_link_sent(tmp_path: Path) -> None:
    """A message tossed by crashmail comes out in a packet for us, with both systems in SEEN-BY and its own in PATH."""
    with Crashmail(links={US: CrashmailLink("OURS"), WRITER: CrashmailLink("THEIRS")}) as hub:
        crashwrite(hub.inbound, "Hello\n", author=WRITER, sender=WRITER, dest=HUB, password="THEIRS")  # noqa: S106
        hub.toss()
        (packet,) = hub.collect(US, tmp_path)

        assert hub.outgoing(US) == []
        assert hub.outgoing(WRITER) == []
    data = packet.read_bytes()
    assert data[26:34] == b"OURS\0\0\0\0"
    assert data.endswith(b"SEEN-BY: 1/100 200 300\r\x01PATH: 1/100\r\0\0\0")


def test_crashmail_reads_the_invented_mail(tmp_path: Path) -> None:
    """Packets of the corpus pass through crashmail without loss, so they are packets by another program's judgement."""
    with Crashmail(links={WRITER: CrashmailLink(), US: CrashmailLink()}, areas=("TQW_GEN", "TQW_TECH")) as hub:
        corpus = make_packets(hub.inbound, messages=40, packets=2, areas=2, sender=WRITER, dest=HUB)
        hub.toss()
        exported = b"".join(packet.read_bytes() for packet in hub.collect(US, tmp_path))

    missing = [letter.msgid for letter in corpus.letters if letter.msgid.encode("ascii") not in exported]
    assert missing == []
    assert exported.count(b"\r\x01PATH: ") == 40


def test_crashmail_packs_bundles_for_a_link_that_wants_them(tmp_path: Path) -> None:
    """A link with bundles gets a ZIP archive instead of a bare packet."""
    with Crashmail(links={US: CrashmailLink(bundles=True), WRITER: CrashmailLink()}) as hub:
        crashwrite(hub.inbound, "Hello\n", author=WRITER, sender=WRITER, dest=HUB)
        hub.toss()
        (bundle,) = hub.collect(US, tmp_path)

    assert bundle.suffix != ".pkt"
    assert bundle.read_bytes().startswith(b"PK\x03\x04")
