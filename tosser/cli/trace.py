"""``tosser trace``: all that happened to one message."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from tosser.cli.context import load, reading_state
from tosser.cli.options import JsonOption  # noqa: TC001 - typer reads the annotations
from tosser.cli.output import Exit, complain, say, say_json, utc
from tosser.codec.kludge import find_value
from tosser.config.world import build_rulebook
from tosser.errors import JamError, StoreError
from tosser.rules.decision import TRACE_KEY_SIZE
from tosser.rules.dupe import msgid_key
from tosser.rules.network import StoreKind
from tosser.rules.scanning import number_in
from tosser.rules.verdict import TargetKind
from tosser.state.state import TRACE_DAYS
from tosser.stores.jam_reader import JamReader
from tosser.stores.msg import MsgBase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tosser.config.model import Config
    from tosser.rules.batch import FileIn
    from tosser.rules.network import Rulebook
    from tosser.state.state import State
    from tosser.state.traces import Trace, TracedPacket

_SERIAL_SIZE = 4


def trace(
    context: typer.Context,
    msgid: Annotated[str, typer.Argument(metavar="MSGID", help="As it stands in the message: 1337:1/300 1a2b3c4d.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Tell all that happened to a message: file, verdict, base, links, packets, answers, events.

    Ends with 1 when nothing is known of it.
    """
    config = load(context)
    facts = gather(config, msgid)
    if as_json:
        say_json(facts)
    else:
        _show(facts)
    if not facts["found"] and not facts["remembered"]:
        raise typer.Exit(Exit.FAILED)


def gather(config: Config, msgid: str) -> dict[str, Any]:
    """Collect everything as plain values."""
    wanted = msgid.strip().removeprefix("MSGID:").strip()
    identity = wanted.encode("utf-8", "surrogateescape")
    facts: dict[str, Any] = {"msgid": wanted, "since": None, "found": [], "remembered": []}
    if not identity:
        return facts
    rules = build_rulebook(config)
    with reading_state(config) as state:
        if state is None:
            return facts
        keys = {place: msgid_key(*place, identity) for place in (("", ""), *rules.areas)}
        found = state.find_traces([key[:TRACE_KEY_SIZE] for key in keys.values()], _serial(identity))
        facts["since"] = utc(state.traces_since())
        facts["found"] = [
            _facts(each, identity, state, _place_of(each, rules))
            for each in found
            if each.exact or not _another(_place_of(each, rules), identity)
        ]
        if not facts["found"]:
            facts["remembered"] = list(_remembered(keys, rules, state, identity))
    return facts


class _Place(NamedTuple):
    """Where a message is, or was."""

    store: StoreKind
    path: str
    number: int


def _serial(identity: bytes) -> bytes | None:
    """How keys of mail that was not accepted begin, whatever area it was for; ``None`` where MSGID has no serial."""
    word = identity.split()[-1]
    try:
        serial = bytes.fromhex(word.decode("ascii"))
    except ValueError:
        return None
    return serial if len(serial) == _SERIAL_SIZE else None


def _facts(found: Trace, identity: bytes, state: State, place: _Place | None) -> dict[str, Any]:
    piece, verdict, target = found.piece, found.verdict, found.verdict.target
    file = _file_of(found)
    line = state.file_entry(piece.claim)
    packets = {packet.link: packet for packet in found.packets}
    recipients = (*verdict.recipients, *(onward.link for onward in verdict.onward))
    links = [str(address.without_domain) for address in recipients]
    return {
        "file": {
            "name": file.name, "claim": file.claim, "inbound": file.inbound, "class": file.cls, "size": file.size,
            "arrived": utc(file.arrived), "state": line.state if line else None,
        },
        "packet": piece.member + 1,
        "message": found.index + 1,
        "sender": piece.sender,
        "network": piece.network,
        "decided": utc(found.decision.decided),
        "done": utc(found.finished),
        "reason": verdict.reason.value,
        "text": verdict.reason.text,
        "area": target.tag if target else None,
        "base": place.path if place else None,
        "number": place.number if place else None,
        "in_base": _msgid_at(place) == identity if place else None,
        "links": [_link(name, packets.get(name)) for name in links],
        "answers": [
            {"kind": answer.kind.value, "to": str(answer.to.without_domain), "from": str(answer.aka.without_domain)}
            for answer in found.decision.answers
            if (answer.claim, answer.member, answer.index) == (piece.claim, piece.member, found.index)
        ],
        "event": {"id": found.event_id, "waits": state.waiting_event(found.event_id)},
    }  # fmt: skip


