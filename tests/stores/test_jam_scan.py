"""Finding what other programs wrote, and marking it as sent: killed and without power, beside other programs."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest

from tests.peers import jam_writer
from tests.peers.jamnntpd import Jamnntpd
from tests.peers.programs import require_own
from tests.stores.samples import active, contents, file_of, samples, subjects
from tests.stores.test_jam_pack_power import DRAWS, MEMORY, Medium
from tests.stores.test_jam_resume import kill
from tests.stores.upkeep import stored
from tosser.codec.packed_message import PackedMessage
from tosser.rules.scanning import NOWHERE
from tosser.stores.jam import JamBase
from tosser.stores.jam_files import shared_files
from tosser.stores.jam_pack import pack
from tosser.stores.jam_reader import JamReader
from tosser.stores.jam_repair import check
from tosser.stores.jam_scan import Completion, Sightings, Wanted, digest_of, end_of, mark_as_sent, seek

WRITTEN = 4
STEPS = 16
"""More than a marking writes."""
PROCESSED = 1_795_000_000
LONGEST = 1000
SENT_TEXT = b"AREA:A\r\x01MSGID: 1337:1/200 %08x\r\x01TID: t 1\rboard text %d\r--- t\r * Origin: o (1337:1/200)\r"


def base_at(path: Path) -> Path:
    """Make a base with messages of ours, and some of a BBS, one of which lacks nothing."""
    JamBase(path).append(samples(3), wait=1)
    for number in range(WRITTEN):
        whole = number == 1
        fields = [(jam_writer.MSGID, b"1337:1/200 %08x" % number), (2000, b"TID: t 1")] if whole else []
        text = b"board text %d\r" % number + b"--- t\r * Origin: o (1337:1/200)\r" * whole
        jam_writer.append(path, b"All", b"board %d" % number, text, fields=fields)
    shared_files(path).sync()
    return path


def look(path: Path, position: object = NOWHERE, most: int = 100) -> Sightings:
    """Look for all that is to be sent."""
    files = shared_files(path)
    with files.locked(1):
        return seek(files, position, most, Wanted(LONGEST), everything=position is NOWHERE)  # type: ignore[arg-type]


def completions(path: Path) -> list[Completion]:
    """Say what was sent of everything that is to be sent."""
    made = []
    for message in look(path).found:
        number = int(message.message.subject.split()[-1])
        text = SENT_TEXT % (number, number)
        sent = PackedMessage(0, 1, 1, 1, 1, 0, 0, b"", b"All", b"", message.message.subject, text)
        made.append(Completion(message.number, digest_of(message), sent))
    return made


def mark(path: Path, wanted: list[Completion]) -> list[int | None]:
    """Mark messages as sent."""
    files = shared_files(path)
    with files.locked(1):
        return mark_as_sent(files, wanted, PROCESSED, synced=True)


def is_marked(header: bytes) -> bool:
    """Read the bit out of a stored header."""
    return bool(header[52] & jam_writer.SENT)


def assert_marked(path: Path) -> None:
    """Check that all of the BBS is complete and marked, under its numbers, and that the base is sound."""
    found = {each.number: each for each in JamReader(path).messages()}
    assert list(found) == [1, 2, 3, 4, 5, 6, 7]
    for number in range(WRITTEN):
        message = found[4 + number]
        assert message.header.attribute & jam_writer.SENT
        assert message.message.kludges == [b"MSGID: 1337:1/200 %08x" % number, b"TID: t 1"]
        assert message.text == b"board text %d\r--- t\r * Origin: o (1337:1/200)\r" % number
    assert active(path) == 7
    assert check(shared_files(path)) == []


def test_marking(tmp_path: Path) -> None:
    """What was lacking is added, once; what is not there any more is passed over."""
    path = base_at(tmp_path / "AREA")
    wanted = completions(path)
    before = file_of(path, ".jdt").stat().st_size
    assert mark(path, wanted) == [4, 5, 6, 7]
    assert_marked(path)
    settled = contents(path)
    assert mark(path, wanted) == [None] * WRITTEN
    assert contents(path) == settled
    assert look(path).found == []
    grown = sum(len(b"board text 0\r--- t\r * Origin: o (1337:1/200)\r") for _ in range(WRITTEN - 1))
    assert file_of(path, ".jdt").stat().st_size == before + grown


def test_what_is_left_behind_is_packed(tmp_path: Path) -> None:
    """A packing takes the room of the old headers and texts, and leaves the messages as they are."""
    path = base_at(tmp_path / "AREA")
    mark(path, completions(path))
    before, room = stored(path), sum(len(data) for data in contents(path).values())
    files = shared_files(path)
    with files.locked(1):
        pack(files)
    assert stored(path) == before
    assert sum(len(data) for data in contents(path).values()) < room
    assert_marked(path)


def test_found_elsewhere(tmp_path: Path) -> None:
    """Messages that a packer has numbered anew are found by what they say; one that is deleted is left alone."""
    path = base_at(tmp_path / "AREA")
    wanted = completions(path)
    for position in (0, 1, 4):
        jam_writer.delete(path, position)
    jam_writer.pack(path, renumber=True)
    assert mark(path, wanted) == [2, None, 3, 4]


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    """Killed at any write, or half way through it, each message is as it was or will be; then all is done."""
    reached = 0
    for step in range(STEPS):
        path = base_at(tmp_path / f"AREA{step}")
        wanted, before = completions(path), stored(path)
        reached += kill(monkeypatch, lambda path=path, wanted=wanted: mark(path, wanted), step, share)  # type: ignore[misc]
        after = stored(path)
        assert after.keys() == before.keys()
        assert all(after[number] == before[number] or is_marked(after[number].header) for number in before)
        mark(path, wanted)
        assert_marked(path)
    assert 3 < reached < STEPS


def test_power_cuts() -> None:
    """Whenever the power fails, each message is whole, as it was or as it will be."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as directory:
        path = base_at(Path(directory) / "AREA")
        wanted, before, there = completions(path), contents(path), stored(path)
        medium = Medium(path, before)
        with pytest.MonkeyPatch.context() as patch:
            medium.watch(patch)
            mark(path, wanted)
        shared_files(path).close()
        after = stored(path)
        dice = random.Random(7)
        assert len(medium.moments) > 5
        for moment in range(len(medium.moments)):
            for _ in range(DRAWS):
                for suffix, data in medium.remains(moment, dice).items():
                    file_of(path, suffix).write_bytes(data)
                found = stored(path)
                assert found.keys() == there.keys(), moment
                for number, message in found.items():
                    assert message[1:] in {there[number][1:], after[number][1:]}, (moment, number)


