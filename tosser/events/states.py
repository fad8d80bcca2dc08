"""How things stand: builders of the events that the broker keeps as the last value of their topic.

Moments are Unix seconds here and RFC 3339 in UTC in the payload. Every member is always there; what is not known is
null.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from tosser.events.event import Event, Node, build_event, utc_text
from tosser.events.topics import Kind, Topic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tosser.address import Address


class LastMessage(Struct, frozen=True):
    """The newest message of an area, in short.

    Attributes:
        number: its number in the base; ``None`` in a passthrough area.
        from_name: From field.
        to_name: To field.
        subject: Subject field.
        msgid: value of the MSGID kludge.
        time: when it was tossed.
    """

    number: int | None
    from_name: str
    to_name: str
    subject: str
    msgid: str | None
    time: float

    def data(self) -> dict[str, Any]:
        """Give the payload's ``last`` member."""
        return {
            "number": self.number,
            "from": self.from_name,
            "to": self.to_name,
            "subject": self.subject,
            "msgid": self.msgid,
            "time": utc_text(self.time),
        }


def area_state_event(
    node: Node,
    *,
    id: str,  # noqa: A002 - the name CloudEvents gives it
    time: float,
    network: str,
    area: str,
    totals: Mapping[str, int],
    last: LastMessage | None,
) -> Event:
    """Tell how an area stands; kept by the broker.

    Args:
        node: who speaks.
        id: stable event id.
        time: when it came to stand so.
        network: name of the network.
        area: tag of the area.
        totals: messages since the state database was made: ``stored`` in the base, ``duplicate`` ones dropped.
        last: the newest message.
    """
    data = {
        "network": network,
        "area": area,
        "totals": {str(code): count for code, count in totals.items()},
        "last": last.data() if last else None,
    }
    topic = Topic(Kind.AREA_STATE, network, area)
    return build_event(node, topic, "area-state.v1", data, id=id, time=time, subject=f"area/{area}", retain=True)


class LastFile(Struct, frozen=True):
    """The last file that went one way between us and a link.

    Attributes:
        name: of the packet or bundle.
        time: when it was tossed, or put into the outbound.
    """

    name: str
    time: float

    def data(self) -> dict[str, str]:
        """Give the payload's ``received`` or ``sent`` member."""
        return {"name": self.name, "time": utc_text(self.time)}


def link_state_event(
    node: Node,
    *,
    id: str,  # noqa: A002 - as above
    time: float,
    network: str,
    link: Address,
    received: LastFile | None,
    sent: LastFile | None,
    packets: int,
    messages: int,
    backlog_files: int,
    backlog_bytes: int,
    paused: bool,
    held: bool,
) -> Event:
    """Tell how a link stands; kept by the broker.

    Args:
        node: who speaks.
        id: stable event id.
        time: when it came to stand so.
        network: name of the network.
        link: its address.
        received: last file in.
        sent: last file out.
        packets: packets received since the state database was made.
        messages: messages received in them.
        backlog_files: files that wait for it in the outbound.
        backlog_bytes: their size.
        paused: whether it gets nothing for now.
        held: whether nothing is tossed from it for now.
    """
    data = {
        "network": network,
        "link": str(link),
        "received": received.data() if received else None,
        "sent": sent.data() if sent else None,
        "packets": packets,
        "messages": messages,
        "backlog": {"files": backlog_files, "bytes": backlog_bytes},
        "paused": paused,
        "held": held,
    }
    topic = Topic(Kind.LINK_STATE, network, address=link)
    return build_event(
        node, topic, "link-state.v1", data, id=id, time=time, subject=f"link/{link.without_domain}", retain=True
    )


def condition_event(
    node: Node,
    *,
    id: str,  # noqa: A002 - as above
    time: float,
    subject: str,
    active: bool,
    text: str,
    since: float,
) -> Event:
    """Tell that something is wrong, or no longer is; kept by the broker.

    Args:
        node: who speaks.
        id: stable event id.
        time: when it began, changed or ended.
        subject: with what.
        active: whether it is so still.
        text: in a sentence; of what has ended, what it was.
        since: when it began.
    """
    data = {
        "subject": subject,
        "active": active,
        "text": text,
        "since": utc_text(since),
        "ended": None if active else utc_text(time),
    }
    topic = Topic(Kind.CONDITION, subject=subject)
    return build_event(
        node, topic, "condition.v1", data, id=id, time=time, subject=f"condition/{subject}", retain=True
    )  # fmt: skip


def status_event(
    node: Node,
    *,
    id: str,  # noqa: A002 - as above
    time: float,
    online: bool,
    version: str,
    since: float,
) -> Event:
    """Tell whether the tosser runs; kept by the broker, which publishes the offline one itself as the last will.

    Args:
        node: who speaks.
        id: stable event id.
        time: when it was so; in a last will, when the connection that was lost had been made.
        online: whether it runs.
        version: of the program.
        since: when it started.
    """
    data = {"state": "online" if online else "offline", "version": version, "since": utc_text(since)}
    return build_event(node, Topic(Kind.STATUS), "status.v1", data, id=id, time=time, subject="status", retain=True)
