"""Topic names: what each topic is about, built and parsed.

A topic is ``<prefix>/<rest>``; `Kind` lists the rests. Names that come from people (networks, area tags) are one level
each: ``%``, ``+``, ``#``, ``/``, control characters, and bytes that are no UTF-8 are percent-encoded (RFC 3986, 2.1),
and so is the first letter of a network called like one of our own first levels. Refused with `FormatError`: topics
longer than MQTT allows (65,535 bytes of UTF-8, MQTT 5, 4.7.3), prefixes with wildcards, and, when parsing, everything
that `Topic.build` would not have written.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from tosser.address import APPLICANT, Address
from tosser.errors import FormatError

_LONGEST = 65_535
_OWN_LEVELS = frozenset({"status", "config", "dropped", "inbound", "condition", "cmd"})
_UNSAFE = re.compile("[%+#/\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_DOMAIN_FORM = re.compile(r"(?:p(\d{1,5})\.)?f(-1|\d{1,5})\.n(\d{1,5})\.z(\d{1,5})", re.ASCII)


class Kind(StrEnum):
    """What a topic is about; the value is the topic below the prefix."""

    STATUS = "status"
    CONFIG = "config"
    DROPPED = "dropped"
    INBOUND = "inbound/{state}"
    CONDITION = "condition/{subject}"
    MESSAGE = "{network}/area/{tag}/message"
    AREA_STATE = "{network}/area/{tag}/state"
    LINK_STATE = "{network}/link/{address}/state"
    NETMAIL = "{network}/netmail"


POST_COMMAND = "cmd/post"
"""Topic below the prefix of requests to post: the one topic that we listen to."""
ANSWERS = "cmd/answer/"
"""What the topics below the prefix begin with that we answer on; all others there are ours."""

_PATTERNS = [(kind, re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]*)", kind.value))) for kind in Kind]


class Topic(Struct, frozen=True):
    """One topic, taken apart; fields its kind does not have are empty.

    Attributes:
        kind: what it is about.
        network: name of the network.
        tag: tag of the area.
        address: address of the link, without domain.
        state: final state of the inbound file.
        subject: of the condition.
    """

    kind: Kind
    network: str = ""
    tag: str = ""
    address: Address | None = None
    state: str = ""
    subject: str = ""

    def build(self, prefix: str) -> str:
        """Write the topic below a prefix.

        Raises:
            FormatError: it is longer than MQTT allows.
        """
        return _build(self, prefix)

    @classmethod
    def parse(cls, text: str, prefix: str) -> Topic:
        """Take a topic apart.

        Raises:
            FormatError: it is not below the prefix, or not one that `build` writes.
        """
        if not text.startswith(prefix + "/"):
            raise FormatError(f"topic {text!r} is not below {prefix!r}")
        rest = text[len(prefix) + 1 :]
        for kind, pattern in _PATTERNS:
            match = pattern.fullmatch(rest)
            if match is not None:
                topic = _topic(kind, match.groupdict())
                if topic.build(prefix) == text:
                    return topic
        raise FormatError(f"topic {text!r} is none of ours")


def check_prefix(prefix: str) -> None:
    """Refuse a prefix that cannot start a topic, or that would confuse brokers and subscribers.

    Raises:
        FormatError: it is empty or has an empty level, a wildcard, a control character, or starts with ``$``.
    """
    if prefix.startswith("$"):
        raise FormatError(f"prefix {prefix!r}: topics that start with '$' belong to the broker")
    if "" in prefix.split("/"):
        raise FormatError(f"prefix {prefix!r} is empty or has an empty level ('/' at an end, or '//')")
    unsafe = _UNSAFE.search(prefix.replace("/", "").replace("%", ""))
    if unsafe:
        raise FormatError(f"prefix {prefix!r} has {unsafe[0]!r}, which no topic may have")


def may_answer(topic: str, prefix: str) -> bool:
    """Tell whether an answer may go to a topic that whoever asks has chosen: never to one where our events go."""
    if not topic or topic.startswith("$") or _UNSAFE.search(topic.replace("/", "").replace("%", "")):
        return False
    return not f"{topic}/".startswith(f"{prefix}/") or topic.startswith(f"{prefix}/{ANSWERS}")


def encode_level(name: str) -> str:
    """Write a name as one level of a topic."""
    return _UNSAFE.sub(_percent, name)


def decode_level(level: str) -> str:
    """Read the name back from a level; bytes that are no UTF-8 become lone surrogates, as in file names."""
    return unquote_to_bytes(level).decode("utf-8", "surrogateescape")


def _percent(match: re.Match[str]) -> str:
    char = match[0]
    raw = char.encode("utf-8", "surrogateescape" if "\udc80" <= char <= "\udcff" else "surrogatepass")
    return "".join(f"%{byte:02X}" for byte in raw)


def _network_level(name: str) -> str:
    level = encode_level(name)
    return f"%{ord(name[0]):02X}{name[1:]}" if level in _OWN_LEVELS else level


@lru_cache(maxsize=8192)
def _build(topic: Topic, prefix: str) -> str:
    rest = topic.kind.value.format(
        network=_network_level(topic.network),
        tag=encode_level(topic.tag),
        address=topic.address.domain_form if topic.address else "",
        state=encode_level(topic.state),
        subject=encode_level(topic.subject),
    )
    text = f"{prefix}/{rest}"
    length = len(text.encode())
    if length > _LONGEST:
        raise FormatError(f"topic {text[:60]}... has {length} bytes, {_LONGEST} are allowed")
    return text


def _topic(kind: Kind, levels: dict[str, str]) -> Topic:
    names = {field: decode_level(level) for field, level in levels.items() if field != "address"}
    return Topic(kind, address=_parse_domain_form(levels.get("address", "")), **names)


def _parse_domain_form(text: str) -> Address | None:
    match = _DOMAIN_FORM.fullmatch(text)
    if match is None:
        return None
    point, node, net, zone = match.groups()
    return Address(int(zone), int(net), APPLICANT if node == "-1" else int(node), int(point or 0))
