"""What packets are tossed at all: addresses, passwords, inbound classes."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.corpus import HUB, US
from tests.rules.world import POINT, STRANGER, make_link, make_network, make_rules, usual_rules
from tosser.address import Address
from tosser.codec.packet import PacketHeader, PacketType
from tosser.reason import FileState, Reason
from tosser.rules.batch import PacketSummary
from tosser.rules.network import InboundClass, Network, Rulebook
from tosser.rules.policy import judge_packet, resolve_addresses

SECURE, INSECURE, LOCAL = InboundClass
ECHOMAIL, NETMAIL = PacketSummary(1, echomail=True), PacketSummary(1, echomail=False)
NOTHING = PacketSummary(0, echomail=False)
OTHER = "1337:9/9"
PASSWORD = b"SECRET"


def header(orig: str = HUB, dest: str = US, password: bytes = b"") -> PacketHeader:
    """A type 2+ header."""
    return PacketHeader(PacketType.TYPE_2PLUS, Address.parse(orig), Address.parse(dest), password)


@pytest.mark.parametrize(
    ("cls", "summary", "orig", "given", "expected", "reason"),
    [
        # no password is set: a secure inbound is proof enough
        (SECURE, ECHOMAIL, HUB, b"", b"", None),
        (SECURE, NETMAIL, HUB, b"", b"", None),
        (SECURE, ECHOMAIL, POINT, b"", b"", None),
        (SECURE, ECHOMAIL, HUB, b"UNASKED", b"", None),
        # an insecure inbound is not, except for netmail
        (INSECURE, ECHOMAIL, HUB, b"", b"", Reason.INSECURE),
        (INSECURE, ECHOMAIL, HUB, b"UNASKED", b"", Reason.INSECURE),
        (INSECURE, NETMAIL, HUB, b"", b"", None),
        (INSECURE, NOTHING, HUB, b"", b"", None),
        # a password that is set must be there and right, whatever the inbound
        (SECURE, ECHOMAIL, HUB, b"SECRET", PASSWORD, None),
        (INSECURE, ECHOMAIL, HUB, b"SECRET", PASSWORD, None),
        (SECURE, ECHOMAIL, HUB, b"", PASSWORD, Reason.MISSING_PASSWORD),
        (INSECURE, NETMAIL, HUB, b"", PASSWORD, Reason.MISSING_PASSWORD),
        (SECURE, ECHOMAIL, HUB, b"WRONG", PASSWORD, Reason.WRONG_PASSWORD),
        (INSECURE, NETMAIL, HUB, b"WRONG", PASSWORD, Reason.WRONG_PASSWORD),
        (SECURE, ECHOMAIL, HUB, b"SECRETS", PASSWORD, Reason.WRONG_PASSWORD),
        (SECURE, ECHOMAIL, HUB, b"SECRE", PASSWORD, Reason.WRONG_PASSWORD),
        # letter case does not count, nor what is behind the eight bytes of the field
        (SECURE, ECHOMAIL, HUB, b"secret", PASSWORD, None),
        (SECURE, ECHOMAIL, HUB, b"LONGPASS", b"LONGPASSWORD", None),
        (SECURE, ECHOMAIL, HUB, b"LONGPASX", b"LONGPASSWORD", Reason.WRONG_PASSWORD),
        # a stranger may send netmail and nothing
        (SECURE, ECHOMAIL, STRANGER, b"", b"", Reason.UNKNOWN_SENDER),
        (INSECURE, ECHOMAIL, STRANGER, b"SECRET", PASSWORD, Reason.UNKNOWN_SENDER),
        (INSECURE, NETMAIL, STRANGER, b"", PASSWORD, None),
        (SECURE, NOTHING, STRANGER, b"", b"", None),
        # our own programs may do anything
        (LOCAL, ECHOMAIL, US, b"", PASSWORD, None),
        (LOCAL, ECHOMAIL, HUB, b"WRONG", PASSWORD, None),
        (LOCAL, ECHOMAIL, STRANGER, b"", b"", None),
    ],
)
def test_sender(
    *, cls: InboundClass, summary: PacketSummary, orig: str, given: bytes, expected: bytes, reason: Reason | None
) -> None:
    """A packet is tossed if its sender is known and proven as far as its content and its inbound demand."""
    verdict = judge_packet(header(orig, password=given), cls, summary, usual_rules(expected))
    assert verdict.reason is reason
    assert bool(verdict.what) == (reason is not None)
    assert verdict.local == (cls is LOCAL)
    assert (verdict.link is not None) == (orig in {HUB, POINT})


@pytest.mark.parametrize(("given", "expected"), [(b"WRONG", PASSWORD), (b"", PASSWORD), (b"UNASKED", b"")])
def test_passwords_are_never_told(given: bytes, expected: bytes) -> None:
    """No password stands in what is logged and published, neither the right nor the wrong one."""
    rules = usual_rules(expected)
    verdict = judge_packet(header(password=given), INSECURE, ECHOMAIL, rules)
    assert verdict.reason is not None
    for text in (verdict.what, repr(header(password=given))):
        assert not [word for word in ("WRONG", "SECRET", "UNASKED") if word in text]


@pytest.mark.parametrize("cls", list(InboundClass))
@pytest.mark.parametrize("dest", [OTHER, POINT, "1:1/200", f"{US}@othernet"])
def test_not_for_us(cls: InboundClass, dest: str) -> None:
    """A packet to anybody else is kept unread, before anything else is asked of it, and named by its address."""
    verdict = judge_packet(header(STRANGER, dest), cls, ECHOMAIL, usual_rules(PASSWORD))
    assert (verdict.reason, verdict.state) == (Reason.NOT_FOR_US, FileState.NTU)
    assert (verdict.aka, verdict.network) == (None, None)
    assert f" {dest}," in verdict.what


@pytest.mark.parametrize(
    ("orig", "given", "state"),
    [
        (HUB, PASSWORD, FileState.TOSSED),
        (HUB, b"", FileState.QUARANTINED),
        (HUB, b"X", FileState.QUARANTINED),
        (STRANGER, PASSWORD, FileState.UNCLAIMED),
    ],
)
def test_state_of_refused_packets(orig: str, given: bytes, state: FileState) -> None:
    """Strangers' packets wait for a link to be configured; those that prove too little are quarantined."""
    assert judge_packet(header(orig, password=given), SECURE, ECHOMAIL, usual_rules(PASSWORD)).state is state


