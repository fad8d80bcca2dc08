"""``tosser post``: write a message into an area, or a netmail, through the post box."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tosser.address import Address
from tosser.cli.context import changing_state, load
from tosser.cli.output import say
from tosser.codec.charset import charset_named, decide_charset, decode, encode
from tosser.codec.kludge import find_value
from tosser.codec.packed_message import NAME_LENGTH, SUBJECT_LENGTH
from tosser.config.world import build_rulebook
from tosser.errors import AddressError, PostError, StoreError
from tosser.inbound.postbox import PostBox
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

_SHORTEST_PART = 1000


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the message goes.

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


def post(
    context: typer.Context,
    *,
    area: Annotated[str | None, typer.Option("--area", metavar="TAG", help="Area to write to.")] = None,
    dest: Annotated[str | None, typer.Option("--dest", metavar="ADDRESS", help="System a netmail goes to.")] = None,
    network: Annotated[
        str | None, typer.Option("--network", help="Network of the area, where several have one of that tag.")
    ] = None,
    sender: Annotated[str | None, typer.Option("--from", metavar="NAME", help="Author; default the sysop.")] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="NAME", help="Addressee; default All, or who is answered.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", help="Subject; default that of the message answered.")
    ] = None,
    reply: Annotated[
        str | None, typer.Option("--reply", metavar="MSGID", help="The message answered; it must be in our base.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="The text, in UTF-8; default standard input.")
    ] = None,
    charset: Annotated[
        str | None, typer.Option("--charset", help="Character set to write in; default that of the area.")
    ] = None,
    split: Annotated[
        int | None, typer.Option("--split", metavar="BYTES", help="Divide longer texts into several messages.")
    ] = None,
) -> None:
    """Write an echomail (--area) or a netmail (--dest). It is tossed like any mail, at once if the daemon runs.

    Prints the MSGID of each message. Ends with 1 when it is refused; nothing is posted then.
    """
    config = load(context)
    place = _place(config, area, dest, network)
    chosen = _charset(charset or place.charset)
    template = _template(config, place, chosen, (sender, to, subject, reply))
    bodies = _parts(_encoded(_text(file), chosen, "text"), split)
    _check(bodies, config)
    _drop(config, place, template, bodies)


def _drop(config: Config, place: _Place, template: Post, bodies: list[bytes]) -> None:
    """Put the messages into the post box, as one packet."""
    now = time.time()
    with changing_state(config) as state:
        first = state.message_serials(len(bodies), now)
    moment = datetime.fromtimestamp(now, UTC).astimezone()
    posts = [
        replace(
            template,
            subject=_numbered(template.subject, index, len(bodies)),
            body=body,
            serial=first + index,
            moment=moment,
            reply=template.reply if index == 0 else None,
        )
        for index, body in enumerate(bodies)
    ]
    packet = post_packet(place.aka, [compose(each) for each in posts])
    PostBox(config.paths.state).drop(f"post-{first:08x}", packet)
    for each in posts:
        say(f"{place.area.tag if place.area else place.dest}: {each.aka} {each.serial:08x}")


def _text(file: Path | None) -> str:
    """Read the text.

    Raises:
        PostError: it is not UTF-8, or there is none.
    """
    data = sys.stdin.buffer.read() if file is None else file.read_bytes()
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        raise PostError(f"the text is not UTF-8: line {line}, byte {column} is 0x{data[error.start]:02x}") from None
    if not text.strip():
        raise PostError("there is no text")
    return text


def _place(config: Config, area: str | None, dest: str | None, network: str | None) -> _Place:
    rules = build_rulebook(config)
    if (area is None) == (dest is None):
        raise PostError("say where it goes: either --area TAG or --dest ADDRESS")
    return _in_area(rules, area, network) if area is not None else _to_system(rules, dest or "")


def _in_area(rules: Rulebook, tag: str, network: str | None) -> _Place:
    found = [each for each in rules.areas.values() if each.tag == tag.upper() and network in {None, each.network}]
    if not found:
        raise PostError(f"there is no area {tag.upper()}" + (f" in network {network}" if network else ""))
    if len(found) > 1:
        names = " and ".join(each.network for each in found)
        raise PostError(f"area {tag.upper()} is in networks {names}; say which with --network")
    area = found[0]
    if area.paused:
        raise PostError(f"area {area.tag} is paused")
    return _Place(area.aka, area, None, area.charset, area.path, area.store)


def _to_system(rules: Rulebook, text: str) -> _Place:
    try:
        dest = rules.with_domain(Address.parse(text))
    except AddressError as error:
        raise PostError(str(error)) from None
    networks = [
        network
        for network in rules.networks.values()
        if dest.zone in network.zones and dest.domain in {"", network.domain}
    ]
    if len(networks) != 1:
        which = f"belongs to networks {' and '.join(n.name for n in networks)}; add @ and its domain"
        raise PostError(f"{dest} {which}" if networks else f"{dest} belongs to no network of ours")
    aka = closest(networks[0].addresses, dest)
    netmail = rules.netmail
    return _Place(aka, None, dest, netmail.charset, netmail.path, netmail.store)


def _template(
    config: Config, place: _Place, chosen: Charset, given: tuple[str | None, str | None, str | None, str | None]
) -> Post:
    """Make a message with everything but its text."""
    sender, to, subject, reply = given
    parent = None if reply is None else _parent(place, reply)
    to = to or (_decoded(parent.sender, parent, place) if parent else "All" if place.area else None)
    if to is None:
        raise PostError("a netmail needs an addressee: --to NAME")
    if subject is None and parent is not None:
        about = _decoded(parent.subject, parent, place)
        subject = about if about.lower().startswith("re:") else f"Re: {about}"
    return Post(
        aka=place.aka,
        sender=_field(sender or config.system.sysop, chosen, "author", NAME_LENGTH),
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
        raise PostError(f"{name!r} is no character set that is known here")
    return found


def _parent(place: _Place, msgid: str) -> BaseMessage:
    """Find the message that is answered."""
    wanted = msgid.strip().removeprefix("MSGID:").strip()
    if place.base:
        try:
            found = _find(place, wanted.encode("utf-8", "surrogateescape"))
        except StoreError as error:
            raise PostError(f"what is answered cannot be looked for: {error}") from None
        if found is not None:
            return found
    raise PostError(f"no message {wanted} is in {place.base or 'the area, which is passthrough'}")


def _find(place: _Place, msgid: bytes) -> BaseMessage | None:
    if place.store is StoreKind.MSG:
        return MsgBase(Path(place.base)).find(msgid)
    with JamReader(Path(place.base)) as reader:
        found = reader.find(msgid)
    return None if found is None else found.message


def _decoded(raw: bytes, parent: BaseMessage, place: _Place) -> str:
    chrs = find_value(parent.kludges, b"CHRS") or find_value(parent.kludges, b"CHARSET")
    return decode(raw, decide_charset(raw, chrs, None, place.charset))


def _field(text: str, charset: Charset, what: str, longest: int) -> bytes:
    raw = _encoded(text.strip(), charset, what)
    if len(raw) > longest:
        raise PostError(f"the {what} has {len(raw)} bytes; {longest} are possible")
    if any(byte < 0x20 for byte in raw):  # noqa: PLR2004 - what is below is no character
        raise PostError(f"the {what} has a control character")
    return raw


def _encoded(text: str, charset: Charset, what: str) -> bytes:
    """Write in a set; refuse what is not in it, and say where it stands."""
    try:
        return encode(text, charset)
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        column = error.start - (text.rfind("\n", 0, error.start) + 1) + 1
        char = text[error.start]
        raise PostError(
            f"{what}, line {line}, column {column}: {char!r} (U+{ord(char):04X}) is not in {charset.name}"
        ) from None


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
        raise PostError(f"--split takes {_SHORTEST_PART} bytes or more")
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
    longest = config.limits.text - 4096
    if any(len(body) > longest for body in bodies):
        raise PostError(f"the text has more than {longest} bytes; see --split, or limits.text")
