"""FTN addresses and address patterns (FRL-1002, FRL-1028, FSC-0087).

An address is ``zone:net/node[.point][@domain]``; each number is an unsigned 16-bit value on the wire. Zone 0 means "not
stated" and appears only in values read from packets. Text is read with the tolerance real software needs and written
in one canonical form. Refused: anything else, with `AddressError`.
"""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct

from tosser.errors import AddressError

_ADDRESS = re.compile(
    r"(?P<zone>\d{1,5}):(?P<net>\d{1,5})/(?P<node>-1|\d{1,5})(?:\.(?P<point>\d{1,5}))?"
    r"(?:@(?P<domain>[A-Za-z0-9_~-]{1,31})(?:\.[A-Za-z0-9._~-]*)?)?",
    re.ASCII,
)
_MASK = re.compile(
    r"(?P<zone>[0-9?*]+)(?P<net>:[0-9?*]+)?(?P<node>/-?[0-9?*]+)?(?:\.[0-9?*]+)?",
    re.ASCII,
)
"""A mask in parts; what lacks one has an asterisk that stands for it."""
_HIGHEST = 32767
"""Highest number a zone, net, node or point may have in text (FRL-1002)."""
_LONGEST = 80
"""Longer text is refused unread: it is no address, and must not be kept in the cache or repeated in an error."""
APPLICANT = 0xFFFF
"""Node number -1 as it stands on the wire: a system without a node number yet."""


class Address(Struct, frozen=True, order=True):
    """One FTN address.

    Attributes:
        zone: 1..32767, or 0 where a packet did not state it.
        net: 0..65535; 0 is only legal in values read from packets.
        node: 0..65535; 65535 is -1, an applicant.
        point: 0..65535; 0 is the node itself.
        domain: lower-case first label, or the empty string when unknown.
    """

    zone: int
    net: int
    node: int
    point: int = 0
    domain: str = ""

    @classmethod
    def parse(cls, text: str) -> Address:
        """Parse a full address (zone, net and node present); the domain is optional and cut to its first label.

        Raises:
            AddressError: the text is not an address, or a number is out of range.
        """
        stripped = text.strip()
        if len(stripped) > _LONGEST:
            raise AddressError(f"{stripped[:_LONGEST]!r}... is not an FTN address: it is too long")
        return _parse(stripped)

    @property
    def node_number(self) -> int:
        """The node as people write it: 65535 is -1."""
        return -1 if self.node == APPLICANT else self.node

    @property
    def without_domain(self) -> Address:
        """The 4D address."""
        return Address(self.zone, self.net, self.node, self.point) if self.domain else self

    @property
    def boss(self) -> Address:
        """The node a point belongs to; the address itself when it is no point."""
        return Address(self.zone, self.net, self.node, 0, self.domain) if self.point else self

    @property
    def domain_form(self) -> str:
        """The dotted form used in topics: ``f100.n1.z1337``, ``p5.f100.n1.z1337`` for a point."""
        point = f"p{self.point}." if self.point else ""
        return f"{point}f{self.node_number}.n{self.net}.z{self.zone}"

    def same_system(self, other: Address) -> bool:
        """Compare numerically; domains count only when both sides have one (FRL-1028)."""
        return (
            self.zone == other.zone
            and self.net == other.net
            and self.node == other.node
            and self.point == other.point
            and (not self.domain or not other.domain or self.domain == other.domain)
        )

    def __str__(self) -> str:
        """Write canonically: ``.0`` and a missing domain are omitted."""
        point = f".{self.point}" if self.point else ""
        domain = f"@{self.domain}" if self.domain else ""
        return f"{self.zone}:{self.net}/{self.node_number}{point}{domain}"


@lru_cache(maxsize=4096)
def _parse(text: str) -> Address:
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise AddressError(f"{text!r} is not an FTN address (zone:net/node[.point][@domain])")
    zone, net = int(match["zone"]), int(match["net"])
    node, point = int(match["node"]), int(match["point"] or 0)
    if not (1 <= zone <= _HIGHEST and 1 <= net <= _HIGHEST):
        raise AddressError(f"{text!r}: zone and net are 1 to {_HIGHEST}")
    if node > _HIGHEST or point > _HIGHEST:
        raise AddressError(f"{text!r}: node and point are at most {_HIGHEST}")
    return Address(zone, net, APPLICANT if node == -1 else node, point, (match["domain"] or "").lower())


class AddressPattern(Struct, frozen=True):
    """A mask such as ``1337:*``, ``2:5020/*`` or ``2:502?/1.*``; ``*`` is any run of characters, ``?`` is one.

    Matched against the canonical ``zone:net/node.point`` text, always with its point. A mask without a ``.`` part also
    matches points if it ends in ``*``, otherwise only the node itself. Domains play no part.
    """

    text: str
    _regex: re.Pattern[str]

    @classmethod
    def parse(cls, text: str) -> AddressPattern:
        """Parse a mask.

        Raises:
            AddressError: it has characters that neither an address nor a mask may have, is an address without its zone,
                net or node, or is a mask that no address would match.
        """
        stripped = text.strip()
        if not re.fullmatch(r"[0-9*?:/.-]+", stripped, re.ASCII):
            raise AddressError(f"{text!r} is not an address pattern (digits, ':', '/', '.', '*' and '?')")
        if "*" not in stripped and "?" not in stripped:
            Address.parse(stripped)
        elif not _may_match(stripped):
            raise AddressError(f"{text!r} is not an address pattern (such as 2:*, 2:5020/* or 2:5020/1.*)")
        full = stripped if "." in stripped or stripped.endswith("*") else stripped + ".0"
        regex = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in re.sub(r"\*+", "*", full))
        return cls(stripped, re.compile(regex))

    def matches(self, address: Address) -> bool:
        """Tell whether the address falls under the mask."""
        number = f"{address.zone}:{address.net}/{address.node_number}.{address.point}"
        return self._regex.fullmatch(number) is not None

    def __str__(self) -> str:
        """Write as it was given."""
        return self.text


def _may_match(mask: str) -> bool:
    """Tell whether a mask has the parts of an address in their order, or asterisks in the place of those it lacks."""
    parts = _MASK.fullmatch(mask)
    if parts is None:
        return False
    zone, net, node = parts["zone"], parts["net"], parts["node"]
    return bool((net or "*" in zone) and (node or "*" in (net or zone)))
