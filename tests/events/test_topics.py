from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.events.examples import HUB
from tosser.address import APPLICANT, Address
from tosser.errors import FormatError
from tosser.events.topics import Kind, Topic, decode_level, encode_level

PREFIX = "ftn/mybbs"
NAMES = st.text(min_size=1, max_size=20) | st.binary(min_size=1, max_size=20).map(os.fsdecode)
NUMBERS = st.integers(0, 0xFFFF)


@pytest.mark.parametrize(
    ("topic", "text"),
    [
        (Topic(Kind.STATUS), "ftn/mybbs/status"),
        (Topic(Kind.CONFIG), "ftn/mybbs/config"),
        (Topic(Kind.DROPPED), "ftn/mybbs/dropped"),
        (Topic(Kind.INBOUND, state="tossed"), "ftn/mybbs/inbound/tossed"),
        (Topic(Kind.MESSAGE, "tqwnet", "TQW_TECH"), "ftn/mybbs/tqwnet/area/TQW_TECH/message"),
        (Topic(Kind.MESSAGE, "fidonet", "C#/C++"), "ftn/mybbs/fidonet/area/C%23%2FC%2B%2B/message"),
        (Topic(Kind.MESSAGE, "fidonet", "100%"), "ftn/mybbs/fidonet/area/100%25/message"),
        (Topic(Kind.MESSAGE, "fidonet", "A\x07\x85B"), "ftn/mybbs/fidonet/area/A%07%C2%85B/message"),
        (Topic(Kind.MESSAGE, "fidonet", "ПИВО"), "ftn/mybbs/fidonet/area/ПИВО/message"),
        (Topic(Kind.MESSAGE, "fidonet", "B\udce4R"), "ftn/mybbs/fidonet/area/B%E4R/message"),
        (Topic(Kind.AREA_STATE, "tqwnet", "STATE"), "ftn/mybbs/tqwnet/area/STATE/state"),
        (Topic(Kind.LINK_STATE, "tqwnet", address=HUB.without_domain), "ftn/mybbs/tqwnet/link/f100.n1.z1337/state"),
        (
            Topic(Kind.LINK_STATE, "fidonet", address=Address(2, 5020, 1042, 7)),
            "ftn/mybbs/fidonet/link/p7.f1042.n5020.z2/state",
        ),
        (
            Topic(Kind.LINK_STATE, "fidonet", address=Address(2, 5020, APPLICANT)),
            "ftn/mybbs/fidonet/link/f-1.n5020.z2/state",
        ),
        (Topic(Kind.NETMAIL, "tqwnet"), "ftn/mybbs/tqwnet/netmail"),
        (Topic(Kind.NETMAIL, "inbound"), "ftn/mybbs/%69nbound/netmail"),
        (Topic(Kind.INBOUND, state="netmail"), "ftn/mybbs/inbound/netmail"),
    ],
)
def test_topics_both_ways(topic: Topic, text: str) -> None:
    """Each topic is written as documented and read back."""
    assert topic.build(PREFIX) == text
    assert Topic.parse(text, PREFIX) == topic


@given(kind=st.sampled_from([Kind.MESSAGE, Kind.AREA_STATE]), network=NAMES, tag=NAMES)
def test_any_names_come_back(kind: Kind, network: str, tag: str) -> None:
    """Whatever a network or area is called, its topic is legal, has the levels of its kind, and is read back."""
    topic = Topic(kind, network, tag)
    text = topic.build(PREFIX)

    assert Topic.parse(text, PREFIX) == topic
    assert len(text.split("/")) == 6
    assert not set("+#\x00\n") & set(text)
    text.encode("utf-8")


@given(zone=NUMBERS, net=NUMBERS, node=NUMBERS, point=NUMBERS, network=NAMES)
def test_any_link_comes_back(zone: int, net: int, node: int, point: int, network: str) -> None:
    """Every address has a topic of its own."""
    topic = Topic(Kind.LINK_STATE, network, address=Address(zone, net, node, point))

    assert Topic.parse(topic.build(PREFIX), PREFIX) == topic


@given(text=st.text())
def test_any_text_is_a_topic_of_ours_or_refused(text: str) -> None:
    """Parsing gives a topic that is written the same, or `FormatError`, and nothing else."""
    try:
        topic = Topic.parse(f"{PREFIX}/{text}", PREFIX)
    except FormatError:
        return
    assert topic.build(PREFIX) == f"{PREFIX}/{text}"


@pytest.mark.parametrize(
    "text",
    [
        "ftn/other/status",
        "ftn/mybbs",
        "ftn/mybbs/",
        "ftn/mybbs/inbound",
        "ftn/mybbs/tqwnet/area/X/unread",
        "ftn/mybbs/tqwnet/link/1337:1/state",
        "ftn/mybbs/tqwnet/link/f0100.n1.z1337/state",
        "ftn/mybbs/tqwnet/link/f999999.n1.z1337/state",
        "ftn/mybbs/tqwnet/area/%41/message",
        "ftn/mybbs/tqwnet/area/100%/message",
        "ftn/mybbs/config/netmail",
    ],
)
def test_what_we_would_not_write_is_refused(text: str) -> None:
    """Other prefixes, unknown shapes, and other spellings of the same name are none of ours."""
    with pytest.raises(FormatError):
        Topic.parse(text, PREFIX)


def test_a_topic_has_the_length_mqtt_allows() -> None:
    """65,535 bytes are written, one more is refused."""
    fixed = len("ftn/mybbs/n/area//message")

    assert len(Topic(Kind.MESSAGE, "n", "T" * (65_535 - fixed)).build(PREFIX)) == 65_535
    with pytest.raises(FormatError, match="65536 bytes"):
        Topic(Kind.MESSAGE, "n", "T" * (65_536 - fixed)).build(PREFIX)


def test_levels_encode_only_what_must_be() -> None:
    """Spaces, colons and dots stay readable."""
    assert encode_level("R50.SYSOP: a b") == "R50.SYSOP: a b"
    assert decode_level("R50.SYSOP: a b") == "R50.SYSOP: a b"
