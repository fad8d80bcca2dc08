from __future__ import annotations

import gzip
import io
import os
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.inbound.bundles import PACKET, contents, refused, tar_of
from tests.mail import packed, packet
from tosser.inbound.unpack import ArchiveLimits
from tosser.reason import Reason

if TYPE_CHECKING:
    from pathlib import Path

    from tests.inbound.bundles import Place

SECOND = packet([packed(b"AREA:TQW_GEN\rAnother\r")])
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def _tar(directory: Path, *options: str) -> bytes:
    """Have the real program pack all of a directory."""
    command = ["tar", "-c", *options, "-C", str(directory), "."]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Two packets to pack, one of them under a name that needs an extra header in each format."""
    directory = tmp_path / "files"
    deep = directory.joinpath(*["directory" * 5] * 4)
    deep.mkdir(parents=True)
    (deep / f"{'b' * 110}.pkt").write_bytes(PACKET)
    (directory / "a.pkt").write_bytes(SECOND)
    return directory


@pytest.mark.parametrize("form", ["gnu", "pax", "oldgnu"])
def test_the_real_packer(place: Place, files: Path, form: str) -> None:
    """The formats of the common packer are read, long names too, compressed or not."""
    data = _tar(files, f"--format={form}")
    expected = [("a.pkt", None, SECOND), (f"{'b' * 110}.pkt", None, PACKET)]
    assert contents(place(data)) == expected
    assert contents(place(gzip.compress(data))) == expected


def test_the_old_format_with_split_names(place: Place, files: Path) -> None:
    """A name split into prefix and name (POSIX.1-1988) is put together."""
    (files / "a.pkt").unlink()
    long = next(files.rglob("*.pkt"))
    long.rename(long.with_name("b.pkt"))
    assert contents(place(_tar(files, "--format=ustar"))) == [("b.pkt", None, PACKET)]


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_another_packer(place: Place, form: int) -> None:
    """Archives of another writer are read in all its formats."""
    data = tar_of(("a.pkt", SECOND), ("b.pkt", PACKET), ("c.pkt", b""), form=form)
    assert contents(place(data)) == [("a.pkt", None, SECOND), ("b.pkt", None, PACKET), ("c.pkt", None, b"")]


def test_without_end_mark(place: Place) -> None:
    """An archive that ends after a member needs no end mark."""
    data = tar_of(("a.pkt", PACKET))[: 512 + -(-len(PACKET) // 512) * 512]
    assert contents(place(data)) == [("a.pkt", None, PACKET)]


def test_every_other_cut_is_refused(place: Place) -> None:
    """A cut inside a header or a member is found."""
    data = tar_of(("a.pkt", PACKET))
    for length in (*range(262, 512), *range(513, 512 + len(PACKET)), *range(1025, 1536)):
        with refused(Reason.ARCHIVE_DAMAGED, "cut"):
            contents(place(data[:length]))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_links_and_special_files(place: Place, kind: bytes) -> None:
    """One member that is neither file nor directory is enough to refuse the bundle."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:") as archive:
        good = tarfile.TarInfo("a.pkt")
        good.size = len(PACKET)
        archive.addfile(good, io.BytesIO(PACKET))
        bad = tarfile.TarInfo("b.pkt")
        bad.type, bad.linkname = kind, "/etc/passwd"
        archive.addfile(bad)
    with refused(Reason.ARCHIVE_UNSAFE, "link or a special file"):
        contents(place(gzip.compress(buffer.getvalue())))


def test_sparse_members(place: Place, files: Path) -> None:
    """A few bytes that say they are a gigabyte of holes are refused, in the old form and the new."""
    with (files / "c.pkt").open("wb") as stream:
        stream.truncate(1_000_000_000)
        stream.write(PACKET)
    for form in ("gnu", "pax"):
        data = _tar(files, "-S", f"--format={form}")
        assert len(data) < 100_000
        with refused(Reason.ARCHIVE_UNSAFE):
            contents(place(data))


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("name", ["../a.pkt", "/a.pkt", "x/../../a.pkt", "C:a.pkt", "x" * 200 + "/../a.pkt"])
def test_names_that_lead_elsewhere(place: Place, name: str, form: int) -> None:
    """One such name is enough, wherever in the headers it stands."""
    if form == tarfile.USTAR_FORMAT and len(name) > 100:
        name = "x" * 90 + "/" + "y" * 90 + "/../a.pkt"
    with refused(Reason.ARCHIVE_UNSAFE, "leads out"):
        contents(place(tar_of(("b.pkt", PACKET), (name, PACKET), form=form)))


def test_sizes_that_lie(place: Place) -> None:
    """A size beyond the end of the file is a cut archive, in whatever notation it stands."""
    for size in (10_000, 8**11 - 1, 2**40, 2**80):
        info = tarfile.TarInfo("a.pkt")
        info.size = size
        data = info.tobuf(tarfile.GNU_FORMAT) + PACKET + bytes(600)
        with refused(Reason.ARCHIVE_DAMAGED, "cut"):
            contents(place(data))


