from __future__ import annotations

import hashlib
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mail import packed, packet
from tosser.inbound.survey import Survey

PACKET = packet([packed(b"AREA:TQW_GEN\rHello\r")], password=b"SECRET!!")


def _survey(data: bytes, offset: int | None) -> Survey:
    survey = Survey(offset)
    assert b"".join(survey.through(io.BytesIO(data))) == data
    return survey


def test_an_excerpt_shows_the_place() -> None:
    """The lines around an offset are shown with their offsets, in hexadecimal and ASCII."""
    data = bytes(range(256)) * 4
    lines = _survey(data, 600).excerpt.splitlines()
    assert len(lines) == 8
    assert lines[0].startswith("00000230  30 31 32")
    assert lines[2] == "00000250  50 51 52 53 54 55 56 57 58 59 5a 5b 5c 5d 5e 5f  PQRSTUVWXYZ[\\]^_"
    assert lines[-1].startswith("000002a0  a0 a1")
    assert lines[-1].endswith("  ................")


def test_an_excerpt_without_a_place_shows_the_start() -> None:
    """Without an offset the beginning is shown, as far as there is any."""
    assert _survey(b"abc", None).excerpt == f"00000000  {'61 62 63':<47}  abc"
    assert _survey(b"", None).excerpt == ""
    assert len(_survey(b"x" * 1000, None).excerpt.splitlines()) == 8


def test_a_place_behind_the_end_shows_the_end_at_most() -> None:
    """An offset at or behind the end is no mistake."""
    assert _survey(b"x" * 40, 40).excerpt.startswith("00000000")
    assert _survey(b"x" * 40, 4000).excerpt == ""


def _text(excerpt: str) -> str:
    return "".join(line[59:] for line in excerpt.splitlines())


@pytest.mark.parametrize("offset", [None, 0, 20, 60])
@pytest.mark.parametrize("kind", [b"\2\0", b"\3\0"], ids=["type 2", "no known type"])
def test_the_password_of_a_packet_is_not_shown(offset: int | None, kind: bytes) -> None:
    """Neither the bytes nor the text of the password are in an excerpt, whatever type the header states."""
    excerpt = _survey(PACKET[:18] + kind + PACKET[20:], offset).excerpt
    assert _text(excerpt).count("*" * 8) == 1
    assert "SECRET" not in _text(excerpt)
    assert "53 45 43" not in excerpt


def test_the_password_of_a_second_packet_is_not_shown() -> None:
    """Where the place is the header of another packet, that one's password is masked as well."""
    excerpt = _survey(PACKET * 3, len(PACKET)).excerpt
    assert "SECRET" not in _text(excerpt)
    assert _text(excerpt).count("*" * 8) == 1


def test_of_an_archive_only_its_mark_is_shown() -> None:
    """A packet may be stored in it unpacked, with its password within the first bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("1.pkt", PACKET)
    excerpt = _survey(buffer.getvalue(), None).excerpt
    assert excerpt.startswith("00000000  50 4b 03 04")
    assert len(excerpt.splitlines()) == 1


@given(st.binary(max_size=700_000), st.integers(0, 700_000))
def test_size_and_digest(data: bytes, offset: int) -> None:
    """Size and digest are those of all bytes, and the excerpt is the same however the bytes come."""
    survey = _survey(data, offset)
    assert survey.size == len(data)
    assert survey.digest == hashlib.sha256(data).hexdigest()
    first = max(0, offset - 32) // 16 * 16
    shown = bytes(255 if byte == ord("*") else byte for byte in data[first : first + 128])
    assert len(survey.excerpt.splitlines()) == -(-len(shown) // 16)


def test_a_place_across_two_pieces() -> None:
    """A window that begins in one piece and ends in the next is put together."""
    data = bytes(262_144) + b"second piece"
    assert "second piece" in _survey(data, 262_150).excerpt
