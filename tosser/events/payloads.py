"""What happened: builders of the events that are not kept by the broker, one for each topic `Kind` and JSON Schema.

Every member is always there; what is not known is null. Moments are Unix seconds here and RFC 3339 in UTC in the
payload. No builder takes a password, and a netmail shows its subject only together with its text, because AreaFix
passwords stand there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from tosser.events.event import Event, Node, build_event, utc_text
from tosser.events.topics import Kind, Topic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tosser.errors import ConfigProblem
    from tosser.reason import FileState, Reason


class Dated(Struct, frozen=True):
    """The date of a message.

    Attributes:
        raw: as it stands in the message.
        local: the author's wall clock, without zone; ``None`` when the text is no date.
        utc: the same moment in UTC where TZUTC tells the zone; aware.
    """

    raw: str
    local: datetime | None
    utc: datetime | None

    def data(self) -> dict[str, str | None]:
        """Give the payload's ``date`` member."""
        return {
            "raw": self.raw,
            "local": self.local.isoformat() if self.local else None,
            "utc": self.utc.isoformat(timespec="milliseconds").replace("+00:00", "Z") if self.utc else None,
        }


class Decoded(Struct, frozen=True):
    r"""The text of a message, for people.

    Attributes:
        text: lines end in ``\n``; without control lines, SEEN-BY and PATH.
        charset: canonical CHRS identifier.
        how: on what grounds it was chosen, see `tosser.codec.charset`.
    """

    text: str
    charset: str
    how: str

    def data(self) -> dict[str, Any]:
        """Give the payload's ``text`` and ``charset`` members."""
        return {"text": self.text, "charset": {"name": self.charset, "how": self.how}}


class Arrival(Struct, frozen=True):
    """How a message came in.

    Attributes:
        link: address of the sending system.
        packet: name of the packet.
        file: name of the inbound file, a packet or a bundle.
    """

    link: str
    packet: str
    file: str

    def data(self) -> dict[str, str]:
        """Give the payload's ``link``, ``packet`` and ``file`` members."""
        return {"link": self.link, "packet": self.packet, "file": self.file}


def message_event(
    node: Node,
    *,
    id: str,  # noqa: A002 - the name CloudEvents gives it
    time: float,
    network: str,
    area: str,
    from_name: str,
    to_name: str,
    subject: str,
    date: Dated,
    msgid: str | None,
    reply: str | None,
    origin: str | None,
    body: Decoded,
    path: Sequence[str],
    number: int | None,
    arrival: Arrival,
    size: int,
) -> Event:
    """Tell that a message was accepted and is in its area's base.

    Args:
        node: who speaks.
        id: stable event id.
        time: when it was tossed.
        network: name of the network.
        area: tag of the area.
        from_name: From field.
        to_name: To field.
        subject: Subject field.
        date: its date.
        msgid: value of the MSGID kludge.
        reply: value of the REPLY kludge.
        origin: address the message comes from.
        body: its text.
        path: the systems it came through, ``net/node`` each, the first system first.
        number: its number in the base; ``None`` in a passthrough area.
        arrival: how it came in.
        size: bytes of the packed message.
    """
    data = {
        "network": network,
        "area": area,
        "from": from_name,
        "to": to_name,
        "subject": subject,
        "date": date.data(),
        "msgid": msgid,
        "reply": reply,
        "origin": origin,
        **body.data(),
        "path": list(path),
        "number": number,
        **arrival.data(),
        "size": size,
    }
    topic = Topic(Kind.MESSAGE, network, area)
    return build_event(node, topic, "message.v1", data, id=id, time=time, subject=f"area/{area}")


