from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tosser.codec.charset import decide_charset, decode, display_text, known_charset

CYRILLIC = "Привет".encode("cp866")


@pytest.mark.parametrize(
    ("chrs", "name", "text"),
    [
        (b"CP866 2", "CP866", "Привет"),
        (b"cp-866", "CP866", "Привет"),
        (b" CP866  2 ", "CP866", "Привет"),
        (b"+7_FIDO 2", "CP866", "Привет"),
        (b"+7 FIDO 2", "CP866", "Привет"),
        (b"FIDO7", "CP866", "Привет"),
        (b"CP1125 2", "CP1125", "Привет"),
        (b"CP848 2", "CP848", "Привет"),
    ],
)
def test_names_of_one_cyrillic_set(chrs: bytes, name: str, text: str) -> None:
    """The names under which one Cyrillic text is marked, level or not, all decode it."""
    charset = decide_charset(CYRILLIC, chrs, None, "CP437")
    assert (charset.name, charset.how) == (name, "chrs")
    assert decode(CYRILLIC, charset) == text


@pytest.mark.parametrize(
    ("chrs", "name", "byte", "character"),
    [
        (b"CP437 2", "CP437", 0x84, "ä"),
        (b"CP850 2", "CP850", 0xD5, "\u0131"),
        (b"CP858 2", "CP858", 0xD5, "€"),
        (b"CP852 2", "CP852", 0x9F, "č"),
        (b"CP848 2", "CP848", 0xFD, "€"),
        (b"CP895 2", "CP895", 0x87, "č"),
        (b"CP895 2", "CP895", 0xAD, "§"),
        (b"CP895 2", "CP895", 0xB0, "░"),
        (b"CP1252 2", "CP1252", 0x80, "€"),
        (b"CP1252 2", "CP1252", 0x81, "\ufffd"),
        (b"LATIN-1 2", "LATIN-1", 0xE4, "ä"),
        (b"ISO-8859-1", "LATIN-1", 0xE4, "ä"),
        (b"LATIN-2 2", "LATIN-2", 0xB1, "ą"),
        (b"LATIN-5 2", "LATIN-5", 0xF0, "ğ"),
        (b"latin9", "LATIN-9", 0xA4, "€"),
        (b"ISO-8859-5 2", "ISO-8859-5", 0xB1, "Б"),
        (b"KOI8-R 2", "KOI8-R", 0xDD, "щ"),
        (b"KOI8-U 2", "KOI8-U", 0xA4, "є"),
        (b"CP10000 2", "CP10000", 0x8A, "ä"),
        (b"MAC", "CP10000", 0x8A, "ä"),
        (b"GERMAN 1", "GERMAN", 0x5B, "Ä"),
        (b"FRENCH 1", "FRENCH", 0x60, "µ"),
        (b"SWEDISH 1", "SWEDISH", 0x7D, "å"),
        (b"FINNISH 1", "SWEDISH", 0x5D, "Å"),
        (b"ISO-10 1", "SWEDISH", 0x24, "¤"),
        (b"NORWEIG 1", "NORWEIG", 0x7C, "ø"),
        (b"NORWEG 1", "NORWEIG", 0x5B, "Æ"),
        (b"UK 1", "UK", 0x23, "£"),
        (b"SPANISH 1", "SPANISH", 0x5C, "Ñ"),
        (b"ITALIAN 1", "ITALIAN", 0x7E, "ì"),
        (b"PORTU 1", "PORTU", 0x7B, "ã"),
        (b"CANADIAN 1", "CANADIAN", 0x5E, "î"),
        (b"DUTCH 1", "DUTCH", 0x7C, "ƒ"),
        (b"SWISS 1", "SWISS", 0x5F, "è"),
        (b"SWISS 1", "SWISS", 0x23, "ù"),
        (b"GERMAN 1", "GERMAN", 0xC4, "\ufffd"),
    ],
)
def test_one_character_of_each_set(chrs: bytes, name: str, byte: int, character: str) -> None:
    """Each set that a kludge may name has its characters where its standard puts them."""
    data = b"x" + bytes([byte])
    charset = decide_charset(data, chrs, None, "CP437")
    assert charset.name == name
    assert decode(data, charset) == "x" + character