def test_a_power_cut_is_put_right() -> None:
    """After a power cut before the last sync, marking again makes of the base what it should be."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as directory:
        path = base_at(Path(directory) / "AREA")
        wanted, before = completions(path), contents(path)
        medium = Medium(path, before)
        with pytest.MonkeyPatch.context() as patch:
            medium.watch(patch)
            mark(path, wanted)
        dice = random.Random(7)
        for moment in range(len(medium.moments)):
            shared_files(path).close()
            for suffix, data in medium.remains(moment, dice).items():
                file_of(path, suffix).write_bytes(data)
            mark(path, wanted)
            assert_marked(path)


def test_an_append_that_was_cut_off_before(tmp_path: Path) -> None:
    """An append that is taken up again cuts off nothing that was marked meanwhile, and stands in the base once."""
    path = base_at(tmp_path / "AREA")
    base, more = JamBase(path), samples(2, 4)
    base.append(samples(1, 3), wait=1)
    since = base.position()
    wanted = completions(path)
    mark(path, wanted)
    assert base.resume(since, more, wait=1) == [9, 10]
    assert base.resume(since, more, wait=1) == [9, 10]
    board = [f"board {number}" for number in range(WRITTEN)]
    assert subjects(path) == ["ours 0", "ours 1", "ours 2", *board, "ours 3", "ours 4", "ours 5"]
    assert all(message.header.attribute & jam_writer.SENT for message in list(JamReader(path).messages())[3:7])


def test_jamnntpd_reads_what_was_marked(tmp_path: Path) -> None:
    """An NNTP server sees the messages under their numbers, with what they got."""
    path = base_at(tmp_path / "AREA")
    mark(path, completions(path))
    with Jamnntpd(tmp_path / "news", {"AREA": path}, require_own("jamnntpd-i386")) as server, server.session() as news:
        assert news.group("AREA") == (7, 1, 7)
        headers, lines = news.article(4)
    assert (headers["x-jam-msgid"], headers["x-jam-attributes"]) == ("1337:1/200 00000000", "Local Sent TypeEcho")
    assert [line.strip() for line in lines] == ["board text 0", "--- t", "* Origin: o (1337:1/200)"]


def test_only_what_is_new(tmp_path: Path) -> None:
    """A look goes on where the last one ended; a bound on what is taken leaves the rest for the next."""
    path = base_at(tmp_path / "AREA")
    with shared_files(path).locked(1):
        end = end_of(shared_files(path), 0.0)
    assert look(path, end).found == []
    for number in range(3):
        jam_writer.append(path, b"All", b"later %d" % number, b"text\r")
    seen = look(path, end, most=2)
    assert ([each.number for each in seen.found], seen.count, seen.position) == ([8, 9], 3, end)
    jam_writer.append(path, b"All", b"long", b"." * (LONGEST + 1))
    seen = look(path, end)
    assert ([each.number for each in seen.found], seen.too_long, seen.position.next) == ([8, 9, 10], 1, 12)


def test_a_message_that_cannot_be_read(tmp_path: Path) -> None:
    """A broken one is left to the repair, and those around it are found."""
    path = base_at(tmp_path / "AREA")
    headers = bytearray(file_of(path, ".jhr").read_bytes())
    at = headers.rfind(b"JAM\0")
    headers[at + 8 : at + 12] = (1 << 12).to_bytes(4, "little")
    headers[at + 76 + 4 : at + 76 + 8] = (1 << 11).to_bytes(4, "little")
    file_of(path, ".jhr").write_bytes(headers)
    assert [each.number for each in look(path).found] == [4, 5, 6]