# --- addresses that a header leaves open


def two_zones() -> Rulebook:
    """We and the hub have the same net and node in fidonet and in tqwnet; tqwnet has one link more."""
    fido, tqw = make_network("fidonet", "2:1/200"), make_network("tqwnet", US)
    return make_rules([fido, tqw], [make_link(text, net) for text, net in (("2:1/100", fido), (HUB, tqw))], [])


def only_second_link() -> Rulebook:
    """As `two_zones`, but the hub is a link in tqwnet only."""
    rules = two_zones()
    return make_rules(rules.networks.values(), list(rules.links.values())[1:], [])


def zone_or_none(text: str) -> Address:
    """Read an address whose zone may be 0."""
    return replace(Address.parse(f"1{text[1:]}"), zone=0) if text.startswith("0:") else Address.parse(text)


@pytest.mark.parametrize(
    ("rules", "orig", "dest", "expected"),
    [
        (usual_rules(), "0:1/100", "0:1/200", (HUB, US)),
        (usual_rules(), "1337:1/100", "0:1/200", (HUB, US)),
        (usual_rules(), "0:1/100", "1337:1/200", (HUB, US)),
        # the pair that both sides can have, not the first of each
        (only_second_link(), "0:1/100", "0:1/200", (HUB, US)),
        (two_zones(), "0:1/100", "0:1/200", ("2:1/100", "2:1/200")),
        (two_zones(), "0:1/100", US, (HUB, US)),
        (two_zones(), HUB, "0:1/200", (HUB, US)),
        # one side unknown: as the other
        (two_zones(), "0:7/7", US, ("1337:7/7", US)),
        (only_second_link(), "0:1/100", "0:9/9", (HUB, "1337:9/9")),
        (two_zones(), "0:7/7", "0:1/200", ("2:7/7", "2:1/200")),
        # both unknown: our main zone
        (two_zones(), "0:7/7", "0:9/9", ("2:7/7", "2:9/9")),
        # no common zone: each as it is known
        (two_zones(), "3:1/100", "0:1/200", ("3:1/100", "2:1/200")),
    ],
)
def test_zones_left_open(rules: Rulebook, orig: str, dest: str, expected: tuple[str, str]) -> None:
    """Zones that a stone-age header does not state are those of a link and an AKA with its numbers."""
    found = resolve_addresses(PacketHeader(PacketType.TYPE_2, zone_or_none(orig), zone_or_none(dest)), rules)
    assert tuple(str(address.without_domain) for address in found) == expected


