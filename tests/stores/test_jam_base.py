from __future__ import annotations

import os
import stat
import struct
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.peers import jam_writer
from tests.stores.samples import (
    ARRIVED,
    SUFFIXES,
    active,
    contents,
    file_of,
    lengths,
    ours,
    sample,
    samples,
    subjects,
)
from tosser import disk
from tosser.codec.jam import NONE, JamAttribute, SubfieldId, jam_crc, parse_fixed_header, parse_index
from tosser.errors import StoreError
from tosser.rules.network import StoreKind
from tosser.stores.base import BasePosition
from tosser.stores.jam import JamBase
from tosser.stores.jam_files import jam_time, unix_time
from tosser.stores.jam_reader import JamReader
from tosser.stores.opening import open_base
from tosser.stores.passthrough import PassthroughBase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a base may be made; its directory does not exist yet, and its name has a dot as tags have."""
    return tmp_path / "bases" / "TQW.TECH"


@pytest.fixture
def base(path: Path) -> Iterator[JamBase]:
    """A base that nothing was written to yet."""
    opened = JamBase(path)
    yield opened
    opened.close()


def test_creation_makes_all_four_files(base: JamBase, path: Path) -> None:
    """The first append makes the directory and all four files, readable by the group only."""
    assert base.append([sample(0)], wait=1) == [1]
    assert lengths(path).keys() == set(SUFFIXES)
    modes = {stat.S_IMODE(file_of(path, suffix).stat().st_mode) & 0o137 for suffix in SUFFIXES}
    assert modes == {0}
    assert stat.S_IMODE(path.parent.stat().st_mode) & 0o027 == 0


def test_nothing_is_made_for_nothing(base: JamBase, path: Path) -> None:
    """An append without messages, and asking for the position, leave no trace."""
    assert base.append([], wait=1) == []
    assert base.position() == BasePosition()
    assert not path.parent.exists()


def test_what_stands_in_the_files(base: JamBase, path: Path) -> None:
    """Index, headers, texts and counters agree, the CRCs are those of what is stored."""
    assert base.append(samples(3), wait=1) == [1, 2, 3]
    assert base.append([sample(3, to=b"Bob Example")], wait=1) == [4]
    fixed = parse_fixed_header(file_of(path, ".jhr").read_bytes())
    assert (fixed.active, fixed.mod_counter, fixed.base_number, fixed.password_crc) == (4, 2, 1, NONE)
    index = parse_index(file_of(path, ".jdx").read_bytes())
    assert [record.user_crc for record in index] == [jam_crc(b"All")] * 3 + [jam_crc(b"Bob Example")]
    assert index[0].header_offset == 1024
    found = list(JamReader(path).messages())
    assert [message.number for message in found] == [message.header.number for message in found] == [1, 2, 3, 4]
    assert [message.text for message in found] == [sample(number).body for number in range(4)]
    assert {message.header.attribute for message in found} == {JamAttribute.TYPEECHO}
    assert {message.header.received for message in found} == {0}
    assert {message.header.processed for message in found} == {jam_time(ARRIVED)}
    assert found[2].header.msgid_crc == jam_crc(b"1337:1/100 00000002")
    assert b"".join(message.text for message in found) == file_of(path, ".jdt").read_bytes()
    assert file_of(path, ".jlr").read_bytes() == b""


def test_messages_come_back_as_mail(base: JamBase, path: Path) -> None:
    """The reader gives a stored message back as it was put in, save for blanks around list values."""
    message = sample(7)
    base.append([message], wait=1)
    (found,) = JamReader(path).messages()
    message.seen_by, message.path = [b"1/100 200"], [b"1/100"]
    assert found.message == message


def test_position_follows_the_appends(base: JamBase, path: Path) -> None:
    """The position says how long the files are, how many messages there are, and survives JSON."""
    base.append(samples(2), wait=1)
    position = base.position()
    sizes = lengths(path)
    assert (position.jhr, position.jdt, position.jdx) == (sizes[".jhr"], sizes[".jdt"], 16)
    assert (position.count, position.base_number) == (2, 1)
    assert position.last not in {0, JamBase(path.parent / "NONE").position().last}
    assert BasePosition.from_json(position.to_json()) == position


def test_each_file_is_written_once(base: JamBase, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group of messages is one write to each file, text first, and one to the counters."""
    base.append([sample(0)], wait=1)
    written: list[tuple[str, int]] = []

    def record(descriptor: int, data: bytes, offset: int) -> None:
        written.append((Path(f"/proc/self/fd/{descriptor}").readlink().suffix, len(data)))
        os.pwrite(descriptor, data, offset)

    monkeypatch.setattr(disk, "write_at", record)
    base.append(samples(100, 1), wait=1)
    assert [suffix for suffix, _ in written] == [".jdt", ".jhr", ".jdx", ".jhr"]
    assert written[2:] == [(".jdx", 800), (".jhr", 8)]


