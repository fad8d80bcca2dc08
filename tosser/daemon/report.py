"""What a batch came to, as events and totals: built from the plan after it was carried out, without I/O.

Ids and times come from the claim and the decision, so that a batch carried out again after a crash tells the same
events.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from tosser.codec.charset import decide_charset, decode, display_text
from tosser.codec.ftsdate import parse_date
from tosser.codec.kludge import find_value, parse_tzutc
from tosser.codec.seenby import parse_nodes
from tosser.errors import KludgeError
from tosser.events.payloads import Arrival, Dated, Decoded, file_event, message_event, netmail_event
from tosser.reason import Reason
from tosser.rules.plan import author_of
from tosser.rules.remembered import Remembered, weigh_lines
from tosser.rules.scanning import number_in
from tosser.rules.verdict import TargetKind, area_tag
from tosser.state.state import Results
from tosser.state.totals import AreaTally, LinkTally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tosser.codec.charset import Charset
    from tosser.codec.message import MessageText
    from tosser.codec.packet import PackedMessage
    from tosser.events.event import Event, Node
    from tosser.inbound.quarantine import Note
    from tosser.rules.batch import FileIn
    from tosser.rules.decision import Decision
    from tosser.rules.network import Rulebook
    from tosser.rules.plan import Entry, Plan
    from tosser.rules.shipping import PacketOut
    from tosser.rules.verdict import Target


class Reporter:
    """Makes events and totals.

    Args:
        rules: the sysop's world.
        node: who speaks.
        published: whether there is a broker; without one events are made for hooks only.
    """

    def __init__(self, rules: Rulebook, node: Node, *, published: bool = True) -> None:
        self._rules = rules
        self._node = node
        self._published = published

    def results(
        self,
        plan: Plan,
        numbers: Mapping[Target, Sequence[int]],
        notes: Sequence[Note],
        packets: Sequence[PacketOut],
        finished: float,
    ) -> Results:
        """Sum up a batch that was carried out.

        Args:
            plan: what was to be written.
            numbers: for each base the numbers its messages got, in the order of the plan.
            notes: of what was set aside.
            packets: what was staged for links.
            finished: Unix seconds.
        """
        events: list[Event] = []
        calls: list[tuple[str, str, bytes]] = []
        for target, entries in plan.appends.items():
            hooks = self._hooks_of(target)
            if target.kind is TargetKind.BAD or not (hooks or self._published):
                continue
            made = [
                self._stored(entry, target, number, plan.decision.decided)
                for entry, number in zip(entries, numbers[target], strict=True)
            ]
            events += made
            calls += [(hook, event.id, event.payload) for event in made for hook in hooks]
        events += _file_events(self._node, plan.decision, notes, finished) if self._published else ()
        return Results(
            outcomes=plan.decision.outcomes,
            events=[(event.id, event.topic, event.payload) for event in events] if self._published else (),
            hook_calls=calls,
            areas=_area_tallies(plan, numbers, self._default_charset),
            links=_link_tallies(plan),
            packets=packets,
            numbers={target.path: given for target, given in numbers.items()},
            counters=_counters(plan.decision),
            finished=finished,
        )

    def _hooks_of(self, target: Target) -> Sequence[str]:
        area = self._rules.area_of(target.network, target.tag)
        return area.on_message if area else ()

    def _stored(self, entry: Entry, target: Target, number: int, decided: float) -> Event:
        node = self._node
        packed, text, file = entry.packed, entry.text, entry.piece.file
        charset = charset_of(packed, text, self._default_charset(target))
        arrival = Arrival(entry.decision.sender, entry.piece.member_name or file.name, file.name)
        body = Decoded(display_text(text.body, charset), charset.name, charset.how)
        event_id = f"{file.claim}/{entry.piece.member}/{entry.piece.first + entry.index}"
        msgid, reply = _value(text, b"MSGID"), _value(text, b"REPLY")
        if target.kind is TargetKind.NETMAIL:
            message, subject = entry.message, decode(packed.subject, charset)
            return netmail_event(
                node, id=event_id, time=decided, network=entry.decision.network, reason=entry.verdict.reason,
                from_name=decode(packed.sender, charset), from_address=str(message.origin),
                to_name=decode(packed.to, charset), to_address=str(message.dest),
                date=dated(packed, text), msgid=msgid, reply=reply, number=number or None, arrival=arrival,
                size=_size(packed),
                content=(subject, body) if self._rules.netmail.publish_text else None,
            )  # fmt: skip
        origin = author_of(text, entry.decision.sender)
        return message_event(
            node, id=event_id, time=decided, network=target.network, area=target.tag,
            from_name=decode(packed.sender, charset), to_name=decode(packed.to, charset),
            subject=decode(packed.subject, charset), date=dated(packed, text), msgid=msgid, reply=reply,
            origin=str(origin.without_domain) if origin else None, body=body,
            path=_paths[text.path],
            number=_number(entry, number), arrival=arrival, size=_size(packed),
        )  # fmt: skip

    def _default_charset(self, target: Target) -> str:
        area = self._rules.area_of(target.network, target.tag)
        return area.charset if area else self._rules.netmail.charset


def _read_path(path: tuple[bytes, ...]) -> list[str]:
    return [f"{net}/{node}" for net, node in parse_nodes(path)]


_NODE_TO_TEXT = 32
"""How many times as large as the text it was read from a list of nodes is."""
_paths = Remembered(_read_path, lambda path: _NODE_TO_TEXT * weigh_lines(path))


def charset_of(packed: PackedMessage, text: MessageText, default: str) -> Charset:
    """Decide the character set of a message, header fields included."""
    data = b"\0".join((text.body, packed.sender, packed.to, packed.subject))
    chrs = find_value(text.kludges, b"CHRS") or find_value(text.kludges, b"CHARSET")
    return decide_charset(data, chrs, find_value(text.kludges, b"CODEPAGE") if chrs else None, default)


def dated(packed: PackedMessage, text: MessageText) -> Dated:
    """Read the date of a message: raw, as the author's clock, and in UTC where TZUTC tells the zone."""
    raw, local = packed.date.decode("ascii", "backslashreplace"), parse_date(packed.date).value
    zone = find_value(text.kludges, b"TZUTC") or find_value(text.kludges, b"TZUTCINFO")
    utc = None
    if local is not None and zone:
        try:
            utc = (local - timedelta(minutes=parse_tzutc(zone))).replace(tzinfo=UTC)
        except (KludgeError, OverflowError):
            utc = None
    return Dated(raw, local, utc)


