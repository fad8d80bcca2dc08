"""The configuration as a frozen, typed model: one class a section, every key with its meaning.

Only what can be judged by looking at one value is refused here, by pydantic; what takes two of them to see is in
`tosser.config.check`. The descriptions are also the text of ``docs/configuration.md`` and of the JSON Schema.
"""

from functools import cached_property
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, GetJsonSchemaHandler, SecretStr, WithJsonSchema, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from tosser.codec.flow import Flavour
from tosser.codec.packet_header import PacketType
from tosser.config.hooks import HookEntry, HookName, HookNames
from tosser.config.maintenance import KeepEntry, Maintenance
from tosser.config.netmail import Netmail
from tosser.config.nodelists import NodelistEntry
from tosser.config.scan import Scan
from tosser.config.section import Section, duration, size
from tosser.config.services import ArchiverEntry, Limits, Log, Metrics, Mqtt, Toss
from tosser.config.values import (
    AddressValue,
    Age,
    BasePath,
    CharsetName,
    Count,
    Domain,
    Duration,
    Flag,
    Line,
    NetworkName,
    NodeValue,
    PacketPassword,
    PacketTypeValue,
    PathValue,
    Size,
    Tag,
    Zone,
    at_least,
)
from tosser.config.world import World
from tosser.rules.network import SeenByMode, StoreKind

_LEAST = at_least("1KiB")
AreaStore: TypeAlias = Literal[StoreKind.JAM, StoreKind.PASSTHROUGH]
"""How echomail can be kept."""


class System(Section):
    """Who runs this system; shown in events and written into control lines."""

    name: Line = Field(min_length=1, description="Name of the system.")
    sysop: Line = Field(min_length=1, description="Name of its sysop.")
    location: Line = Field(default="", description="Where it is.")


class Inbound(Section):
    """Inbound directories by how much the mailer knew about the sender. At least one is needed."""

    secure: tuple[PathValue, ...] = Field(
        default=(), description="Where the mailer puts files after a session with a password."
    )
    insecure: tuple[PathValue, ...] = Field(
        default=(),
        description="Where it puts files from anyone: netmail only, unless the packet password proves the link.",
    )
    local: tuple[PathValue, ...] = Field(default=(), description="Where our own programs put packets; trusted.")


class Paths(Section):
    """Directories. Relative paths start where the main configuration file is."""

    state: PathValue = Field(description="Our database, work in progress and the quarantine.")
    bases: PathValue = Field(description="Where relative paths of message bases start.")
    inbound: Inbound = Field(description="Inbound directories.")
    outbound: PathValue | None = Field(
        default=None,
        description="Root of the Binkley-style outbound: the directory of the default zone; other zones stand beside "
        "it. Without it nothing can be sent.",
    )


class NetworkEntry(Section):
    """One network and our place in it."""

    addresses: tuple[AddressValue, ...] = Field(
        min_length=1, description="Our addresses in it (AKAs), the main one first."
    )
    domain: Domain | None = Field(default=None, description="Domain of its addresses; default the network's name.")
    zones: tuple[Zone, ...] | None = Field(
        default=None, min_length=1, description="Zones that belong to it; default those of our addresses."
    )
    bad_area: Tag | None = Field(
        default=None,
        description="Tag of the area that takes rejected mail; default `BADMAIL.` and the network's name. It is a JAM "
        "base below `paths.bases` and needs no entry in `areas`.",
    )


class LinkDefaults(Section):
    """What holds for every link that does not say otherwise."""

    packet_type: PacketTypeValue = Field(default=PacketType.TYPE_2PLUS, description="Type of the packets it gets.")
    archiver: Line = Field(
        default="zip",
        description="How its packets are bundled: `zip`, `none` for bare packets, or the name of an entry of "
        "`archivers`.",
    )
    flavour: Flavour = Field(default=Flavour.NORMAL, description="How urgently the mailer is to send its mail.")
    max_packet: Annotated[Size, _LEAST] = size("512KiB", "A packet that would grow beyond this is closed.")
    max_bundle: Annotated[Size, _LEAST] = size("2MiB", "A bundle that would grow beyond this is closed.")
    pause_age: Duration | None = Field(
        default=None, description="Pause a link whose oldest waiting file is older than this; without it, never."
    )
    pause_size: Size | None = Field(
        default=None, description="Pause a link that more than this waits for; without it, never."
    )
    max_messages_per_hour: Count | None = Field(
        default=None, description="Put a link on hold that sends more messages within an hour; without it, never."
    )
    max_dupes_per_hour: Count | None = Field(
        default=None, description="Put a link on hold that sends more duplicates within an hour; without it, never."
    )


class AreaFix(Section):
    """What the link may ask AreaFix for."""

    password: SecretStr = Field(min_length=1, description="Password of its requests.")
    forward_requests: Flag = Field(
        default=False, description="Whether it is an uplink that areas unknown here may be requested from."
    )


