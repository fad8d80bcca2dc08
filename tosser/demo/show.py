"""Events as lines for people: the topic, and what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tosser.events.topics import Kind, Topic

if TYPE_CHECKING:
    from collections.abc import Callable

_TOPIC_WIDTH = 40


def line(topic: str, prefix: str, data: dict[str, Any]) -> str:
    """Write one event as a line.

    Args:
        topic: the full topic.
        prefix: its first levels.
        data: the member ``data`` of the event.

    Raises:
        FormatError: the topic is none of ours.
    """
    story = _STORIES[Topic.parse(topic, prefix).kind](data)
    return f"{topic:<{_TOPIC_WIDTH}}  {story}".replace("\n", " ")


def _message(data: dict[str, Any]) -> str:
    answer = ", a reply" if data["reply"] else ""
    return f'#{data["number"]} {data["from"]} -> {data["to"]}: "{data["subject"]}" ({data["charset"]["name"]}{answer})'


def _netmail(data: dict[str, Any]) -> str:
    return f"#{data['number']} {data['from']} -> {data['to']} (subject and text stay private)"


def _file(data: dict[str, Any]) -> str:
    if data["reason"]:
        where = f" at offset {data['offset']}" if data["offset"] is not None else ""
        return f"{data['name']}: {data['reason']}{where}: {data['what']}"
    return f"{data['name']}: {_counts(data['counts'])}, from {data['sender']}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing"


_STORIES: dict[Kind, Callable[[dict[str, Any]], str]] = {
    Kind.MESSAGE: _message,
    Kind.NETMAIL: _netmail,
    Kind.INBOUND: _file,
    Kind.AREA_STATE: lambda data: f"so far {_counts(data['totals'])}",
    Kind.LINK_STATE: lambda data: f"so far {data['packets']} packets, {data['messages']} messages",
    Kind.STATUS: lambda data: f"{data['state']}, version {data['version']}",
    Kind.CONFIG: lambda data: "a configuration was " + ("accepted" if data["accepted"] else "refused"),
    Kind.CONDITION: lambda data: f"{data['subject']}: {data['text'] if data['active'] else 'well again'}",
    Kind.DROPPED: lambda data: f"{data['events']} events were dropped",
}
