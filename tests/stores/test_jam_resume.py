from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.peers import jam_writer
from tests.stores.samples import active, contents, file_of, lengths, ours, sample, samples, subjects
from tosser import disk
from tosser.errors import StoreError
from tosser.stores.base import BasePosition
from tosser.stores.jam import JamBase
from tosser.stores.jam_reader import JamReader, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tosser.stores.base import BaseMessage

GROWING = (".jhr", ".jdt", ".jdx")
COUNTERS = slice(8, 16)


class Killed(BaseException):
    """The process dies here: nothing that only catches errors sees it."""


def die_at(monkeypatch: pytest.MonkeyPatch, step: int, share: float = 0.0) -> None:
    """Let the process die in the given change of a file, having written this share of it."""
    left = step
    write_at, truncate = disk.write_at, disk.truncate

    def dying(act: Callable[[], None], part: Callable[[], None]) -> None:
        nonlocal left
        if left == 0:
            part()
            raise Killed
        left -= 1
        act()

    def dying_write(descriptor: int, data: bytes, offset: int) -> None:
        some = data[: int(len(data) * share)]
        dying(lambda: write_at(descriptor, data, offset), lambda: write_at(descriptor, some, offset))

    def dying_truncate(descriptor: int, length: int) -> None:
        dying(lambda: truncate(descriptor, length), lambda: None)

    monkeypatch.setattr(disk, "write_at", dying_write)
    monkeypatch.setattr(disk, "truncate", dying_truncate)


def kill(monkeypatch: pytest.MonkeyPatch, work: Callable[[], object], step: int, share: float = 0.0) -> bool:
    """Do some work and die in its given step; tell whether it got that far."""
    with monkeypatch.context() as patch:
        die_at(patch, step, share)
        try:
            work()
        except Killed:
            return True
    return False


@dataclass
class Scene:
    """A base with some messages, and an append to it that is to be resumed."""

    path: Path
    base: JamBase
    since: BasePosition
    messages: Sequence[BaseMessage]
    before: int

    def append(self) -> list[int]:
        """The append that may not get to its end."""
        return self.base.append(self.messages, wait=1)

    def resume(self) -> list[int]:
        """Take it up again."""
        return self.base.resume(self.since, self.messages, wait=1)

    def check(self, foreign: Sequence[str] = ()) -> None:
        """Resume; all must be there once, sound and counted, and stay so when it is resumed again."""
        numbers = self.resume()
        found = {message.number: message.text for message in JamReader(self.path).messages()}
        assert [found[number] for number in numbers] == [message.body for message in self.messages]
        assert sorted(subjects(self.path)) == sorted([*ours(self.before + len(self.messages)), *foreign])
        assert not [record for record in JamReader(self.path).records() if isinstance(record, Unreadable)]
        assert active(self.path) == len(found)
        settled = contents(self.path)
        assert self.resume() == numbers
        assert contents(self.path) == settled


def scene(path: Path, before: int = 3, count: int = 4, size: int = 100) -> Scene:
    """A base with the samples below `before`, and the next `count` to be appended."""
    base = JamBase(path)
    if before:
        base.append(samples(before, size=size), wait=1)
        base.sync()
    return Scene(path, base, base.position(), samples(count, before, size=size), before)


def without_counters(path: Path) -> dict[str, bytes]:
    """All bytes of a base, save when it was created and how often it was changed."""
    return {suffix: data[12:] if suffix == ".jhr" else data for suffix, data in contents(path).items()}


def write_foreign(path: Path, count: int) -> list[str]:
    """Let another program append messages, unless it must refuse the base for want of a header; give their subjects."""
    header = file_of(path, ".jhr")
    if header.exists() and not (header.read_bytes().startswith(b"JAM\0") and header.stat().st_size >= 1024):
        return []
    for number in range(count):
        jam_writer.append(path, b"Ada Sample", b"foreign %d" % number, b"foreign text %d\r" % number * 9)
    return [f"foreign {number}" for number in range(count)]


