from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tosser.address import Address
from tosser.codec.bundle import (
    HEAD_SIZE,
    ArchiveType,
    bundle_base,
    identify,
    ignored_name,
    is_bundle_name,
    is_packet_name,
    is_unsafe_member,
    next_bundle_name,
    time_stamp_bundle_name,
)


@pytest.mark.parametrize("name", ["00000001.pkt", "0000ABCD.PKT", "a.Pkt", "odd\nname.pkt", "\udcff.pkt", "1.2.pkt"])
def test_packet_names(name: str) -> None:
    """A packet is named by its extension, in any case, with anything in front."""
    assert is_packet_name(name)


@pytest.mark.parametrize(
    "name", [".pkt", "pkt", "a.pkt.bad", "a.pkt ", "a.pkt\n", "a.p\N{KELVIN SIGN}t", "0000abcd.mo0"]
)
def test_not_packet_names(name: str) -> None:
    """Nothing else is, and no Unicode look-alike of a letter."""
    assert not is_packet_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "ffedfc52.mo0",
        "001303AE.SUZ",
        "0000p001.fr9",
        "00000000.sa0",
        "zzzzzzzz.Tu5",
        "1337.1.100.0.we1",
        "2.5020.1.7.tha",
    ],
)
def test_bundle_names(name: str) -> None:
    """Bundles have a base of eight alphanumerics or an Amiga address, then a day and a sequence character."""
    assert is_bundle_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "ffedfc5.mo0", "ffedfc522.mo0", "", "ffedfc52.mo", "ffedfc52.mo00", "ffedfc52.xx0", "ffedfc52.mo_",
        "ffedfc52.mo0\n", "ffed-c52.mo0", "1.2.3.mo0", "1.2.3.4.5.mo0", "ffedfc52.\N{LATIN SMALL LETTER LONG S}u0",
        "\N{ARABIC-INDIC DIGIT ONE}.1.1.1.mo0",
    ],
)  # fmt: skip
def test_not_bundle_names(name: str) -> None:
    """Anything beside that form is no bundle, and only ASCII letters and digits count."""
    assert not is_bundle_name(name)


@pytest.mark.parametrize(
    "name",
    ["0001a2b3.hr", "0001a2b3.dt", "x.TMP", "x.$$$", "x.pkt.bad", ".hidden.pkt", ".tosser", "a.bsy", "a.pkt.part"],
)
def test_ignored_names(name: str) -> None:
    """Temporary files of mailers and files set aside by other tossers are not looked at."""
    assert ignored_name(name)


@pytest.mark.parametrize("name", ["a.pkt", "ffedfc52.mo0", "file.tic", "bad", "x.tmp.zip"])
def test_not_ignored_names(name: str) -> None:
    """Received files are."""
    assert not ignored_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "../a.pkt",
        "..",
        "a/../b",
        "a/..",
        "a\\..\\b",
        "..\\a.pkt",
        "/a.pkt",
        "\\a.pkt",
        "\\\\host\\a",
        "C:a.pkt",
        "a\x00.pkt",
        "x\n/..",
    ],
)
def test_unsafe_members(name: str) -> None:
    """Names that lead elsewhere are told in the spelling of either world."""
    assert is_unsafe_member(name)


@pytest.mark.parametrize("name", ["a.pkt", "d/a.pkt", "..a", "a..", "a..b/c", "...", "./a", "1:2.pkt", "", "a\n"])
def test_safe_members(name: str) -> None:
    """Dots and colons elsewhere mean nothing."""
    assert not is_unsafe_member(name)


def _packet_from(node: int, destination: int = 100) -> bytes:
    return struct.pack("<10H", node, destination, 2026, 10, 23, 12, 0, 0, 0, 2) + bytes(40)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"PK\x03\x04\x14\x00" + bytes(30), ArchiveType.ZIP),
        (b"PK\x03\x04" + bytes(14) + b"\x02\x00", ArchiveType.ZIP),
        (b"PK00PK\x03\x04", ArchiveType.ZIP),
        (b"PK\x05\x06" + bytes(18), ArchiveType.ZIP),
        (b"\x60\xea\x29\x00", ArchiveType.ARJ),
        (b"\x22\x61-lh5-", ArchiveType.LZH),
        (b"\x22\x61-lzs-", ArchiveType.LZH),
        (b"Rar!\x1a\x07\x00", ArchiveType.RAR),
        (b"Rar!\x1a\x07\x01\x00", ArchiveType.RAR),
        (b"RE~^", ArchiveType.RAR),
        (b"ZOO 2.10 Archive.\x1a\x00\x00\xdc\xa7\xc4\xfd", ArchiveType.ZOO),
        (bytes(20) + b"\xdc\xa7\xc4\xfd", ArchiveType.ZOO),
        (b"7z\xbc\xaf\x27\x1c\x00\x04", ArchiveType.SEVENZIP),
        (b"\x1f\x8b\x08\x00", ArchiveType.GZIP),
        (b"BZh9", ArchiveType.BZIP2),
        (b"\xfd7zXZ\x00", ArchiveType.XZ),
        (b"\x28\xb5\x2f\xfd", ArchiveType.ZSTD),
        (b"name.pkt" + bytes(249) + b"ustar\x0000", ArchiveType.TAR),
        (b"HLSQZ", ArchiveType.SQZ),
        (bytes(7) + b"**ACE**", ArchiveType.ACE),
        (b"UC2\x1a", ArchiveType.UC2),
        (b"\x1aHP\x01", ArchiveType.HYP),
        (b"\x1aST\x01", ArchiveType.HYP),
        (b"MSCF\x00", ArchiveType.CAB),
        (b"\x1a\x08A.PKT\x00" + bytes(20), ArchiveType.ARC),
        (b"\x1a\x0bA.PKT\x00" + bytes(20), ArchiveType.ARC),
        (_packet_from(100), ArchiveType.PACKET),
        (_packet_from(100)[:20], ArchiveType.PACKET),
        (_packet_from(0x081A), ArchiveType.PACKET),
        (_packet_from(0x481A, 0x0150), ArchiveType.PACKET),
        (_packet_from(1).ljust(257, b" ") + b"ustar", ArchiveType.PACKET),
        (_packet_from(100)[:19], None),
        (b"\x1a\x0c", None),
        (b"\x1a\x00", None),
        (b"AREA:TEST\r", None),
        (b"", None),
    ],
)
def test_identify(head: bytes, kind: ArchiveType | None) -> None:
    """Each signature is known at its place, and a packet of node 2074 is not taken for ARC."""
    assert identify(head) is kind