def test_sync_covers_files_and_names(base: JamBase, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync takes texts, headers, index, in this order, then the directory of new files; the next does nothing."""
    synced: list[str] = []
    monkeypatch.setattr(disk, "sync_file", lambda fd: synced.append(Path(f"/proc/self/fd/{fd}").readlink().suffix))
    monkeypatch.setattr(disk, "sync_directory", lambda directory: synced.append(directory.name))
    base.append([sample(0)], wait=1)
    base.close()
    base.sync()
    assert synced == [path.parent.parent.name, ".jdt", ".jhr", ".jdx", path.parent.name]
    base.sync()
    assert len(synced) == 5


def test_upper_case_files_are_used(base: JamBase, path: Path) -> None:
    """A base whose files have upper-case suffixes is appended to, and what is missing is made in upper case."""
    base.append(samples(2), wait=1)
    base.close()
    for suffix in (".jhr", ".jdt", ".jdx"):
        file_of(path, suffix).rename(file_of(path, suffix.upper()))
    file_of(path, ".jlr").unlink()
    assert base.append(samples(1, 2), wait=1) == [3]
    assert subjects(path) == ours(3)
    assert sorted(file.suffix for file in path.parent.iterdir()) == [".JDT", ".JDX", ".JHR", ".JLR"]


def test_a_missing_jlr_is_made(tmp_path: Path) -> None:
    """A base made by a program that makes no .jlr gets one, since crashmail would wipe a base without it."""
    other = tmp_path / "OTHER"
    jam_writer.append(other, b"All", b"one", b"text\r")
    file_of(other, ".jlr").unlink()
    opened = JamBase(other)
    assert opened.append([sample(0)], wait=1) == [2]
    opened.close()
    assert file_of(other, ".jlr").read_bytes() == b""
    assert subjects(other) == ["one", "ours 0"]


def test_numbers_follow_the_index_and_its_first_number(base: JamBase, path: Path) -> None:
    """A message's number is its place in the index plus the base's first number, whatever headers say."""
    base.append(samples(2), wait=1)
    header = bytearray(file_of(path, ".jhr").read_bytes())
    struct.pack_into("<I", header, 20, 501)
    file_of(path, ".jhr").write_bytes(header)
    assert base.append(samples(1, 2), wait=1) == [503]
    assert [message.number for message in JamReader(path).messages()] == [501, 502, 503]


def test_reserved_bytes_of_the_header_stay(base: JamBase, path: Path) -> None:
    """The high-water mark of another program, and whatever else the header holds, survives an append."""
    base.append([sample(0)], wait=1)
    data = bytearray(file_of(path, ".jhr").read_bytes())
    data[24:1024] = bytes(range(250)) * 4
    file_of(path, ".jhr").write_bytes(data)
    base.append([sample(1)], wait=1)
    assert file_of(path, ".jhr").read_bytes()[24:1024] == data[24:1024]


def test_files_put_in_place_of_ours_are_noticed(base: JamBase, path: Path) -> None:
    """A packer may replace the files while we hold them open; the next append goes into the new ones."""
    base.append(samples(3), wait=1)
    jam_writer.delete(path, 0)
    jam_writer.pack(path, renumber=True, replace=True)
    assert base.append(samples(1, 3), wait=1) == [3]
    assert subjects(path) == ours(3, 1)


def test_a_base_removed_by_the_sysop_is_made_again(base: JamBase, path: Path) -> None:
    """Where the files have been removed under us the next append makes new ones."""
    base.append(samples(3), wait=1)
    for suffix in SUFFIXES:
        file_of(path, suffix).unlink()
    assert base.position() == BasePosition()
    assert base.append([sample(3)], wait=1) == [1]
    assert subjects(path) == ["ours 3"]


BROKEN = [
    ("no signature", ".jhr", lambda data: b"MAJ\0" + data[4:], "signature"),
    ("header cut", ".jhr", lambda data: data[:1000], "1000 bytes"),
    ("header cut short", ".jhr", lambda data: data[:20], "20"),
    ("index out of step", ".jdx", lambda data: data + b"\0\0\0", "ends inside a record"),
    ("headers emptied", ".jhr", lambda _: b"", "empty"),
    ("numbers used up", ".jhr", lambda data: data[:20] + b"\xff\xff\xff\xff" + data[24:], "used up"),
]


@pytest.mark.parametrize(("suffix", "harm", "said"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_a_broken_base_is_refused_and_not_touched(
    base: JamBase, path: Path, suffix: str, harm: Callable[[bytes], bytes], said: str
) -> None:
    """A base that is not as it must be is refused with a sentence that says what is wrong, and stays as it was."""
    base.append(samples(3), wait=1)
    file_of(path, suffix).write_bytes(harm(file_of(path, suffix).read_bytes()))
    before = contents(path)
    with pytest.raises(StoreError, match=said) as refusal:
        base.append([sample(3)], wait=1)
    assert str(path) in str(refusal.value)
    assert contents(path) == before


@pytest.mark.parametrize("suffix", [".jdt", ".jdx"])
def test_a_base_without_index_or_texts_is_refused(base: JamBase, path: Path, suffix: str) -> None:
    """Where a file of a base that has messages is missing no new one is made in its place."""
    base.append(samples(3), wait=1)
    file_of(path, suffix).unlink()
    with pytest.raises(StoreError, match="missing"):
        base.append([sample(3)], wait=1)
    assert not file_of(path, suffix).exists()


def test_position_of_a_broken_base_is_refused(base: JamBase, path: Path) -> None:
    """A position that could not be resumed from is not given."""
    base.append(samples(3), wait=1)
    with file_of(path, ".jdx").open("ab") as index:
        index.write(b"\0")
    with pytest.raises(StoreError, match="ends inside a record"):
        base.position()


@pytest.mark.parametrize("change", [lambda header: header.unlink(), lambda header: header.write_bytes(b"")])
def test_a_base_whose_header_is_away_is_not_taken_for_none(
    base: JamBase, path: Path, change: Callable[[Path], None]
) -> None:
    """While another program writes the header anew there is no position; else we would clear away what is there."""
    base.append(samples(3), wait=1)
    header = file_of(path, ".jhr")
    whole = header.read_bytes()
    change(header)
    with pytest.raises(StoreError, match="broken"):
        base.position()
    header.write_bytes(whole)
    assert base.position().count == 3


def test_a_full_base_is_refused(base: JamBase, path: Path) -> None:
    """A file of 4 GiB is the most that offsets of 32 bits reach."""
    base.append([sample(0)], wait=1)
    with file_of(path, ".jdt").open("r+b") as texts:
        texts.truncate(NONE - 10)
    before = lengths(path)
    with pytest.raises(StoreError, match="full"):
        base.append([sample(1)], wait=1)
    assert lengths(path) == before


def test_a_directory_in_the_way(tmp_path: Path) -> None:
    """What the system refuses comes as a StoreError that names the base."""
    (tmp_path / "AREA.jdt").mkdir()
    with pytest.raises(StoreError, match=r"AREA.*directory"):
        JamBase(tmp_path / "AREA").append([sample(0)], wait=1)


LIMITED = """
    import resource, sys
    from pathlib import Path
    from tests.stores.samples import sample, samples
    from tosser.errors import StoreError
    from tosser.stores.jam import JamBase

    path, suffix, room, text = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    base = JamBase(path)
    base.append(samples(5, size=text), wait=1)
    size = path.with_name(path.name + suffix).stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, resource.RLIM_INFINITY))
    try:
        base.append(samples(50, 5, size=text), wait=1)
    except StoreError as error:
        print("refused:", error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print("numbers:", base.append([sample(5, size=text)], wait=1))
"""


@pytest.mark.parametrize(
    ("suffix", "room", "text"),
    [(".jdt", 0, 400), (".jdt", 300, 400), (".jdt", 3000, 400), (".jhr", 0, 0), (".jhr", 700, 0)],
)
def test_a_full_disk_leaves_nothing_half_written(path: Path, suffix: str, room: int, text: int) -> None:
    """When a file cannot grow any more the append is refused, all files are as before, and later appends succeed."""
    script = textwrap.dedent(LIMITED)
    done = subprocess.run(
        [sys.executable, "-c", script, path, suffix, str(room), str(text)], check=True, capture_output=True, text=True
    )
    assert "refused:" in done.stdout
    assert "File too large" in done.stdout
    assert "numbers: [6]" in done.stdout
    assert subjects(path) == ours(6)
    assert active(path) == 6
    whole = sum(len(message.text) for message in JamReader(path).messages())
    assert lengths(path)[".jdt"] == whole


def test_a_failed_counter_write_takes_everything_back(
    base: JamBase, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even the last write of an append may fail; then nothing of it is left in the index."""
    base.append(samples(2), wait=1)
    before = contents(path)
    write_at = disk.write_at

    def fail_on_counters(descriptor: int, data: bytes, offset: int) -> None:
        if offset == 8:
            raise OSError(5, "Input/output error")
        write_at(descriptor, data, offset)

    monkeypatch.setattr(disk, "write_at", fail_on_counters)
    with pytest.raises(StoreError, match="Input/output error"):
        base.append(samples(2, 2), wait=1)
    monkeypatch.undo()
    assert contents(path) == before


def test_a_header_that_cannot_be_written_is_taken_back(
    base: JamBase, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A base that cannot even get its header is left empty, which is as good as none, and can be begun later."""

    def fill_the_disk(descriptor: int, data: bytes, offset: int) -> None:
        os.pwrite(descriptor, data[:500], offset)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(disk, "write_at", fill_the_disk)
        with pytest.raises(StoreError, match="No space left"):
            base.append([sample(0)], wait=1)
    assert set(lengths(path).values()) == {0}
    assert base.position() == BasePosition()
    assert base.append([sample(0)], wait=1) == [1]


def test_times_are_those_of_the_local_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """JAM times show the local clock, summer time included, and lead back to the moment they stand for."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    try:
        assert jam_time(1_704_110_400) == 1_704_110_400 + 3600
        assert jam_time(1_719_835_200) == 1_719_835_200 + 7200
        assert unix_time(jam_time(1_719_835_200)) == 1_719_835_200
    finally:
        monkeypatch.undo()
        time.tzset()
    assert jam_time(-100_000) == 0


def test_subfields_of_a_message(base: JamBase, path: Path) -> None:
    """A message can be had by its number, and its subfields are in order."""
    base.append(samples(3), wait=1)
    kinds = [identifier for identifier, _ in JamReader(path).message(2).subfields]
    assert kinds == [
        SubfieldId.SENDERNAME,
        SubfieldId.RECEIVERNAME,
        SubfieldId.SUBJECT,
        SubfieldId.OADDRESS,
        SubfieldId.MSGID,
        SubfieldId.PID,
        SubfieldId.FTSKLUDGE,
        SubfieldId.FTSKLUDGE,
        SubfieldId.SEENBY2D,
        SubfieldId.PATH2D,
    ]


def test_open_base_by_kind(path: Path) -> None:
    """Each store kind has its base."""
    assert isinstance(open_base(StoreKind.JAM, path), JamBase)
    assert isinstance(open_base(StoreKind.PASSTHROUGH, path), PassthroughBase)


def test_passthrough_stores_nothing(path: Path) -> None:
    """A passthrough area takes everything, keeps nothing and numbers nothing."""
    nothing = open_base(StoreKind.PASSTHROUGH, path)
    assert nothing.position() == BasePosition()
    assert nothing.append(samples(3), wait=0) == [0, 0, 0]
    assert nothing.resume(BasePosition(), samples(2), wait=0) == [0, 0]
    nothing.sync()
    nothing.close()
    assert not path.parent.exists()
