from __future__ import annotations

import io
import shutil
import subprocess
import zipfile
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mail import packed, packet
from tosser.codec import zip as zip_codec
from tosser.codec.zip import (
    END_SIZE,
    MOST_BYTES,
    Directory,
    ZipMember,
    ZipWriter,
    deflate,
    find_directory,
    pack_member,
    parse_directory,
)
from tosser.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

WHEN = datetime(2026, 11, 23, 19, 30, 57, tzinfo=UTC)
PACKET = packet([packed(b"AREA:TQW_GEN\rHello, hello, hello again\r")] * 20)


def archive(members: Iterable[ZipMember]) -> bytes:
    """Write a whole archive."""
    writer = ZipWriter()
    return b"".join([*(piece for member in members for piece in writer.add(member)), writer.end()])


def extended(data: bytes, members: Iterable[ZipMember]) -> bytes:
    """Add members to an archive."""
    directory = find_directory(data[-END_SIZE:], len(data))
    writer = ZipWriter(directory, data[directory.offset : directory.offset + directory.size])
    return b"".join(
        [data[: directory.offset], *(piece for member in members for piece in writer.add(member)), writer.end()]
    )


def contents(data: bytes) -> dict[str, bytes]:
    """Read an archive by the standard library, with all its checks."""
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


def test_exact_bytes() -> None:
    """Every field of a small archive is where the standard says, with the value it should have."""
    data = archive([pack_member("0000abcd.pkt", b"abc", WHEN, 2)])
    stamp = "dc9b" + "775d"
    crc = zlib.crc32(b"abc").to_bytes(4, "little").hex()
    name = b"0000abcd.pkt".hex()
    local = "504b0304" + "1400" + "0000" + "0000" + stamp + crc + "03000000" + "03000000" + "0c00" + "0000" + name
    central = (
        "504b0102" + "1403" + "1400" + "0000" + "0000" + stamp + crc + "03000000" + "03000000"
        + "0c00" + "0000" + "0000" + "0000" + "0000" + "0000a481" + "00000000" + name
    )  # fmt: skip
    end = "504b0506" + "0000" + "0000" + "0100" + "0100" + "3a000000" + "2d000000" + "0000"
    assert data.hex() == local + b"abc".hex() + central + end


@pytest.mark.parametrize("level", range(10))
def test_every_level(level: int) -> None:
    """Whatever the level, what is packed is unpacked, with its name, mode and time."""
    data = archive([pack_member("00000001.pkt", PACKET, WHEN, level)])
    assert contents(data) == {"00000001.pkt": PACKET}
    [info] = zipfile.ZipFile(io.BytesIO(data)).infolist()
    assert info.date_time == (2026, 11, 23, 19, 30, 56)
    assert info.external_attr >> 16 == 0o100644
    assert info.compress_type == (zipfile.ZIP_DEFLATED if level else zipfile.ZIP_STORED)


@pytest.mark.parametrize("level", [1, 2, 3, 6])
def test_without_isal(monkeypatch: pytest.MonkeyPatch, level: int) -> None:
    """On a machine that has no ISA-L the standard library packs."""
    monkeypatch.setattr(zip_codec, "_quick", None)
    expected = zlib.compressobj(level, zlib.DEFLATED, -15)
    assert deflate(PACKET, level) == expected.compress(PACKET) + expected.flush()


def test_quick_levels_are_quick() -> None:
    """Where it is installed, as it is here, ISA-L does the low levels; its output is not zlib's."""
    assert deflate(PACKET * 50, 2) != zlib.compress(PACKET * 50, 2, -15)
    assert deflate(PACKET * 50, 6) == zlib.compress(PACKET * 50, 6, -15)


def test_incompressible_data_is_stored() -> None:
    """What deflating would make larger is stored."""
    member = pack_member("a.pkt", bytes(range(256)), WHEN, 2)
    assert member.data == bytes(range(256))
    assert contents(archive([member])) == {"a.pkt": bytes(range(256))}


def test_dates_before_dos() -> None:
    """A clock that is not set gives the first year there is."""
    data = archive([pack_member("a.pkt", b"x", datetime(1970, 1, 2, tzinfo=UTC), 2)])
    assert zipfile.ZipFile(io.BytesIO(data)).infolist()[0].date_time[:3] == (1980, 1, 2)


@pytest.mark.parametrize("command", [("unzip", "-t"), ("7z", "t", "-y")], ids=["unzip", "7z"])
@pytest.mark.parametrize("added", [False, True])
def test_other_programs_read_it(tmp_path: Path, command: tuple[str, ...], *, added: bool) -> None:
    """The unpackers of other systems find nothing wrong, also with an archive that was added to."""
    members = [pack_member(f"{number:08x}.pkt", PACKET + bytes([number]), WHEN, number % 10) for number in range(12)]
    data = extended(archive(members[:5]), members[5:]) if added else archive(members)
    path = tmp_path / "ffedfc52.mo0"
    path.write_bytes(data)
    assert shutil.which(command[0]) is not None
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0000000b.pkt" in done.stdout or "Files: 12" in done.stdout
    assert "warning" not in (done.stdout + done.stderr).lower()