@pytest.mark.parametrize(
    ("pair_34", "pair_46", "expected"),
    [
        (("1:1/100", "1:1/200"), (1337, 1337), (HUB, US)),
        (("1:1/100", "1:1/200"), (3, 3), ("1:1/100", "1:1/200")),
        ((HUB, US), (3, 3), (HUB, US)),
        (("2:1/100", "2:1/200"), (1337, 2), (HUB, "2:1/200")),
    ],
)
def test_zones_disagree(pair_34: tuple[str, str], pair_46: tuple[int, int], expected: tuple[str, str]) -> None:
    """Of the two zone pairs of type 2+ the second counts only if it gives a known link."""
    disagreeing = replace(header(*pair_34), zones_46=pair_46)
    found = resolve_addresses(disagreeing, only_second_link())
    assert tuple(str(address.without_domain) for address in found) == expected


def twins(*passwords: bytes) -> Rulebook:
    """Two networks with the same zone in which we and the hub have the same numbers."""
    nets = [make_network(name, "21:1/200") for name in ("one", "two")]
    return make_rules(nets, [make_link("21:1/100", net, word) for net, word in zip(nets, passwords, strict=True)], [])


@pytest.mark.parametrize(
    ("passwords", "given", "network"),
    [((b"", b""), b"", "one"), ((b"A", b"B"), b"B", "two"), ((b"A", b"B"), b"a", "one"), ((b"", b"B"), b"B", "two")],
)
def test_password_tells_twins_apart(passwords: tuple[bytes, bytes], given: bytes, network: str) -> None:
    """Where numbers and zones fit two networks and no domain is stated, the password says which is meant."""
    verdict = judge_packet(header("21:1/100", "21:1/200", given), SECURE, ECHOMAIL, twins(*passwords))
    assert verdict.reason is None
    assert verdict.network is not None
    assert verdict.link is not None
    assert (verdict.network.name, verdict.link.network) == (network, network)


def test_link_tells_twins_apart() -> None:
    """Of two AKAs with the same numbers the one in the network of the link is meant."""
    nets = [make_network(name, "21:1/200") for name in ("one", "two")]
    rules = make_rules(nets, [make_link("21:1/100", nets[1])], [])
    verdict = judge_packet(header("21:1/100", "21:1/200"), SECURE, ECHOMAIL, rules)
    assert str(verdict.aka) == "21:1/200@two"
    assert str(verdict.sender) == "21:1/100@two"


def stated(orig: str, dest: str) -> PacketHeader:
    """A type 2.2 header, which states domains."""
    return PacketHeader(PacketType.TYPE_2_2, Address.parse(orig), Address.parse(dest))


@pytest.mark.parametrize("domain", ["one", "two"])
def test_domains_of_type_2_2(domain: str) -> None:
    """The domains of a type 2.2 header say which network is meant."""
    verdict = judge_packet(stated(f"21:1/100@{domain}", f"21:1/200@{domain}"), SECURE, ECHOMAIL, twins(b"", b""))
    assert verdict.network is not None
    assert verdict.network.name == domain
    assert str(verdict.sender) == f"21:1/100@{domain}"


def long_domain() -> Network:
    """A network whose domain does not fit a type 2.2 header."""
    return make_network("retronet", US, domain="retronetwork")


@pytest.mark.parametrize(
    ("domain", "reason"), [("retronet", None), ("retro", Reason.NOT_FOR_US), ("retrones", Reason.NOT_FOR_US)]
)
def test_cut_domain(domain: str, reason: Reason | None) -> None:
    """A domain of eight bytes in a type 2.2 header may be the beginning of ours; a shorter one is another."""
    rules = usual_rules(network=long_domain())
    verdict = judge_packet(stated(f"{HUB}@{domain}", f"{US}@{domain}"), SECURE, ECHOMAIL, rules)
    assert verdict.reason is reason


def test_unknown_domain_of_the_sender() -> None:
    """A system with the numbers of a link but another domain is a stranger."""
    verdict = judge_packet(stated(f"{HUB}@othernet", f"{US}@tqwnet"), SECURE, ECHOMAIL, usual_rules())
    assert verdict.reason is Reason.UNKNOWN_SENDER
