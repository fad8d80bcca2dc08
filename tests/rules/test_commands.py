"""Requests by MQTT: what is read, what is refused and why, and who may do what."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.rules.world import make_area, make_network
from tosser.errors import PostError
from tosser.reason import PostReason
from tosser.rules.commands import (
    CommandRules,
    CommandUser,
    accepted_answer,
    check_rights,
    id_of,
    prove,
    read_request,
    refused_answer,
)
from tosser.rules.posting import Wish

DOCS = Path(__file__).parents[2] / "docs"
LIMIT = 200_000
TOKEN = "correct horse battery"  # noqa: S105 - made up
BOT = CommandUser("bot", TOKEN, areas=("TQW_*", "C[X]"), authors=("Weather Bot", "Jürgen"), max_size=1000)
ANYBODY = CommandUser("any", TOKEN, areas=("*",), netmail=True, authors=("*",))
RULES = CommandRules({user.name: user for user in (BOT, ANYBODY)}, LIMIT)
GOOD: dict[str, Any] = {"id": "one", "user": "bot", "token": TOKEN, "area": "TQW_TECH", "text": "Grüße"}
TQWNET = make_network("tqwnet", "1337:1/200")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def written(**members: Any) -> bytes:  # noqa: ANN401 - any JSON
    """Write a good request with some members changed; ``None`` leaves one out."""
    return json.dumps({name: value for name, value in (GOOD | members).items() if value is not None}).encode()


def refusal(payload: bytes) -> PostError:
    """Read a request that is refused."""
    with pytest.raises(PostError) as caught:
        read_request(payload, RULES)
    return caught.value


def test_a_request_is_read_whole() -> None:
    """Every member reaches the wish, under the name it has there."""
    members = {
        "dest": "1337:1/100", "area": None, "network": "tqwnet", "from": "Jürgen", "to": "Mira", "subject": "News",
        "reply": "1337:1/300 00000007", "charset": "CP437", "split": 5000,
    }  # fmt: skip

    request = read_request(written(**members), RULES)

    assert (request.id, request.user, request.token) == ("one", "bot", TOKEN)
    assert request.wish == Wish(
        text="Grüße", dest="1337:1/100", network="tqwnet", sender="Jürgen", to="Mira", subject="News",
        reply="1337:1/300 00000007", charset="CP437", split=5000,
    )  # fmt: skip


def test_the_same_content_has_the_same_digest() -> None:
    """Order, blanks, escapes and the token do not count; everything else does."""
    first = read_request(written(), RULES).digest
    other_way = json.dumps(dict(reversed((GOOD | {"token": "another"}).items())), ensure_ascii=False, indent=1)

    assert read_request(other_way.encode(), RULES).digest == first
    assert read_request(written(text="Grüsse"), RULES).digest != first
    assert read_request(written(to="All"), RULES).digest != first


@pytest.mark.parametrize(
    ("payload", "reason", "told"),
    [
        (b"", PostReason.MALFORMED, "the request is not JSON"),
        (b"\xff\xfe{}", PostReason.MALFORMED, "not UTF-8: byte 1 is 0xff"),
        (b'"text"', PostReason.MALFORMED, "not a JSON object"),
        (b"[]", PostReason.MALFORMED, "not a JSON object"),
        (written()[:-1], PostReason.MALFORMED, "the request is not JSON"),
        (written() + b"{}", PostReason.MALFORMED, "the request is not JSON"),
        (b"[" * LIMIT, PostReason.MALFORMED, "the request is nested too deeply"),
        (b'{"a":' * 30_000 + b"1" + b"}" * 30_000, PostReason.MALFORMED, "the request is nested too deeply"),
        (b'{"a":' * 800 + b"1" + b"}" * 800, PostReason.UNKNOWN_FIELD, "'a' is no member"),
        (b'{"id": "one", "id": "two"}', PostReason.MALFORMED, "a member is there twice"),
        (b'{"split": NaN}', PostReason.MALFORMED, "NaN is no JSON"),
        (b'{"split": 1e999}', PostReason.WRONG_TYPE, "split should be a whole number"),
        (b'{"split": %s}' % (b"9" * 4000), PostReason.WRONG_TYPE, "split should be a whole number"),
        (b'{"split": %s}' % (b"9" * 5000), PostReason.MALFORMED, "Exceeds the limit"),
        (b'{"id": "one\x01"}', PostReason.MALFORMED, "Invalid control character"),
        (written(text="half \ud83d"), PostReason.MALFORMED, "text has half a surrogate pair"),
        (b"{" + b" " * LIMIT + b"}", PostReason.REQUEST_TOO_LARGE, "200002 bytes; 200000 are possible"),
        (written(text=None), PostReason.MISSING_FIELD, "no text"),
        (written(token=None), PostReason.MISSING_FIELD, "no token"),
        (written(id=None), PostReason.MISSING_FIELD, "no id"),
        (written(text=["x"]), PostReason.WRONG_TYPE, "text should be a string"),
        (written(user=7), PostReason.WRONG_TYPE, "user should be a string"),
        (b'{"area": null}', PostReason.WRONG_TYPE, "area should be a string"),
        (written(split="5000"), PostReason.WRONG_TYPE, "split should be a whole number"),
        (written(split=True), PostReason.WRONG_TYPE, "split should be a whole number"),
        (written(split=0), PostReason.WRONG_TYPE, "above zero"),
        (written(subjekt="x"), PostReason.UNKNOWN_FIELD, "'subjekt' is no member"),
        (written(**{"Ж\n" * 90: "x"}), PostReason.UNKNOWN_FIELD, "'\\u0416\\n"),
        (written(id=""), PostReason.BAD_ID, "1 to 64 printable"),
        (written(id="x" * 65), PostReason.BAD_ID, "1 to 64 printable"),
        (written(id="a b"), PostReason.BAD_ID, "1 to 64 printable"),
        (written(id="ü"), PostReason.BAD_ID, "1 to 64 printable"),
    ],
)
def test_what_is_no_request_is_refused(payload: bytes, reason: PostReason, told: str) -> None:
    """Each has its reason and a sentence, and nothing but a refusal is raised."""
    error = refusal(payload)

    assert error.reason is reason
    assert told in error.what


@given(payload=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read_or_refused(payload: bytes) -> None:
    """Whatever comes, there is a request or a refusal, and an id for the answer or none."""
    try:
        request = read_request(payload, RULES)
    except PostError:
        id_of(payload, RULES)
        return
    assert request.id == id_of(payload, RULES)


@given(members=st.dictionaries(st.sampled_from([*GOOD, "dest", "from", "split", "more"]), JSON, max_size=4))
def test_any_members_are_read_or_refused(members: dict[str, Any]) -> None:
    """A good request with anything in its members is read or refused."""
    try:
        request = read_request(written(**members), RULES)
    except PostError:
        return
    assert isinstance(request.wish.text, str)


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        (written(text=7), "one"),
        (written(more="x"), "one"),
        (b"[]", None),
        (b"{", None),
        (written(id=7), None),
        (written(id="x" * 65), None),
        (b" " * (LIMIT + 1), None),
    ],
)
def test_a_refusal_names_the_request_where_it_can(payload: bytes, found: str | None) -> None:
    """The id of a request that is refused is told where it is one."""
    assert id_of(payload, RULES) == found


@pytest.mark.parametrize(("user", "token"), [("nobody", TOKEN), ("bot", ""), ("bot", TOKEN + "x"), ("nobody", "")])
def test_who_is_not_proven_is_refused(user: str, token: str) -> None:
    """An unknown name and a wrong token are refused in the same words."""
    with pytest.raises(PostError, match="there is no such user, or the token is wrong") as caught:
        prove(read_request(written(user=user, token=token), RULES), RULES)
    assert caught.value.reason is PostReason.NOT_AUTHORISED


def test_who_is_proven_is_known() -> None:
    """The right token gives the user; and neither shows it when it is printed."""
    request = read_request(written(), RULES)

    assert prove(request, RULES) is BOT
    assert TOKEN not in f"{request!r}{BOT!r}"


@pytest.mark.parametrize(
    ("user", "wish", "tag", "reason"),
    [
        (BOT, Wish("x"), "PRIVATE", PostReason.MAY_NOT_WRITE),
        (BOT, Wish("x"), "XTQW_TECH", PostReason.MAY_NOT_WRITE),
        (BOT, Wish("x"), "CX", PostReason.MAY_NOT_WRITE),
        (BOT, Wish("x"), None, PostReason.MAY_NOT_SEND_NETMAIL),
        (BOT, Wish("x", sender="Jane Sysop"), "TQW_TECH", PostReason.MAY_NOT_SIGN),
        (BOT, Wish("x", sender=" "), "TQW_TECH", PostReason.MAY_NOT_SIGN),
        (BOT, Wish("ü" * 501), "TQW_TECH", PostReason.TEXT_TOO_LARGE),
        (ANYBODY, Wish("x"), "TQW_TECH", PostReason.MISSING_FIELD),
    ],
)
def test_what_a_user_may_not_do_is_refused(user: CommandUser, wish: Wish, tag: str | None, reason: PostReason) -> None:
    """Areas, netmail, names and sizes that are not the user's are refused."""
    with pytest.raises(PostError) as caught:
        check_rights(user, wish, make_area(tag, TQWNET, {}) if tag else None)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("user", "wish", "tag", "author"),
    [
        (BOT, Wish("x"), "TQW_TECH", "Weather Bot"),
        (BOT, Wish("x", sender="JÜRGEN"), "TQW_", "JÜRGEN"),
        (BOT, Wish("x" * 1000), "C[X]", "Weather Bot"),
        (ANYBODY, Wish("x", sender=" Mira "), None, "Mira"),
    ],
)
def test_what_a_user_may_do_is_signed(user: CommandUser, wish: Wish, tag: str | None, author: str) -> None:
    """The first of the user's names stands for none; case does not count; a star allows any name."""
    assert check_rights(user, wish, make_area(tag, TQWNET, {}) if tag else None) == author


