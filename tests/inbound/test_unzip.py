from __future__ import annotations

import errno
import io
import os
import stat
import struct
import subprocess
import zipfile
import zlib
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.inbound.bundles import BUNDLE, LIMITS, PACKET, contents, refused, zip_of
from tests.mail import packed, packet
from tosser.codec.zip import ZipWriter, pack_member
from tosser.errors import ArchiveError
from tosser.inbound.parts import Window
from tosser.inbound.unpack import ArchiveLimits, open_members
from tosser.reason import Reason

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.inbound.bundles import Place

SECOND = packet([packed(b"AREA:TQW_GEN\rAnother message, so that it is longer\r")])


def _forged(forge: Callable[[list[zipfile.ZipInfo]], None], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Build a ZIP of two packets whose directory says what is not so."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("a.pkt", PACKET)
        archive.writestr("b.pkt", SECOND)
        forge(archive.filelist)
    return buffer.getvalue()


def _zip(directory: Path, *options: str, source: bytes | None = None) -> bytes:
    """Have the real program pack all of a directory."""
    command = ["zip", "-q", "-r", *options, "../out.zip", "." if source is None else "-"]
    subprocess.run(command, cwd=directory, input=source, stdin=None if source else subprocess.DEVNULL, check=True)
    return (directory.parent / "out.zip").read_bytes()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Two packets to pack."""
    directory = tmp_path / "files"
    directory.mkdir()
    (directory / "a.pkt").write_bytes(PACKET)
    (directory / "b.PKT").write_bytes(SECOND)
    return directory


@pytest.mark.parametrize("options", [[], ["-0"], ["-9"], ["-j"], ["-X"], ["-D"], ["-k"]])
def test_the_real_packer(place: Place, files: Path, options: list[str]) -> None:
    """Whatever options the common packer is used with, both packets come out."""
    found = contents(place(_zip(files, *options)))
    assert [(name.lower(), problem, data) for name, problem, data in found] == [
        ("a.pkt", None, PACKET),
        ("b.pkt", None, SECOND),
    ]


def test_a_stream_with_sizes_behind_the_data(place: Place, files: Path) -> None:
    """A ZIP written to a pipe has its sizes behind the data, and in 64 bits."""
    assert contents(place(_zip(files, source=PACKET))) == [("-", None, PACKET)]


def test_a_comment_and_bytes_behind_the_end(place: Place) -> None:
    """Remarks of a packer and padding of a transfer protocol do no harm."""
    buffer = io.BytesIO(zip_of(("a.pkt", PACKET)))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = b"packed by hand"
    assert contents(place(buffer.getvalue())) == [("a.pkt", None, PACKET)]
    assert contents(place(zip_of(("a.pkt", PACKET)) + b"\x1a" * 100)) == [("a.pkt", None, PACKET)]


def test_spanning_mark(place: Place) -> None:
    """The mark of an archive that was once meant for several disks is passed over."""
    assert contents(place(b"PK00" + zip_of(("a.pkt", PACKET)))) == [("a.pkt", None, PACKET)]


def test_zip64(place: Place) -> None:
    """A packer that writes 64-bit sizes where 32 bits would do is read, also when it does not know them beforehand."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, archive.open("a.pkt", "w", force_zip64=True) as member:
        member.write(PACKET)
    data = buffer.getvalue()
    assert zipfile.ZipFile(io.BytesIO(data)).infolist()[0].extract_version == 45
    assert contents(place(data)) == [("a.pkt", None, PACKET)]


@pytest.mark.parametrize("count", [2, 2**31, 2**63])
def test_a_zip64_end_that_lies(place: Place, count: int) -> None:
    """Counts and offsets of 64 bits that are not so are refused, however short the file is."""
    whole = zip_of(("a.pkt", PACKET))
    at = len(whole) - 22
    size, offset = struct.unpack_from("<II", whole, at + 12)
    numbers = (count, count, min(size * count, 2**64 - 1), min(offset * count, 2**64 - 1))
    end64 = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, *numbers)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, at, 1)
    with refused(Reason.ARCHIVE_DAMAGED):
        contents(place(whole[:at] + end64 + locator + b"PK\x05\x06" + bytes(4) + b"\xff" * 12 + bytes(2)))
    with refused(Reason.ARCHIVE_DAMAGED):
        contents(place(b"PK\x03\x04" + locator + b"PK\x05\x06" + bytes(4) + b"\xff" * 12 + bytes(2)))


def test_directories_are_no_members(place: Place, files: Path) -> None:
    """Packets in sub-directories are found, the directories themselves are nothing."""
    (files / "deep" / "er").mkdir(parents=True)
    (files / "a.pkt").rename(files / "deep" / "er" / "c.pkt")
    assert contents(place(_zip(files))) == [("b.PKT", None, SECOND), ("c.pkt", None, PACKET)]