@given(st.lists(st.binary(max_size=2000), max_size=6), st.lists(st.binary(max_size=2000), max_size=6))
def test_adding_copies_what_was_there(first: list[bytes], second: list[bytes]) -> None:
    """An archive that is added to keeps its members byte for byte, and has the new ones."""
    members = [pack_member(f"{index:08x}.pkt", data, WHEN, 2) for index, data in enumerate((*first, *second))]
    before = archive(members[: len(first)])
    after = extended(before, members[len(first) :])
    assert after == archive(members)
    assert list(contents(after).values()) == [*first, *second]
    assert before.startswith(after[: find_directory(before[-END_SIZE:], len(before)).offset])


def test_adding_to_what_others_packed() -> None:
    """Members of other packers, packed their way and with their extras, stay as they are."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as writer:
        info = zipfile.ZipInfo("OTHER.PKT")
        info.extra, info.comment = b"\x55\x54\x05\x00\x01abcd", b"note"
        writer.writestr(info, PACKET, zipfile.ZIP_BZIP2)
    after = extended(buffer.getvalue(), [pack_member("00000001.pkt", b"new", WHEN, 2)])
    assert contents(after) == {"OTHER.PKT": PACKET, "00000001.pkt": b"new"}
    assert zipfile.ZipFile(io.BytesIO(after)).infolist()[0].comment == b"note"


def test_size_is_known_beforehand() -> None:
    """The writer tells how large the archive will be, and whether one more member fits a limit."""
    member = pack_member("00000001.pkt", PACKET, WHEN, 2)
    writer = ZipWriter()
    assert writer.empty
    size = len(archive([member]))
    assert writer.takes(member, size)
    assert not writer.takes(member, size - 1)
    writer.add(member)
    assert writer.size == size
    assert not writer.empty


def test_two_of_one_name() -> None:
    """A name is not given twice, neither to what is added nor to what was there."""
    member = pack_member("00000001.pkt", PACKET, WHEN, 2)
    writer = ZipWriter()
    writer.add(member)
    assert not writer.takes(member, 1_000_000)
    data = archive([member])
    directory = find_directory(data[-END_SIZE:], len(data))
    entries = data[directory.offset : directory.offset + directory.size]
    assert not ZipWriter(directory, entries).takes(member, 1_000_000)


def test_what_the_format_counts() -> None:
    """An archive grows neither beyond what the format counts nor beyond what old programs can hold."""
    member = pack_member("00000001.pkt", b"x", WHEN, 0)
    writer = ZipWriter()
    for number in range(65534):
        writer.add(pack_member(f"{number:07x}", b"", WHEN, 0))
    assert not writer.takes(member, 2**40)
    large = Directory(MOST_BYTES - 100, 0, 0)
    assert not ZipWriter(large).takes(member, 2**40)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda data: data[:-1], "no ZIP directory ends"),
        (lambda data: data + b"\0", "no ZIP directory ends"),
        (lambda data: data[:10], "too short"),
        (lambda data: b"stub" + data, "not between"),
        (lambda data: data[:-18] + b"\1" + data[-17:], "several parts"),
        (lambda data: data[:-14] + b"\xff\xff\xff\xff" + data[-10:], "several parts"),
        (lambda data: data[:-10] + b"\x01" + data[-9:], "not between"),
        (lambda data: data[:-14] + b"\x03\0\x03\0" + data[-10:], "cut"),
        (lambda data: data[:-14] + b"\x01\0\x01\0" + data[-10:], "not as long"),
        (lambda data: data.replace(b"PK\1\2", b"PK\1\3", 1), "damaged"),
    ],
)  # fmt: skip
def test_not_to_be_added_to(change: object, what: str) -> None:
    """Damage, parts and strange ends are refused with the reason."""
    assert callable(change)
    data = change(archive([pack_member(f"{number:08x}.pkt", b"abc", WHEN, 2) for number in range(2)]))
    with pytest.raises(FormatError, match=what):
        extended(data, [])


@given(st.binary(min_size=END_SIZE, max_size=END_SIZE), st.integers(0, 2**33), st.binary(max_size=200))
def test_any_bytes(tail: bytes, size: int, entries: bytes) -> None:
    """Bytes that are no archive are refused, and nothing else happens."""
    for function in (
        lambda: find_directory(tail, size),
        lambda: find_directory(b"PK\5\6" + tail[4:], size),
        lambda: parse_directory(entries, Directory(1000, len(entries), 1 + len(entries) // 46)),
    ):
        try:
            found = function()
        except FormatError:
            continue
        assert isinstance(found, Directory | list)
