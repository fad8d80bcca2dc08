"""Commands that come by MQTT: what a request may look like, who may do what, and what is answered.

Requests are hostile until proven otherwise: whatever their bytes are, a request is either read whole or refused with a
`PostError`. A user is proven by a token in the request, because MQTT does not tell a receiver who has published.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct

from tosser.discreet import Discreet
from tosser.errors import PostError
from tosser.reason import PostReason
from tosser.rules.posting import Wish

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tosser.rules.network import Area

ANY_AUTHOR = "*"
"""Stands among the authors of a user for every name."""
LONGEST_ID = 64
"""Characters of an idempotency key."""
_ID = re.compile(rf"[\x21-\x7e]{{1,{LONGEST_ID}}}")
_REQUIRED = ("id", "user", "token", "text")
_OPTIONAL = ("area", "dest", "network", "from", "to", "subject", "reply", "charset")
_NUMBERS = ("split",)
_LARGEST_NUMBER = 1 << 31
_LONGEST_SHOWN = 40
"""Characters of what is not known that an answer repeats."""


class CommandUser(Discreet, frozen=True):
    """Somebody who may post by MQTT.

    Attributes:
        name: what it is called in requests.
        token: what proves it.
        areas: patterns of the tags of areas it may write to, upper case, with ``*`` and ``?``.
        netmail: whether it may send netmail.
        authors: names it may write under, the first one where a request has none; ``*`` stands for any.
        max_size: bytes that a text may have, in UTF-8.
        max_per_hour: messages it may post within an hour.
    """

    HIDDEN: ClassVar = frozenset({"token"})

    name: str
    token: str
    areas: tuple[str, ...] = ()
    netmail: bool = False
    authors: tuple[str, ...] = ()
    max_size: int = 65536
    max_per_hour: int = 60


class CommandRules(Struct, frozen=True):
    """What is accepted by MQTT.

    Attributes:
        users: by name.
        max_request: bytes of a request.
    """

    users: Mapping[str, CommandUser]
    max_request: int


class PostRequest(Discreet, frozen=True):
    """A request to post, as it was read.

    Attributes:
        id: idempotency key; names the request among those of its user.
        user: who says to have sent it.
        token: what is to prove that.
        wish: what is to be posted.
        digest: of all of it but the token.
    """

    HIDDEN: ClassVar = frozenset({"token"})

    id: str
    user: str
    token: str
    wish: Wish
    digest: bytes


def read_request(payload: bytes, rules: CommandRules) -> PostRequest:
    """Read a request.

    Raises:
        PostError: it is too large, or not as it should be.
    """
    if len(payload) > rules.max_request:
        what = f"the request has {len(payload)} bytes; {rules.max_request} are possible"
        raise PostError(what, PostReason.REQUEST_TOO_LARGE)
    members = _members(payload)
    for name, value in members.items():
        _check_member(name, value)
    for name in _REQUIRED:
        if name not in members:
            raise PostError(f"the request has no {name}", PostReason.MISSING_FIELD)
    if not _ID.fullmatch(members["id"]):
        what = f"id should be 1 to {LONGEST_ID} printable ASCII characters without blanks"
        raise PostError(what, PostReason.BAD_ID)
    wish: dict[str, Any] = {
        "sender" if name == "from" else name: members.get(name) for name in (*_OPTIONAL, *_NUMBERS, "text")
    }
    return PostRequest(members["id"], members["user"], members["token"], Wish(**wish), _digest(members))


def id_of(payload: bytes, rules: CommandRules) -> str | None:
    """Give the id of a request that was refused, if it can be told; for the answer."""
    try:
        found = _members(payload).get("id") if len(payload) <= rules.max_request else None
    except PostError:
        return None
    return found if isinstance(found, str) and _ID.fullmatch(found) else None


def _members(payload: bytes) -> dict[str, Any]:
    try:
        document = json.loads(payload.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        what = f"the request is not UTF-8: byte {error.start + 1} is 0x{payload[error.start]:02x}"
        raise PostError(what, PostReason.MALFORMED) from None
    except RecursionError:
        raise PostError("the request is nested too deeply", PostReason.MALFORMED) from None
    except ValueError as error:  # also of a number that has too many digits
        raise PostError(f"the request is not JSON: {error}", PostReason.MALFORMED) from None
    if not isinstance(document, dict):
        raise PostError("the request is not a JSON object", PostReason.MALFORMED)
    return document


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse members that are there twice: two readers could see two requests in one."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member is there twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _check_member(name: str, value: object) -> None:
    if name in _NUMBERS:
        if type(value) is not int or not 0 < value < _LARGEST_NUMBER:
            raise PostError(f"{name} should be a whole number above zero", PostReason.WRONG_TYPE)
    elif name not in _REQUIRED and name not in _OPTIONAL:
        shown = ascii(name[:_LONGEST_SHOWN])
        raise PostError(f"{shown} is no member of a request", PostReason.UNKNOWN_FIELD)
    elif not isinstance(value, str):
        raise PostError(f"{name} should be a string", PostReason.WRONG_TYPE)
    elif any("\ud800" <= char <= "\udfff" for char in value):
        raise PostError(f"{name} has half a surrogate pair, which is no character", PostReason.MALFORMED)


def _digest(members: Mapping[str, Any]) -> bytes:
    content = {name: value for name, value in members.items() if name != "token"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("ascii")).digest()


def prove(request: PostRequest, rules: CommandRules) -> CommandUser:
    """Find the user who sent a request; takes the same time whether there is one of that name or not.

    Raises:
        PostError: there is none, or the token is another's.
    """
    user = rules.users.get(request.user)
    expected = user.token if user is not None else ""
    same = hmac.compare_digest(_fixed(request.token), _fixed(expected))
    if user is None or not same:
        raise PostError("there is no such user, or the token is wrong", PostReason.NOT_AUTHORISED)
    return user


def _fixed(token: str) -> bytes:
    """Make tokens of any length comparable in constant time."""
    return hashlib.sha256(token.encode("utf-8")).digest()


def check_rights(user: CommandUser, wish: Wish, area: Area | None) -> str:
    """Refuse what a user may not do.

    Args:
        user: who asks.
        wish: what for.
        area: where to; ``None`` for netmail.

    Returns:
        The name it is written under.

    Raises:
        PostError: the user may not.
    """
    if area is None:
        if not user.netmail:
            raise PostError(f"{user.name} may not send netmail", PostReason.MAY_NOT_SEND_NETMAIL)
    elif not any(fnmatchcase(area.tag, pattern.replace("[", "[[]")) for pattern in user.areas):
        raise PostError(f"{user.name} may not write to area {area.tag}", PostReason.MAY_NOT_WRITE)
    size = len(wish.text.encode("utf-8"))
    if size > user.max_size:
        what = f"the text has {size} bytes; {user.name} may write {user.max_size}"
        raise PostError(what, PostReason.TEXT_TOO_LARGE)
    return _author(user, wish.sender)


def _author(user: CommandUser, wanted: str | None) -> str:
    if wanted is None:
        if user.authors[0] == ANY_AUTHOR:
            raise PostError("the request has no from", PostReason.MISSING_FIELD)
        return user.authors[0]
    name = wanted.strip()
    if not name:
        raise PostError("from is empty", PostReason.MAY_NOT_SIGN)
    if ANY_AUTHOR not in user.authors and name.casefold() not in {each.casefold() for each in user.authors}:
        raise PostError(f"{user.name} may not write as {name[:_LONGEST_SHOWN]}", PostReason.MAY_NOT_SIGN)
    return name


def accepted_answer(id: str, msgids: Sequence[str]) -> dict[str, Any]:  # noqa: A002 - the name it has in requests
    """Make the answer to a request that was carried out."""
    return {"id": id, "status": "accepted", "msgids": list(msgids)}


def refused_answer(id: str | None, reason: PostReason, message: str) -> dict[str, Any]:  # noqa: A002 - as above
    """Make the answer to a request that was not carried out."""
    return {"id": id, "status": "refused", "reason": reason.value, "message": message}
