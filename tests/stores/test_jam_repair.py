"""Damage: each kind is found with its place, and what can be mended is, with nothing readable lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.outbound.killing import Killed, Life
from tests.peers import jam_writer
from tests.stores.samples import active, contents, file_of, ours, samples, subjects
from tests.stores.test_jam_sharing import lock_held_elsewhere
from tests.stores.upkeep import copies, counted, held, stored
from tosser.codec.jam import HeaderField, build_field
from tosser.errors import StoreError, StoreLocked
from tosser.stores.jam import JamBase
from tosser.stores.jam_files import shared_files
from tosser.stores.jam_reader import JamReader, Unreadable
from tosser.stores.jam_repair import Damage, check, repair, restore_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A sound base with five messages."""
    JamBase(tmp_path / "AREA").append(samples(5), wait=1)
    return tmp_path / "AREA"


def mended(path: Path, *, crcs: bool = False) -> list[tuple[str, int | None, bool]]:
    """Repair a base; what was found, about which message, and whether something is lost."""
    made = restore_files(shared_files(path))
    with held(path):
        findings = made + repair(shared_files(path), crcs=crcs)
    assert all(each.mended for each in findings)
    return [(each.kind.value, each.number, each.lost) for each in findings]


def found(path: Path) -> list[str]:
    """Check a base: the sentences about what is wrong."""
    before = contents_there(path)
    sentences = [each.what for each in check(shared_files(path))]
    assert contents_there(path) == before
    shared_files(path).close()
    return sentences


def contents_there(path: Path) -> dict[str, bytes]:
    """Give all bytes of the files that are there."""
    return {each.name: each.read_bytes() for each in path.parent.iterdir() if each.is_file()}


def offset_of(path: Path, number: int) -> int:
    """Tell where the header of a message stands."""
    return int.from_bytes(contents(path)[".jdx"][(number - 1) * 8 + 4 : number * 8], "little")


def poke(path: Path, suffix: str, at: int, data: bytes) -> None:
    """Overwrite bytes."""
    with file_of(path, suffix).open("r+b") as file:
        file.seek(at)
        file.write(data)


def set_field(path: Path, number: int, which: HeaderField, value: int) -> None:
    """Overwrite a field of a header."""
    poke(path, ".jhr", offset_of(path, number) + which, build_field(value))


def cut(path: Path, suffix: str, length: int) -> None:
    """Shorten a file by so many bytes."""
    file_of(path, suffix).write_bytes(file_of(path, suffix).read_bytes()[:-length])


def test_a_sound_base(path: Path) -> None:
    """There is nothing to find in a base of ours, of another program, or without messages; repair changes no byte."""
    jam_writer.append(path, b"All", b"theirs", b"text\r")
    jam_writer.delete(path, 2)
    assert found(path) == []
    before = contents(path)
    assert mended(path) == []
    assert contents(path) == before


