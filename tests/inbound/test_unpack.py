from __future__ import annotations

import gzip
import os
import tarfile
import zipfile
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.inbound.bundles import BUNDLE, LIMITS, PACKET, contents, refused, tar_of, zip_of
from tests.mail import packed, packet
from tosser.codec.bundle import ArchiveType
from tosser.errors import ArchiveError
from tosser.inbound.unpack import Archiver, open_members
from tosser.reason import Reason

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.inbound.bundles import Place


def tgz_of(*members: tuple[str, bytes]) -> bytes:
    """Build a compressed tar file."""
    return gzip.compress(tar_of(*members), mtime=0)


@pytest.mark.parametrize("name", ["00000001.pkt", BUNDLE])
def test_a_packet_is_its_own_member(place: Place, name: str) -> None:
    """A packet has one member without a name, also where a mailer has called it a bundle."""
    assert contents(place(PACKET), name) == [("", None, PACKET)]


@pytest.mark.parametrize("data", [b"x", PACKET[:40], b"not a packet at all" * 10])
def test_a_bad_packet_is_left_to_the_packet_reader(place: Place, data: bytes) -> None:
    """What is named as a packet and is nothing else is handed out, for its reader to say what is wrong with it."""
    assert contents(place(data), "00000001.pkt") == [("", None, data)]


@pytest.mark.parametrize("name", ["00000001.pkt", BUNDLE])
def test_an_empty_file_has_no_members(place: Place, name: str) -> None:
    """Zero bytes hold nothing."""
    assert contents(place(b""), name) == []


@pytest.mark.parametrize("data", [b"x", b"not an archive at all" * 10])
def test_an_unknown_bundle_is_refused(place: Place, data: bytes) -> None:
    """What is named as a bundle and is nothing known is refused."""
    with refused(Reason.ARCHIVE_UNKNOWN):
        contents(place(data))


@pytest.mark.parametrize("name", ["00000001.pkt", BUNDLE])
@pytest.mark.parametrize("build", [zip_of, tgz_of], ids=["zip", "tar.gz"])
def test_archives_are_told_by_content(place: Place, build: Callable[..., bytes], name: str) -> None:
    """An archive is unpacked whatever its name, and its packets come in the order of their names in any case."""
    other = packet([packed(b"AREA:TQW_GEN\rAnother\r")])
    data = build(("b.PKT", PACKET), ("C.pkt", other), ("A.pkt", other))
    assert contents(place(data), name) == [("A.pkt", None, other), ("b.PKT", None, PACKET), ("C.pkt", None, other)]


def test_plain_tar(place: Place) -> None:
    """A tar file need not be compressed."""
    data = tar_of(("a.pkt", PACKET), ("b.txt", b"text"))
    assert contents(place(data)) == [("a.pkt", None, PACKET), ("b.txt", Reason.NOT_A_PACKET, b"text")]


@pytest.mark.parametrize("build", [zip_of, tgz_of], ids=["zip", "tar.gz"])
def test_an_archive_without_members(place: Place, build: Callable[..., bytes]) -> None:
    """An archive of nothing has no members, and that is no mistake."""
    assert contents(place(build())) == []


@pytest.mark.parametrize("build", [zip_of, tgz_of], ids=["zip", "tar.gz"])
def test_good_packets_beside_bad_members(place: Place, build: Callable[..., bytes]) -> None:
    """A member that is no packet is told as such, and the packets beside it are handed out."""
    nested = zip_of(("a.pkt", PACKET))
    data = build(
        ("4.pkt", PACKET), ("1.txt", b"Greetings\r\n"), ("2.mo1", nested), ("3.pkt", b"damaged"), ("5.pkt", nested),
        ("6", PACKET), ("7.pkt", b""),
    )  # fmt: skip
    assert contents(place(data)) == [
        ("1.txt", Reason.NOT_A_PACKET, b"Greetings\r\n"),
        ("2.mo1", Reason.ARCHIVE_NESTED, nested),
        ("3.pkt", None, b"damaged"),
        ("4.pkt", None, PACKET),
        ("5.pkt", Reason.ARCHIVE_NESTED, nested),
        ("6", None, PACKET),
        ("7.pkt", None, b""),
    ]


@pytest.mark.parametrize("build", [zip_of, tgz_of], ids=["zip", "tar.gz"])
def test_names_are_flattened_and_made_printable(place: Place, build: Callable[..., bytes]) -> None:
    """A member's name is its last part, without anything that could upset a terminal; two may be called the same."""
    names = ["in/b.pkt", "out\\b.pkt", "a\x1b[2J.pkt", "\N{LATIN SMALL LETTER E WITH ACUTE}.pkt", "x" * 230 + ".pkt"]
    data = build(*((name, PACKET) for name in names))
    found = [name for name, problem, _ in contents(place(data)) if problem is None]
    assert found == ["a\\x1b[2J.pkt", "b.pkt", "b.pkt", "x" * 200, "\N{LATIN SMALL LETTER E WITH ACUTE}.pkt"]


def test_a_gzipped_packet_is_a_packet(place: Place) -> None:
    """What gzip holds need not be a tar; a packet is tossed, and anything else is refused as what it is."""
    assert contents(place(gzip.compress(PACKET))) == [("", None, PACKET)]
    assert contents(place(gzip.compress(b"text"))) == [("", Reason.NOT_A_PACKET, b"text")]
    nested = zip_of(("a.pkt", PACKET))
    assert contents(place(gzip.compress(nested))) == [("", Reason.ARCHIVE_NESTED, nested)]