BEFORE = pytest.mark.parametrize("before", [0, 3])
STEPS = pytest.mark.parametrize("step", range(5))


@BEFORE
def test_nothing_was_written(tmp_path: Path, before: int) -> None:
    """An append that never began is made."""
    case = scene(tmp_path / "AREA", before)
    case.check()
    assert case.resume() == list(range(before + 1, before + 5))


@BEFORE
def test_all_was_written(tmp_path: Path, before: int) -> None:
    """An append that was finished is recognised, and not a byte is changed."""
    case = scene(tmp_path / "AREA", before)
    numbers = case.append()
    written = contents(case.path)
    assert case.resume() == numbers
    assert contents(case.path) == written


def test_nothing_to_resume(tmp_path: Path) -> None:
    """An append without messages needs no base."""
    assert JamBase(tmp_path / "AREA").resume(BasePosition(), [], wait=1) == []
    assert list(tmp_path.iterdir()) == []


@BEFORE
@STEPS
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_killed_in_an_append(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int, step: int, share: float
) -> None:
    """Wherever an append was killed, resuming it leaves the files as if it had not been."""
    undisturbed = scene(tmp_path / "UNDISTURBED", before)
    undisturbed.append()
    case = scene(tmp_path / "AREA", before)
    assert kill(monkeypatch, case.append, step, share) == (step < 4 + (before == 0))
    case.check()
    assert without_counters(case.path) == without_counters(undisturbed.path)


@BEFORE
@STEPS
@pytest.mark.parametrize("later", range(8))
def test_killed_in_resuming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int, step: int, later: int
) -> None:
    """Resuming may itself be killed anywhere, with and without somebody else's message behind ours."""
    for foreign in (0, 2):
        case = scene(tmp_path / f"AREA{foreign}", before)
        kill(monkeypatch, case.append, step, 0.6)
        written = write_foreign(case.path, foreign)
        kill(monkeypatch, case.resume, later, 0.6)
        case.check(written)


@BEFORE
@STEPS
@pytest.mark.parametrize("share", [0.0, 0.6])
def test_others_wrote_after_the_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int, step: int, share: float
) -> None:
    """What another program appended meanwhile stays, wherever we were killed."""
    case = scene(tmp_path / "AREA", before)
    kill(monkeypatch, case.append, step, share)
    foreign = write_foreign(case.path, 2)
    case.check(foreign)


def test_others_wrote_after_all_was_written(tmp_path: Path) -> None:
    """Messages behind ours change nothing about ours, and nothing is written."""
    case = scene(tmp_path / "AREA")
    numbers = case.append()
    jam_writer.append(case.path, b"All", b"foreign", b"text\r")
    written = contents(case.path)
    assert case.resume() == numbers
    assert contents(case.path) == written


def test_others_wrote_before_we_did(tmp_path: Path) -> None:
    """Between the recorded position and the append another program may have been quicker."""
    case = scene(tmp_path / "AREA")
    jam_writer.append(case.path, b"All", b"foreign", b"text\r")
    numbers = case.append()
    assert numbers == [5, 6, 7, 8]
    assert case.resume() == numbers
    case.check(["foreign"])


