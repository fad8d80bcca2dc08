"""The section on commands by MQTT, and its cross references."""

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import AfterValidator, Field, PlainValidator, SecretStr, WithJsonSchema

from tosser.config.complaint import Complaint, Gaps, suggest
from tosser.config.kinds import MqttVersion
from tosser.config.section import Section, size
from tosser.config.values import SECRET_ERROR, Count, Flag, Line, Size, at_least, refuse

_SHORTEST_TOKEN = 16
_LONGEST_USER = 64


def _check_token(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < _SHORTEST_TOKEN:
        raise refuse(f"a token has at least {_SHORTEST_TOKEN} characters", SECRET_ERROR)
    return value


def _check_pattern(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise refuse("should be the tag of an area, or a pattern such as TQW_*")
    return value.upper()


Token = Annotated[SecretStr, AfterValidator(_check_token)]
TagPattern = Annotated[
    str, PlainValidator(_check_pattern), WithJsonSchema({"type": "string", "title": "area tag or pattern"})
]


class CommandUserEntry(Section):
    """Somebody who may post by MQTT, and what."""

    name: Line = Field(min_length=1, max_length=_LONGEST_USER, description="What it is called in requests.")
    token: Token = Field(
        description=f"What proves it in requests, at least {_SHORTEST_TOKEN} characters; `openssl rand -hex 16` makes "
        "a good one."
    )
    areas: tuple[TagPattern, ...] = Field(
        default=(), description="Areas it may write to, or patterns such as `TQW_*`; in all networks."
    )
    netmail: Flag = Field(default=False, description="Whether it may send netmail.")
    authors: tuple[Line, ...] = Field(
        min_length=1,
        description="Names it may write under, the first one where a request has none; `*` means any name.",
    )
    max_size: Annotated[Size, at_least("1KiB")] = size("64KiB", "Bytes a text may have, in UTF-8.")
    max_per_hour: Count = Field(default=60, description="Messages it may post within an hour.")


class Commands(Section):
    """Posting by MQTT: who may send requests to `<prefix>/cmd/post`. Without this section nobody may."""

    users: tuple[CommandUserEntry, ...] = Field(description="Who may post.")
    max_request: Annotated[Size, at_least("1KiB")] = size("256KiB", "Bytes of one request.")


def check_commands(
    commands: Commands | None, version: MqttVersion, tags: Iterable[str], gaps: Gaps
) -> Iterator[Complaint]:
    """Refuse users that are given twice, areas that there are not, and a protocol that knows no answers."""
    if commands is None:
        return
    if version is not MqttVersion.V5 and not gaps.touch("mqtt", "version"):
        yield Complaint(("mqtt", "version"), "mqtt.commands needs version 5: 3.1.1 knows no answers")
    if not commands.users and not gaps.touch("mqtt", "commands", "users"):
        yield Complaint(("mqtt", "commands", "users"), "should not be empty")
    known = set(tags)
    seen: dict[str, int] = {}
    for index, user in enumerate(commands.users):
        place = ("mqtt", "commands", "users", index)
        first = seen.setdefault(user.name, index)
        if first != index:
            yield Complaint((*place, "name"), f"user {user.name!r} is given before", other=(*place[:3], first, "name"))
        for number, tag in enumerate(user.areas):
            if tag not in known and not set("*?") & set(tag) and not gaps.touch("areas"):
                yield Complaint((*place, "areas", number), f"unknown area {tag}", suggest(tag, known))