@given(st.binary(max_size=HEAD_SIZE))
def test_identify_takes_anything(head: bytes) -> None:
    """Any bytes are a known type or unknown, and bytes after the head change nothing."""
    kind = identify(head)
    assert kind is None or isinstance(kind, ArchiveType)
    if len(head) == HEAD_SIZE:
        assert identify(head + b"ustar") is kind


@given(st.text(max_size=20))
def test_names_take_anything(name: str) -> None:
    """No name is both a packet's and a bundle's."""
    assert not (is_packet_name(name) and is_bundle_name(name))


@pytest.mark.parametrize(
    ("ours", "theirs", "base"),
    [
        ("2:5001/100", "2:5020/1042", "ffedfc52"),
        ("2:5020/1042", "2:5001/100", "001303ae"),
        ("1337:1/200", "1337:1/200.5", "0000fffb"),
        ("1337:1/200.5", "1337:1/200", "00000005"),
        ("1337:1/100.3", "1337:1/200", "ff9c0003"),
        ("1:1/1", "1:1/1", "00000000"),
    ],
)
def test_bundle_bases(ours: str, theirs: str, base: str) -> None:
    """Bundles are named by the difference of the addresses: net and node, or node and point where one is a point."""
    assert bundle_base(Address.parse(ours), Address.parse(theirs)) == base


def test_names_of_a_day() -> None:
    """A day has 36 names, in order; each is recognised as a bundle's."""
    taken: list[str] = []
    while (name := next_bundle_name("ffedfc52", 1, taken)) is not None:
        assert is_bundle_name(name)
        taken.append(name)
    assert len(taken) == 36
    assert (taken[0], taken[9], taken[10], taken[35]) == (
        "ffedfc52.mo0", "ffedfc52.mo9", "ffedfc52.moa", "ffedfc52.moz",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("taken", "name"),
    [
        ([], "ffedfc52.mo0"),
        (["ffedfc52.mo3"], "ffedfc52.mo4"),
        (["ffedfc52.tu3", "001303ae.mo3"], "ffedfc52.mo0"),
        (["ffedfc52.mo0", "ffedfc52.moz"], "ffedfc52.mo1"),
        ([f"ffedfc52.mo{char}" for char in "0123456789abcdefghijklmnopqrstuvwxy"], "ffedfc52.moz"),
        ([f"ffedfc52.mo{char}" for char in "123456789abcdefghijklmnopqrstuvwxyz"], "ffedfc52.mo0"),
    ],
)
def test_next_name(taken: list[str], name: str) -> None:
    """The next name is behind the last one; after the end of the alphabet what is free is used."""
    assert next_bundle_name("ffedfc52", 1, taken) == name


def test_days() -> None:
    """The day stands in the extension, Sunday first."""
    found = [next_bundle_name("00000001", weekday, ()) for weekday in range(7)]
    assert found == [f"00000001.{day}0" for day in ("su", "mo", "tu", "we", "th", "fr", "sa")]


def test_time_stamps() -> None:
    """When a day's names are used up, the time names bundles, and a count those of one second."""
    now = 0x69A1B2C3
    taken: list[str] = []
    for _ in range(300):
        name = time_stamp_bundle_name(now, 6, taken)
        assert is_bundle_name(name)
        assert name not in taken
        taken.append(name)
    assert (taken[0], taken[1], taken[256]) == ("a1b2c300.sa0", "a1b2c301.sa0", "a1b2c400.sa0")
    last_second = [f"ffffff{number:02x}.sa0" for number in range(256)]
    assert time_stamp_bundle_name(0x69FFFFFF, 6, last_second) == "00000000.sa0"
