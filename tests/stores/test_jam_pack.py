"""Packing: room is given back, and whatever moment it ends at every message is there for everybody."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.outbound.killing import Killed, Life
from tests.peers import jam_writer
from tests.peers.jamnntpd import Jamnntpd
from tests.peers.programs import require_own
from tests.stores.samples import contents, file_of, lengths, sample, samples, subjects
from tests.stores.upkeep import copies, counted, held, stored, with_a_past
from tosser import disk
from tosser.codec.jam import HeaderField, build_field
from tosser.errors import StoreError
from tosser.stores.base import BasePosition
from tosser.stores.jam import JamBase
from tosser.stores.jam_files import shared_files
from tosser.stores.jam_pack import Packed, pack, unused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of our own is made in it


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory in memory, where syncing takes no time."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as directory:
        yield Path(directory)


def packed(path: Path) -> Packed:
    """Pack a base."""
    with held(path):
        return pack(shared_files(path))


def die(path: Path, steps: int) -> Life:
    """Pack until so many steps are taken, then die and start again."""
    life = Life(steps)
    with pytest.MonkeyPatch.context() as patch:
        life.disk(patch)
        try:
            packed(path)
        except Killed:
            pass
        else:
            assert life.steps <= steps
    shared_files(path).close()
    return life


def half_emptied(path: Path) -> Path:
    """Make a base whose first messages are gone, so that there is room for the others without further ado."""
    JamBase(path).append(samples(20), wait=1)
    for position in range(12):
        jam_writer.delete(path, position)
    return path


def test_room_is_given_back(home: Path) -> None:
    """Files get as short as they can be, but for the index; numbers, counts, marks and messages stay as they were."""
    path = with_a_past(home / "AREA")
    file_of(path, ".jlr").write_bytes(bytes(range(32)))
    before, index, marks = stored(path), lengths(path)[".jdx"], contents(path)[".jlr"]
    report = packed(path)
    assert stored(path) == before
    assert report.messages == len(before) == counted(path)
    assert sum(report.before) > sum(report.after)
    assert lengths(path)[".jdt"] == sum(len(each.text) for each in before.values())
    assert lengths(path)[".jhr"] == 1024 + sum(76 + len(each.subfields) for each in before.values())
    assert lengths(path)[".jdx"] == index
    assert contents(path)[".jlr"] == marks
    with shared_files(path).reading():
        assert unused(shared_files(path))[0] == 0


def test_nothing_to_pack(home: Path) -> None:
    """A base without unused room is left as it is, byte for byte."""
    path = home / "AREA"
    JamBase(path).append(samples(5), wait=1)
    before = contents(path)
    packed(path)
    assert contents(path) == before


def test_all_messages_are_gone(home: Path) -> None:
    """A base whose messages are all deleted keeps its header and its numbers: the next message gets the next one."""
    path = home / "AREA"
    JamBase(path).append(samples(3), wait=1)
    for position in range(3):
        jam_writer.delete(path, position)
    packed(path)
    assert lengths(path) == {".jhr": 1024, ".jdt": 0, ".jdx": 24, ".jlr": 0}
    assert JamBase(path).append([sample(3)], wait=1) == [4]
    assert subjects(path) == ["ours 3"]


@pytest.mark.parametrize("made", [with_a_past, half_emptied])
def test_killed_at_every_step(home: Path, made: Callable[[Path], Path]) -> None:
    """Whatever step it dies at, every message is whole for a reader that knows nothing of it; then all goes on."""
    fresh = made(home / "FRESH")
    path = home / "AREA"
    expected, steps = stored(fresh), 0
    while True:
        list(copies(fresh, home, "AREA"))
        shared_files(path).close()
        life = die(path, steps)
        assert stored(path) == expected
        if life.steps <= steps:
            break
        jam_writer.append(path, b"All", b"late 0", b"late text 0\r")
        (late,) = JamBase(path).append([sample(99)], wait=1)
        packed(path)
        left = stored(path)
        assert {number: left[number] for number in expected} == expected
        assert sorted(left) == [*sorted(expected), late - 1, late]
        assert lengths(path)[".jdt"] == sum(len(each.text) for each in left.values())
        assert counted(path) == len(left)
        steps += 1
    assert steps > 10


def test_jamnntpd_reads_what_a_kill_left(home: Path) -> None:
    """Another program reads every message after a kill at any step, and after the whole."""
    fresh = with_a_past(home / "FRESH", size=20)
    expected = stored(fresh)
    groups: dict[str, Path] = {}
    steps = 0
    while True:
        path = home / f"AREA{steps}"
        list(copies(fresh, home, path.name))
        groups[path.name] = path
        if die(path, steps).steps <= steps:
            break
        steps += 1
    with Jamnntpd(home / "news", groups, require_own("jamnntpd-i386")) as server, server.session() as news:
        for group in groups:
            news.group(group)
            for number, message in expected.items():
                headers, lines = news.article(number)
                assert headers["subject"].encode() in message.subfields
                assert "\r".join(lines).encode().rstrip() == message.text.replace(b"\r * O", b"\r  * O").rstrip()


def test_jamnntpd_posts_after_a_packing(home: Path) -> None:
    """A newsreader that was in the area before the packing posts after it, and reads what was there and what is new."""
    path = with_a_past(home / "AREA")
    before = stored(path)
    post = {"From": "Bob Example <bob@bbs.invalid>", "Newsgroups": "AREA", "Subject": "posted", "Organization": "here"}
    with Jamnntpd(home / "news", {"AREA": path}, require_own("jamnntpd-i386")) as server, server.session() as news:
        assert news.group("AREA") == (18, 1, 18)
        packed(path)
        news.post(post, "Hello\n")
        assert news.group("AREA") == (19, 1, 19)
        assert news.article(18)[0]["subject"] == subjects(path)[-2]
        assert news.article(19)[0]["subject"] == "posted"
    assert {number: each for number, each in stored(path).items() if number < 19} == before
    assert counted(path) == len(before) + 1


def test_a_full_disk(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A base that there is no room to pack is as it was, and says so."""
    path = with_a_past(home / "AREA")
    for position in range(0, 12, 3):
        assert contents(path)[".jdx"][position * 8 : position * 8 + 8] == b"\xff" * 8
    before, write_at = contents(path), disk.write_at

    def full(descriptor: int, data: bytes, offset: int) -> None:
        write_at(descriptor, data[:10], offset)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(disk, "write_at", full)
        with pytest.raises(StoreError, match="No space left"):
            packed(path)
    assert contents(path) == before