CASES: dict[str, tuple[Callable[[Path], object], str, tuple[str, int | None, bool], list[int]]] = {
    "index record to nothing": (
        lambda path: poke(path, ".jdx", 12, b"\0\0\0\x70"),
        "message 2: the index points to offset 1879048192 of",
        ("lost-message", 2, False),
        [0, 1, 2, 3, 4],
    ),
    "header overwritten": (
        lambda path: poke(path, ".jhr", offset_of(path, 3), b"XXXX"),
        "message 3: there is no header at offset",
        ("lost-message", 3, True),
        [0, 1, 3, 4],
    ),
    "index cut within a record": (
        lambda path: cut(path, ".jdx", 3),
        "the index of 37 bytes ends inside a record",
        ("cut-index", None, False),
        [0, 1, 2, 3, 4],
    ),
    "index cut between records": (
        lambda path: cut(path, ".jdx", 16),
        "message 4 at offset",
        ("lost-message", 4, False),
        [0, 1, 2, 3, 4],
    ),
    "number": (
        lambda path: set_field(path, 4, HeaderField.NUMBER, 2),
        "message 4 says that it is number 2",
        ("wrong-number", 4, False),
        [0, 1, 2, 3, 4],
    ),
    "count": (
        lambda path: poke(path, ".jhr", 12, b"\x04\0\0\0"),
        "the base header counts 4 messages, there are 5",
        ("wrong-count", None, False),
        [0, 1, 2, 3, 4],
    ),
    "text": (
        lambda path: cut(path, ".jdt", 7),
        "message 5: of 143 bytes of text 136 are there",
        ("cut-text", 5, True),
        [0, 1, 2, 3, 4],
    ),
    "text of impossible length": (
        lambda path: set_field(path, 5, HeaderField.TEXT_LENGTH, 0x7FFFFFFF),
        "message 5: of 2147483647 bytes of text 0 are there",
        ("cut-text", 5, True),
        [0, 1, 2, 3, 4],
    ),
    "subfields": (
        lambda path: cut(path, ".jhr", 3),
        "message 5: of",
        ("cut-subfields", 5, True),
        [0, 1, 2, 3, 4],
    ),
    "link": (
        lambda path: set_field(path, 2, HeaderField.REPLY_NEXT, 77),
        "message 2: ReplyNext leads to 77",
        ("wrong-link", 2, False),
        [0, 1, 2, 3, 4],
    ),
    "link to itself": (
        lambda path: set_field(path, 2, HeaderField.REPLY_TO, 2),
        "message 2: ReplyTo leads to 2",
        ("wrong-link", 2, False),
        [0, 1, 2, 3, 4],
    ),
    "last-read marks": (
        lambda path: file_of(path, ".jlr").write_bytes(bytes(20)) and None,
        "AREA.jlr of 20 bytes ends inside a record",
        ("last-read", None, False),
        [0, 1, 2, 3, 4],
    ),
    "base header cut": (
        lambda path: (
            [file_of(path, s).write_bytes(contents(path)[s][:n]) for s, n in ((".jdx", 0), (".jhr", 100))] and None
        ),
        "the base header is cut to 100 of 1024 bytes",
        ("base-header", None, False),
        [],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_kind_of_damage(path: Path, case: str) -> None:
    """It is found with its place, mended, and the base is sound afterwards; messages that could be read still can."""
    spoil, sentence, expected, left = CASES[case]
    spoil(path)
    assert any(text.startswith(sentence) for text in found(path))
    assert expected in mended(path)
    assert subjects(path) == [f"ours {number}" for number in left]
    assert not [each for each in JamReader(path).records() if isinstance(each, Unreadable)]
    assert counted(path) == len(left)
    assert found(path) == []


@pytest.mark.parametrize("case", CASES)
def test_killed_at_every_step(path: Path, case: str) -> None:
    """Whatever step a repair dies at, no message is harder to read than before, and the next repair ends the work."""
    spoil, _, _, left = CASES[case]
    spoil(path)
    steps = 0
    while True:
        list(copies(path, path.parent, "COPY"))
        copy = path.with_name("COPY")
        shared_files(copy).close()
        readable = set(subjects(copy)) if left else set()
        shared_files(copy).close()
        life = Life(steps)
        with pytest.MonkeyPatch.context() as patch:
            life.disk(patch)
            try:
                mended(copy)
            except Killed:
                pass
            else:
                break
        shared_files(copy).close()
        if left:
            assert readable <= set(subjects(copy))
        mended(copy)
        assert subjects(copy) == [f"ours {number}" for number in left]
        assert found(copy) == []
        steps += 1


def test_a_lost_index(path: Path) -> None:
    """An index that is gone is made from the headers, with the numbers that the messages had, and none deleted."""
    jam_writer.delete(path, 1)
    before = stored(path)
    shared_files(path).close()
    file_of(path, ".jdx").unlink()
    assert [each.what for each in check(shared_files(path))] == ["AREA.jdx is missing"]
    assert mended(path) == [("missing-file", None, False)]
    assert stored(path) == before
    assert found(path) == []


def test_what_cannot_be_made(path: Path) -> None:
    """A base without its texts, or without a base header, is refused and left as it is."""
    shared_files(path).close()
    texts = file_of(path, ".jdt").read_bytes()
    file_of(path, ".jdt").unlink()
    with pytest.raises(StoreError, match=r"AREA\.jdt is missing.*take it from a backup"):
        mended(path)
    assert not file_of(path, ".jdt").exists()
    file_of(path, ".jdt").write_bytes(texts)
    poke(path, ".jhr", 0, b"XXXX")
    with held(path):
        (finding,) = repair(shared_files(path))
    assert (finding.kind, finding.mended) == (Damage.BASE_HEADER, False)


def test_wrong_crcs_of_a_few(path: Path) -> None:
    """Wrong CRCs are told; they are mended only if that is asked for."""
    set_field(path, 2, HeaderField.MSGID_CRC, 1)
    set_field(path, 3, HeaderField.REPLY_CRC, 1)
    poke(path, ".jdx", 24, b"\1\1\1\1")
    sentences = found(path)
    assert sentences == [
        "message 2: the CRC of MSGID is wrong",
        "message 3: the CRC of REPLY is wrong",
        "message 4: the CRC of the addressee in the index is wrong",
    ]
    with held(path):
        assert [each.mended for each in repair(shared_files(path))] == [False] * 3
    assert found(path) == sentences
    assert len(mended(path, crcs=True)) == 3
    assert found(path) == []


def test_a_base_with_wrong_crcs_throughout(path: Path) -> None:
    """A base of Debian's crashmail for amd64 is left alone, whatever else is wrong, until CRCs are asked for."""
    for number in range(5):
        poke(path, ".jdx", number * 8, bytes([number] * 4))
    poke(path, ".jhr", 12, b"\x99\x99\0\0")
    assert found(path) == [
        "the CRCs of 5 of 5 messages are wrong, as Debian's crashmail for amd64 writes them",
        "the base header counts 39321 messages, there are 5",
    ]
    before = contents(path)
    with held(path), pytest.raises(StoreError, match="only if you say so, with --crc"):
        repair(shared_files(path))
    assert contents(path) == before
    mended(path, crcs=True)
    assert found(path) == []
    assert subjects(path) == ours(5)
    assert active(path) == 5


def test_texts_that_overlap(path: Path) -> None:
    """That two messages share a piece of text is told, and left: nobody knows whose it is."""
    set_field(path, 3, HeaderField.TEXT_OFFSET, 10)
    assert found(path) == [
        "messages 1 and 3 share a piece of text; one of them is not what was written",
        "messages 3 and 2 share a piece of text; one of them is not what was written",
    ]
    with held(path):
        assert [each.mended for each in repair(shared_files(path))] == [False, False]


def test_what_an_append_left_is_no_message(path: Path) -> None:
    """Headers and texts behind the last message, where an append was cut off, are not taken for messages."""
    whole = contents(path)
    jam_writer.append(path, b"All", b"cut off", b"text\r")
    poke(path, ".jhr", 0, whole[".jhr"][:1024])
    cut(path, ".jdx", 8)
    assert found(path) == []
    assert mended(path) == []
    assert subjects(path) == ours(5)


def test_a_locked_base(path: Path) -> None:
    """An index is not made while another program has the base locked."""
    shared_files(path).close()
    file_of(path, ".jdx").unlink()
    with lock_held_elsewhere(path), pytest.raises(StoreLocked, match="another program"):
        restore_files(shared_files(path))
    assert not file_of(path, ".jdx").exists()
