"""Control paragraphs, called kludges (FTS-4000), and the values of those that have a grammar.

A paragraph is handled without its 01 hex and CR, as ``MSGID: 2:5020/1 1a2b3c4d``. ``parse_*`` reads a value, with the
tolerance real software needs; ``build_*`` writes one in the form of its standard; `build_kludge` puts the tag in front.
A value that breaks its grammar is refused with `KludgeError`. SEEN-BY and PATH are in `tosser.codec.seenby`, the
meaning of CHRS identifiers in `tosser.codec.charset`.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.address import Address
from tosser.errors import AddressError, KludgeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TAG = re.compile(rb"([A-Za-z][A-Za-z0-9_+-]*):?")
_COLONLESS = frozenset(
    b"INTL FMPT TOPT FLAGS VIA FWDFROM FWDTO FWDORIG FWDDEST FWDSUBJ FWDAREA FWDMSGID REPLYADDR REPLYTO REPLYALSO "
    b"RESCANNED DOMAIN EID RECD GATE".split()
)
"""Tags that are written without a colon, for historical reasons (FTS-4000)."""
_LOWER = 0x20
"""The bit by which a lower-case letter of ASCII differs from the upper-case one."""
_AFTER_COLONLESS = frozenset((b"", b" ", b"\t"))
_QUOTED = re.compile(rb'"((?:[^"]|"")*)"')
_TZUTC = re.compile(rb"([+-]?)(\d\d):?([0-5]\d)")
_FARTHEST = 14 * 60
"""Minutes between UTC and the zone farthest from it."""
_CHRS = re.compile(rb"([!-~]{1,20})(?:[ \t]+(\d))?(?:[ \t].*)?", re.DOTALL)
_VIA_ADDRESS = re.compile(rb"(?<![\d./:@-])\d{1,5}:\d{1,5}/\d{1,5}(?:\.\d{1,5})?(?:@[A-Za-z0-9._~-]{1,31})?")
_VIA_STAMP = re.compile(
    rb"[ \t]+@(\d{4})(\d\d)(\d\d)\.(\d\d)(\d\d)(\d\d)(?:\.\d{1,9})?(?:\.([A-Za-z]{1,8}))?(?=[ \t]|\Z)"
)
_SPLIT = re.compile(rb"(.{1,18}) ?@(\d{1,5})/(\d{1,5}) +(\d{1,5}) +(\d\d)/(\d\d)(?: |\Z)")
_HIGHEST = 0xFFFF
_HIGHEST_POINT = 0x7FFF
"""Programs write 65535 where they mean no point (FRL-1002)."""


class Msgid(Struct, frozen=True):
    """MSGID, and REPLY, which has the MSGID of the message answered (FTS-0009).

    Attributes:
        value: the whole of it: the identity, to be compared byte by byte.
        address: the FTN address in it; ``None`` where a gateway or another network made the identity.
        serial: what follows the first word; eight hexadecimal digits where the standard is kept.
    """

    value: bytes
    address: Address | None
    serial: bytes


class Intl(Struct, frozen=True):
    """INTL: the addresses of a netmail, without domains (FTS-4001). Points are not written, but read."""

    dest: Address
    orig: Address


class Domain(Struct, frozen=True):
    """DOMAIN: the addresses of a netmail between networks, each with its domain (FSC-0038)."""

    dest: Address
    orig: Address


class ProductId(Struct, frozen=True):
    """PID or TID: the program that wrote a message, or the one that scanned it (FSC-0046).

    Attributes:
        name: program, without blanks.
        version: its version, without blanks; may be empty.
        serial: whatever follows; may be empty.
    """

    name: bytes
    version: bytes = b""
    serial: bytes = b""


class Chrs(Struct, frozen=True):
    """CHRS: the character set of a message (FTS-5003).

    Attributes:
        id: identifier, in the letter case it was written in.
        level: a digit that says nothing the identifier does not; ``None`` where it is missing.
    """

    id: str
    level: int | None = None


class Via(Struct, frozen=True):
    """One Via line of a netmail: a system it went through (FTS-4009).

    Attributes:
        address: that system.
        stamp: when, as it was written; ``None`` in the deprecated forms.
        zone: name of the time zone of ``stamp``; empty where not stated.
        program: program, version and serial number; empty in the deprecated forms.
    """

    address: Address
    stamp: datetime | None = None
    zone: str = ""
    program: bytes = b""


class Flags(Struct, frozen=True):
    """FLAGS: how a netmail is to be handled (FSC-0053); words in upper case and in their order."""

    words: tuple[str, ...]


class Split(Struct, frozen=True):
    """SPLIT: which part of a longer message this is (FSC-0047).

    Attributes:
        date: when the message was divided, in the form of a packed message.
        net: net of the system that divided it.
        node: node of the system that divided it.
        number: of the original message there.
        part: number of this part from 1; 0 when they have been put together again.
        parts: how many there are.
    """

    date: bytes
    net: int
    node: int
    number: int
    part: int
    parts: int


class ReplyAddr(Struct, frozen=True):
    """REPLYADDR: the address of an author in a network beyond a gateway (FSC-0035); usually one word."""

    words: tuple[bytes, ...]


class ReplyTo(Struct, frozen=True):
    """REPLYTO: where an answer to a message from beyond a gateway must be sent (FSC-0035).

    Attributes:
        address: the gateway.
        name: the user there; may be empty.
    """

    address: Address
    name: bytes = b""


def split_kludge(paragraph: bytes) -> tuple[bytes, bytes]:
    """Divide a control paragraph into its tag, without colon, and its value, without the blanks around it.

    The tag is empty where the paragraph does not begin with one.
    """
    match = _TAG.match(paragraph)
    return (match[1], paragraph[match.end() :].strip()) if match else (b"", paragraph.strip())


def build_kludge(tag: bytes, value: bytes) -> bytes:
    """Write a control paragraph: ``tag: value``, or ``tag value`` for the historical tags."""
    return b"".join((tag, b" " if tag.upper() in _COLONLESS else b": ", value))


def find_value(kludges: Iterable[bytes], tag: bytes) -> bytes | None:
    """The value of the first control paragraph with this tag, in any letter case; ``None`` if there is none.

    A colon must follow the tag; it is optional for the historical tags.
    """
    wanted = tag.upper()
    size, initial = len(wanted), wanted[0] | _LOWER
    for paragraph in kludges:
        if paragraph and paragraph[0] | _LOWER == initial and paragraph[:size].upper() == wanted:
            after = paragraph[size : size + 1]
            if after == b":":
                return paragraph[size + 1 :].strip()
            if after in _AFTER_COLONLESS and wanted in _COLONLESS:
                return paragraph[size:].strip()
    return None


def find_values(kludges: Iterable[bytes], tag: bytes) -> Iterator[bytes]:
    """The values of all control paragraphs with this tag, as `find_value`."""
    wanted = tag.upper()
    size = len(wanted)
    for paragraph in kludges:
        if paragraph[:size].upper() == wanted:
            after = paragraph[size : size + 1]
            if after == b":":
                yield paragraph[size + 1 :].strip()
            elif after in _AFTER_COLONLESS and wanted in _COLONLESS:
                yield paragraph[size:].strip()


def parse_msgid(value: bytes) -> Msgid:
    """Read the value of MSGID or REPLY; raises `KludgeError` if it is empty."""
    value = value.strip()
    quoted = _QUOTED.match(value)
    if quoted:
        word, serial = quoted[1].replace(b'""', b'"'), value[quoted.end() :].strip()
    else:
        word, serial = _words(value, 2, "MSGID")
    return Msgid(value, _address_in(word), serial)


def build_msgid(address: Address, serial: int) -> bytes:
    """Write the value of MSGID; ``serial`` has 32 bits and must not come again within three years."""
    return f"{address} {serial:08x}".encode("ascii")


def parse_intl(value: bytes) -> Intl:
    """Read the value of INTL; raises `KludgeError` unless both addresses are there."""
    dest, orig, _ = _words(value, 3, "INTL", least=2)
    return Intl(_address(dest).without_domain, _address(orig).without_domain)


def build_intl(intl: Intl) -> bytes:
    """Write the value of INTL, destination first."""
    return b" ".join(str(at.boss.without_domain).encode("ascii") for at in (intl.dest, intl.orig))


def find_intl(kludges: Iterable[bytes]) -> Intl | None:
    """The addresses that INTL states; ``None`` without INTL, or where it breaks its grammar."""
    value = find_value(kludges, b"INTL")
    if value is None:
        return None
    try:
        return parse_intl(value)
    except KludgeError:
        return None


def find_point(kludges: Iterable[bytes], tag: bytes) -> int | None:
    """The point that FMPT or TOPT states; ``None`` where there is none that is to be believed."""
    value = find_value(kludges, tag)
    if value is None:
        return None
    try:
        point = parse_number(value)
    except KludgeError:
        return None
    return point if point <= _HIGHEST_POINT else None


def parse_number(value: bytes) -> int:
    """Read the value of FMPT, TOPT or CODEPAGE; raises `KludgeError` unless it is a number of 16 bits."""
    value = value.strip()
    number = int(value) if value.isdigit() and len(value) <= len("65535") else _HIGHEST + 1
    if number > _HIGHEST:
        raise KludgeError(f"{_shown(value)} is not a number from 0 to {_HIGHEST}")
    return number


def build_number(number: int) -> bytes:
    """Write the value of FMPT, TOPT or CODEPAGE."""
    return b"%d" % number


def parse_domain(value: bytes) -> Domain:
    """Read the value of DOMAIN; raises `KludgeError` unless it has two domains, each with an address."""
    dest_domain, dest, orig_domain, orig, _ = _words(value, 5, "DOMAIN", least=4)
    return Domain(_address(dest + b"@" + dest_domain), _address(orig + b"@" + orig_domain))


def build_domain(domain: Domain) -> bytes:
    """Write the value of DOMAIN, destination first."""
    return " ".join(f"{at.domain} {at.without_domain}" for at in (domain.dest, domain.orig)).encode("ascii")


def parse_product_id(value: bytes) -> ProductId:
    """Read the value of PID or TID; raises `KludgeError` if it is empty."""
    return ProductId(*_words(value, 3, "PID"))


def build_product_id(product: ProductId) -> bytes:
    """Write the value of PID or TID."""
    return b" ".join(part for part in (product.name, product.version, product.serial) if part)


def parse_tzutc(value: bytes) -> int:
    """Read the value of TZUTC or TZUTCINFO: minutes east of UTC (FTS-4008); raises `KludgeError` if it is not one."""
    match = _TZUTC.fullmatch(value.strip())
    minutes = int(match[2]) * 60 + int(match[3]) if match else _FARTHEST + 1
    if match is None or minutes > _FARTHEST:
        raise KludgeError(f"{_shown(value)} is not an offset from UTC ([-]hhmm)")
    return -minutes if match[1] == b"-" else minutes


def build_tzutc(minutes: int) -> bytes:
    """Write the value of TZUTC from minutes east of UTC."""
    hours, rest = divmod(abs(minutes), 60)
    return b"%s%02d%02d" % (b"-" if minutes < 0 else b"", hours, rest)


def parse_chrs(value: bytes) -> Chrs:
    """Read the value of CHRS or CHARSET; raises `KludgeError` if it has no identifier."""
    match = _CHRS.fullmatch(value.strip())
    if match is None:
        raise KludgeError(f"{_shown(value)} is not a character set and its level")
    return Chrs(match[1].decode("ascii"), int(match[2]) if match[2] else None)


def build_chrs(chrs: Chrs) -> bytes:
    """Write the value of CHRS."""
    return (chrs.id if chrs.level is None else f"{chrs.id} {chrs.level}").encode("ascii")


def parse_via(value: bytes) -> Via:
    """Read the value of Via; of the deprecated forms only the address.

    Raises:
        KludgeError: there is no address in it.
    """
    found = _VIA_ADDRESS.search(value)
    if found is None:
        raise KludgeError(f"{_shown(value)} has no address")
    address = _address(found[0])
    stamped = _VIA_STAMP.match(value, found.end())
    if stamped is None or value[: found.start()].strip():
        return Via(address)
    try:
        year, month, day, hour, minute, second = map(int, stamped.groups()[:6])
        stamp = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - anyone may make up names of zones
    except ValueError:
        return Via(address)
    return Via(address, stamp, (stamped[7] or b"").decode("ascii"), value[stamped.end() :].strip())


def build_via(via: Via) -> bytes:
    """Write the value of Via.

    Raises:
        ValueError: it has no ``stamp``.
    """
    at = via.stamp
    if at is None:
        raise ValueError(f"a Via line of {via.address} needs the time")
    stamp = f"{at.year:04d}{at.month:02d}{at.day:02d}.{at.hour:02d}{at.minute:02d}{at.second:02d}"
    zone = f".{via.zone}" if via.zone else ""
    return f"{via.address} @{stamp}{zone} ".encode("ascii") + via.program


def parse_flags(value: bytes) -> Flags:
    """Read the value of FLAGS; what is not ASCII is left out."""
    return Flags(tuple(word.decode("ascii") for word in value.upper().split() if word.isascii()))


def build_flags(flags: Flags) -> bytes:
    """Write the value of FLAGS."""
    return " ".join(flags.words).encode("ascii")


def parse_split(value: bytes) -> Split:
    """Read the value of SPLIT; raises `KludgeError` if it breaks its columns."""
    match = _SPLIT.match(value.strip())
    if match is None:
        raise KludgeError(f"{_shown(value)} does not say which part of a message this is")
    return Split(match[1].strip(), *(int(number) for number in match.groups()[1:]))


def build_split(split: Split) -> bytes:
    """Write the value of SPLIT in its fixed columns."""
    system = b"%d/%d" % (split.net, split.node)
    numbers = b"%-5d %02d/%02d" % (split.number, split.part, split.parts)
    return b"%-18s @%-11s %s +++++++++++" % (split.date, system, numbers)


def parse_reply_addr(value: bytes) -> ReplyAddr:
    """Read the value of REPLYADDR; raises `KludgeError` if it is empty."""
    words = value.split()
    if not words:
        raise KludgeError("REPLYADDR has no value")
    return ReplyAddr(tuple(words))


def build_reply_addr(reply: ReplyAddr) -> bytes:
    """Write the value of REPLYADDR."""
    return b" ".join(reply.words)


def parse_reply_to(value: bytes) -> ReplyTo:
    """Read the value of REPLYTO; raises `KludgeError` if it does not begin with an address."""
    address, name = _words(value, 2, "REPLYTO")
    return ReplyTo(_address(address), name)


def build_reply_to(reply: ReplyTo) -> bytes:
    """Write the value of REPLYTO."""
    return f"{reply.address} ".encode("ascii") + reply.name if reply.name else str(reply.address).encode("ascii")


def parse_rescanned(value: bytes) -> Address:
    """Read the value of RESCANNED, who sent the message again; raises `KludgeError` unless that is an address."""
    return _address(_words(value, 2, "RESCANNED")[0])


def build_rescanned(address: Address) -> bytes:
    """Write the value of RESCANNED."""
    return str(address).encode("ascii")


def _words(value: bytes, count: int, tag: str, least: int = 1) -> list[bytes]:
    """The first words of a value, the last one with all that follows; missing ones are empty."""
    words = value.split(None, count - 1)
    if len(words) < least:
        raise KludgeError(f"{tag} has {len(words)} of {least} words")
    return [word.strip() for word in words] + [b""] * (count - len(words))


def _address(word: bytes) -> Address:
    try:
        return Address.parse(word.decode("latin-1"))
    except AddressError as error:
        raise KludgeError(error.what) from error


def _address_in(word: bytes) -> Address | None:
    """The address that a word is, or that follows its last ``@`` (Synchronet's MSGID)."""
    for candidate in (word, word.rpartition(b"@")[2]):
        try:
            return Address.parse(candidate.decode("latin-1"))
        except AddressError:
            continue
    return None


def _shown(value: bytes) -> str:
    """The value as an error shows it."""
    return repr(value[:75].decode("latin-1"))
