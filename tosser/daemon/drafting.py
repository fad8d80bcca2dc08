"""From what a person or a program wants to say to the messages that say it: what all that post have in common.

Everything is checked before anything is written: place, names, character set, length, and what is answered.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from tosser.address import Address
from tosser.codec.charset import charset_named, decide_charset, decode, encode
from tosser.codec.kludge import build_msgid, find_value
from tosser.codec.packed_message import NAME_LENGTH, SUBJECT_LENGTH
from tosser.errors import AddressError, PostError, StoreError
from tosser.reason import PostReason
from tosser.rules.network import StoreKind, closest
from tosser.rules.posting import Post, compose, post_packet
from tosser.stores.jam_reader import JamReader
from tosser.stores.msg import MsgBase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tosser.codec.charset import Charset
    from tosser.codec.stored import BaseMessage
    from tosser.config.model import Config
    from tosser.rules.network import Area, Rulebook
    from tosser.rules.posting import Wish

_SHORTEST_PART = 1000
_ROOM = 4096
"""Bytes of a text that are left for the lines around it."""


class Place(Struct, frozen=True):
    """Where a message goes.

    Attributes:
        aka: our address it is from.
        area: the area; ``None`` for netmail.
        dest: where netmail goes.
        charset: set to write in, unless another is asked for.
        base: base path that has what is answered; empty where nothing is kept.
        store: what kind of base that is.
    """

    aka: Address
    area: Area | None
    dest: Address | None
    charset: str
    base: str
    store: StoreKind

    def __str__(self) -> str:
        """Name the area, or the address."""
        return self.area.tag if self.area else str(self.dest)

    @property
    def base_name(self) -> str:
        """What the base is called; its path is nothing for everybody to know."""
        return f"area {self.area.tag}" if self.area else "the netmail base"


class Draft(Struct, frozen=True):
    """Messages that can be posted as they are, once they have their serial numbers.

    Attributes:
        place: where they go.
        posts: the messages, more than one where a text was divided.
    """

    place: Place
    posts: tuple[Post, ...]

    def packet(self, first: int, now: float) -> bytes:
        """Write the packet of all of them, with serial numbers from ``first`` on, at a moment in Unix seconds."""
        moment = datetime.fromtimestamp(now, UTC).astimezone()
        numbered = [replace(post, serial=first + index, moment=moment) for index, post in enumerate(self.posts)]
        return post_packet(self.place.aka, [compose(post) for post in numbered])

    def msgids(self, first: int) -> list[str]:
        """List their MSGIDs, with serial numbers from ``first`` on."""
        return [build_msgid(self.place.aka, first + index).decode("ascii") for index in range(len(self.posts))]


def file_name(first: int) -> str:
    """Name the packet of messages whose serial numbers begin so; no other has the name."""
    return f"post-{first:08x}"


def choose_place(wish: Wish, rules: Rulebook) -> Place:
    """Find out where a message is to go.

    Raises:
        PostError: it cannot go there.
    """
    if (wish.area is None) == (wish.dest is None):
        raise PostError("say where it goes: either an area or a dest", PostReason.NO_PLACE)
    return _in_area(rules, wish.area, wish.network) if wish.area is not None else _to_system(rules, wish.dest or "")


def draft(wish: Wish, place: Place, config: Config) -> Draft:
    """Write the messages.

    Raises:
        PostError: that is not possible, or they would be refused when they are tossed.
    """
    chosen = _charset(wish.charset or place.charset)
    template = _template(wish, place, chosen, config)
    bodies = _parts(_encoded(_text(wish.text), chosen, "text"), wish.split)
    _check(bodies, config)
    posts = (
        replace(
            template,
            subject=_numbered(template.subject, index, len(bodies)),
            body=body,
            reply=template.reply if index == 0 else None,
        )
        for index, body in enumerate(bodies)
    )
    return Draft(place, tuple(posts))


def _text(text: str) -> str:
    if not text.strip():
        raise PostError("there is no text", PostReason.NO_TEXT)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _in_area(rules: Rulebook, tag: str, network: str | None) -> Place:
    found = [each for each in rules.areas.values() if each.tag == tag.upper() and network in {None, each.network}]
    if not found:
        where = f" in network {network}" if network else ""
        raise PostError(f"there is no area {tag.upper()}{where}", PostReason.UNKNOWN_AREA)
    if len(found) > 1:
        names = " and ".join(each.network for each in found)
        raise PostError(f"area {tag.upper()} is in networks {names}; say which with network", PostReason.AMBIGUOUS_AREA)
    area = found[0]
    if area.paused:
        raise PostError(f"area {area.tag} is paused", PostReason.AREA_PAUSED)
    return Place(area.aka, area, None, area.charset, area.path, area.store)


def _to_system(rules: Rulebook, text: str) -> Place:
    try:
        dest = rules.with_domain(Address.parse(text))
    except AddressError as error:
        raise PostError(str(error), PostReason.BAD_ADDRESS) from None
    networks = [
        network
        for network in rules.networks.values()
        if dest.zone in network.zones and dest.domain in {"", network.domain}
    ]
    if len(networks) != 1:
        which = f"belongs to networks {' and '.join(n.name for n in networks)}; add @ and its domain"
        what = f"{dest} {which}" if networks else f"{dest} belongs to no network of ours"
        raise PostError(what, PostReason.NO_NETWORK)
    aka = closest(networks[0].addresses, dest)
    netmail = rules.netmail
    return Place(aka, None, dest, netmail.charset, netmail.path, netmail.store)


def _template(wish: Wish, place: Place, chosen: Charset, config: Config) -> Post:
    """Make a message with everything but its text."""
    subject = wish.subject
    parent = None if wish.reply is None else _parent(place, wish.reply)
    to = wish.to or (_decoded(parent.sender, parent, place) if parent else "All" if place.area else None)
    if to is None:
        raise PostError("a netmail needs an addressee: say to whom", PostReason.NO_ADDRESSEE)
    if subject is None and parent is not None:
        about = _decoded(parent.subject, parent, place)
        subject = about if about.lower().startswith("re:") else f"Re: {about}"
    return Post(
        aka=place.aka,
        sender=_field(wish.sender or config.system.sysop, chosen, "author", NAME_LENGTH),
        to=_field(to, chosen, "addressee", NAME_LENGTH),
        subject=_field(subject or "", chosen, "subject", SUBJECT_LENGTH),
        body=b"",
        charset=chosen.name,
        serial=0,
        moment=datetime.fromtimestamp(0, UTC),
        area=place.area.tag if place.area else None,
        dest=place.dest,
        reply=None if parent is None else find_value(parent.kludges, b"MSGID"),
        origin=_fitting(config.system.name, chosen),
    )


def _charset(name: str) -> Charset:
    found = charset_named(name)
    if found is None:
        raise PostError(f"{name!r} is no character set that is known here", PostReason.UNKNOWN_CHARSET)
    return found


def _parent(place: Place, msgid: str) -> BaseMessage:
    """Find the message that is answered."""
    wanted = msgid.strip().removeprefix("MSGID:").strip()
    if place.base:
        try:
            found = _find(place, wanted.encode("utf-8", "surrogateescape"))
        except StoreError as error:
            what = f"what is answered cannot be looked for in {place.base_name}: {error.what}"
            raise PostError(what, PostReason.PARENT_UNREADABLE) from None
        if found is not None:
            return found
    where = place.base_name if place.base else f"area {place}, which is passthrough"
    raise PostError(f"no message {wanted} is in {where}", PostReason.NO_PARENT)


def _find(place: Place, msgid: bytes) -> BaseMessage | None:
    if place.store is StoreKind.MSG:
        return MsgBase(Path(place.base)).find(msgid)
    with JamReader(Path(place.base)) as reader:
        found = reader.find(msgid)
    return None if found is None else found.message


def _decoded(raw: bytes, parent: BaseMessage, place: Place) -> str:
    chrs = find_value(parent.kludges, b"CHRS") or find_value(parent.kludges, b"CHARSET")
    return decode(raw, decide_charset(raw, chrs, None, place.charset))


def _field(text: str, charset: Charset, what: str, longest: int) -> bytes:
    raw = _encoded(text.strip(), charset, what)
    if len(raw) > longest:
        raise PostError(f"the {what} has {len(raw)} bytes; {longest} are possible", PostReason.FIELD_TOO_LONG)
    if any(byte < 0x20 for byte in raw):  # noqa: PLR2004 - what is below is no character
        raise PostError(f"the {what} has a control character", PostReason.CONTROL_CHARACTER)
    return raw


def _encoded(text: str, charset: Charset, what: str) -> bytes:
    """Write in a set; refuse what is not in it, and NUL, which ends a text, and say where it stands."""
    if "\0" in text:
        told = f"{_place(text, text.index(chr(0)), what)}: a text cannot have a NUL character"
        raise PostError(told, PostReason.CONTROL_CHARACTER)
    try:
        return encode(text, charset)
    except UnicodeEncodeError as error:
        char = text[error.start]
        told = f"{_place(text, error.start, what)}: {char!r} (U+{ord(char):04X}) is not in {charset.name}"
        raise PostError(told, PostReason.NOT_IN_CHARSET) from None


def _place(text: str, at: int, what: str) -> str:
    line = text.count("\n", 0, at) + 1
    return f"{what}, line {line}, column {at - text.rfind(chr(10), 0, at)}"


def _fitting(text: str, charset: Charset) -> bytes:
    """Write the name of the system; what the set has not got becomes a question mark."""
    try:
        return encode(text, charset)
    except UnicodeEncodeError:
        return text.encode("ascii", "replace")


def _parts(body: bytes, longest: int | None) -> list[bytes]:
    """Divide a text at the ends of lines, where that is asked for."""
    if longest is None or len(body) <= longest:
        return [body]
    if longest < _SHORTEST_PART:
        raise PostError(f"split takes {_SHORTEST_PART} bytes or more", PostReason.BAD_SPLIT)
    return list(_cut(body, longest))


def _cut(body: bytes, longest: int) -> Iterator[bytes]:
    part = b""
    for line in body.splitlines(keepends=True):
        if part and len(part) + len(line) > longest:
            yield part
            part = b""
        part += line
    if part:
        yield part


def _numbered(subject: bytes, index: int, parts: int) -> bytes:
    """Add which part it is, in the room there is."""
    if parts == 1:
        return subject
    mark = b" (%d/%d)" % (index + 1, parts)
    return subject[: SUBJECT_LENGTH - len(mark)] + mark


def _check(bodies: list[bytes], config: Config) -> None:
    """Refuse what would be refused when it is tossed: there is some room for the lines around the text."""
    longest = config.limits.text - _ROOM
    if any(len(body) > longest for body in bodies):
        what = f"the text has more than {longest} bytes; see split, or limits.text"
        raise PostError(what, PostReason.TEXT_TOO_LARGE)
