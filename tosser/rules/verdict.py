"""The verdict on one message: what is to happen to it, and why (DESIGN "Verdict on an echomail message").

The checks run in this order and the first that matches wins: invalid tag, unknown area, not linked, may not write,
area paused, too old, too new, duplicate, loop, circular. A message without an AREA line is netmail. A message that is
refused but readable goes to the bad area of its network; a duplicate goes nowhere.
"""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.address import Address  # noqa: TC001 - the journal resolves annotations at run time (msgspec)
from tosser.codec.ftsdate import parse_date
from tosser.codec.kludge import find_value
from tosser.codec.message import origin_address
from tosser.codec.seenby import circular, parse_nodes
from tosser.reason import Reason
from tosser.rules.export import exports_of, path_tells_of
from tosser.rules.network import StoreKind
from tosser.rules.remembered import Remembered, weigh_lines
from tosser.rules.routing import Onward  # noqa: TC001 - as above
from tosser.rules.transit import Attachments, NetmailJudge

if TYPE_CHECKING:
    from collections.abc import Container

    from tosser.codec.message import MessageText
    from tosser.codec.packet import PackedMessage, PacketHeader
    from tosser.codec.seenby import Node
    from tosser.rules.batch import FileIn
    from tosser.rules.export import AreaExports
    from tosser.rules.network import Area, Network, Rulebook
    from tosser.rules.policy import PacketVerdict
    from tosser.rules.transit import Fate

LONGEST_TAG = 79
"""Longer ones are not in FSC-0068, whose limit is 60, but in use."""
_TAG = re.compile(rf"(?![+-])[!-`{{-~]{{1,{LONGEST_TAG}}}", re.ASCII)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the author's clock has no zone
NETMAIL_TAG = "NETMAIL"
"""Some packers give netmail an AREA line with this tag; it is netmail all the same."""


def area_tag(text: MessageText) -> str | None:
    """Give the tag, in upper case as far as it is one, or ``None`` for netmail."""
    if text.area is None or not text.area.isascii():
        return text.area
    tag = text.area.upper()
    return None if tag == NETMAIL_TAG else tag


class TargetKind(StrEnum):
    """What kind of base a message is stored in."""

    AREA = "area"
    BAD = "bad"
    NETMAIL = "netmail"


class Target(Struct, frozen=True):
    """A message base that takes messages.

    Attributes:
        kind: an area, a network's bad area, or the netmail base.
        network: name of the network; empty for netmail, whose base all networks share.
        tag: of the area; empty for netmail.
        store: what kind of base it is.
        path: base path without suffix.
    """

    kind: TargetKind
    network: str
    tag: str
    store: StoreKind
    path: str


