"""What becomes of a netmail: kept for us, sent on, or held here with a reason until it can be sent on.

The checks run in this order and the first that matches names the reason. For us: duplicate. For others: loop (our own
address in a Via line), duplicate, sender not allowed, sender not proven, too large, file request, names of files, no
way, back to where it came from, link paused, files that have not come. A loop is looked for before duplicates: what
comes back to us is the only copy there is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.codec.flow import Flavour
from tosser.codec.kludge import find_value, find_values, parse_flags, parse_via
from tosser.errors import KludgeError
from tosser.reason import Reason
from tosser.rules.netmail import read_envelope
from tosser.rules.routing import Onward, Requests, find_way

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from tosser.address import Address
    from tosser.codec.message import MessageText
    from tosser.codec.packet import PackedMessage, PacketHeader
    from tosser.rules.netmail import Envelope
    from tosser.rules.network import InboundClass, Rulebook
    from tosser.rules.policy import PacketVerdict
    from tosser.rules.routing import Readdress, Way

CRASH, FILE_ATTACHED, HOLD, FILE_REQUEST, UPDATE_REQUEST = 0x0002, 0x0010, 0x0200, 0x0800, 0x8000
"""FTS-0001 attribute bits that say how a netmail is to be sent."""
MOST_VIAS = 50
"""More systems than this no netmail passes on any sensible way."""
_FLAVOURS = (("IMM", Flavour.IMMEDIATE), ("CRA", Flavour.CRASH), ("DIR", Flavour.DIRECT))
_SEPARATORS = re.compile(rb"[ ,\t]+")
_FLAGGED = b"^#-"
"""Characters in front of a name that say what becomes of the file at the sending side."""


class Fate(Struct, frozen=True):
    """What becomes of a netmail.

    Attributes:
        reason: NETMAIL, ROUTED, DUPLICATE, or why it is held.
        onward: the links it is sent on to.
        why: a sentence.
        way: the way that was found or looked for; ``None`` where none was.
    """

    reason: Reason
    onward: tuple[Onward, ...] = ()
    why: str = ""
    way: Way | None = None


class Attachments:
    """The files beside the packets that netmail may have attached; each goes with one message.

    Args:
        present: their paths, by class of the inbound and name in lower case.
    """

    def __init__(self, present: Mapping[tuple[InboundClass, str], str] | None = None) -> None:
        self._present = dict(present or {})

    def look_up(self, cls: InboundClass, names: tuple[str, ...]) -> tuple[str, ...] | None:
        """Find all of the files; ``None`` when one is missing."""
        found = [self._present.get((cls, name.lower())) for name in names]
        return tuple(path for path in found if path is not None) if all(found) else None

    def take(self, paths: tuple[str, ...]) -> None:
        """Let no other message have these."""
        gone = set(paths)
        self._present = {key: path for key, path in self._present.items() if path not in gone}


def attached_names(subject: bytes) -> tuple[str, ...] | None:
    """Read the names of attached files out of a subject; ``None`` when one is a path, or hidden, or there is none."""
    words = [word for word in _SEPARATORS.split(subject.strip()) if word]
    names = [(word[1:] if word[:1] and word[0] in _FLAGGED else word).decode("latin-1") for word in words]
    safe = all(name and name[0] != "." and not set(name) & set("/\\:\0") and name.isprintable() for name in names)
    return tuple(dict.fromkeys(names)) if names and safe else None


class NetmailJudge:
    """Judges the netmail of one packet.

    Args:
        header: of the packet.
        packet: the verdict on it.
        rules: the sysop's world.
        known: dupe keys seen before.
        cls: class of the inbound it is in.
        files: what may be attached.
    """

    def __init__(
        self,
        header: PacketHeader,
        packet: PacketVerdict,
        rules: Rulebook,
        known: Container[bytes],
        *,
        cls: InboundClass,
        files: Attachments,
    ) -> None:
        self._header = header
        self._packet = packet
        self._cls = cls
        self._rules = rules
        self._policy = rules.netmail.policy
        self._known = known
        self._files = files

    def judge(self, message: PackedMessage, text: MessageText, key: bytes | None) -> Fate:
        """Decide on one message, given its dupe key (``None`` without MSGID)."""
        envelope = read_envelope(self._header, message, text, self._rules)
        entry = self._readdressed(message, envelope)
        dest = entry.to if entry else envelope.stop
        if self._is_here(dest):
            if key is not None and key in self._known:
                return Fate(Reason.DUPLICATE)
            return Fate(Reason.NETMAIL, self._copies(message, envelope), "it is for us")
        if self._loops(text):
            return Fate(Reason.VIA_LOOP)
        if key is not None and key in self._known:
            return Fate(Reason.DUPLICATE)
        refused = self._refused(message, text)
        if refused is not None:
            return Fate(refused)
        return self._send_on(message, text, dest, entry)

    def _send_on(self, message: PackedMessage, text: MessageText, dest: Address, entry: Readdress | None) -> Fate:
        """Find the way, and the files that are to go it."""
        with_files = bool(message.attributes & FILE_ATTACHED)
        names = attached_names(message.subject) if with_files else ()
        if names is None:
            return Fate(Reason.ATTACH_UNSAFE)
        way = find_way(dest, self._rules, files=with_files, urgent=self._urgency(message, text))
        reason = self._obstacle(way)
        if way.link is None or reason is not None:
            return Fate(reason or way.reason, (), way.why, way)
        paths = self._files.look_up(self._cls, names)
        if paths is None:
            return Fate(Reason.ATTACH_MISSING, (), way.why, way)
        self._files.take(paths)
        onward = Onward(way.link.address, way.flavour, dest if entry else None, way.direct, paths)
        return Fate(Reason.ROUTED, (onward,), way.why, way)

    def _obstacle(self, way: Way) -> Reason | None:
        """Say why a way cannot be gone."""
        if way.link is None:
            return way.reason
        if not self._rules.sends:
            return Reason.NO_ROUTE
        if way.link == self._packet.link and not way.direct:
            return Reason.ROUTE_BACK
        return Reason.LINK_PAUSED if way.link.paused else None

    def _refused(self, message: PackedMessage, text: MessageText) -> Reason | None:
        """Say why a message may not pass."""
        transit, packet = self._policy.transit, self._packet
        if not packet.local:
            allowed = transit.allow is None or self._from_our_point()
            if not allowed and not any(pattern.matches(packet.sender) for pattern in transit.allow or ()):
                return Reason.LINK_NOT_ALLOWED
            if not packet.proven and not transit.insecure:
                return Reason.INSECURE_TRANSIT
        if transit.max_size is not None and len(text.raw) > transit.max_size:
            return Reason.TOO_LARGE
        asks = message.attributes & (FILE_REQUEST | UPDATE_REQUEST)
        return Reason.FILE_REQUEST if asks and transit.requests is Requests.REFUSE else None

    def _from_our_point(self) -> bool:
        sender = self._packet.sender
        return bool(sender.point) and self._rules.own_aka(sender.boss) is not None and self._packet.link is not None

    def _is_here(self, dest: Address) -> bool:
        return self._rules.own_aka(dest) is not None or any(each.matches(dest) for each in self._policy.here)

    def _readdressed(self, message: PackedMessage, envelope: Envelope) -> Readdress | None:
        """Find the entry that gives a message another address."""
        if envelope.gate is not None:
            return None
        return next((entry for entry in self._policy.remap if self._fits(entry, message, envelope)), None)

    def _fits(self, entry: Readdress, message: PackedMessage, envelope: Envelope) -> bool:
        if entry.name and message.to.strip().lower() != entry.name:
            return False
        if entry.match is None:
            return self._rules.own_aka(envelope.dest) is not None
        return entry.match.matches(envelope.dest)

    def _copies(self, message: PackedMessage, envelope: Envelope) -> tuple[Onward, ...]:
        """Find who gets copies of a message to us; one to whom there is no way gets none."""
        found: dict[Address, Onward] = {}
        for entry in self._policy.copies:
            if self._fits(entry, message, envelope) and not self._is_here(entry.to):
                way = find_way(entry.to, self._rules)
                if way.link is not None and self._rules.sends and not way.link.paused:
                    found[entry.to] = Onward(way.link.address, way.flavour, entry.to, way.direct)
        return tuple(found.values())

    def _urgency(self, message: PackedMessage, text: MessageText) -> Flavour | None:
        """Read how a message asks to be sent: a bit of the header, or FLAGS (FSC-0053); Hold only of our own mail."""
        words = parse_flags(find_value(text.kludges, b"FLAGS") or b"").words
        for word, flavour in _FLAVOURS:
            if word in words:
                return flavour
        if message.attributes & CRASH:
            return Flavour.CRASH
        held = message.attributes & HOLD or "HLD" in words
        return Flavour.HOLD if held and self._packet.local else None

    def _loops(self, text: MessageText) -> bool:
        """Look for ourselves among the systems it has passed."""
        values = list(find_values(text.kludges, b"Via"))
        return len(values) > MOST_VIAS or any(self._is_ours(value) for value in values)

    def _is_ours(self, value: bytes) -> bool:
        try:
            address = parse_via(value).address
        except KludgeError:
            return False
        return self._rules.own_aka(address) is not None
