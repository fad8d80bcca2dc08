"""Character sets of messages (FTS-5003, and names seen beside it): which one it is, and decoding for people.

Bytes in transit are never recoded; what is decoded here goes to events, web pages and terminals. Deciding and
decoding never fail: a set that is not known gives way to the default, a byte that means nothing becomes U+FFFD. The
level number of a CHRS kludge is ignored, as everybody does.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from tosser.codec.iso646 import TABLES

How = Literal["chrs", "codepage", "default", "ascii", "detected"]
"""How a character set was decided: by its kludge; by CODEPAGE beside ``CHRS: IBMPC``; by the area's default; because
there is nothing but ASCII; because the bytes are valid UTF-8."""


class Charset(Struct, frozen=True):
    """The character set of one message.

    Attributes:
        name: canonical identifier for a CHRS kludge, such as ``CP437`` or ``UTF-8``.
        codec: Python codec, or the name of a table in `tosser.codec.iso646`; only `decode` knows what to do with
            either.
        how: on what grounds it was chosen.
    """

    name: str
    codec: str
    how: How


_IBMPC = "IBMPC"
_CODE_PAGES = (437, 737, 775, 850, 852, 855, 857, 858, 860, 861, 862, 863, 864, 865, 866, 869, 1125, *range(1250, 1259))
_CODECS: dict[str, str] = {
    "ASCII": "ascii",
    "UTF-8": "utf-8",
    "LATIN-1": "latin-1",
    "LATIN-2": "iso8859-2",
    "LATIN-5": "iso8859-9",
    "LATIN-9": "iso8859-15",
    "KOI8-R": "koi8-r",
    "KOI8-U": "koi8-u",
    "CP10000": "mac-roman",
    "CP10007": "mac-cyrillic",
    "CP10029": "mac-latin2",
    **{f"CP{page}": f"cp{page}" for page in _CODE_PAGES},
    **{f"ISO-8859-{part}": f"iso8859-{part}" for part in (3, 4, 5, 6, 7, 8, 10, 13, 14, 16)},
    **{name: name for name in TABLES},
}
_ALIASES = {
    "US-ASCII": "ASCII",
    "ISO-8859-1": "LATIN-1",
    "ISO-8859-2": "LATIN-2",
    "ISO-8859-9": "LATIN-5",
    "ISO-8859-15": "LATIN-9",
    "FINNISH": "SWEDISH",
    "ISO-10": "SWEDISH",
    "NORWEG": "NORWEIG",
    "MAC": "CP10000",
    "KOI8": "KOI8-R",
    "+7": "CP866",  # what is left of "+7 FIDO" when the second word is taken for the level
    "+7_FIDO": "CP866",
    "FIDO": "CP866",
    "FIDO7": "CP866",
}
_SEPARATORS = str.maketrans("", "", "-_ ")


def _key(name: str) -> str:
    """Fold a name as it is compared: case and separators do not count."""
    return name.upper().translate(_SEPARATORS)


_NAMES = {_key(name): name for name in _CODECS} | {_key(alias): name for alias, name in _ALIASES.items()}


def known_charset(name: str) -> bool:
    """Tell whether a name from the configuration or a kludge is that of a character set we can decode."""
    return _key(name) in _NAMES


def decide_charset(data: bytes, chrs: bytes | None, codepage: bytes | None, default: str) -> Charset:
    """Decide what set a message is written in.

    A set named by CHRS is taken at its word, save that ``ASCII`` says nothing about bytes beyond ASCII. ``IBMPC``
    means the CODEPAGE, else the default if that is a code page, else CP437.

    Args:
        data: the bytes to be decoded: text, or text and header fields together.
        chrs: value of the CHRS or CHARSET kludge, with or without level.
        codepage: value of the CODEPAGE kludge.
        default: name of the set of unmarked messages; one that `known_charset` refuses counts as CP437.
    """
    named = _named(chrs)
    if named == _IBMPC:
        page = _NAMES.get("CP" + _text(codepage))
        return _charset(page, "codepage") if page else _unmarked_pc(default)
    if named and (named != "ASCII" or data.isascii()):
        return _charset(named, "chrs")
    if data.isascii():
        return _charset("ASCII", "ascii")
    if _is_utf8(data):
        return _charset("UTF-8", "detected")
    return _charset(_default(default), "default")


def decode(data: bytes, charset: Charset) -> str:
    """Decode for people; never fails, a byte without meaning becomes U+FFFD."""
    table = TABLES.get(charset.codec)
    if table is None:
        return data.decode(charset.codec, "replace")
    return codecs.charmap_decode(data, "replace", table)[0]


def charset_named(name: str) -> Charset | None:
    """Find a set by a name or alias, to write in it; ``None`` when it is not known."""
    known = _NAMES.get(_key(name))
    return None if known is None else _charset(known, "chrs")


def encode(text: str, charset: Charset) -> bytes:
    """Write a text in a set.

    Raises:
        UnicodeEncodeError: a character is not in it; ``start`` says which one.
    """
    table = TABLES.get(charset.codec)
    if table is None:
        return text.encode(charset.codec)
    return codecs.charmap_encode(text, "strict", _encoding_table(charset.codec))[0]


@lru_cache(maxsize=16)
def _encoding_table(codec: str) -> dict[int, int]:
    return {ord(character): code for code, character in reversed(list(enumerate(TABLES[codec])))}


def display_text(data: bytes, charset: Charset) -> str:
    r"""Decode a message text with ``\n`` line ends.

    LF counts for nothing (FTS-0001). So does the soft CR 0x8D, but only in single-byte sets where it is no letter.
    Control characters other than TAB become U+FFFD, so that no text can command a terminal.
    """
    dropped = b"\n\x8d" if _soft_cr_is_no_letter(charset.codec) else b"\n"
    text = decode(data.translate(_LINE_ENDS, dropped), charset).replace(_SUBSTITUTE, "\ufffd")
    return _C1_CONTROLS.sub("\ufffd", text) if _may_have_c1(charset.codec) and not text.isascii() else text


_SUBSTITUTE = "\x1a"
_CONTROLS = bytes(code for code in (*range(32), 127) if code not in b"\t\r\n")
_LINE_ENDS = bytes.maketrans(_CONTROLS + b"\r", _SUBSTITUTE.encode() * len(_CONTROLS) + b"\n")
"""CR to LF and every control character to one that is then replaced: cheaper than to look at each decoded character."""
_C1_CONTROLS = re.compile("[\x80-\x9f]")


@lru_cache(maxsize=64)
def _soft_cr_is_no_letter(codec: str) -> bool:
    return codec != "utf-8" and not decode(b"\x8d", Charset(codec, codec, "chrs")).isalpha()


@lru_cache(maxsize=64)
def _may_have_c1(codec: str) -> bool:
    """Tell whether a set has control characters beyond ASCII; those of the PC have letters there, and lines."""
    every = decode(bytes(range(256)), Charset(codec, codec, "chrs"))
    return "\ufffd" in every or _C1_CONTROLS.search(every) is not None  # the former in UTF-8


@lru_cache(maxsize=256)
def _charset(name: str, how: How) -> Charset:
    return Charset(name, _CODECS[name], how)


@lru_cache(maxsize=256)
def _named(chrs: bytes | None) -> str | None:
    """Canonical name of the set that a CHRS value names, ``IBMPC`` among them; ``None`` when there is none we know."""
    words = _text(chrs).split()
    if not words:
        return None
    return _IBMPC if _key(words[0]) == _IBMPC else _NAMES.get(_key(words[0]))


def _text(value: bytes | None) -> str:
    return (value or b"").decode("ascii", "replace").strip()


def _default(name: str) -> str:
    return _NAMES.get(_key(name), "CP437")


def _unmarked_pc(default: str) -> Charset:
    name = _default(default)
    return _charset(name, "default") if name.startswith("CP") else _charset("CP437", "chrs")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