class LinkEntry(Section):
    """A system we exchange mail with."""

    address: AddressValue = Field(description="Its address.")
    network: Line | None = Field(
        default=None,
        description="Its network; needed only where its zone belongs to several and the address has no domain.",
    )
    name: Line = Field(default="", description="What we call it.")
    sysop: Line = Field(default="", description="Name of its sysop.")
    our_aka: AddressValue | None = Field(
        default=None,
        description="The AKA we use towards it; default the closest one: same net, else same zone, else the main one.",
    )
    packet_password: PacketPassword = Field(
        default=SecretStr(""),
        description="Password of packets both ways, at most 8 characters; letter case does not count. Without one its "
        "echomail is accepted from secure inbounds only.",
    )
    packet_type: PacketTypeValue | None = Field(default=None, description="Overrides `link_defaults.packet_type`.")
    archiver: Line | None = Field(default=None, description="Overrides `link_defaults.archiver`.")
    flavour: Flavour | None = Field(default=None, description="Overrides `link_defaults.flavour`.")
    max_packet: Annotated[Size, _LEAST] | None = Field(
        default=None, description="Overrides `link_defaults.max_packet`."
    )
    max_bundle: Annotated[Size, _LEAST] | None = Field(
        default=None, description="Overrides `link_defaults.max_bundle`."
    )
    pause_age: Duration | None = Field(default=None, description="Overrides `link_defaults.pause_age`.")
    pause_size: Size | None = Field(default=None, description="Overrides `link_defaults.pause_size`.")
    max_messages_per_hour: Count | None = Field(
        default=None, description="Overrides `link_defaults.max_messages_per_hour`."
    )
    max_dupes_per_hour: Count | None = Field(default=None, description="Overrides `link_defaults.max_dupes_per_hour`.")
    paused: Flag = Field(default=False, description="Whether it gets no mail for now; what it sends is tossed.")
    same_system_as: AddressValue | None = Field(
        default=None,
        description="Another of the `links` that is the same machine under another address: what comes from one is not "
        "sent to the other.",
    )
    filebox: PathValue | None = Field(
        default=None,
        description="Directory whose files the mailer sends to it; its packets and bundles are put there instead of "
        "into the outbound.",
    )
    seen_by: SeenByMode | None = Field(default=None, description="Overrides `seen_by` of the area.")
    sbadd: tuple[NodeValue, ...] = Field(
        default=(), description="Nodes of its zone that are added to SEEN-BY of what it gets."
    )
    sbstrip: tuple[NodeValue, ...] = Field(
        default=(), description="Nodes of its zone that are taken out of SEEN-BY of what it gets."
    )
    sbignore: Flag = Field(
        default=False, description="Whether it gets messages although it stands in their SEEN-BY already."
    )
    direct_netmail: Flag = Field(
        default=True,
        description="Whether netmail for it and its points goes straight to it, whatever `netmail.routes` says.",
    )
    areafix: AreaFix | None = Field(
        default=None, description="What it may ask AreaFix for; without this section, nothing."
    )


class AreaDefaults(Section):
    """What holds for every area that does not say otherwise."""

    store: AreaStore = Field(
        default=StoreKind.JAM, description="Where messages are kept: `jam`, or `passthrough` to keep none."
    )
    dupe_history: Annotated[Duration, at_least("1h")] = duration(
        "30d", "How long a message is remembered, so that its duplicate is recognised."
    )
    max_age: Age = duration("365d", "Older messages go to the bad area; `unlimited` accepts any age.")
    max_future: Age = duration(
        "7d",
        "Messages dated further ahead go to the bad area; `unlimited` accepts any. A week forgives time zones and "
        "clocks that are some days off, not a wrong year.",
    )
    charset: CharsetName = Field(default="CP437", description="Character set of messages that do not state theirs.")
    seen_by: SeenByMode = Field(
        default=SeenByMode.FULL,
        description="How much of SEEN-BY is sent on: `full`; `reduced` to PATH, us and those we send to, which needs "
        "links that write PATH (FSC-0093); `tiny`, just us and those we send to.",
    )
    sbadd: tuple[NodeValue, ...] = Field(
        default=(), description="Nodes that are added to SEEN-BY; without a zone they are of the zone of our AKA."
    )
    sbstrip: tuple[NodeValue, ...] = Field(default=(), description="Nodes that are taken out of SEEN-BY, likewise.")
    sbignore: tuple[NodeValue, ...] = Field(
        default=(), description="Links that get messages although they stand in SEEN-BY already, likewise."
    )
    keep: KeepEntry = Field(default=KeepEntry(), description="What a purge leaves; the bad areas go by this too.")
    on_message: HookNames = Field(
        default=(), description="Which of the `hooks` are called for each message that is stored or passes through."
    )
    scan: Flag = Field(
        default=False,
        description="Whether messages that other programs (a BBS, an editor, a news server) write into the JAM base "
        "are sent to the links; see `scan`.",
    )