def _pax(records: bytes) -> bytes:
    """Build an archive whose only member has these pax records."""
    info = tarfile.TarInfo("a.pkt")
    info.size = len(PACKET)
    extra = tarfile.TarInfo("x")
    extra.type, extra.size = tarfile.XHDTYPE, len(records)
    padded = records.ljust(-(-len(records) // 512) * 512, b"\0")
    return extra.tobuf(tarfile.USTAR_FORMAT) + padded + info.tobuf(tarfile.USTAR_FORMAT) + PACKET.ljust(1024, b"\0")


@pytest.mark.parametrize(
    "records",
    [
        b"x", b"99 path=a\n", b"0 path=a\n", b"-1 path=a\n", b"12345678901 path=a\n", b" path=a\n",
        b"11 size=ab\n", b"12 size=-11\n", b"33 size=99999999999999999999999999\n", b"11 size=\xd9\xa1\n",
    ],
)  # fmt: skip
def test_pax_records_that_are_none(place: Place, records: bytes) -> None:
    """Records that do not follow their form are damage, not an exception from somewhere."""
    with refused(Reason.ARCHIVE_DAMAGED):
        contents(place(_pax(records)))


def test_pax_records_count(place: Place) -> None:
    """Name and size of a pax header go before those of the plain one; records of no concern are passed over."""
    size = b"%d size=%d\n" % (9 + len(str(len(PACKET) - 1)), len(PACKET) - 1)
    data = _pax(b"13 path=b.txt\n".replace(b"13", b"14") + size + b"20 comment=whatever\n")
    assert contents(place(data)) == [("b.txt", None, PACKET[:-1])]


def test_headers_of_no_concern(place: Place) -> None:
    """Global pax headers and long link names say nothing about a member, and are passed over."""
    data = _pax(b"20 comment=whatever\n")
    for kind in (tarfile.XGLTYPE, tarfile.GNUTYPE_LONGLINK):
        info = tarfile.TarInfo("x")
        info.type, info.size = kind, 20
        front = info.tobuf(tarfile.USTAR_FORMAT) + b"20 path=/etc/passwd\n".ljust(512, b"\0")
        assert contents(place(front + data)) == [("a.pkt", None, PACKET)]


def test_large_extra_headers(place: Place) -> None:
    """A megabyte of name is refused without reading it."""
    with refused(Reason.ARCHIVE_LIMITS):
        contents(place(_pax(b"%d path=" % 300_000 + b"a" * (300_000 - 13) + b"\n")))


def test_limits(place: Place) -> None:
    """Members are limited in number and size, and all together in size."""
    many = tar_of(*((f"{number}.pkt", b"") for number in range(101)))
    with refused(Reason.ARCHIVE_LIMITS):
        contents(place(many))
    with refused(Reason.ARCHIVE_LIMITS):
        contents(place(tar_of(("a.pkt", bytes(200_001)))))
    with refused(Reason.ARCHIVE_LIMITS):
        contents(place(gzip.compress(tar_of(*((f"{number}.pkt", os.urandom(150_000)) for number in range(4))))))


def test_a_bomb(place: Place) -> None:
    """Ten megabytes of nothing are refused by their ratio."""
    bomb = gzip.compress(tar_of(("a.pkt", bytes(10_000_000))))
    with refused(Reason.ARCHIVE_LIMITS):
        contents(place(bomb), limits=ArchiveLimits())
    assert len(contents(place(bomb), limits=replace(ArchiveLimits(), ratio=1100))) == 1


@pytest.mark.parametrize("change", [lambda d: d[:-1], lambda d: d[:-9], lambda d: d[:30], lambda d: d + b"junk"])
def test_damaged_gzip(place: Place, change: object) -> None:
    """A gzip file that is cut, or goes on after its end, is refused whole."""
    assert callable(change)
    with refused(Reason.ARCHIVE_DAMAGED):
        contents(place(change(gzip.compress(tar_of(("a.pkt", PACKET))))))


def test_a_wrong_checksum_in_gzip(place: Place) -> None:
    """The CRC at the end of a gzip file counts for everything in it."""
    data = bytearray(gzip.compress(tar_of(("a.pkt", PACKET))))
    data[-8] ^= 1
    with refused(Reason.ARCHIVE_DAMAGED, "incorrect data check"):
        contents(place(bytes(data)))


def test_gzip_members_one_after_the_other(place: Place) -> None:
    """Gzip files may be put together, with zeros between and behind them; each counts, and there is a limit."""
    archive = tar_of(("a.pkt", PACKET), ("b.pkt", PACKET * 9000))
    pieces = [gzip.compress(archive[at : at + 90_000]) for at in range(0, len(archive), 90_000)]
    names = [name for name, _, _ in contents(place(b"\0".join(pieces) + bytes(700)), limits=ArchiveLimits())]
    assert names == ["a.pkt", "b.pkt"]
    with refused(Reason.ARCHIVE_LIMITS, "100 gzip members"):
        contents(place(gzip.compress(PACKET) + gzip.compress(b"") * 100))
    with refused(Reason.ARCHIVE_DAMAGED, "cut"):
        contents(place(pieces[0] + pieces[1][:-4]), limits=ArchiveLimits())


def test_a_gzip_header_as_long_as_the_file(place: Place) -> None:
    """A file name without an end, which would take minutes to read byte by byte, is passed over by zlib."""
    with refused(Reason.ARCHIVE_DAMAGED, "cut"):
        contents(place(b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * 3_000_000))


def test_headers_without_end(place: Place) -> None:
    """Headers that announce a member are as limited as members are."""
    info = tarfile.TarInfo("x")
    info.type = tarfile.XGLTYPE
    with refused(Reason.ARCHIVE_LIMITS):
        contents(place(info.tobuf() * 501))
    assert contents(place(info.tobuf() * 400 + tar_of(("a.pkt", PACKET)))) == [("a.pkt", None, PACKET)]


def test_a_wrong_checksum_of_a_header(place: Place) -> None:
    """A header whose sum is wrong is no header."""
    data = bytearray(tar_of(("a.pkt", PACKET)))
    data[0] ^= 1
    with refused(Reason.ARCHIVE_DAMAGED, "no member header at offset 0"):
        contents(place(bytes(data)))
