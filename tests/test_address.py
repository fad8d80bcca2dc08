from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tosser.address import APPLICANT, Address, AddressPattern
from tosser.errors import AddressError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("2:5020/1042", Address(2, 5020, 1042)),
        ("2:5020/1042.7", Address(2, 5020, 1042, 7)),
        ("2:5020/1042@fidonet", Address(2, 5020, 1042, 0, "fidonet")),
        ("2:5020/1042.7@fidonet", Address(2, 5020, 1042, 7, "fidonet")),
        ("1:1/-1", Address(1, 1, APPLICANT)),
        ("2:2/1", Address(2, 2, 1)),
        ("1:1/0", Address(1, 1, 0)),
        ("32767:32767/32767.32767@a_b~c-d", Address(32767, 32767, 32767, 32767, "a_b~c-d")),
    ],
)
def test_both_ways(text: str, address: Address) -> None:
    """An address is read from, and written as, exactly this text."""
    assert Address.parse(text) == address
    assert str(address) == text


@given(
    st.builds(
        Address,
        st.integers(1, 32767),
        st.integers(1, 32767),
        st.integers(0, 32767) | st.just(APPLICANT),
        st.integers(0, 32767),
        st.text("abcdefghijklmnopqrstuvwxyz0123456789_~-", max_size=31),
    )
)
def test_written_addresses_come_back(address: Address) -> None:
    """Any address is read as it was written."""
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (" 2:5020/1042\n", "2:5020/1042"),
        ("2:5020/1042.0", "2:5020/1042"),
        ("2:5020/1042@FidoNet", "2:5020/1042@fidonet"),
        ("2:5020/1042@fidonet.org", "2:5020/1042@fidonet"),
        ("02:05020/0001", "2:5020/1"),
        (" " * 100_000 + "2:5020/1042", "2:5020/1042"),
    ],
)
def test_other_spellings(text: str, canonical: str) -> None:
    """Blanks around, a zero point, leading zeros, capitals and dotted domains are read, and not written."""
    assert str(Address.parse(text)) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2",
        "2:5020",
        "5020/1042",
        ".7",
        "a:b/c",
        "0:1/1",
        "2:0/1",
        "70000:1/1",
        "32768:1/1",
        "1:32768/1",
        "1:1/32768",
        "1:1/1.32768",
        "1:1/-2",
        "1:1/1.-1",
        "1:-1/1",
        "1:1/1@",
        "1:1/1@.org",
        "1:1/1@a b",
        "1:1/1@a@b",
        "1:1/1 x",
        "1: 1/1",
        "1:1/1.",
        "¹:1/1",
        "1:1/" + "1" * 100_000,
    ],
)
def test_no_address(text: str) -> None:
    """Anything else is refused, in a sentence of bearable length."""
    with pytest.raises(AddressError) as caught:
        Address.parse(text)
    assert len(str(caught.value)) < 250


@given(st.text(max_size=30) | st.text("0123456789:/.@-a", max_size=30))
def test_any_text_is_an_address_or_an_error(text: str) -> None:
    """Arbitrary text is read and canonical once written, or refused with our own error; nothing else happens."""
    try:
        address = Address.parse(text)
    except AddressError as error:
        assert repr(text.strip()) in error.what  # noqa: PT017 - either outcome is right
    else:
        assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2:5020/1042", "2:5020/1042.0@fidonet", True),
        ("2:5020/1042@fidonet", "2:5020/1042@FIDONET.ORG", True),
        ("2:5020/1042@fidonet", "2:5020/1042@othernet", False),
        ("2:5020/1042", "3:5020/1042", False),
        ("2:5020/1042", "2:5030/1042", False),
        ("2:5020/1042", "2:5020/1043", False),
        ("2:5020/1042", "2:5020/1042.1", False),
    ],
)
def test_same_system(one: str, other: str, same: bool) -> None:  # noqa: FBT001 - the expectation
    """Systems are compared by number; a missing domain fits any."""
    assert Address.parse(one).same_system(Address.parse(other)) is same
    assert Address.parse(other).same_system(Address.parse(one)) is same


def test_parts() -> None:
    """An address knows its boss, its 4D form and the form used in topics."""
    point = Address.parse("1337:1/100.5@tqwnet")
    assert point.boss == Address.parse("1337:1/100@tqwnet")
    assert point.boss.boss == point.boss
    assert point.without_domain == Address.parse("1337:1/100.5")
    assert point.without_domain.without_domain == point.without_domain
    assert point.domain_form == "p5.f100.n1.z1337"
    assert point.boss.domain_form == "f100.n1.z1337"


def test_order_is_numeric() -> None:
    """Addresses sort by number, not by text."""
    texts = ["1:2/3", "1:2/3.1", "1:2/10", "1:10/2", "2:1/1", "10:1/1"]
    assert [str(address) for address in sorted(map(Address.parse, reversed(texts)))] == texts


@pytest.mark.parametrize(
    ("mask", "hits", "misses"),
    [
        ("*", ["1:2/3", "1:2/3.4", "1:2/-1"], []),
        ("1337:*", ["1337:1/100", "1337:1/100.5"], ["2:1337/1", "21337:1/100"]),
        ("13*", ["1337:1/100", "13:1/1"], ["2:13/1"]),
        ("2:5020/*", ["2:5020/1", "2:5020/1.7"], ["2:5021/1", "12:5020/1"]),
        ("2:5020/1", ["2:5020/1", "2:5020/1@fidonet"], ["2:5020/1.7", "2:5020/10"]),
        ("2:5020/1.*", ["2:5020/1", "2:5020/1.7"], ["2:5020/10.7"]),
        ("2:5020/1.7", ["2:5020/1.7"], ["2:5020/1", "2:5020/1.70"]),
        ("2:502?/1", ["2:5020/1", "2:5029/1"], ["2:502/1", "2:5020/10", "2:5020/1.7"]),
        ("2:502?/1.*", ["2:5020/1", "2:5029/1.7"], ["2:5020/2"]),
        ("2:*/0", ["2:5020/0"], ["2:5020/1", "2:5020/0.1"]),
        ("1:1/-1", ["1:1/-1"], ["1:1/1"]),
        ("2:50*", ["2:50/1", "2:5020/1.7"], ["2:51/1"]),
        ("*.7", ["2:5020/1.7"], ["2:5020/1"]),
        (" 2:* ", ["2:5020/1"], ["1:5020/1"]),
        ("*" * 60 + "9", ["1:1/9"], ["1:1/1"]),
    ],
)
def test_pattern(mask: str, hits: list[str], misses: list[str]) -> None:
    """A mask stands for addresses with a point of 0 unless it says otherwise or ends in an asterisk."""
    pattern = AddressPattern.parse(mask)
    assert str(pattern) == mask.strip()
    assert [text for text in hits + misses if pattern.matches(Address.parse(text))] == hits


@pytest.mark.parametrize(
    "mask",
    [
        "", "ALL", "2:5020", "5020/1", "5020/*", "502?/1", ".*", "/*", "2:5020/1@x", "2:50 20/1", "2:*/", "2:502?",
        "2:*:1", "2:5020/*/1", "2:/*", "2:5020/*.", "*:5020",
    ],
)  # fmt: skip
def test_no_pattern(mask: str) -> None:
    """A mask that is no mask, or that no address can ever match because it lacks a part, is refused."""
    with pytest.raises(AddressError):
        AddressPattern.parse(mask)