@pytest.mark.parametrize(
    "name", ["../a.pkt", "/etc/a.pkt", "x/../../a.pkt", "C:\\a.pkt", "..\\a.pkt", "\\\\host\\a.pkt"]
)
def test_names_that_lead_elsewhere(place: Place, name: str) -> None:
    """One such name is enough to refuse the bundle, though no name is ever used."""
    with refused(Reason.ARCHIVE_UNSAFE, "leads out"):
        contents(place(zip_of(("good.pkt", PACKET), (name, PACKET))))


def test_a_name_with_a_nul(place: Place) -> None:
    """A name that means one thing to C and another to Python is refused."""
    data = zip_of(("a_.pkt", PACKET)).replace(b"a_.pkt", b"a\0.pkt")
    with refused(Reason.ARCHIVE_UNSAFE):
        contents(place(data))


def test_a_member_without_a_name(place: Place) -> None:
    """A member whose name is empty is read as any other: what it is, its bytes say."""
    writer = ZipWriter()
    pieces = [*writer.add(pack_member("", PACKET, datetime(2026, 11, 1, 8), 6))]  # noqa: DTZ001 - a local clock
    assert contents(place(b"".join([*pieces, writer.end()]))) == [("?", None, PACKET)]


def test_a_link(place: Place, files: Path) -> None:
    """A symbolic link, as the real packer stores it, is refused with the whole bundle."""
    (files / "c.pkt").symlink_to("/etc/passwd")
    with refused(Reason.ARCHIVE_UNSAFE, "link"):
        contents(place(_zip(files, "-y")))


@pytest.mark.parametrize("system", [0, 3, 19])
def test_a_link_from_any_system(place: Place, system: int) -> None:
    """What says it is a link is believed, whatever system it says it was made on."""

    def forge(members: list[zipfile.ZipInfo]) -> None:
        members[1].external_attr = (stat.S_IFLNK | 0o777) << 16
        members[1].create_system = system

    with refused(Reason.ARCHIVE_UNSAFE, "link"):
        contents(place(_forged(forge)))


def test_encrypted(place: Place, files: Path) -> None:
    """An encrypted bundle is told as such, and nobody is asked for a password."""
    with refused(Reason.ARCHIVE_ENCRYPTED):
        contents(place(_zip(files, "-P", "secret")))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_whose_memory_the_archive_decides(place: Place, method: int) -> None:
    """Methods other than stored and deflated are not read."""
    with refused(Reason.ARCHIVE_UNKNOWN, f"method {method}"):
        contents(place(zip_of(("a.pkt", PACKET), method=method)))


def test_a_version_of_the_future(place: Place) -> None:
    """A ZIP that asks for a newer reader is refused without a foreign exception."""

    def forge(members: list[zipfile.ZipInfo]) -> None:
        members[0].extract_version = 99

    with refused(Reason.ARCHIVE_DAMAGED):
        contents(place(_forged(forge)))


def test_members_that_share_bytes(place: Place) -> None:
    """Two entries for the same bytes, the trick of small bombs, are refused."""

    def forge(members: list[zipfile.ZipInfo]) -> None:
        members[1].header_offset = members[0].header_offset
        members[1].filename = members[0].filename

    with refused(Reason.ARCHIVE_UNSAFE, "overlaps"):
        contents(place(_forged(forge)))


def test_a_member_inside_another(place: Place) -> None:
    """A member that lies in the data of another is refused."""
    inner = zip_of(("b.pkt", PACKET), method=zipfile.ZIP_STORED)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.pkt", inner)
        inside = zipfile.ZipInfo("b.pkt")
        inside.header_offset = 30 + len("a.pkt")
        inside.CRC = zlib.crc32(PACKET)
        inside.file_size = inside.compress_size = len(PACKET)
        archive.filelist.append(inside)
    with refused(Reason.ARCHIVE_UNSAFE, "overlaps"):
        contents(place(buffer.getvalue()))


def test_a_member_in_the_directory(place: Place) -> None:
    """A member that goes on into the directory is refused."""

    def forge(members: list[zipfile.ZipInfo]) -> None:
        members[1].compress_size += 20

    with refused(Reason.ARCHIVE_UNSAFE, "directory"):
        contents(place(_forged(forge)))


@pytest.mark.parametrize("change", [-1, 1, -50, 50, 100_000])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_forged_sizes(place: Place, method: int, change: int) -> None:
    """A member that does not have the size it states is refused, and so are the good ones with it."""

    def forge(members: list[zipfile.ZipInfo]) -> None:
        members[1].file_size += change

    with refused(Reason.ARCHIVE_DAMAGED):
        contents(place(_forged(forge, method)))