def netmail_event(
    node: Node,
    *,
    id: str,  # noqa: A002 - as above
    time: float,
    network: str,
    reason: Reason,
    from_name: str,
    from_address: str,
    to_name: str,
    to_address: str,
    date: Dated,
    msgid: str | None,
    reply: str | None,
    number: int | None,
    arrival: Arrival,
    size: int,
    content: tuple[str, Decoded] | None,
) -> Event:
    """Tell that a netmail was stored.

    Args:
        node: who speaks.
        id: stable event id.
        time: when it was tossed.
        network: name of the network it came in by.
        reason: NETMAIL for us, ROUTED for another system, or why it cannot go on.
        from_name: From field.
        from_address: origin address.
        to_name: To field.
        to_address: destination address.
        date: its date.
        msgid: value of the MSGID kludge.
        reply: value of the REPLY kludge.
        number: its number in the netmail base; ``None`` where it is not kept.
        arrival: how it came in.
        size: bytes of the packed message.
        content: subject and text, only where the sysop chose to publish them; ``None`` keeps netmail private.
    """
    private = {"subject": None, "text": None, "charset": None}
    data = {
        "network": network,
        "reason": reason.value,
        "from": from_name,
        "from_address": from_address,
        "to": to_name,
        "to_address": to_address,
        "date": date.data(),
        "msgid": msgid,
        "reply": reply,
        **(private if content is None else {"subject": content[0], **content[1].data()}),
        "number": number,
        **arrival.data(),
        "size": size,
    }
    topic = Topic(Kind.NETMAIL, network)
    return build_event(node, topic, "netmail.v1", data, id=id, time=time, subject="netmail")


def file_event(
    node: Node,
    *,
    id: str,  # noqa: A002 - as above
    name: str,
    inbound: str,
    size: int,
    digest: str,
    state: FileState,
    reason: Reason | None,
    what: str,
    offset: int | None,
    sender: str | None,
    packets: int,
    counts: Mapping[str, int],
    arrived: float,
    finished: float,
) -> Event:
    """Tell that an inbound file reached its final state.

    Args:
        node: who speaks.
        id: stable event id.
        name: its name in the inbound.
        inbound: class of the inbound.
        size: bytes.
        digest: SHA-256, hexadecimal.
        state: the final state.
        reason: why, for a state other than tossed.
        what: the reason as a sentence; empty where there is none.
        offset: byte offset of the trouble.
        sender: the system that sent it, where that could be read.
        packets: how many packets and refused members it had.
        counts: messages by reason code.
        arrived: when the mailer finished it.
        finished: when it reached its state; also the time of the event.
    """
    data = {
        "name": name,
        "inbound": inbound,
        "size": size,
        "digest": f"sha256:{digest}",
        "state": state.value,
        "reason": reason.value if reason else None,
        "what": what or None,
        "offset": offset,
        "sender": sender,
        "packets": packets,
        "counts": {str(code): count for code, count in counts.items()},
        "arrived": utc_text(arrived),
        "finished": utc_text(finished),
    }
    topic = Topic(Kind.INBOUND, state=state.value)
    return build_event(node, topic, "file.v1", data, id=id, time=finished, subject=f"inbound/{name}")


def config_event(
    node: Node,
    *,
    id: str,  # noqa: A002 - as above
    time: float,
    accepted: bool,
    problems: Sequence[ConfigProblem],
) -> Event:
    """Tell that the configuration was read again, and whether it is in force now or the old one still is.

    Args:
        node: who speaks.
        id: stable event id.
        time: when.
        accepted: whether the new one is in force.
        problems: why not, in file order.
    """
    listed = [
        {"path": p.path, "line": p.line, "column": p.column, "where": p.where, "what": p.what, "hint": p.hint}
        for p in problems
    ]
    data = {"accepted": accepted, "problems": listed}
    return build_event(node, Topic(Kind.CONFIG), "config.v1", data, id=id, time=time, subject="config")


def dropped_event(
    node: Node,
    *,
    id: str,  # noqa: A002 - as above
    time: float,
    events: int,
) -> Event:
    """Tell subscribers of a gap: events that waited for the broker beyond the outbox's bounds and are gone.

    Args:
        node: who speaks.
        id: stable event id.
        time: when they were dropped.
        events: how many.
    """
    return build_event(node, Topic(Kind.DROPPED), "dropped.v1", {"events": events}, id=id, time=time, subject="dropped")