# --- what is documented


def schema(name: str) -> Draft202012Validator:
    """Give a validator of one of the schemas for integrators."""
    document = json.loads((DOCS / "schemas" / f"{name}.v1.json").read_text("utf-8"))
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


@given(members=st.dictionaries(st.sampled_from([*GOOD, "dest", "from", "split", "more"]), JSON, max_size=4))
def test_the_schema_takes_what_is_read(members: dict[str, Any]) -> None:
    """A request with one place to go to is valid exactly if it is read."""
    request = json.loads(written(**members))
    if ("area" in request) == ("dest" in request):
        return
    try:
        read_request(json.dumps(request).encode(), RULES)
    except PostError:
        assert not schema("post-request").is_valid(request) or "surrogate" in refusal(json.dumps(request).encode()).what
    else:
        assert schema("post-request").is_valid(request)


def test_the_page_shows_requests_and_answers() -> None:
    """Each JSON example is valid, and the request of the page is read."""
    page = (DOCS / "mqtt-commands.md").read_text("utf-8")
    examples = re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)

    request, *answers = (json.loads(example) for example in examples)
    schema("post-request").validate(request)
    assert read_request(examples[0].encode(), RULES).wish.area == "TQW_WEATHER"
    assert len(answers) == 2
    for answer in answers:
        schema("post-answer").validate(answer)