def test_a_broken_base_is_refused(home: Path) -> None:
    """A place in the index that leads to nothing is told of, and nothing is changed."""
    path = with_a_past(home / "AREA")
    with file_of(path, ".jdx").open("r+b") as index:
        index.seek(12)
        index.write(b"\0\0\0\x70")
    before = contents(path)
    with pytest.raises(StoreError, match=r"message 2: the index points to offset .*repaired first"):
        packed(path)
    assert contents(path) == before


def test_a_program_that_has_the_files_open(home: Path) -> None:
    """What a program appends through files that it opened before the packing is not lost."""
    path = with_a_past(home / "AREA")
    writer = [sys.executable, str(Path(jam_writer.__file__)), str(path), "append", "late", "3"]
    with held(path):
        other = subprocess.Popen(writer, stdout=subprocess.PIPE, text=True)
        assert other.stdout is not None
        assert other.stdout.readline() == "waiting\n"
        pack(shared_files(path))
    other.communicate(timeout=60)
    assert subjects(path)[-3:] == ["late 0", "late 1", "late 2"]
    assert counted(path) == len(stored(path))


def test_headers_that_state_too_much(home: Path) -> None:
    """Subfields that are stated longer than they are, as 64-bit builds of jamlib do, are packed as long as they are."""
    path = with_a_past(home / "AREA")
    before = stored(path)
    offsets = [contents(path)[".jdx"][at + 4 : at + 8] for at in (8, 16)]
    for offset, more in zip(offsets, (40, 300), strict=True):
        at = int.from_bytes(offset, "little") + HeaderField.SUBFIELD_LENGTH
        length = int.from_bytes(contents(path)[".jhr"][at : at + 4], "little")
        with held(path):
            shared_files(path).write(jhr=(at, build_field(length + more)))
    packed(path)
    assert {number: each.text for number, each in stored(path).items()} == {
        number: each.text for number, each in before.items()
    }
    assert stored(path)[3].subfields == before[3].subfields


def test_headers_that_overlap(home: Path) -> None:
    """Two index records into one header are no base to be packed."""
    path = with_a_past(home / "AREA")
    offset = int.from_bytes(contents(path)[".jdx"][12:16], "little") + 30
    with held(path):
        shared_files(path).write(jhr=(offset, contents(path)[".jhr"][offset - 30 : offset]))
        shared_files(path).write(jdx=(20, build_field(offset)))
    with pytest.raises(StoreError, match="broken"):
        packed(path)


@pytest.mark.parametrize("written", [0, 1, 2])
def test_packed_between_a_record_of_the_place_and_the_append(home: Path, written: int) -> None:
    """An append whose recorded place is older than a packing is finished all the same, each message once."""
    path = with_a_past(home / "AREA")
    base = JamBase(path)
    since = BasePosition.from_json(base.position().to_json())
    before = stored(path)
    packed(path)
    mail = samples(2, 50, size=10)
    base.append(mail[:written], wait=1)
    numbers = base.resume(since, mail, wait=1)
    assert numbers == [19, 20]
    assert subjects(path)[-2:] == ["ours 50", "ours 51"]
    assert {number: each for number, each in stored(path).items() if number < 19} == before
    assert counted(path) == len(before) + 2


@settings(deadline=None, max_examples=60)
@given(
    texts=st.lists(st.binary(max_size=300), min_size=1, max_size=12),
    gone=st.sets(st.integers(0, 11)),
    again=st.sets(st.integers(0, 11)),
)
def test_every_message_is_kept_byte_for_byte(texts: list[bytes], gone: set[int], again: set[int]) -> None:
    """Whatever is deleted, in one packing or in two, what is left keeps its number and each of its bytes."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as directory:
        path = Path(directory) / "AREA"
        for number, text in enumerate(texts):
            jam_writer.append(path, b"All", b"theirs %d" % number, text)
        before = stored(path)
        for deleted in (gone, again - gone):
            for position in sorted(deleted):
                if position < len(texts):
                    jam_writer.delete(path, position)
            before = stored(path)
            packed(path)
            assert stored(path) == before
            assert lengths(path)[".jdt"] == sum(len(each.text) for each in before.values())
        assert [sorted(before)] == [[n + 1 for n in range(len(texts)) if n not in gone | again]]
        shared_files(path).close()
