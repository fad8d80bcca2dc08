"""A toss that writes nothing: the same reading and deciding as the daemon's, told as plain values.

What it would remember of one file counts for the next, as it would in a real toss. Numbers of messages count from 1.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from tosser.cli.dry_answers import DryAnswers
from tosser.cli.files import received_name, to_be_read
from tosser.cli.netmail_fate import with_nodelists
from tosser.codec.charset import decode
from tosser.codec.message import msgid
from tosser.config.world import build_rulebook
from tosser.daemon.intake import build_reader, inbounds
from tosser.daemon.report import charset_of
from tosser.daemon.transit import find_attachments
from tosser.inbound.spool import ClaimedFile, Inbound
from tosser.reason import Reason
from tosser.rules.decision import decide, prepare_batch
from tosser.rules.export import exports_of
from tosser.rules.verdict import area_tag

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tosser.address import Address
    from tosser.codec.message import MessageText
    from tosser.config.model import Config
    from tosser.rules.batch import Batch, Piece
    from tosser.rules.decision import Decision, FileOutcome, FileProgress, SetAside
    from tosser.rules.network import InboundClass, Rulebook
    from tosser.rules.policy import PacketVerdict
    from tosser.rules.routing import Onward
    from tosser.rules.verdict import Target, Verdict
    from tosser.state.state import State


class _Findings(Struct):
    """What is known of one file so far."""

    packets: list[dict[str, Any]] = field(default_factory=list)
    set_aside: list[dict[str, Any]] = field(default_factory=list)
    outcome: dict[str, Any] = field(default_factory=dict)
    progress: Mapping[str, FileProgress] = field(default_factory=dict)


class DryToss:
    """Decides on files, one after another.

    Args:
        config: the configuration.
        state: the history of duplicates and answers, and the links that are paused; ``None`` where nothing was ever
            tossed.
    """

    def __init__(self, config: Config, state: State | None) -> None:
        paused = {pause.link for pause in state.paused_links()} if state else set()
        self._rules = with_nodelists(build_rulebook(config).with_paused(paused), config)
        self._reader = build_reader(config)
        self._inbounds = inbounds(config)
        self._state = state
        self._now = time.time()
        self._remembered: set[bytes] = set()
        self._answers = DryAnswers(self._rules, state, self._now)

    def explain(self, path: Path, cls: InboundClass) -> dict[str, Any]:
        """Tell what would become of a file in an inbound of this class.

        Raises:
            OSError: it cannot be read.
            StateError: the history cannot be read.
        """
        found = _Findings()
        with to_be_read(path) as real:
            status = real.stat()
            inbound = Inbound(path.parent, cls)
            file = ClaimedFile("dry", received_name(path), inbound, real, status.st_size, status.st_mtime)
            for batch in self._reader.batches([file], {}):
                self._decide(batch, found)
        return {
            "file": str(path), "inbound": cls.value, "size": status.st_size, **found.outcome,
            "set_aside": found.set_aside, "packets": found.packets,
        }  # fmt: skip

    def _decide(self, batch: Batch, found: _Findings) -> None:
        prepared = prepare_batch(batch, self._rules)
        history = self._state.known_dupes(prepared.all_keys()) if self._state else set()
        attachments = find_attachments(batch, self._inbounds)
        known = history | self._remembered
        decision = decide(prepared, self._rules, known, found.progress, self._now, attachments=attachments)
        self._remembered.update(key for _, _, key in decision.dupe_keys)
        found.progress = decision.progress
        found.set_aside += map(_aside_facts, decision.set_aside)
        for outcome in decision.outcomes:
            found.outcome = _outcome_facts(outcome)
        verdicts = _verdicts(decision)
        answers = self._answers.find(batch.pieces, decision)
        for piece, packet, keys in zip(batch.pieces, prepared.packets, prepared.keys, strict=True):
            if piece.starts_packet:
                found.packets.append(_packet_facts(piece, packet))
            made = verdicts.get((piece.member, piece.first), ())
            seen = [_seen_before(verdict, key, history) for verdict, key in zip(made, keys, strict=True)]
            messages = _message_facts(piece, packet, made, seen, self._rules)
            found.packets[-1]["messages"] += (
                facts | {"answers": answers.get((piece.member, facts["number"] - 1), [])} for facts in messages
            )


def _verdicts(decision: Decision) -> dict[tuple[int, int], list[Verdict]]:
    """Give the verdicts on each piece, by its packet and first message; refused packets have none."""
    return {
        (piece.member, piece.first): [decision.verdicts[index] for index in piece.verdicts] for piece in decision.pieces
    }


def _outcome_facts(outcome: FileOutcome) -> dict[str, Any]:
    return {
        "state": outcome.state.value,
        "reason": outcome.reason.value if outcome.reason else None,
        "what": outcome.what or None,
        "counts": outcome.counts,
    }


def _aside_facts(item: SetAside) -> dict[str, Any]:
    return {
        "member": item.member_name or None,
        "state": item.state.value,
        "reason": item.reason.value,
        "what": item.what,
        "offset": item.offset,
        "from": item.sender,
        "tossed": item.tossed,
    }


def _packet_facts(piece: Piece, packet: PacketVerdict) -> dict[str, Any]:
    return {
        "member": piece.member_name or None,
        "from": str(packet.sender.without_domain),
        "to": str((packet.aka or piece.header.dest).without_domain),
        "network": packet.network.name if packet.network else None,
        "link": packet.link is not None,
        "count": piece.summary.messages,
        "verdict": packet.state.value,
        "reason": packet.reason.value if packet.reason else None,
        "what": packet.what or None,
        "messages": [],
    }


def _message_facts(
    piece: Piece, packet: PacketVerdict, verdicts: Sequence[Verdict], seen: Sequence[str | None], rules: Rulebook
) -> Iterator[dict[str, Any]]:
    for index, verdict in enumerate(verdicts):
        message, text = piece.messages[index]
        yield {
            "number": piece.first + index + 1,
            "offset": message.offset,
            **_envelope(piece, index, verdict.target, rules),
            "verdict": verdict.reason.value,
            "why": verdict.reason.text,
            "seen_before": seen[index],
            "stored_in": _target_facts(verdict.target),
            "links": _link_facts(packet.echo_link, text, verdict, rules),
        }


def _link_facts(sender: Address | None, text: MessageText, verdict: Verdict, rules: Rulebook) -> list[dict[str, Any]]:
    """Tell for each link of the area whether it gets an accepted message, and if not, why; or who gets a netmail."""
    target = verdict.target
    area = rules.area_of(target.network, target.tag) if target and verdict.reason is Reason.ACCEPTED else None
    if area is None:
        return [_onward_facts(onward, rules) for onward in verdict.onward]
    return [
        {
            "link": str(fate.link.without_domain),
            "gets": fate.link in verdict.recipients,
            "reason": fate.skip.value if fate.skip else None,
            "why": fate.skip.text if fate.skip else None,
        }
        for fate in exports_of(rules).of(area).fates(sender, text)
    ]


def _onward_facts(onward: Onward, rules: Rulebook) -> dict[str, Any]:
    """Tell of a link that gets a netmail."""
    link = rules.links.get(onward.link) or rules.stranger(onward.link)
    flavour = onward.flavour or (link.flavour if link else None)
    return {
        "link": str(onward.link.without_domain),
        "gets": True,
        "reason": None,
        "why": None,
        "flavour": flavour.value if flavour else None,
    }


def _envelope(piece: Piece, index: int, target: Target | None, rules: Rulebook) -> dict[str, str | None]:
    message, text = piece.messages[index]
    area = rules.area_of(target.network, target.tag) if target else None
    charset = charset_of(message, text, (area or rules.netmail).charset)
    identity = msgid(text)
    return {
        "area": area_tag(text),
        "from": decode(message.sender, charset),
        "to": decode(message.to, charset),
        "subject": decode(message.subject, charset),
        "msgid": decode(identity, charset) if identity else None,
    }


def _seen_before(verdict: Verdict, key: bytes | None, history: set[bytes]) -> str | None:
    """Tell where a message was seen: ``history``, ``here`` (in these files), ``no``; ``None`` for one without key."""
    if key is None:
        return None
    if key in history:
        return "history"
    return "here" if verdict.reason is Reason.DUPLICATE else "no"


def _target_facts(target: Target | None) -> dict[str, str | None] | None:
    if target is None:
        return None
    return {
        "kind": target.kind.value,
        "network": target.network or None,
        "area": target.tag or None,
        "store": target.store.value,
        "path": target.path or None,
    }
