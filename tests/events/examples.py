"""One event of each kind, with everything filled in; the documentation shows exactly these."""

from __future__ import annotations

from datetime import UTC, datetime

from tosser.address import Address
from tosser.errors import ConfigProblem
from tosser.events.event import Event, Node, source_of
from tosser.events.payloads import (
    Arrival,
    Dated,
    Decoded,
    config_event,
    dropped_event,
    file_event,
    message_event,
    netmail_event,
)
from tosser.events.states import (
    LastFile,
    LastMessage,
    area_state_event,
    condition_event,
    link_state_event,
    status_event,
)
from tosser.events.topics import Kind
from tosser.reason import FileState, Reason

US = Address(1337, 1, 200, domain="tqwnet")
HUB = Address(1337, 1, 100, domain="tqwnet")
NODE = Node("ftn/mybbs", source_of(US))
NOON = 1_794_571_200.0
"""2026-11-13 12:00:00 UTC."""
DATE = Dated(
    "13 Nov 26  12:58:01", datetime(2026, 11, 13, 12, 58, 1), datetime(2026, 11, 13, 11, 58, 1, tzinfo=UTC)  # noqa: DTZ001 - the author's clock
)  # fmt: skip
ARRIVAL = Arrival("1337:1/100@tqwnet", "5a1b2c3d.pkt", "0000fff4.fr0")
BODY = Decoded("Grüße aus dem Süden!\n\nHow is the new modem?\n", "CP437", "chrs")

EXAMPLES: dict[Kind, Event] = {
    Kind.STATUS: status_event(
        NODE, id="status/online/1794571200.000000", time=NOON, online=True, version="0.1.0", since=NOON
    ),
    Kind.CONFIG: config_event(
        NODE,
        id="config/1794571200",
        time=NOON,
        accepted=False,
        problems=[
            ConfigProblem(
                "/etc/tosser/tosser.yaml", 9, 5, "links[1].pasword", "unknown key", "did you mean 'password'?"
            )
        ],
    ),
    Kind.DROPPED: dropped_event(NODE, id="dropped/1794571200", time=NOON, events=1305),
    Kind.INBOUND: file_event(
        NODE,
        id="file/7f3a-0000fff4.fr0",
        name="0000fff4.fr0",
        inbound="secure",
        size=48211,
        digest="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        state=FileState.QUARANTINED,
        reason=Reason.TRUNCATED,
        what="the text of message 18 has no end",
        offset=48211,
        sender="1337:1/100@tqwnet",
        packets=2,
        counts={"accepted": 16, "duplicate": 1},
        arrived=NOON - 1.5,
        finished=NOON,
    ),
    Kind.MESSAGE: message_event(
        NODE,
        id="message/7f3a-0000fff4.fr0/0/3",
        time=NOON,
        network="tqwnet",
        area="TQW_TECH",
        from_name="Anna Example",
        to_name="All",
        subject="New modem",
        date=DATE,
        msgid="1337:1/101 6915d1a9",
        reply=None,
        origin="1337:1/101@tqwnet",
        body=BODY,
        path=["1/101", "1/100"],
        number=4711,
        arrival=ARRIVAL,
        size=2407,
    ),
    Kind.AREA_STATE: area_state_event(
        NODE,
        id="area/tqwnet/TQW_TECH/812",
        time=NOON,
        network="tqwnet",
        area="TQW_TECH",
        totals={"stored": 4711, "duplicate": 12},
        last=LastMessage(4711, "Anna Example", "All", "New modem", "1337:1/101 6915d1a9", NOON),
    ),
    Kind.LINK_STATE: link_state_event(
        NODE,
        id="link/1337:1/100/97",
        time=NOON,
        network="tqwnet",
        link=HUB,
        received=LastFile("0000fff4.fr0", NOON),
        sent=LastFile("0000ff9c.fr0", NOON - 60),
        packets=97,
        messages=4723,
        backlog_files=1,
        backlog_bytes=8190,
        paused=False,
        held=False,
    ),
    Kind.CONDITION: condition_event(
        NODE,
        id="condition/space/1794571200.000000",
        time=NOON,
        subject="space",
        active=True,
        text="/var/lib/tosser: less than 64 MiB are free on its file system",
        since=NOON,
    ),
    Kind.NETMAIL: netmail_event(
        NODE,
        id="message/7f3a-0000fff4.fr0/1/0",
        time=NOON,
        network="tqwnet",
        reason=Reason.NETMAIL,
        from_name="Anna Example",
        from_address="1337:1/101@tqwnet",
        to_name="Jane Sysop",
        to_address="1337:1/200@tqwnet",
        date=DATE,
        msgid="1337:1/101 6915d1aa",
        reply=None,
        number=12,
        arrival=ARRIVAL,
        size=630,
        content=None,
    ),
}
