from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.peers import jam_writer
from tests.stores.samples import file_of, ours, sample, samples, subjects
from tosser.codec.jam import JamAttribute
from tosser.errors import StoreError
from tosser.stores.jam import JamBase
from tosser.stores.jam_files import shared_files
from tosser.stores.jam_reader import JamMessage, JamReader, Unreadable

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A base with the samples 0 to 4."""
    base = JamBase(tmp_path / "AREA")
    base.append(samples(5), wait=1)
    base.close()
    return tmp_path / "AREA"


def patch(path: Path, suffix: str, offset: int, data: bytes) -> None:
    """Overwrite bytes of a file of a base."""
    with file_of(path, suffix).open("r+b") as file:
        file.seek(offset)
        file.write(data)


def header_offset(path: Path, position: int) -> int:
    """Where the index says that a message has its header."""
    offset: int = struct.unpack_from("<I", file_of(path, ".jdx").read_bytes(), position * 8 + 4)[0]
    return offset


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        (0, 0x004D4152, "signature"),
        (8, 1 << 20, "subfields"),
        (8, 0xFFFFFFFF, "subfields"),
        (60, 1 << 31, "text"),
        (64, 1 << 31, "text"),
        (64, 0xFFFFFFFF, "text"),
    ],
)
def test_a_garbage_record_is_passed_over(path: Path, field: int, value: int, reason: str) -> None:
    """A header that cannot be true takes no other message with it, and the reason is given."""
    patch(path, ".jhr", header_offset(path, 2) + field, struct.pack("<I", value))
    assert subjects(path) == ["ours 0", "ours 1", "ours 3", "ours 4"]
    (broken,) = [record for record in JamReader(path).records() if isinstance(record, Unreadable)]
    assert (broken.position, broken.number) == (2, 3)
    assert reason in broken.reason
    with pytest.raises(StoreError, match=reason):
        JamReader(path).message(3)


@pytest.mark.parametrize("offset", [0, 1000, 0x7FFFFFFF, 0xFFFFFFFE])
def test_an_index_record_that_points_nowhere_is_passed_over(path: Path, offset: int) -> None:
    """An index record may point before the headers or behind their end."""
    patch(path, ".jdx", 8, struct.pack("<II", 1, offset))
    assert subjects(path) == ["ours 0", "ours 2", "ours 3", "ours 4"]


def test_part_of_an_index_record_is_not_read(path: Path) -> None:
    """An index that ends inside a record is read as far as it goes."""
    patch(path, ".jdx", 40, b"\0\0\0")
    assert subjects(path) == ours(5)
    assert JamReader(path).count() == 5


def test_deleted_messages_are_not_shown(path: Path) -> None:
    """Both ways to delete are known: the index blanked, and only the header marked while the index has lost its CRC."""
    jam_writer.delete(path, 0)
    at = header_offset(path, 3)
    patch(path, ".jdx", 24, b"\xff\xff\xff\xff")
    patch(path, ".jhr", at + 52, struct.pack("<I", JamAttribute.TYPEECHO | JamAttribute.DELETED))
    assert subjects(path) == ["ours 1", "ours 2", "ours 4"]
    assert [record.number for record in JamReader(path).records()] == [2, 3, 4, 5]
    assert JamReader(path).message(4).deleted
    with pytest.raises(StoreError, match="no message 1"):
        JamReader(path).message(1)


def test_a_message_to_nobody_is_not_deleted(tmp_path: Path) -> None:
    """The CRC of an empty name is that of a deletion, but the message is there."""
    base = JamBase(tmp_path / "AREA")
    base.append([sample(0, to=b"")], wait=1)
    assert subjects(tmp_path / "AREA") == ours(1)
    base.close()


@pytest.mark.parametrize("number", [-1, 0, 6, 1 << 40])
def test_numbers_that_are_not_there(path: Path, number: int) -> None:
    """A number outside the index is refused in words."""
    with pytest.raises(StoreError, match=f"no message {number}"):
        JamReader(path).message(number)


def test_subfields_that_overrun_end_there(path: Path) -> None:
    """A subfield longer than the record ends the list; those before it are kept."""
    patch(path, ".jhr", header_offset(path, 1) + 76 + 4, struct.pack("<I", 60_000))
    assert JamReader(path).message(2).subfields == []


def test_long_subfields_are_read_whole(tmp_path: Path) -> None:
    """A header with more subfields than one read brings is read to its end."""
    message = sample(0)
    message.kludges = [*message.kludges, *(b"X-%d: %s" % (line, b"y" * 90) for line in range(100))]
    base = JamBase(tmp_path / "AREA")
    base.append([message], wait=1)
    assert JamReader(tmp_path / "AREA").message(1).message.kludges == message.kludges
    base.close()


def test_reading_starts_where_it_is_told(path: Path) -> None:
    """One can go on from a position of the index."""
    assert [message.number for message in JamReader(path).messages(3)] == [4, 5]
    assert list(JamReader(path).messages(5)) == []


def test_a_base_larger_than_one_read_of_the_index(path: Path) -> None:
    """The index is read in parts; numbers go on from one to the next."""
    one = file_of(path, ".jdx").read_bytes()[:8]
    file_of(path, ".jdx").write_bytes(one * 20_000)
    assert [message.number for message in JamReader(path).messages(0)] == list(range(1, 20_001))


def test_files_are_let_go(path: Path) -> None:
    """A reader lets go of the files at the end of its block, and whoever else uses the base does not mind."""
    base = JamBase(path)
    with JamReader(path) as reader:
        messages = reader.messages()
        next(messages)
        assert shared_files(path).jhr >= 0
        reader.close()
        assert next(messages).number == 2
    assert shared_files(path).jhr == -1
    assert base.append([sample(5)], wait=1) == [6]


def test_no_base(tmp_path: Path) -> None:
    """Where there is no base, that is what is said, and none is made."""
    with pytest.raises(StoreError, match="there is no message base"):
        JamReader(tmp_path / "AREA").count()
    assert list(tmp_path.iterdir()) == []


def test_no_jam_base(path: Path) -> None:
    """A base whose header has no signature is refused as a whole."""
    patch(path, ".jhr", 0, b"MAJ\0")
    with pytest.raises(StoreError, match="signature"):
        list(JamReader(path).records())


def test_a_base_that_may_only_be_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading does without permission to write; writing then says that it does not."""
    opened = os.open

    def refuse_writing(name: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_RDWR:
            raise PermissionError(13, "Permission denied", str(name))
        return opened(name, flags, mode)

    monkeypatch.setattr(os, "open", refuse_writing)
    assert subjects(path) == ours(5)
    with pytest.raises(StoreError, match="Permission denied"):
        JamBase(path).append([sample(5)], wait=1)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([".jhr", ".jdx", ".jdt"]), st.integers(0, 1 << 11), st.binary(min_size=1, max_size=9)
        ),
        max_size=8,
    ),
    st.lists(st.tuples(st.sampled_from([".jhr", ".jdx", ".jdt"]), st.integers(0, 1 << 11)), max_size=2),
)
def test_any_damage_is_survived(
    tmp_path_factory: pytest.TempPathFactory, harms: list[tuple[str, int, bytes]], cuts: list[tuple[str, int]]
) -> None:
    """Whatever is overwritten or cut off, the reader gives messages and reasons, or says in one error what is wrong."""
    path = tmp_path_factory.mktemp("damage") / "AREA"
    base = JamBase(path)
    base.append(samples(4, size=30), wait=1)
    for suffix, offset, data in harms:
        patch(path, suffix, offset, data)
    for suffix, length in cuts:
        with file_of(path, suffix).open("r+b") as file:
            file.truncate(length)
    try:
        records = list(JamReader(path).records())
    except StoreError as refusal:
        assert refusal.path == path  # noqa: PT017 - either outcome is right
    else:
        assert all(record.message.body is not None for record in records if isinstance(record, JamMessage))
    base.close()
