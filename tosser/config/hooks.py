"""The section on hooks, what areas say of them, and its cross references."""

import re
from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import AfterValidator, Field, PlainValidator, SecretStr, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from tosser.config.complaint import Complaint, Gaps, suggest
from tosser.config.kinds import Url
from tosser.config.section import Section, duration
from tosser.config.source import Location
from tosser.config.values import SECRET_ERROR, Count, Duration, Line, PathValue, at_least, parse_endpoint, refuse

_NAME = re.compile(r"[A-Za-z0-9_-]{1,31}")
_URL = re.compile(r"(?P<scheme>https?)://(?P<endpoint>[^/?#@]+)(?P<target>(?:[/?][\x21\x22\x24-\x7e]*)?)")
_PORT = re.compile(r":[0-9]+$")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
_OURS = frozenset({"host", "content-type", "content-length", "connection", "transfer-encoding", "expect", "upgrade"})
"""Headers that we write, or that would change what the request means."""


def _check_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise refuse("a hook's name is up to 31 letters, digits, '_' and '-'")
    return value


def _parse_url(value: object) -> Url:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if isinstance(text, str) and "@" in text.partition("//")[2].partition("/")[0]:
        raise refuse("user name and password go into `headers`, as Authorization", SECRET_ERROR)
    match = _URL.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise refuse("should be https://host/path, or http:// and so on, in ASCII", SECRET_ERROR)
    tls = match["scheme"] == "https"
    endpoint = match["endpoint"]
    try:
        host, port = parse_endpoint(endpoint if _PORT.search(endpoint) else f"{endpoint}:{443 if tls else 80}")
    except PydanticCustomError as error:
        raise refuse(error.message(), SECRET_ERROR) from None
    target = match["target"]
    return Url(host, port, tls, target if target.startswith("/") else f"/{target}")


def _check_header(value: str) -> str:
    if not _HEADER.fullmatch(value):
        raise refuse("should be the name of a header, such as Authorization")
    if value.lower() in _OURS:
        raise refuse(f"{value} is written by tosser itself")
    return value


def _check_header_value(value: SecretStr) -> SecretStr:
    if not _HEADER_VALUE.fullmatch(value.get_secret_value()):
        raise refuse("a header is one line of printable ASCII", SECRET_ERROR)
    return value


HookName = Annotated[str, AfterValidator(_check_name)]
HookNames = tuple[HookName, ...]
UrlValue = Annotated[
    Url, PlainValidator(_parse_url), WithJsonSchema({"type": "string", "title": "URL", "pattern": "^https?://"})
]
HeaderName = Annotated[str, AfterValidator(_check_header)]
HeaderValue = Annotated[SecretStr, AfterValidator(_check_header_value)]


class HookEntry(Section):
    """A command that is run, or a webhook that is posted to, for each message of the areas that name it."""

    command: tuple[Line, ...] = Field(
        default=(),
        description="Program and arguments. It runs without a shell, reads the event on standard input, and finds the "
        "most used of it in variables `TOSSER_…`.",
    )
    url: UrlValue | None = Field(
        default=None,
        description="Where the event is posted to, `https://` or `http://`. It may be a secret: many have a token in "
        "their path.",
    )
    headers: dict[HeaderName, HeaderValue] = Field(
        default={},
        description="Headers that are sent to `url` besides our own, such as Authorization.",
        json_schema_extra={"title": "secrets by name"},
    )
    ca: PathValue | None = Field(
        default=None, description="File of certificate authorities to trust for `url` instead of the system's."
    )
    timeout: Annotated[Duration, at_least("1s")] = duration("30s", "How long a call may take, all in all.")
    give_up: Annotated[Duration, at_least("1s")] = duration(
        "1d", "How long a call that fails is tried again. Later calls of the hook wait for it."
    )
    max_waiting: Count = Field(default=10_000, description="The oldest calls that wait beyond this number are dropped.")

    @model_validator(mode="after")
    def _one_of_both(self) -> "HookEntry":
        if (self.url is None) == (not self.command):
            raise refuse("should have either a `command` or a `url`")
        if self.url is None and (self.headers or self.ca):
            raise refuse("`headers` and `ca` need a `url`")
        return self


def check_hooks(hooks: Iterable[str], named: Iterable[tuple[Location, HookNames]], gaps: Gaps) -> Iterator[Complaint]:
    """Refuse hooks that there are not, and those that an area names twice.

    Args:
        hooks: the names of all.
        named: for each ``on_message`` where it stands, and what.
        gaps: what could not be read.
    """
    known = list(hooks)
    for location, names in named:
        for index, name in enumerate(names):
            if name not in known and not gaps.touch("hooks", name):
                yield Complaint((*location, index), f"unknown hook {name!r}", suggest(name, known))
            first = names.index(name)
            if first != index:
                yield Complaint((*location, index), f"hook {name} is given before", other=(*location, first))