def _link(name: str, packet: TracedPacket | None) -> dict[str, Any]:
    return {
        "address": name,
        "packet": f"{packet.serial:08x}.pkt" if packet else None,
        "file": packet.file if packet else None,
        "sent": utc(packet.at) if packet else None,
    }


def _file_of(found: Trace) -> FileIn:
    return next(file for file in found.decision.files if file.claim == found.piece.claim)


def _place_of(found: Trace, rules: Rulebook) -> _Place | None:
    """Tell where a message was put, or was found; ``None`` where none was kept."""
    target, file = found.verdict.target, _file_of(found)
    if target is not None and target.kind is TargetKind.AREA and file.stored:
        area, number = rules.area_of(target.network, target.tag), number_in(file.name)
        return _Place(area.store, area.path, number) if area and number else None
    if target is None or not target.path or found.number is None:
        return None
    return _Place(target.store, target.path, found.number)


def _another(place: _Place | None, identity: bytes) -> bool:
    """Tell whether what was found by the serial number alone has, where it was put, another MSGID."""
    return place is not None and _msgid_at(place) not in {None, identity}


def _msgid_at(place: _Place) -> bytes | None:
    if place.store is StoreKind.MSG:
        return _msgid_in_file(MsgBase(Path(place.path)), place.number)
    with JamReader(Path(place.path)) as reader:
        try:
            record = reader.message(place.number)
        except (StoreError, JamError):
            return None
    return None if record.deleted else find_value(record.message.kludges, b"MSGID")


def _msgid_in_file(base: MsgBase, number: int) -> bytes | None:
    try:
        message = base.message(number)
    except StoreError:
        return None
    return find_value(message.kludges, b"MSGID") if message else None


def _remembered(
    keys: dict[tuple[str, str], bytes], rules: Rulebook, state: State, identity: bytes
) -> Iterator[dict[str, Any]]:
    """Ask the history of duplicates, which goes back farther, and look through the bases of the areas it names."""
    for (network, tag), key in keys.items():
        seen = state.remembered(key) if tag else None
        if seen is None:
            continue
        area = rules.areas[network, tag]
        number = None
        if area.path:
            with JamReader(Path(area.path)) as reader:
                try:
                    record = reader.find(identity)
                except StoreError as error:
                    complain(f"tosser: {error}")
                else:
                    number = record.number if record else None
        yield {"network": network, "area": tag, "seen": utc(seen), "base": area.path or None, "number": number}


def _show(facts: dict[str, Any]) -> None:
    for found in facts["found"]:
        _show_found(found)
    for each in facts["remembered"]:
        where = f"number {each['number']} of {each['base']}" if each["number"] else "no longer in its base"
        say(f"{each['area']} ({each['network']}): accepted {each['seen']}; {where}")
        say(f"  it is longer ago than the {TRACE_DAYS} days for which more is kept")
    if not facts["found"] and not facts["remembered"]:
        known = (
            f"what happened is kept since {facts['since']}"
            if facts["since"]
            else f"nothing was tossed in the last {TRACE_DAYS} days"
        )
        say(f"Nothing is known of {facts['msgid']}; {known}.")


def _show_found(found: dict[str, Any]) -> None:
    file = found["file"]
    say(f"{file['name']}, packet {found['packet']}, message {found['message']}")
    say(f"  arrived     {file['arrived']} in {file['inbound']} ({file['class']}), from {found['sender']}")
    say(f"  file        {file['state'] or 'no longer in the ledger'}, {file['size']} bytes, claim {file['claim']}")
    say(f"  verdict     {found['reason']} ({found['text']}), decided {found['decided']}, done {found['done']}")
    if found["base"]:
        still = "is there" if found["in_base"] else "is no longer there under that number"
        say(f"  base        {found['base']}, number {found['number']}; it {still}")
    else:
        say("  base        not stored here")
    for link in found["links"]:
        if link["file"]:
            say(f"  link        {link['address']}: packet {link['packet']} in {link['file']}, {link['sent']}")
        elif link["packet"]:
            say(f"  link        {link['address']}: packet {link['packet']} waits to be handed to the mailer")
        else:
            say(f"  link        {link['address']}: nothing was made for it")
    for answer in found["answers"]:
        say(f"  answered    {answer['kind']} from {answer['from']} to {answer['to']}")
    event = found["event"]
    say(f"  event       {event['id']}: {'waits for the broker' if event['waits'] else 'none waits'}")
