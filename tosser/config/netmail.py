"""Where netmail is kept and where it goes: the sections of the configuration, and what the rules make of them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from tosser.address import Address
from tosser.codec.flow import Flavour
from tosser.config.answers import PING_BUILT_IN, AnswersSection, RobotEntry
from tosser.config.maintenance import KeepEntry
from tosser.config.section import Section, duration
from tosser.config.values import (
    AddressValue,
    BasePath,
    CharsetName,
    Duration,
    Flag,
    Line,
    PatternValue,
    Size,
    at_least,
    parse_address,
    refuse,
)
from tosser.rules.network import StoreKind
from tosser.rules.routing import NetmailPolicy, Readdress, Requests, Route, TransitPolicy, Via

_WORDS = [via.value for via in Via]


def _parse_via(value: object) -> Address | Via:
    """Take a word that stands for a system, or an address."""
    return Via(value) if isinstance(value, str) and value in _WORDS else parse_address(value)


def _check_store(value: StoreKind) -> StoreKind:
    if value is StoreKind.PASSTHROUGH:
        raise refuse("netmail to us has to be kept; it cannot be passthrough")
    return value


ViaValue = Annotated[
    Address | Via,
    PlainValidator(_parse_via),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "title": "address", "pattern": "^[0-9]+:[0-9]+/-?[0-9]+"}, {"enum": _WORDS}]}
    ),
]


class RouteEntry(Section):
    """Where netmail for some addresses goes. The first entry that matches counts."""

    match: PatternValue = Field(description="Which addresses, such as `1337:*` or `2:5020/*`.")
    via: ViaValue = Field(
        description="Who gets it: the address of one of the `links`; `host`, `hub` or `boss` of the addressee, where "
        "that is one of the `links`; or `noroute`, the addressee itself, be it a link or not."
    )
    flavour: Flavour | None = Field(
        default=None, description="How urgently the mailer is to send it; default as the link's other mail."
    )


class RemapEntry(Section):
    """Netmail that gets another address. The first entry that fits counts."""

    name: Line = Field(
        default="", description="Its addressee; letter case does not count. Without it, whoever it is to."
    )
    match: PatternValue | None = Field(default=None, description="The addresses it is to; without it, any of our own.")
    to: AddressValue = Field(description="Its new address.")


class CopyEntry(Section):
    """Netmail to us of which a copy goes to another address as well."""

    name: Line = Field(
        default="", description="Its addressee; letter case does not count. Without it, whoever it is to."
    )
    match: PatternValue | None = Field(
        default=None, description="Which of our addresses it is to; without it, any of them."
    )
    to: AddressValue = Field(description="Who gets the copy.")


class Transit(Section):
    """Which netmail to others may pass through this system."""

    allow: tuple[PatternValue, ...] | None = Field(
        default=None, description="Systems it is accepted from; without it, any. What points of ours send may pass too."
    )
    insecure: Flag = Field(
        default=False,
        description="Whether also from systems that no password has proven: no secure inbound, no packet password.",
    )
    max_size: Size | None = Field(default=None, description="Longer texts do not pass; without it, any length does.")
    requests: Requests = Field(
        default=Requests.REFUSE,
        description="File requests to others: `refuse` to keep them here, `strip` to send them on as plain netmail.",
    )


class Netmail(Section):
    """Where netmail is kept and where it goes."""

    store: Annotated[StoreKind, AfterValidator(_check_store), WithJsonSchema({"enum": ["jam", "msg"]})] = Field(
        default=StoreKind.JAM,
        description="How messages are kept: `jam`, a JAM base; or `msg`, a directory of `*.MSG` files.",
    )
    path: BasePath = Field(
        default=Path("netmail"),
        description="Path of its message base without suffix, or of the directory of `*.MSG` files; relative ones "
        "start at `paths.bases`.",
    )
    charset: CharsetName = Field(default="CP437", description="Character set of messages that do not state theirs.")
    publish_text: Flag = Field(
        default=False, description="Whether the event of a netmail has its text. Netmail is private: it has not."
    )
    dupe_history: Annotated[Duration, at_least("1h")] = duration(
        "7d", "How long a netmail with MSGID is remembered, so that it is recognised when it is sent again unchanged."
    )
    keep: KeepEntry = Field(
        default=KeepEntry(),
        description="What a purge leaves. `area_defaults.keep` does not hold here; `*.MSG` files are not purged.",
    )
    scan: Flag = Field(
        default=False,
        description="Whether netmail that other programs write into the JAM base is sent, unless it is to us; see "
        "`scan`.",
    )
    here: tuple[PatternValue, ...] = Field(
        default=(), description="Addresses besides our own whose netmail is kept here, such as points without a mailer."
    )
    remap: tuple[RemapEntry, ...] = Field(default=(), description="Netmail that gets another address, in order.")
    copies: tuple[CopyEntry, ...] = Field(default=(), description="Netmail to us of which copies are sent on.")
    routes: tuple[RouteEntry, ...] = Field(default=(), description="Routes for netmail to other systems, in order.")
    file_routes: tuple[RouteEntry, ...] = Field(
        default=(),
        description="The same for netmail with files. Without an entry that matches, files go to links and their "
        "points only.",
    )
    transit: Transit = Field(default=Transit(), description="Which netmail to others may pass.")
    answers: AnswersSection = Field(default=AnswersSection(), description="What is answered by the system itself.")
    robots: dict[Line, RobotEntry] = Field(
        default={"PING": RobotEntry(builtin=PING_BUILT_IN)},
        description="Who takes netmail to a name at one of our addresses, by that name; letter case does not count. "
        "An empty mapping turns PING off.",
        json_schema_extra={"default": {"PING": "ping"}},
    )

    @property
    def policy(self) -> NetmailPolicy:
        """What decides where netmail goes."""
        transit = self.transit
        return NetmailPolicy(
            routes=_routes(self.routes),
            file_routes=_routes(self.file_routes),
            remap=_readdresses(self.remap),
            copies=_readdresses(self.copies),
            here=self.here,
            transit=TransitPolicy(transit.allow, transit.insecure, transit.max_size, transit.requests),
        )


def _routes(entries: Iterable[RouteEntry]) -> tuple[Route, ...]:
    return tuple(Route(entry.match, entry.via, entry.flavour) for entry in entries)


def _readdresses(entries: Iterable[RemapEntry | CopyEntry]) -> tuple[Readdress, ...]:
    return tuple(Readdress(entry.name.strip().lower().encode("utf-8"), entry.match, entry.to) for entry in entries)