def test_every_reason_is_explained() -> None:
    """The page has each reason with its text, and the schema of answers has them, too."""
    page = (DOCS / "mqtt-commands.md").read_text("utf-8")
    table = page.partition("| reason | means |\n|---|---|\n")[2].partition("\n\n")[0].splitlines()

    assert table == [f"| `{reason.value}` | {reason.text} |" for reason in PostReason]
    for reason in PostReason:
        schema("post-answer").validate(refused_answer(None, reason, reason.text))
    schema("post-answer").validate(accepted_answer("one", ["1337:1/200@tqwnet 6915d1a9"]))
    assert not schema("post-answer").is_valid({"id": None, "status": "refused", "reason": "mood", "message": ""})


def test_every_member_is_explained() -> None:
    """The page and the schema list the members that a request may have."""
    page = (DOCS / "mqtt-commands.md").read_text("utf-8")
    table = page.partition("| member | is |\n|---|---|\n")[2].partition("\n\n")[0].splitlines()
    listed = {name for row in table for name in re.findall(r"`(\w+)`", row.split("|")[1])}

    document = json.loads((DOCS / "schemas" / "post-request.v1.json").read_text("utf-8"))
    assert listed == set(document["properties"])
    wishes = {"from" if name == "sender" else name for name in Wish.__struct_fields__}
    assert listed == wishes | {"id", "user", "token"}