@pytest.mark.parametrize(
    ("data", "kludges", "default", "decision"),
    [
        (b"plain", (None, None), "CP866", ("ASCII", "ascii")),
        (b"plain", (b"NONSENSE 2", None), "CP866", ("ASCII", "ascii")),
        (b"plain", (b"", None), "CP866", ("ASCII", "ascii")),
        (b"plain", (b"ASCII 1", None), "CP866", ("ASCII", "chrs")),
        (b"\x84", (b"ASCII 1", None), "CP437", ("CP437", "default")),
        ("ä".encode(), (b"US-ASCII 1", None), "CP437", ("UTF-8", "detected")),
        (b"\x84", (None, None), "CP850", ("CP850", "default")),
        (b"\x84", (b"NONSENSE 2", None), "latin1", ("LATIN-1", "default")),
        (b"\x84", (None, None), "nonsense", ("CP437", "default")),
        ("ä".encode(), (None, None), "CP437", ("UTF-8", "detected")),
        ("ä".encode(), (b"NONSENSE 2", None), "CP437", ("UTF-8", "detected")),
        ("ä".encode()[:1], (None, None), "CP437", ("CP437", "default")),
        ("ä".encode(), (b"UTF8 4", None), "CP437", ("UTF-8", "chrs")),
        (b"\x84", (b"UTF_8 2", None), "CP437", ("UTF-8", "chrs")),
        (b"\x84", (b"IBMPC 2", b"850"), "CP437", ("CP850", "codepage")),
        (b"\x84", (b"IBMPC 2", b" 866 "), "CP437", ("CP866", "codepage")),
        (b"\x84", (b"IBMPC 2", b"99999"), "CP866", ("CP866", "default")),
        (b"\x84", (b"IBMPC 2", None), "CP866", ("CP866", "default")),
        (b"\x84", (b"IBMPC 2", None), "UTF-8", ("CP437", "chrs")),
        (b"\x84", (b"CP850 2", b"866"), "CP437", ("CP850", "chrs")),
        (b"\x84", (None, b"866"), "CP437", ("CP437", "default")),
        (b"\x84", (b"\xff\xfe 2", b"\xff"), "CP437", ("CP437", "default")),
    ],
)
def test_deciding(
    data: bytes, kludges: tuple[bytes | None, bytes | None], default: str, decision: tuple[str, str]
) -> None:
    """Kludge, code page, plain ASCII, valid UTF-8 and the default are tried in this order."""
    charset = decide_charset(data, *kludges, default)
    assert (charset.name, charset.how) == decision


@pytest.mark.parametrize("name", ["cp437", "CP-866", "utf8", "UTF-8", "latin1", "ISO-8859-15", "koi8-r", "Swedish"])
def test_known_names(name: str) -> None:
    """A name is known however it is cased and hyphenated."""
    assert known_charset(name)


@pytest.mark.parametrize("name", ["", "cp9999", "utf-16", "IBMPC", "base64"])
def test_unknown_names(name: str) -> None:
    """What names no single set of characters is not known, whatever Python may call by that name."""
    assert not known_charset(name)


@pytest.mark.parametrize(
    ("data", "chrs", "text"),
    [
        (b"one\rtwo\r", b"CP437", "one\ntwo\n"),
        (b"one\r\ntwo\n", b"CP437", "one\ntwo"),
        (b"lunedi\x8d\r", b"CP437", "lunediì\n"),
        (b"\x8d\r", b"CP866", "\u041d\n"),
        (b"wrapped \x8dhere", b"LATIN-1", "wrapped here"),
        (b"wrapped \x8dhere", b"CP1252", "wrapped here"),
        (b"wrapped \x8d\nhere", b"GERMAN", "wrapped here"),
        ("č".encode(), b"UTF-8", "č"),
        ("\u010d\u044d".encode(), b"UTF-8", "\u010d\u044d"),
        (b"a\tb\x1b[2Jc\x07\x7f", b"CP437", "a\tb\ufffd[2Jc\ufffd\ufffd"),
        (b"\x1a\0", b"ASCII", "\ufffd\ufffd"),
        (b"\x9b2J", b"LATIN-1", "\ufffd2J"),
        ("\x9b2J".encode(), b"UTF-8", "\ufffd2J"),
    ],
)
def test_display_text(data: bytes, chrs: bytes, text: str) -> None:
    """Lines end in LF, soft CRs go where they are no letter, and nothing is left that commands a terminal."""
    assert display_text(data, decide_charset(data, chrs, None, "CP437")) == text


@given(
    st.binary(), st.sampled_from([b"UTF-8", b"CP437", b"CP1252", b"GERMAN", b"CP895", b"LATIN-1", b"ASCII", b"\xff"])
)
def test_any_bytes_decode(data: bytes, chrs: bytes) -> None:
    """Any bytes under any name decode without an error and display without control characters."""
    charset = decide_charset(data, chrs, data[:5], "CP866")
    assert isinstance(decode(data, charset), str)
    shown = display_text(data, charset)
    assert not [char for char in shown if unicodedata.category(char) == "Cc" and char not in "\t\n"]