class AreaLink(Section):
    """A link of an area; just its address means the defaults."""

    address: AddressValue = Field(description="Address of one of the `links`.")
    read: Flag = Field(default=True, description="Whether it gets the area's messages.")
    write: Flag = Field(default=True, description="Whether messages from it are accepted.")
    mandatory: Flag = Field(default=False, description="Whether it may not unlink the area.")

    @model_validator(mode="before")
    @classmethod
    def _from_address(cls, value: object) -> object:
        return {"address": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe both ways to write it."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        return {"anyOf": [{"type": "string", "title": "address"}, schema]}


class AreaEntry(Section):
    """One echomail area."""

    tag: Tag = Field(description="Its tag; letter case does not count.")
    description: Line = Field(default="", description="What it is about.")
    network: Line | None = Field(default=None, description="Its network; default the only one, else that of its links.")
    path: BasePath | None = Field(
        default=None,
        description="Path of its message base without suffix; relative ones start at `paths.bases`. Default the tag in "
        "lower case, with characters other than letters, digits, `.`, `_` and `-` percent-encoded.",
    )
    aka: AddressValue | None = Field(default=None, description="Our AKA in it; default the main one of its network.")
    links: tuple[AreaLink, ...] = Field(default=(), description="The links that carry it.")
    paused: Flag = Field(default=False, description="Whether nothing is accepted for now.")
    store: AreaStore | None = Field(default=None, description="Overrides `area_defaults.store`.")
    dupe_history: Annotated[Duration, at_least("1h")] | None = Field(
        default=None, description="Overrides `area_defaults.dupe_history`."
    )
    max_age: Age | None = Field(default=None, description="Overrides `area_defaults.max_age`.")
    max_future: Age | None = Field(default=None, description="Overrides `area_defaults.max_future`.")
    charset: CharsetName | None = Field(default=None, description="Overrides `area_defaults.charset`.")
    seen_by: SeenByMode | None = Field(default=None, description="Overrides `area_defaults.seen_by`.")
    sbadd: tuple[NodeValue, ...] | None = Field(default=None, description="Overrides `area_defaults.sbadd`.")
    sbstrip: tuple[NodeValue, ...] | None = Field(default=None, description="Overrides `area_defaults.sbstrip`.")
    sbignore: tuple[NodeValue, ...] | None = Field(default=None, description="Overrides `area_defaults.sbignore`.")
    keep: KeepEntry | None = Field(default=None, description="Overrides `area_defaults.keep` as a whole.")
    on_message: HookNames | None = Field(
        default=None, description="Overrides `area_defaults.on_message` as a whole; an empty list calls none."
    )
    scan: Flag | None = Field(default=None, description="Overrides `area_defaults.scan`.")


class Config(Section):
    """The whole configuration."""

    include: Annotated[
        object, WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})
    ] = Field(
        default=(),
        description="Other files to read, as a glob or a list of globs relative to this file. Lists append, mappings "
        "merge; the same scalar in two files is an error.",
    )
    system: System = Field(description="Who runs this system.")
    paths: Paths = Field(description="Directories.")
    networks: dict[NetworkName, NetworkEntry] = Field(min_length=1, description="The networks we are in, by name.")
    link_defaults: LinkDefaults = Field(default=LinkDefaults(), description="What holds for every link.")
    links: tuple[LinkEntry, ...] = Field(default=(), description="The systems we exchange mail with.")
    area_defaults: AreaDefaults = Field(default=AreaDefaults(), description="What holds for every area.")
    areas: tuple[AreaEntry, ...] = Field(default=(), description="The echomail areas.")
    netmail: Netmail = Field(default=Netmail(), description="Where netmail is kept and where it goes.")
    nodelists: tuple[NodelistEntry, ...] = Field(
        default=(), description="Nodelists and point lists, the first to count first."
    )
    hooks: dict[HookName, HookEntry] = Field(
        default={}, description="What areas can have called for each message, by a name of your choice."
    )
    archivers: dict[str, ArchiverEntry] = Field(
        default={}, description="Programs for archives other than ZIP and tar, by a name of your choice."
    )
    limits: Limits = Field(default=Limits(), description="Bounds on what is accepted from outside.")
    mqtt: Mqtt | None = Field(default=None, description="The MQTT broker that events are published on.")
    toss: Toss = Field(default=Toss(), description="How inbound files are worked through.")
    maintenance: Maintenance = Field(default=Maintenance(), description="The care of message bases.")
    scan: Scan = Field(default=Scan(), description="Looking for mail that other programs write into our bases.")
    metrics: Metrics | None = Field(default=None, description="Prometheus metrics over HTTP.")
    log: Log = Field(default=Log(), description="The log.")

    @cached_property
    def world(self) -> World:
        """What it says, with every default filled in; the check has made it, and everybody after it uses the same."""
        return World(self)