class Verdict(Struct, frozen=True):
    """What happens to a message.

    Attributes:
        reason: why; ACCEPTED, NETMAIL and ROUTED are good news.
        target: the base that stores it; ``None`` when it is dropped (a duplicate).
        recipients: the links that echomail is sent on to.
        onward: the links that netmail is sent on to, and how.
    """

    reason: Reason
    target: Target | None
    recipients: tuple[Address, ...] = ()
    onward: tuple[Onward, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether it is echomail that is in its area."""
        return self.reason is Reason.ACCEPTED


class _OpenArea(Struct, frozen=True):
    """An area that the sender may write to, the base that takes what it writes, and who else gets it."""

    area: Area
    target: Target
    exports: AreaExports


class Judge:
    """Judges the messages of one packet in turn.

    Args:
        header: of the packet.
        packet: the verdict on the packet, which must not be refused.
        rules: the sysop's world.
        now: Unix seconds, UTC.
        known: dupe keys seen before; the caller adds the key of each message that is accepted.
        file: the file it is in.
        attachments: what netmail may have attached.

    Raises:
        ValueError: the packet is not for us.
    """

    def __init__(
        self,
        header: PacketHeader,
        packet: PacketVerdict,
        rules: Rulebook,
        now: float,
        known: Container[bytes],
        *,
        file: FileIn,
        attachments: Attachments,
    ) -> None:
        if packet.network is None:
            raise ValueError("a packet that is not for us has no messages to judge")
        self._packet = packet
        self._rules = rules
        self._network: Network = packet.network
        self._now = now
        self._known = known
        self._areas: dict[str, _OpenArea | Reason] = {}
        self._verdicts: dict[tuple[Reason, str, int], Verdict] = {}
        self._exports = exports_of(rules)
        self._sender = packet.echo_link
        sender = packet.sender
        self._own = {
            (aka.net, aka.node) for aka in self._network.addresses if aka.zone == sender.zone and not aka.point
        }
        """We, as PATH lists us where it means the sender's zone."""
        self._begins_here = packet.local or (bool(sender.point) and (sender.net, sender.node) in self._own)
        self._again = file.again
        self._stored = file.stored
        self._netmail = NetmailJudge(header, packet, rules, known, cls=file.cls, files=attachments)
        self._fates: dict[tuple[Reason, tuple[Onward, ...]], Verdict] = {}

    def judge(self, message: PackedMessage, text: MessageText, key: bytes | None) -> Verdict:
        """Decide on one message, given its dupe key (``None`` for netmail without MSGID).

        Equal verdicts are one value.
        """
        tag = area_tag(text)
        if tag is None:
            return self._netmail_verdict(self._netmail.judge(message, text, key))
        there = self._areas.get(tag)
        if there is None:
            there = self._areas[tag] = self._open_area(tag)
        if isinstance(there, Reason):
            return self._bad(there)
        area = there.area
        reason = self._check_date(area, message)
        if reason is None and key in self._known:
            return self._verdict(Reason.DUPLICATE, "", None)
        reason = reason or self._check_path(area, text)
        if reason is not None:
            return self._bad(reason)
        recipients = there.exports.recipients(self._sender, text)
        return self._verdict(Reason.ACCEPTED, tag, there.target, recipients)

    def _open_area(self, tag: str) -> _OpenArea | Reason:
        """Find the area the sender may write to, or the reason why there is none."""
        if not _TAG.fullmatch(tag):
            return Reason.INVALID_TAG
        area = self._rules.area_of(self._network.name, tag)
        if area is None:
            return Reason.UNKNOWN_AREA
        if not self._packet.local:
            link = self._packet.link
            rights = area.links.get(link.address) if link else None
            if rights is None:
                return Reason.NOT_LINKED
            if not rights.write:
                return Reason.MAY_NOT_WRITE
        if area.paused:
            return Reason.AREA_PAUSED
        return _OpenArea(area, area_target(area, stored=self._stored), self._exports.of(area))

    def _check_date(self, area: Area, message: PackedMessage) -> Reason | None:
        """Judge the age by the author's clock read as UTC; a zone's error of some hours is no matter over days."""
        if area.max_age is None and area.max_future is None:
            return None
        midnight = _midnights[message.date[:_TO_CLOCK]]
        if midnight is not None:  # then most need no closer look
            age = self._now - midnight
            old = area.max_age is not None and age > area.max_age
            if not old and (area.max_future is None or _DAY - age <= area.max_future):
                return None
        written = parse_date(message.date).value
        if written is None:
            return None
        age = self._now - (written - _EPOCH).total_seconds()
        if area.max_age is not None and age > area.max_age:
            return Reason.TOO_OLD
        if area.max_future is not None and -age > area.max_future:
            return Reason.TOO_NEW
        return None

    def _check_path(self, area: Area, text: MessageText) -> Reason | None:
        """Look for ourselves, and for anyone twice, in PATH; rescanned mail has passed here before by intent.

        PATH is 2D, so it means something only where the packet's zone is that of our AKA, and of the author: a gate
        keeps the nodes of his zone, which may have our numbers. What ends the way of such mail is the dupe check.
        PATH has no points: where we are one, our boss may stand in it. A PATH of us alone is what our points and our
        own programs begin with.
        """
        sender = self._packet.sender
        if not text.path or sender.zone != area.aka.zone:
            return None
        nodes, round_trip = _paths[text.path]
        if not self._own.isdisjoint(nodes) and not (self._begins_here and len(nodes) == 1):
            reason = Reason.LOOP
        elif round_trip:
            reason = Reason.CIRCULAR
        else:
            return None
        rescanned = find_value(text.kludges, b"RESCANNED") is not None
        return reason if not rescanned and path_tells_of(sender.zone, origin_address(text)) else None

    def _netmail_verdict(self, fate: Fate) -> Verdict:
        """Say where a netmail is kept: here what is for us, and what cannot go on and is not here already."""
        verdict = self._fates.get((fate.reason, fate.onward))
        if verdict is None:
            netmail = self._rules.netmail
            kept = fate.reason is Reason.NETMAIL or (fate.reason.held and not (self._again or self._stored))
            store, path = (netmail.store, netmail.path) if kept else (StoreKind.PASSTHROUGH, "")
            target = Target(TargetKind.NETMAIL, "", "", store, path)
            verdict = Verdict(fate.reason, None if fate.reason is Reason.DUPLICATE else target, onward=fate.onward)
            self._fates[fate.reason, fate.onward] = verdict
        return verdict

    def _bad(self, reason: Reason) -> Verdict:
        return self._verdict(reason, "", bad_target(self._network))

    def _verdict(
        self, reason: Reason, tag: str, target: Target | None, recipients: tuple[Address, ...] = ()
    ) -> Verdict:
        """One value for all messages with the same verdict: the journal keeps each once."""
        key = (reason, tag, id(recipients))  # equal recipients are one tuple, and the verdict keeps it
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = self._verdicts[key] = Verdict(reason, target, recipients)
        return verdict


def _read_midnight(text: bytes) -> float | None:
    """Give the beginning of the day that a date in the Fido form names, cut before its clock; ``None`` for others."""
    date = parse_date(text + b"00:00:00")
    return None if date.value is None or date.flaws else (date.value - _EPOCH).total_seconds()


_TO_CLOCK = len(b"09 Mar 24  ")
_DAY = 86400.0
_midnights = Remembered(_read_midnight, len)


def _read_path(path: tuple[bytes, ...]) -> tuple[tuple[Node, ...], bool]:
    nodes = parse_nodes(path)
    return nodes, circular(nodes)


_NODE_TO_TEXT = 32
"""How many times as large as the text it was read from a list of nodes is."""
_paths = Remembered(_read_path, lambda path: _NODE_TO_TEXT * weigh_lines(path))


@lru_cache(maxsize=8192)
def _area_target(network: str, tag: str, store: StoreKind, path: str) -> Target:
    return Target(TargetKind.AREA, network, tag, store, path)


def area_target(area: Area, *, stored: bool = False) -> Target:
    """Name the base of an area; for messages that are in it already, one that keeps nothing."""
    store, path = (StoreKind.PASSTHROUGH, "") if stored else (area.store, area.path)
    return _area_target(area.network, area.tag, store, path)


def bad_target(network: Network) -> Target:
    """Name the base that takes a network's rejected mail."""
    return Target(TargetKind.BAD, network.name, network.bad_area, StoreKind.JAM, network.bad_path)
