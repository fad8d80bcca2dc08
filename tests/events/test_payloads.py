from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.events.examples import ARRIVAL, BODY, DATE, EXAMPLES, HUB, NODE, NOON
from tosser.events.payloads import Dated, file_event, message_event, netmail_event
from tosser.events.states import area_state_event, link_state_event
from tosser.events.topics import ANSWERS, POST_COMMAND, Kind, Topic
from tosser.reason import FileState, Reason

if TYPE_CHECKING:
    from tosser.events.event import Event

DOCS = Path(__file__).parents[2] / "docs"
RETAINED = {Kind.STATUS, Kind.AREA_STATE, Kind.LINK_STATE, Kind.CONDITION}


def document(event: Event) -> dict[str, Any]:
    """The payload, parsed."""
    parsed: dict[str, Any] = json.loads(event.payload)
    return parsed


def schema_of(event: Event) -> dict[str, Any]:
    """The schema that the event itself names."""
    name = document(event)["dataschema"].removeprefix("tosser:schemas/")
    schema: dict[str, Any] = json.loads((DOCS / "schemas" / name).read_text("utf-8"))
    return schema


def check(event: Event) -> None:
    """Hold an event against its schema, formats included."""
    schema = schema_of(event)
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(document(event))


def members(schema: dict[str, Any], path: str = "") -> set[str]:
    """List the paths of all members a schema knows, leaving out maps with free names."""
    found = set()
    for part in [schema, *schema.get("oneOf", [])]:
        found |= members(part["items"], path + "[]") if "items" in part else set()
        for name, inner in part.get("properties", {}).items():
            found |= {f"{path}.{name}"} | members(inner, f"{path}.{name}")
    return found


def members_of(value: object, path: str = "") -> set[str]:
    """List the paths of all members of a value, as `members` does."""
    found = set()
    if isinstance(value, dict) and not path.endswith((".counts", ".totals")):
        for name, inner in value.items():
            found |= {f"{path}.{name}"} | members_of(inner, f"{path}.{name}")
    if isinstance(value, list):
        found |= {member for inner in value for member in members_of(inner, path + "[]")}
    return found


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_follows_its_schema(kind: Kind) -> None:
    """An event of each kind is valid, and has every member its schema knows and no other."""
    event = EXAMPLES[kind]

    check(event)
    unseen = {".data.charset.name", ".data.charset.how"} if kind is Kind.NETMAIL else set()
    assert members_of(document(event)) == members(schema_of(event)) - unseen


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_its_topic(kind: Kind) -> None:
    """The builder of each kind publishes where the kind says, retained exactly where a state is told."""
    event = EXAMPLES[kind]

    assert Topic.parse(event.topic, NODE.prefix).kind is kind
    assert event.retain == (kind in RETAINED)
    assert document(event)["id"] == event.id


def test_what_is_not_known_is_null() -> None:
    """A message without date, MSGID and number is as valid as any other."""
    event = message_event(
        NODE, id="m/1", time=NOON, network="tqwnet", area="TQW_GEN", from_name="", to_name="", subject="",
        date=Dated("?", None, None), msgid=None, reply=None, origin=None, body=BODY, path=[], number=None,
        arrival=ARRIVAL, size=60,
    )  # fmt: skip

    check(event)
    data = document(event)["data"]
    assert data["date"] == {"raw": "?", "local": None, "utc": None}
    assert [data[name] for name in ("msgid", "reply", "origin", "number")] == [None] * 4


def test_states_without_a_past_are_valid() -> None:
    """An area without messages and a link without files have nulls in their place."""
    area = area_state_event(
        NODE, id="a/1", time=NOON, network="n", area="A", totals={"stored": 0, Reason.DUPLICATE: 1}, last=None
    )
    link = link_state_event(
        NODE, id="l/1", time=NOON, network="n", link=HUB, received=None, sent=None, packets=0, messages=0,
        backlog_files=0, backlog_bytes=0, paused=True, held=True,
    )  # fmt: skip

    check(area)
    check(link)
    assert document(area)["data"]["last"] is None
    assert document(link)["data"]["received"] is None
    assert document(area)["data"]["totals"] == {"stored": 0, "duplicate": 1}


def netmail(*, published: bool) -> dict[str, Any]:
    """The data of a netmail to AreaFix, with a password where those stand."""
    event = netmail_event(
        NODE, id="m/2", time=NOON, network="tqwnet", reason=Reason.ROUTED, from_name="Anna Example",
        from_address="1337:1/101", to_name="AreaFix", to_address="1337:1/100", date=DATE, msgid=None, reply=None,
        number=None, arrival=ARRIVAL, size=200, content=("OPENSESAME", BODY) if published else None,
    )  # fmt: skip
    check(event)
    data: dict[str, Any] = document(event)["data"]
    return data