@pytest.mark.parametrize("kind", [ArchiveType.ARJ, ArchiveType.RAR, ArchiveType.ZOO, ArchiveType.ZSTD])
def test_formats_without_a_program_are_refused(place: Place, kind: ArchiveType) -> None:
    """A foreign format is named in the refusal, so that the sysop knows what to configure."""
    heads = {
        ArchiveType.ARJ: b"\x60\xea",
        ArchiveType.RAR: b"Rar!\x1a\x07\x00",
        ArchiveType.ZOO: b"ZOO ",
        ArchiveType.ZSTD: b"\x28\xb5\x2f\xfd",
    }
    other = {ArchiveType.LZH: Archiver("lha", ("lhasa", "e", "{archive}"), 5.0)}
    path = place(heads[kind] + bytes(100))
    with pytest.raises(ArchiveError, match=kind) as caught, open_members(path, BUNDLE, LIMITS, other):
        pass
    assert caught.value.reason is Reason.ARCHIVE_UNKNOWN


def test_links_and_special_files_are_refused(tmp_path: Path) -> None:
    """A claimed file that turns out to be a link or a FIFO is neither followed nor waited for."""
    (tmp_path / "link").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "fifo", "."):
        with refused(Reason.ARCHIVE_UNSAFE):
            contents(tmp_path / name)


def test_a_missing_file_is_a_disk_error(tmp_path: Path) -> None:
    """A file that is gone is not the archive's fault."""
    with pytest.raises(FileNotFoundError):
        contents(tmp_path / "gone")


def test_members_are_closed_with_the_bundle(place: Place) -> None:
    """A member can be opened again and again, in any order, but not after the bundle was closed."""
    path = place(zip_of(("a.pkt", PACKET), ("b.pkt", PACKET[::-1])))
    with open_members(path, BUNDLE, LIMITS, {}) as members:
        first, second = members
        with first.open() as one, second.open() as two, first.open() as three:
            assert [one.read(5), two.read(5), one.read(5)] == [PACKET[:5], PACKET[::-1][:5], PACKET[5:10]]
            assert three.read() == PACKET
            assert one.seek(-2, os.SEEK_END) == len(PACKET) - 2
            assert one.read() == PACKET[-2:]
    with pytest.raises(ValueError, match="closed file"), first.open() as late:
        late.read()


def test_a_file_that_grows_is_read_to_where_it_was(place: Place) -> None:
    """What is appended to a file while it is open is not read."""
    path = place(PACKET)
    with open_members(path, "a.pkt", LIMITS, {}) as [member]:
        with path.open("ab") as stream:
            stream.write(b"more")
        with member.open() as stream:
            assert stream.read() == PACKET


def test_a_file_that_is_cut_while_open(place: Place) -> None:
    """Bytes that vanish under the reader end the stream; they are not waited for."""
    path = place(PACKET)
    with open_members(path, "a.pkt", LIMITS, {}) as [member], member.open() as stream:
        os.truncate(path, 30)
        assert stream.read() == PACKET[:30]


def test_gzip_of_nothing(place: Place) -> None:
    """A gzip file without content has no members."""
    assert contents(place(gzip.compress(b""))) == []


BUILDERS: dict[str, Callable[..., bytes]] = {
    "zip": zip_of,
    "stored": partial(zip_of, method=zipfile.ZIP_STORED),
    "tar.gz": tgz_of,
    "tar": tar_of,
    "pax": partial(tar_of, form=tarfile.PAX_FORMAT),
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
@pytest.mark.parametrize("kind", BUILDERS)
def test_damage_is_told_or_does_not_matter(place: Place, kind: str, data: st.DataObject) -> None:
    """Whatever is changed in an archive, it gives members or `ArchiveError`, and writes nothing."""
    members = (("dir/a.pkt", PACKET), ("b.pkt", PACKET * 3), ("long" * 40, b"text"))
    raw = bytearray(BUILDERS[kind](*members))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        patch = data.draw(st.binary(min_size=1, max_size=8))
        match data.draw(st.sampled_from(["change", "insert", "remove", "cut"])):
            case "change":
                raw[at : at + len(patch)] = patch
            case "insert":
                raw[at:at] = patch
            case "remove":
                del raw[at + 1 : at + 1 + len(patch)]
            case _:
                del raw[at + 1 :]
    try:
        found = contents(place(bytes(raw)))
    except ArchiveError as error:
        assert error.reason.startswith("archive-")  # noqa: PT017 - either outcome is right
    else:
        assert sum(len(content) for _, _, content in found) <= LIMITS.total_bytes


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    head=st.sampled_from(
        [b"", b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08\x00", bytes(18) + b"\x02\x00", b"\x1a\x08"]
    ),
    middle=st.binary(max_size=700),
    tail=st.sampled_from([b"", b"PK\x05\x06" + bytes(18), b"PK\x05\x06" + b"\xff" * 16 + b"\0\0"]),
)
def test_any_bytes_give_members_or_an_error(place: Place, head: bytes, middle: bytes, tail: bytes) -> None:
    """Arbitrary bytes are a packet, an archive or `ArchiveError`, and nothing else escapes."""
    try:
        contents(place(head + middle + tail))
    except ArchiveError as error:
        assert error.reason.startswith("archive-")  # noqa: PT017 - either outcome is right