def test_the_same_message_twice_in_one_append(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each record counts for one message only, so two equal ones end as two."""
    case = scene(tmp_path / "AREA", 0, 2)
    case.messages = [sample(0), sample(0), sample(0)]
    kill(monkeypatch, case.append, 3, 0.4)
    jam_writer.append(case.path, b"All", b"foreign", b"text\r")
    numbers = case.resume()
    assert len(set(numbers)) == 3
    assert sorted(subjects(case.path)) == ["foreign", "ours 0", "ours 0", "ours 0"]
    assert sorted(case.resume()) == sorted(numbers)


def test_an_equal_message_of_another_date_is_another(tmp_path: Path) -> None:
    """A robot's monthly text is not taken for last month's: the author's date counts, if there is one."""
    case = scene(tmp_path / "AREA", 0, 1)
    old = sample(0)
    assert old.written is not None
    old.written = old.written.replace(month=2)
    case.base.append([old], wait=1)
    assert case.resume() == [2]
    undated = sample(0)
    undated.written = None
    assert case.base.resume(case.since, [undated], wait=1) == [1]


@dataclass
class Packing:
    """How another program packs a base."""

    deleted: Sequence[int]
    renumber: bool
    replace: bool
    later: int


PACKINGS = [
    Packing([0], renumber=False, replace=False, later=0),
    Packing([1], renumber=False, replace=False, later=0),
    Packing([0, 1, 2], renumber=True, replace=True, later=0),
    Packing([0, 2], renumber=True, replace=False, later=5),
    Packing([1, 2], renumber=False, replace=True, later=9),
    Packing([], renumber=True, replace=True, later=1),
]


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("appended", [0, 2, 4])
def test_the_base_was_packed_meanwhile(tmp_path: Path, packing: Packing, appended: int) -> None:
    """Ours are found and completed in a base that was packed since, also if it has grown beyond the old position."""
    case = scene(tmp_path / "AREA")
    case.base.append(case.messages[:appended], wait=1)
    for position in packing.deleted:
        jam_writer.delete(case.path, position)
    jam_writer.pack(case.path, renumber=packing.renumber, replace=packing.replace)
    for number in range(packing.later):
        jam_writer.append(case.path, b"All", b"foreign %d" % number, b"text %d\r" % number)
    numbers = case.resume()
    kept = [f"ours {number}" for number in range(3) if number not in packing.deleted]
    foreign = [f"foreign {number}" for number in range(packing.later)]
    assert sorted(subjects(case.path)) == sorted([*kept, *ours(4, 3), *foreign])
    assert active(case.path) == len(subjects(case.path))
    found = {message.number: message.text for message in JamReader(case.path).messages()}
    assert [found[number] for number in numbers] == [message.body for message in case.messages]
    settled = contents(case.path)
    assert case.resume() == numbers
    assert contents(case.path) == settled


def test_two_appends_one_after_the_other(tmp_path: Path) -> None:
    """Two unfinished appends are resumed in their order; the first does not cut off what is there of the second."""
    first = scene(tmp_path / "AREA", 3, 2)
    first.append()
    second = Scene(first.path, first.base, first.base.position(), samples(2, 5), 3)
    second.append()
    index = bytearray(file_of(first.path, ".jdx").read_bytes())
    index[24:32] = bytes(8)  # of the first append one record was lost, the second has all of its own
    file_of(first.path, ".jdx").write_bytes(index)
    first.resume()
    second.resume()
    assert sorted(subjects(first.path)) == ours(7)
    assert active(first.path) == 7


def test_a_waiting_append_finds_later_ones_of_ours(tmp_path: Path) -> None:
    """An append that had to wait for a lock is made behind others that went first."""
    first = scene(tmp_path / "AREA", 3, 2)
    assert first.base.append(samples(2, 5), wait=1) == [4, 5]
    assert first.resume() == [6, 7]
    assert sorted(subjects(first.path)) == ours(7)


def test_a_message_deleted_meanwhile_stays_deleted(tmp_path: Path) -> None:
    """Who has deleted a message of ours in the way GoldED does gets no second one."""
    case = scene(tmp_path / "AREA")
    numbers = case.append()
    offset = struct.unpack_from("<I", file_of(case.path, ".jdx").read_bytes(), 3 * 8 + 4)[0]
    data = bytearray(file_of(case.path, ".jhr").read_bytes())
    struct.pack_into("<I", data, offset + 52, 0x81000000)
    struct.pack_into("<I", data, offset + 64, 0)
    file_of(case.path, ".jhr").write_bytes(data)
    assert case.resume() == numbers
    assert subjects(case.path) == [*ours(3), *ours(3, 4)]


def test_a_deleted_message_before_the_position_is_no_packing(tmp_path: Path) -> None:
    """Somebody may delete the last message before ours without making us search the whole base for ours."""
    case = scene(tmp_path / "AREA", 3)
    jam_writer.delete(case.path, 2)
    with file_of(case.path, ".jdx").open("ab") as index:
        index.write(bytes(8))
    case.resume()
    assert subjects(case.path) == [*ours(2), *ours(4, 3)]
    assert lengths(case.path)[".jdx"] == 7 * 8


def test_lost_counters_are_made_up(tmp_path: Path) -> None:
    """Where only the counters are missing they are set, and nothing else."""
    case = scene(tmp_path / "AREA")
    old = contents(case.path)[".jhr"][COUNTERS]
    case.append()
    data = bytearray(contents(case.path)[".jhr"])
    data[COUNTERS] = old
    file_of(case.path, ".jhr").write_bytes(data)
    jam_writer.append(case.path, b"All", b"foreign", b"text\r")
    assert active(case.path) == 4
    case.check(["foreign"])


def test_counters_that_another_program_keeps_differently_are_left(tmp_path: Path) -> None:
    """A count that can have another cause than our crash is not ours to correct."""
    case = scene(tmp_path / "AREA")
    case.append()
    data = bytearray(contents(case.path)[".jhr"])
    struct.pack_into("<I", data, 12, 1)
    file_of(case.path, ".jhr").write_bytes(data)
    case.resume()
    assert active(case.path) == 1


@pytest.mark.parametrize("header", [b"", b"JAM\0", bytes(1024)])
def test_creation_was_cut_off(tmp_path: Path, header: bytes) -> None:
    """A base that did not exist before our append and has no header yet is begun again."""
    case = scene(tmp_path / "AREA", 0)
    case.append()
    file_of(case.path, ".jhr").write_bytes(header)
    case.check()


@pytest.mark.parametrize("suffixes", [[".jdt"], [".jdx"], [".jdt", ".jdx"], [".jhr"]])
def test_names_were_lost(tmp_path: Path, suffixes: list[str]) -> None:
    """Of a base that we made, a power cut may keep the header and lose the names of the other files, or keep them."""
    case = scene(tmp_path / "AREA", 0)
    case.append()
    for suffix in suffixes:
        file_of(case.path, suffix).unlink()
    case.check()


def test_files_of_others_are_not_made_again(tmp_path: Path) -> None:
    """A base that existed before and has lost a file is refused."""
    case = scene(tmp_path / "AREA")
    file_of(case.path, ".jdt").unlink()
    with pytest.raises(StoreError, match="jdt is missing"):
        case.resume()


def test_a_broken_header_of_others_is_not_replaced(tmp_path: Path) -> None:
    """A base that existed before and has lost its header is refused."""
    case = scene(tmp_path / "AREA")
    data = file_of(case.path, ".jhr").read_bytes()
    file_of(case.path, ".jhr").write_bytes(bytes(1024) + data[1024:])
    before = contents(case.path)
    with pytest.raises(StoreError, match="signature"):
        case.resume()
    assert contents(case.path) == before


def test_the_last_message_before_ours_is_unreadable(tmp_path: Path) -> None:
    """Garbage of others in front of the position neither is ours to mend nor hinders us."""
    path = tmp_path / "AREA"
    JamBase(path).append(samples(3), wait=1)
    with file_of(path, ".jdx").open("ab") as index:
        index.write(struct.pack("<II", 1, 0x7FFFFFFF))
    base = JamBase(path)
    since = base.position()
    assert base.append(samples(2, 3), wait=1) == [5, 6]
    written = contents(path)
    assert base.resume(since, samples(2, 3), wait=1) == [5, 6]
    assert contents(path) == written


def test_a_header_of_ours_with_nothing_but_zeros_behind_it(tmp_path: Path) -> None:
    """Where a hole begins inside a header, what is left of it is no message, though it can be read as an empty one."""
    case = scene(tmp_path / "AREA", 3, 1)
    case.append()
    data = bytearray(contents(case.path)[".jhr"])
    begin = case.since.jhr + 12
    data[begin:] = bytes(len(data) - begin)
    file_of(case.path, ".jhr").write_bytes(data)
    foreign = write_foreign(case.path, 1)
    case.check(foreign)


@dataclass
class PowerCut:
    """What a power cut leaves of an append: of each file a part, and in it blocks of zeros."""

    kept: dict[str, float]
    holes: list[tuple[str, int]]
    counters: bool

    def strike(self, case: Scene, old: dict[str, int], old_counters: bytes) -> None:
        """Take from the files what did not reach the disk."""
        for suffix, data in contents(case.path).items():
            if suffix == ".jlr":
                continue
            grown = bytearray(data)
            if suffix == ".jhr" and not self.counters and old_counters:
                grown[COUNTERS] = old_counters
            for target, block in self.holes:
                begin, end = max(block * 512, old[suffix]), block * 512 + 512
                if target == suffix and begin < end:
                    grown[begin:end] = bytes(len(grown[begin:end]))
            length = old[suffix] + int((len(grown) - old[suffix]) * self.kept[suffix])
            file_of(case.path, suffix).write_bytes(grown[:length])


SHARES = st.one_of(st.just(0.0), st.just(1.0), st.floats(0, 1))
POWER_CUTS = st.builds(
    PowerCut,
    st.fixed_dictionaries(dict.fromkeys(GROWING, SHARES)),
    st.lists(st.tuples(st.sampled_from(GROWING), st.integers(0, 12)), max_size=3),
    st.booleans(),
)


@given(
    power_cut=POWER_CUTS,
    sizes=st.tuples(st.sampled_from([0, 1, 3]), st.integers(1, 5), st.sampled_from([0, 90, 600])),
    foreign=st.integers(0, 3),
)
def test_power_cuts(
    tmp_path_factory: pytest.TempPathFactory, power_cut: PowerCut, sizes: tuple[int, int, int], foreign: int
) -> None:
    """Whatever part of an unsynced append reached the disk, and whoever wrote after it, all ends there once."""
    before, count, size = sizes
    case = scene(tmp_path_factory.mktemp("cut") / "AREA", before, count, size)
    old = lengths(case.path) if before else dict.fromkeys(GROWING, 0)
    old_counters = contents(case.path)[".jhr"][COUNTERS] if before else b""
    case.append()
    power_cut.strike(case, old, old_counters)
    case.check(write_foreign(case.path, foreign))
    case.base.close()


def test_position_survives_the_journal(tmp_path: Path) -> None:
    """A position that was kept as JSON resumes as the original does."""
    case = scene(tmp_path / "AREA")
    case.since = BasePosition.from_json(case.since.to_json())
    assert case.since == replace(case.since)
    case.check()


def test_what_is_adopted_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a sync that failed nothing is taken for written: all of the append goes to the disk once more."""
    path = tmp_path / "base"
    base = JamBase(path)
    base.append(samples(1), wait=0)
    base.sync()
    since = base.position()
    base.append(samples(2, start=1), wait=0)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    written: dict[str, set[int]] = {}
    write = disk.write_at

    def recording(descriptor: int, data: bytes, offset: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        written.setdefault(name, set()).update(range(offset, offset + len(data)))
        write(descriptor, data, offset)

    monkeypatch.setattr(disk, "write_at", recording)
    assert base.resume(since, samples(2, start=1), wait=0) == [2, 3]
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before
    for suffix, start in ((".jhr", since.jhr), (".jdt", since.jdt), (".jdx", since.jdx)):
        file = file_of(path, suffix)
        assert set(range(start, file.stat().st_size)) <= written[file.name]