def test_netmail_is_private_unless_chosen() -> None:
    """Neither subject nor text is in the event unless the sysop publishes them."""
    assert "OPENSESAME" not in json.dumps(netmail(published=False))
    assert [netmail(published=False)[name] for name in ("subject", "text", "charset")] == [None] * 3
    assert netmail(published=True)["subject"] == "OPENSESAME"
    assert netmail(published=True)["text"] == BODY.text


@pytest.mark.parametrize("state", FileState)
def test_every_final_state_has_its_topic(state: FileState) -> None:
    """Each state a file may end in is a level of its own, and valid by the schema."""
    event = file_event(
        NODE, id="f/1", name="b\udce4d.pkt", inbound="insecure", size=0, digest="0" * 64, state=state, reason=None,
        what="", offset=None, sender=None, packets=0, counts={}, arrived=NOON, finished=NOON,
    )  # fmt: skip

    check(event)
    assert event.topic == f"ftn/mybbs/inbound/{state.value}"
    assert document(event)["data"]["name"] == r"b\xe4d.pkt"


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI document."""
    parsed: dict[str, Any] = yaml.safe_load((DOCS / "asyncapi.yaml").read_text("utf-8"))
    return parsed


def resolve(api: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference within the document or to a schema file."""
    if "$ref" not in node:
        return node
    target: str = node["$ref"]
    if not target.startswith("#/"):
        loaded: dict[str, Any] = json.loads((DOCS / target).read_text("utf-8"))
        return loaded
    found: Any = api
    for step in target.removeprefix("#/").split("/"):
        found = found[step]
    return resolve(api, found)


def channels_of(operation: dict[str, Any]) -> list[str]:
    """List the channels of an operation: its own, and that of the reply."""
    return [part["channel"]["$ref"] for part in (operation, operation.get("reply")) if part]


def test_asyncapi_has_a_channel_for_every_kind() -> None:
    """The channels are exactly the topics we build, each parameter is explained, each channel has its operation."""
    api = asyncapi()
    channels = api["channels"]

    kinds = {f"{{prefix}}/{kind.value}" for kind in Kind}
    commands = {f"{{prefix}}/{POST_COMMAND}", f"{{prefix}}/{ANSWERS}{{client}}"}
    assert {channel["address"] for channel in channels.values()} == kinds | commands
    for name, channel in channels.items():
        assert set(re.findall(r"{(\w+)}", channel["address"])) == set(channel["parameters"])
        assert all(resolve(api, parameter)["description"] for parameter in channel["parameters"].values())
        assert sum(f"#/channels/{name}" in channels_of(operation) for operation in api["operations"].values()) == 1


@pytest.mark.parametrize("kind", Kind)
def test_asyncapi_tells_what_is_sent(kind: Kind) -> None:
    """The channel of each kind leads to the schema its events name, and says whether they are retained."""
    api = asyncapi()
    ((name, channel),) = [
        (name, channel) for name, channel in api["channels"].items() if channel["address"] == f"{{prefix}}/{kind.value}"
    ]
    (message,) = [resolve(api, message) for message in channel["messages"].values()]
    (operation,) = [op for op in api["operations"].values() if op["channel"]["$ref"] == f"#/channels/{name}"]

    assert resolve(api, message["payload"]) == schema_of(EXAMPLES[kind])
    assert resolve(api, operation["bindings"])["mqtt"]["retain"] == EXAMPLES[kind].retain
    assert resolve(api, operation["bindings"])["mqtt"]["qos"] == 1


def test_asyncapi_lists_every_final_state() -> None:
    """The states of files in the document are those of the program."""
    assert set(asyncapi()["components"]["parameters"]["state"]["enum"]) == {state.value for state in FileState}


def test_every_schema_is_of_a_kind() -> None:
    """There is a schema for each kind and for commands, its id is its file's name, and no schema is left over."""
    files = {path.name: json.loads(path.read_text("utf-8")) for path in (DOCS / "schemas").glob("*.json")}

    assert {f"tosser:schemas/{name}" for name in files} == {schema["$id"] for schema in files.values()}
    events = {schema_of(event)["$id"] for event in EXAMPLES.values()}
    commands = {"tosser:schemas/post-request.v1.json", "tosser:schemas/post-answer.v1.json"}
    assert {schema["$id"] for schema in files.values()} == events | commands


@pytest.mark.parametrize("kind", Kind)
def test_documentation_shows_real_events(kind: Kind) -> None:
    """The example of each kind in the integrators' page is what the program sends."""
    blocks = re.findall(r"```json\n(.+?)```", (DOCS / "events.md").read_text("utf-8"), re.DOTALL)

    assert document(EXAMPLES[kind]) in [json.loads(block) for block in blocks]