@pytest.mark.parametrize("size", [300_000, 2**31, 2**32 - 2, 2**40, 2**63])
def test_sizes_beyond_the_limit_are_not_tried(place: Place, size: int) -> None:
    """What says it is too large is believed."""

    def forge(members: list[zipfile.ZipInfo]) -> None:
        members[0].file_size = size

    with refused(Reason.ARCHIVE_LIMITS):
        contents(place(_forged(forge)))


@pytest.mark.parametrize("which", [0, 1])
def test_a_wrong_checksum_refuses_all(place: Place, which: int) -> None:
    """A CRC error in any member is found before the first is handed out."""
    data = bytearray(_forged(lambda _: None, zipfile.ZIP_STORED))
    at = data.index((PACKET, SECOND)[which][58:])
    data[at + 40] ^= 1
    with refused(Reason.ARCHIVE_DAMAGED, "CRC"), open_members(place(bytes(data)), BUNDLE, LIMITS, {}):
        pytest.fail("a member was handed out")


def test_every_cut_is_refused(place: Place) -> None:
    """No part of a ZIP gives any member."""
    data = zip_of(("a.pkt", PACKET), ("b.pkt", SECOND))
    for length in range(4, len(data)):
        with refused(Reason.ARCHIVE_DAMAGED):
            contents(place(data[:length]))


def test_a_broken_utf8_name(place: Place) -> None:
    """A name that says it is UTF-8 and is not gives no foreign exception."""
    name = "\N{LATIN SMALL LETTER E WITH ACUTE}.pkt"
    data = zip_of((name, PACKET)).replace(name.encode(), b"\xff\xff.pkt")
    with refused(Reason.ARCHIVE_DAMAGED):
        contents(place(data))


def test_offsets_out_of_range(place: Place) -> None:
    """A directory that is said to begin before the file does is refused."""
    data = bytearray(zip_of(("a.pkt", PACKET)))
    for at in range(len(data) - 10, len(data) - 2):
        data[at] = 0xFF
        with refused(Reason.ARCHIVE_DAMAGED):
            contents(place(bytes(data)))


def test_offsets_before_the_file(place: Place) -> None:
    """A member that is said to begin before the file does is refused."""
    data = bytearray(zip_of(("a.pkt", PACKET)))
    offset = len(data) - 6
    data[offset : offset + 4] = (int.from_bytes(data[offset : offset + 4], "little") + 10).to_bytes(4, "little")
    with refused(Reason.ARCHIVE_UNSAFE, "begins before the file"):
        contents(place(bytes(data)))


def test_a_bomb(place: Place) -> None:
    """Ten megabytes of nothing in ten kilobytes are refused by their ratio, before they are unpacked to the end."""
    limits = ArchiveLimits()
    bomb = zip_of(("a.pkt", PACKET), ("b.pkt", bytes(10_000_000)))
    assert len(bomb) < 12_000
    with refused(Reason.ARCHIVE_LIMITS, "unpack to more than"):
        contents(place(bomb), limits=limits)
    small = zip_of(("a.pkt", PACKET), ("b.pkt", PACKET + bytes(1_000_000)))
    assert [name for name, _, _ in contents(place(small), limits=limits)] == ["a.pkt", "b.pkt"]


def test_a_bomb_of_many_members(place: Place) -> None:
    """Members that are small one by one count together."""
    data = zip_of(*((f"{number}.pkt", os.urandom(100_000)) for number in range(6)))
    with refused(Reason.ARCHIVE_LIMITS):
        contents(place(data))


@pytest.mark.parametrize("count", [101, 20_000, 100_000])
def test_too_many_members(place: Place, count: int) -> None:
    """A hundred thousand members are refused as soon as they are counted, if not before."""
    data = zip_of(*((f"{number}", b"") for number in range(count)), method=zipfile.ZIP_STORED)
    with refused(Reason.ARCHIVE_LIMITS):
        contents(place(data))
    if count < LIMITS.members * 1000:
        assert len(contents(place(data), limits=replace(LIMITS, members=count))) == count


def test_a_failing_disk_is_not_the_archives_fault(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the system while unpacking stays one, so that the bundle is tried again later."""
    path = place(zip_of(("a.pkt", PACKET)))
    window_read = Window.read

    def fail(window: Window, size: int | None = -1) -> bytes:
        if window.tell() == 30 + len("a.pkt"):
            raise OSError(errno.EIO, "Input/output error")
        return window_read(window, size)

    monkeypatch.setattr(Window, "read", fail)
    with pytest.raises(OSError, match="Input/output"), open_members(path, BUNDLE, LIMITS, {}):
        pytest.fail("a member was handed out")


def test_the_error_tells_its_cause(place: Place) -> None:
    """The foreign exception is kept as the cause."""
    with pytest.raises(ArchiveError) as caught:
        contents(place(b"PK\x03\x04 and no more"))
    assert isinstance(caught.value.__cause__, zipfile.BadZipFile)