def _value(text: MessageText, tag: bytes) -> str | None:
    value = find_value(text.kludges, tag)
    return value.decode("utf-8", "backslashreplace") if value else None


def _number(entry: Entry, given: int) -> int | None:
    """The number of a message in its base, where there is one: given by the base, or told by what was found there."""
    file = entry.piece.file
    return number_in(file.name) if file.stored else given or None


def _size(packed: PackedMessage) -> int:
    """Bytes of the packed message: 14 of header, 20 of date, three terminated strings, the terminated text."""
    return 14 + 20 + len(packed.to) + len(packed.sender) + len(packed.subject) + len(packed.text) + 4


def _file_events(node: Node, decision: Decision, notes: Sequence[Note], finished: float) -> list[Event]:
    files = {file.claim: file for file in decision.files}
    events = [
        file_event(
            node, id=f"{note.id}/kept", name=f"{note.name}: {note.member}", inbound=note.inbound_class,
            size=note.size, digest=note.digest, state=note.state, reason=note.reason, what=note.what,
            offset=note.offset, sender=note.sender, packets=0, counts={}, arrived=note.arrived, finished=finished,
        )
        for note in notes if note.member
    ]  # fmt: skip
    for outcome in decision.outcomes:
        file: FileIn = files[outcome.claim]
        events.append(
            file_event(
                node, id=f"{outcome.claim}/file", name=file.name, inbound=file.cls, size=file.size,
                digest=outcome.digest, state=outcome.state, reason=outcome.reason, what=outcome.what,
                offset=outcome.offset, sender=outcome.sender, packets=outcome.packets, counts=outcome.counts,
                arrived=file.arrived, finished=finished,
            )
        )  # fmt: skip
    return events


def _area_tallies(
    plan: Plan, numbers: Mapping[Target, Sequence[int]], default_charset: Callable[[Target], str]
) -> list[AreaTally]:
    decided = plan.decision.decided
    tallies: dict[tuple[str, str], AreaTally] = {}
    for target, entries in plan.appends.items():
        last, text = entries[-1].packed, entries[-1].text
        charset = charset_of(last, text, default_charset(target))
        tally = tallies.setdefault((target.network, target.tag), AreaTally(target.network, target.tag))
        tally.stored += len(entries)
        tally.last_at = decided
        tally.last = {
            "number": _number(entries[-1], numbers[target][-1]),
            "from": decode(last.sender, charset),
            "to": decode(last.to, charset),
            "subject": decode(last.subject, charset) if target.kind is not TargetKind.NETMAIL else "",
            "msgid": _value(text, b"MSGID"),
        }
    duplicates = Counter(_duplicate_areas(plan))
    for (network, tag), count in duplicates.items():
        tallies.setdefault((network, tag), AreaTally(network, tag)).duplicates += count
    return list(tallies.values())


def _duplicate_areas(plan: Plan) -> list[tuple[str, str]]:
    verdicts = plan.decision.verdicts
    pieces = {(piece.file.claim, piece.member, piece.first): piece for piece in plan.pieces}
    return [
        (decided.network if tag else "", tag or "")
        for decided in plan.decision.pieces
        for index, verdict in enumerate(decided.verdicts)
        if verdicts[verdict].reason is Reason.DUPLICATE
        for tag in [area_tag(pieces[decided.claim, decided.member, decided.first].messages[index][1])]
    ]


def _link_tallies(plan: Plan) -> list[LinkTally]:
    files = {file.claim: file for file in plan.decision.files}
    tallies: dict[tuple[str, str], LinkTally] = {}
    for decided in plan.decision.pieces:
        if not decided.link:
            continue
        tally = tallies.setdefault((decided.network, decided.sender), LinkTally(decided.sender, decided.network))
        tally.packets += decided.first == 0
        tally.messages += len(decided.verdicts)
        tally.last_in, tally.last_file = plan.decision.decided, files[decided.claim].name
    return list(tallies.values())


def _counters(decision: Decision) -> dict[str, int]:
    counters: Counter[str] = Counter(f"file.{outcome.state}" for outcome in decision.outcomes)
    counters.update(f"kept.{item.reason}" for item in decision.set_aside)
    counters.update(f"answer.{answer.kind}" for answer in decision.answers)
    counters.update({f"withheld.{reason}": count for reason, count in decision.withheld.items()})
    for piece in decision.pieces:
        counters.update(f"message.{decision.verdicts[index].reason}" for index in piece.verdicts)
    return dict(counters)
