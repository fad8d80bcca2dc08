from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.events.examples import HUB, NODE, NOON, US
from tosser.address import Address
from tosser.errors import FormatError
from tosser.events import event
from tosser.events.event import Event, Node, build_event, encode_json, source_of, utc_text
from tosser.events.topics import Kind, Topic

TEXT = st.text()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(document=st.dictionaries(TEXT, JSON))
def test_both_encoders_write_the_same_bytes(document: dict[str, object]) -> None:
    """Whether orjson is installed changes nothing but speed."""
    assert event._encode_json(document) == orjson.dumps(document) == encode_json(document)
    assert json.loads(encode_json(document)) == document


def test_json_is_compact_and_keeps_letters() -> None:
    """No spaces between members, letters beyond ASCII as themselves, control characters escaped."""
    assert encode_json({"a": ["ü", 1, None], "b": "\x1b\n"}) == '{"a":["ü",1,null],"b":"\\u001b\\n"}'.encode()


@pytest.mark.parametrize("encoder", [event._encode_json, orjson.dumps])
def test_file_names_that_are_no_utf8_are_readable(encoder: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that came in as lone surrogates are written as escapes, in values, lists and names of members."""
    monkeypatch.setattr(event, "_encode", encoder)

    assert encode_json({"n\udce4me": ["b\udcfcndel", {"x": "\ud800"}], "n": 1}) == (
        rb'{"n\\xe4me":["b\\xfcndel",{"x":"\\ud800"}],"n":1}'
    )


@pytest.mark.parametrize(
    ("address", "source"),
    [
        (US, "ftn://tqwnet/1337:1/200"),
        (Address(2, 5020, 1042, 7, "fidonet"), "ftn://fidonet/2:5020/1042.7"),
    ],
)
def test_source_names_the_node(address: Address, source: str) -> None:
    """A node is its main address, below the domain."""
    assert source_of(address) == source


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "1970-01-01T00:00:00.000Z"), (NOON, "2026-11-13T12:00:00.000Z"), (NOON + 0.25, "2026-11-13T12:00:00.250Z")],
)
def test_moments_are_rfc_3339_in_utc(seconds: float, text: str) -> None:
    """Milliseconds and the letter Z, always."""
    assert utc_text(seconds) == text


def test_event_is_a_cloudevents_document() -> None:
    """Every attribute of CloudEvents 1.0 is there, and the data."""
    built = build_event(NODE, Topic(Kind.CONFIG), "config.v1", {"n": 1}, id="x/1", time=NOON, subject="config")

    assert built == Event("x/1", "ftn/mybbs/config", built.payload, retain=False)
    assert json.loads(built.payload) == {
        "specversion": "1.0",
        "id": "x/1",
        "source": "ftn://tqwnet/1337:1/200",
        "type": "tosser.config.v1",
        "time": "2026-11-13T12:00:00.000Z",
        "subject": "config",
        "datacontenttype": "application/json",
        "dataschema": "tosser:schemas/config.v1.json",
        "data": {"n": 1},
    }


def test_building_an_event_again_gives_the_same_bytes() -> None:
    """A recovery publishes under the same id what the first run would have published."""
    first = build_event(NODE, Topic(Kind.CONFIG), "config.v1", {"n": 1}, id="x/1", time=NOON, subject="config")
    again = build_event(NODE, Topic(Kind.CONFIG), "config.v1", {"n": 1}, id="x/1", time=NOON, subject="config")

    assert first == again


@pytest.mark.parametrize("prefix", ["", "/ftn", "ftn/", "ftn//x", "ftn/+", "ftn/#", "$SYS/ftn", "ftn\n", "f\x00tn"])
def test_a_prefix_that_cannot_start_a_topic_is_refused(prefix: str) -> None:
    """A node with such a prefix cannot be made."""
    with pytest.raises(FormatError, match="prefix"):
        Node(prefix, source_of(HUB))
