"""Origin and destination of netmail, from the headers and the kludges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.corpus import HUB, US, packed
from tests.rules.world import make_network, make_piece, make_rules, usual_rules
from tosser.rules.netmail import netmail_addresses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tosser.address import Address
    from tosser.rules.network import Rulebook

INTL = b"INTL 2:345/6 1:123/4"


def read(
    kludges: Sequence[bytes], *, header: tuple[str, str] = (HUB, US), rules: Rulebook | None = None
) -> tuple[Address, Address]:
    """Find (origin, destination) of a netmail with these kludges; its header, as the packet's, is from and to."""
    text = b"".join(b"\x01%s\r" % kludge for kludge in kludges) + b"Hello.\r"
    piece = make_piece([packed(text, sender=header[0], dest=header[1])])
    return netmail_addresses(piece.header, *piece.messages[0], rules or usual_rules())


@pytest.mark.parametrize(
    ("kludges", "orig", "dest"),
    [
        # from 1:123/4.5 to 2:345/6.7, the example of FTS-4001, and what real programs make of it
        ([INTL, b"FMPT 5", b"TOPT 7"], "1:123/4.5", "2:345/6.7"),
        ([b"TOPT 7", b"FMPT 5", INTL], "1:123/4.5", "2:345/6.7"),
        ([b"INTL: 2:345/6 1:123/4", b"FMPT: 5", b"TOPT: 7"], "1:123/4.5", "2:345/6.7"),
        ([b"intl  2:345/6   1:123/4 "], "1:123/4", "2:345/6"),
        ([b"INTL 2:345/6.7 1:123/4.5"], "1:123/4.5", "2:345/6.7"),
        ([b"INTL 2:345/6.7 1:123/4.5", b"TOPT 8", b"FMPT 9"], "1:123/4.9", "2:345/6.8"),
        ([b"INTL 2:345/6.7 1:123/4.5", b"TOPT 0"], "1:123/4.5", "2:345/6"),
        ([b"INTL 2:345/6@fidonet.org 1:123/4@fidonet"], "1:123/4", "2:345/6"),
        # without INTL: the header, in the zones of the packet
        ([], HUB, US),
        ([b"FMPT 5"], "1337:1/100.5", US),
        ([b"TOPT 7"], HUB, "1337:1/200.7"),
        # what breaks its grammar counts as absent
        ([b"INTL 2:345/6"], HUB, US),
        ([b"INTL"], HUB, US),
        ([b"INTL 0:345/6 1:123/4"], HUB, US),
        ([b"INTL 2:345 1:123/4"], HUB, US),
        ([b"INTL 70000:1/1 1:123/4", b"TOPT 7"], HUB, "1337:1/200.7"),
        ([INTL, b"FMPT x", b"TOPT -1"], "1:123/4", "2:345/6"),
        ([INTL, b"FMPT 65536", b"TOPT"], "1:123/4", "2:345/6"),
        ([INTL, b"FMPT 65535", b"TOPT 32768"], "1:123/4", "2:345/6"),
        ([INTL, b"FMPT 0", b"TOPT 32767"], "1:123/4", "2:345/6.32767"),
        # others do not tell where mail goes
        ([b"MSGID: 2:345/6.7 12345678", b"REPLYTO 3:3/3 UUCP", b"INTLX 2:345/6 1:123/4"], HUB, US),
        ([INTL, b"INTL 3:3/3 4:4/4"], "1:123/4", "2:345/6"),
    ],
)
def test_kludges(kludges: list[bytes], orig: str, dest: str) -> None:
    """INTL wins over the headers, FMPT and TOPT give the points."""
    found = read(kludges)
    assert tuple(str(address.without_domain) for address in found) == (orig, dest)


def test_zone_gate() -> None:
    """Netmail to a zone gate has the gate in its header; its destination is that of INTL."""
    orig, dest = read([b"INTL 1:123/4 1337:1/100"], header=(HUB, "1337:1337/1"))
    assert (str(orig.without_domain), str(dest)) == (HUB, "1:123/4")


def test_header_of_another_system() -> None:
    """Without INTL the message header tells more than the packet's, which is only that of the last hop."""
    piece = make_piece([packed(b"Hello.\r", sender="9:2/300", dest="9:3/400")])
    orig, dest = netmail_addresses(piece.header, *piece.messages[0], usual_rules())
    assert (str(orig.without_domain), str(dest.without_domain)) == ("1337:2/300", "1337:3/400")


@pytest.mark.parametrize(("sender", "dest"), [("0:1/100", "0:1/200"), (HUB, "0:1/200")])
def test_packet_without_zones(sender: str, dest: str) -> None:
    """Where the packet states no zones, they are those of a link and of our AKA."""
    piece = make_piece([packed(b"Hello.\r")])
    header = piece.header
    for side, text in (("orig", sender), ("dest", dest)):
        if text.startswith("0:"):
            header = replace(header, **{side: replace(getattr(header, side), zone=0)})
    found = netmail_addresses(header, *piece.messages[0], usual_rules())
    assert tuple(str(address) for address in found) == (f"{HUB}@tqwnet", f"{US}@tqwnet")


def test_domains() -> None:
    """Addresses get the domain of their zone's network; in zones of no network they have none."""
    orig, dest = read([b"INTL 1337:1/200 1:123/4"])
    assert (str(orig), str(dest)) == ("1:123/4", f"{US}@tqwnet")


@pytest.mark.parametrize("domain", ["one", "two"])
def test_domain_of_a_shared_zone(domain: str) -> None:
    """Where two networks have the zone, the packet may say which is meant; of other zones it says nothing."""
    nets = [make_network("one", "21:1/200"), make_network("two", "21:1/200")]
    rules = make_rules(nets, [], [])
    piece = make_piece([packed(b"\x01INTL 21:1/200 1:123/4\rHello.\r")])
    orig, dest = (replace(address, zone=21, domain=domain) for address in (piece.header.orig, piece.header.dest))
    header = replace(piece.header, orig=orig, dest=dest)
    found = netmail_addresses(header, *piece.messages[0], rules)
    assert [str(address) for address in found] == ["1:123/4", f"21:1/200@{domain}"]


@given(st.lists(st.binary(max_size=40).map(lambda data: data.replace(b"\0", b"").replace(b"\r", b"")), max_size=5))
def test_anything_has_addresses(values: list[bytes]) -> None:
    """Whatever the kludges say, there is an origin and a destination, with numbers that fit a packet."""
    tags = (b"INTL ", b"FMPT ", b"TOPT ", b"INTL:", b"")
    for address in read([tag + value for tag, value in zip(tags, values, strict=False)]):
        assert all(0 <= number <= 0xFFFF for number in (address.zone, address.net, address.node, address.point))
