from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins
from msgspec.structs import replace

from tests.mail import packed, packet
from tosser import disk
from tosser.errors import QuarantineError
from tosser.inbound.quarantine import Cause, Quarantine, _parse_note
from tosser.inbound.spool import ClaimedFile, Inbound, Spool
from tosser.inbound.work import WORK_DIRECTORY
from tosser.reason import FileState, Reason
from tosser.rules.network import InboundClass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PACKET = packet([packed(b"AREA:TQW_GEN\rHello\r")], password=b"SECRET")
DAMAGED = Cause(FileState.QUARANTINED, Reason.DAMAGED, "something else stands there", 60, "1337:1/100", 2)
UNKNOWN = Cause(FileState.UNCLAIMED, Reason.UNKNOWN_SENDER, "no such link", sender="1337:1/101")


@pytest.fixture
def inbound(tmp_path: Path) -> Inbound:
    """An empty secure inbound."""
    path = tmp_path / "in"
    path.mkdir()
    return Inbound(path, InboundClass.SECURE)


@pytest.fixture
def quarantine(tmp_path: Path) -> Quarantine:
    """An empty quarantine."""
    root = tmp_path / "state"
    root.mkdir()
    return Quarantine(root)


def _claim(inbound: Inbound, name: str = "00000001.pkt", data: bytes = PACKET) -> ClaimedFile:
    path = inbound.path / name
    path.write_bytes(data)
    os.utime(path, (1234.5, 1234.5))
    [file] = Spool([inbound], settle=0).take(10)
    return file


def _tree(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_keeping_a_file(inbound: Inbound, quarantine: Quarantine) -> None:
    """A kept file is gone from the inbound, its bytes are as they came, and the note tells all about it."""
    file = _claim(inbound)
    before = time.time()
    note = quarantine.keep(file, DAMAGED)
    assert before <= note.set_aside <= time.time()
    assert to_builtins(note) == {
        "id": file.claim,
        "state": FileState.QUARANTINED,
        "reason": Reason.DAMAGED,
        "offset": 60,
        "what": "something else stands there",
        "name": "00000001.pkt",
        "member": "",
        "inbound": str(inbound.path),
        "inbound_class": "secure",
        "sender": "1337:1/100",
        "size": len(PACKET),
        "digest": hashlib.sha256(PACKET).hexdigest(),
        "excerpt": note.excerpt,
        "arrived": 1234.5,
        "set_aside": note.set_aside,
        "attempts": 2,
    }
    assert quarantine.entries() == [note]
    assert quarantine.get(file.claim) == note
    assert quarantine.path(file.claim).read_bytes() == PACKET
    assert _tree(inbound.path) == set()


def test_each_state_has_its_directory(inbound: Inbound, quarantine: Quarantine, tmp_path: Path) -> None:
    """What is unclaimed or not for us lies apart from what is broken, each with a note that people can read."""
    for number, state in enumerate((FileState.QUARANTINED, FileState.UNCLAIMED, FileState.NTU)):
        quarantine.keep(_claim(inbound, f"{number:08x}.pkt"), replace(UNKNOWN, state=state))
    assert [note.state for note in quarantine.entries()] == [FileState.QUARANTINED, FileState.UNCLAIMED, FileState.NTU]
    assert {path.split("/")[0] for path in _tree(tmp_path / "state")} == {"quarantine", "unclaimed", "ntu"}
    [text] = (tmp_path / "state" / "ntu").glob("*.json")
    assert json.loads(text.read_text("ascii"))["reason"] == "unknown-sender"


def test_files_are_closed_to_others(inbound: Inbound, quarantine: Quarantine, tmp_path: Path) -> None:
    """Directories and notes are not for everybody to read."""
    quarantine.keep(_claim(inbound), DAMAGED)
    directory = tmp_path / "state" / "quarantine"
    assert directory.stat().st_mode & 0o777 == 0o750
    assert {path.stat().st_mode & 0o777 for path in directory.glob("*.json")} == {0o640}


@pytest.mark.parametrize("name", ["\x1b[2J\n.pkt", "\udcff\udcfe.PKT", "n" * 251 + ".pkt"])
def test_odd_names(inbound: Inbound, quarantine: Quarantine, name: str) -> None:
    """A note holds only text that can be printed, whatever a file was called; the file comes back all the same."""
    note = quarantine.keep(_claim(inbound, name), DAMAGED)
    assert note.name.isprintable()
    assert note.name.encode()
    assert quarantine.entries() == [note]
    assert quarantine.retry(note.id).read_bytes() == PACKET
    assert Spool([inbound]).take(10)[0].name.lower().endswith(".pkt")


def test_keeping_a_member(inbound: Inbound, quarantine: Quarantine) -> None:
    """Members of a bundle are copied, and the bundle stays until it is finished."""
    file = _claim(inbound, "0000ffff.mo0", b"an archive")
    first = quarantine.keep_member(file, 3, "a.txt", io.BytesIO(b"text"), replace(DAMAGED, offset=None))
    second = quarantine.keep_member(file, 12, "b\x1b.pkt", io.BytesIO(PACKET), DAMAGED)
    assert (first.id, first.name, first.member, first.size) == (f"{file.claim}-m00003", "0000ffff.mo0", "a.txt", 4)
    assert (second.id, second.member) == (f"{file.claim}-m00012", "b\\x1b.pkt")
    assert second.digest == hashlib.sha256(PACKET).hexdigest()
    assert quarantine.entries() == [first, second]
    assert quarantine.path(second.id).read_bytes() == PACKET
    assert file.path.read_bytes() == b"an archive"


def test_a_bundle_and_its_members_are_different_entries(inbound: Inbound, quarantine: Quarantine) -> None:
    """A bundle may be kept whole beside members of it."""
    file = _claim(inbound, "0000ffff.mo0", b"an archive")
    quarantine.keep_member(file, 0, "a.pkt", io.BytesIO(PACKET), DAMAGED)
    quarantine.keep(file, DAMAGED)
    assert [note.member for note in quarantine.entries()] == ["a.pkt", ""]


def test_keeping_twice_gives_one_entry(inbound: Inbound, quarantine: Quarantine) -> None:
    """Recovery repeats what may have been done already: same entry, one entry."""
    file = _claim(inbound)
    note = quarantine.keep(file, DAMAGED)
    assert quarantine.keep(file, replace(DAMAGED, what="told otherwise")) == note
    members = [quarantine.keep_member(file, 1, "a.pkt", io.BytesIO(PACKET), DAMAGED) for _ in range(2)]
    assert [entry.id for entry in quarantine.entries()] == [note.id, members[1].id]


def test_keeping_what_is_nowhere(inbound: Inbound, quarantine: Quarantine) -> None:
    """A file that is neither claimed nor kept is an error of the caller's world, not an entry."""
    file = _claim(inbound)
    file.path.unlink()
    with pytest.raises(FileNotFoundError):
        quarantine.keep(file, DAMAGED)
    assert quarantine.entries() == []


def test_a_stream_that_fails_leaves_nothing(inbound: Inbound, quarantine: Quarantine, tmp_path: Path) -> None:
    """A member that cannot be read to its end leaves no entry and no temporary file."""

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise OSError(errno.EIO, "Input/output error")
            return super().read(min(size or 1, 5))

    with pytest.raises(OSError, match="Input/output"):
        quarantine.keep_member(_claim(inbound), 0, "a.pkt", Failing(PACKET), DAMAGED)
    assert _tree(tmp_path / "state") == set()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"id": 1}', "\udcff", '"' * 50])
def test_a_broken_note(inbound: Inbound, quarantine: Quarantine, text: str) -> None:
    """Bytes whose note is broken are still listed, with what they tell themselves, and can be put back elsewhere."""
    note = quarantine.keep(_claim(inbound), DAMAGED)
    data = quarantine.path(note.id)
    data.with_suffix(".json").write_bytes(os.fsencode(text))
    [lost] = quarantine.entries()
    assert (lost.id, lost.reason, lost.state, lost.size) == (note.id, Reason.NOTE_LOST, note.state, note.size)
    with pytest.raises(QuarantineError, match="name another"):
        quarantine.retry(note.id)
    path = quarantine.retry(note.id, inbound.path)
    assert re.fullmatch(r"[0-9a-f]{8}\.pkt", path.name)
    assert path.read_bytes() == PACKET


def test_a_note_with_a_field_of_another_kind(inbound: Inbound, quarantine: Quarantine) -> None:
    """A note is all there and right, or it is not used at all."""
    note = quarantine.keep(_claim(inbound), DAMAGED)
    path = quarantine.path(note.id).with_suffix(".json")
    good = json.loads(path.read_text())
    for field, value in (
        ("size", "1"),
        ("offset", 1.5),
        ("sender", 7),
        ("reason", "because"),
        ("state", None),
        ("what", []),
    ):
        path.write_text(json.dumps(good | {field: value}))
        assert quarantine.get(note.id).reason is Reason.NOTE_LOST
    path.write_text(json.dumps(good | {"added by a later version": 1}))
    assert quarantine.get(note.id) == note


@given(
    st.binary(max_size=200) | st.recursive(st.none() | st.integers(), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_any_note_parses_or_fails_as_expected(text: bytes) -> None:
    """Whatever stands in a note, reading it raises only what the listing expects."""
    with pytest.raises((ValueError, LookupError, TypeError)):
        _parse_note(text)


def test_a_note_that_is_nested_too_deep() -> None:
    """A note of nothing but brackets is no note, and no end of the program."""
    with pytest.raises(ValueError, match="nested too deep"):
        _parse_note(b"[" * 200_000)


def test_strangers_in_the_directories(inbound: Inbound, quarantine: Quarantine, tmp_path: Path) -> None:
    """Files with other names, notes without bytes, and half copies are no entries."""
    note = quarantine.keep(_claim(inbound), DAMAGED)
    directory = tmp_path / "state" / "quarantine"
    (directory / "readme.data").write_bytes(b"x")
    (directory / "00000000000001-abcdef.json").write_text("{}")
    (directory / "00000000000002-abcdef.part").write_bytes(b"x")
    assert quarantine.entries() == [note]


@pytest.mark.parametrize("entry", ["", "..", "../x", "00000000000001-abcdef", "/etc/passwd", "00000000000001-abcdef\n"])
def test_ids_that_are_none(quarantine: Quarantine, tmp_path: Path, entry: str) -> None:
    """An id names an entry or nothing; it never is a path."""
    (tmp_path / "state" / "quarantine").mkdir()
    (tmp_path / "state" / "x.data").write_bytes(b"x")
    for act in (quarantine.get, quarantine.path, quarantine.retry, quarantine.drop):
        with pytest.raises(QuarantineError, match="nothing of that id"):
            act(entry)
    assert (tmp_path / "state" / "x.data").exists()


def test_retry_puts_a_file_back_under_its_name(inbound: Inbound, quarantine: Quarantine, tmp_path: Path) -> None:
    """A retried file is in its inbound as it was, to be claimed anew; nothing of the entry stays."""
    file = _claim(inbound)
    note = quarantine.keep(file, DAMAGED)
    assert quarantine.retry(note.id) == inbound.path / "00000001.pkt"
    [again] = Spool([inbound]).take(10)
    assert again.claim != file.claim
    assert again.path.read_bytes() == PACKET
    assert quarantine.entries() == []
    assert _tree(tmp_path / "state") == set()


def test_retry_replaces_nothing(inbound: Inbound, quarantine: Quarantine) -> None:
    """A file that has the name now keeps it."""
    note = quarantine.keep(_claim(inbound), DAMAGED)
    (inbound.path / "00000001.pkt").write_bytes(b"newer")
    path = quarantine.retry(note.id)
    assert re.fullmatch(r"[0-9a-f]{8}\.pkt", path.name)
    assert path.read_bytes() == PACKET
    assert (inbound.path / "00000001.pkt").read_bytes() == b"newer"


def test_retry_of_a_member_makes_a_packet(inbound: Inbound, quarantine: Quarantine) -> None:
    """A member is put back as a packet file of its own, not under the name of its bundle."""
    file = _claim(inbound, "0000ffff.mo0", b"an archive")
    note = quarantine.keep_member(file, 0, "whatever.pkt", io.BytesIO(PACKET), DAMAGED)
    path = quarantine.retry(note.id)
    assert re.fullmatch(r"[0-9a-f]{8}\.pkt", path.name)
    assert path.read_bytes() == PACKET


def test_retry_into_a_directory_that_is_gone(inbound: Inbound, quarantine: Quarantine, tmp_path: Path) -> None:
    """With its inbound gone a file stays where it is, until another is named."""
    note = quarantine.keep(_claim(inbound), DAMAGED)
    shutil.rmtree(inbound.path)
    with pytest.raises(QuarantineError, match="no directory"):
        quarantine.retry(note.id)
    other = tmp_path / "other"
    other.mkdir()
    assert quarantine.retry(note.id, other) == other / "00000001.pkt"


def test_drop(inbound: Inbound, quarantine: Quarantine, tmp_path: Path) -> None:
    """A dropped entry is gone with all that belonged to it."""
    note = quarantine.keep(_claim(inbound), DAMAGED)
    quarantine.drop(note.id)
    assert _tree(tmp_path / "state") == set()
    with pytest.raises(QuarantineError):
        quarantine.drop(note.id)


class _Killed(BaseException):
    """The process ends here."""


STEPS = (
    "rename",
    "claim",
    "unlink",
    "remove_empty_directory",
    "make_directory",
    "sync_directory",
    "sync_file",
    "write_at",
)


@pytest.fixture(params=["one file system", "two file systems"])
def steps_at_least(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> int:
    """Make a rename between inbound and quarantine fail as it does between file systems and bind mounts, or not.

    Gives how many changes to the disk putting back takes at least.
    """
    apart = bool(request.param == "two file systems")
    rename = os.rename

    def between(source: Path, target: Path) -> None:
        sides = {Path(path).relative_to(tmp_path).parts[0] for path in (source, target)}
        if apart and len(sides) > 1:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(source, target)

    monkeypatch.setattr(os, "rename", between)
    return 15 if apart else 5


def _every_kill(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> Iterator[bool]:
    """Do something that dies after no change to the disk, after one, and so on; the last time it comes to its end."""
    steps = 0
    done = False
    while not done:
        left = [steps]
        with monkeypatch.context() as patch:
            for name in STEPS:
                patch.setattr(disk, name, _stepping(getattr(disk, name), left))
            try:
                act()
                done = True
            except _Killed:
                steps += 1
        yield done


def _stepping(original: Callable[..., object], left: list[int]) -> Callable[..., object]:
    def step(*arguments: object) -> object:
        if not left[0]:
            raise _Killed
        left[0] -= 1
        return original(*arguments)

    return step


@pytest.mark.usefixtures("steps_at_least")
def test_keeping_survives_a_kill_at_every_step(
    inbound: Inbound, quarantine: Quarantine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever keeping a file dies, repeating it, even under another state, gives one entry and no remains."""
    files = [_claim(inbound)]
    kills = 0
    for _ in _every_kill(monkeypatch, lambda: quarantine.keep(files[-1], DAMAGED)):
        kills += 1
        assert len(quarantine.entries()) + len(Spool([inbound]).claimed()) >= 1
        note = quarantine.keep(files[-1], UNKNOWN)
        assert quarantine.entries() == [note]
        assert quarantine.path(note.id).read_bytes() == PACKET
        assert Spool([inbound]).claimed() == []
        quarantine.drop(note.id)
        assert _tree(tmp_path / "state") == set()
        files.append(_claim(inbound))
    assert kills > 5


@pytest.mark.usefixtures("steps_at_least")
def test_keeping_a_member_survives_a_kill_at_every_step(
    inbound: Inbound, quarantine: Quarantine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever copying a member dies, repeating it gives one entry and leaves nothing behind."""
    file = _claim(inbound)

    def keep() -> str:
        return quarantine.keep_member(file, 0, "a.pkt", io.BytesIO(PACKET), DAMAGED).id

    kills = 0
    for _ in _every_kill(monkeypatch, keep):
        kills += 1
        entry = keep()
        assert [note.id for note in quarantine.entries()] == [entry]
        assert quarantine.path(entry).read_bytes() == PACKET
        quarantine.drop(entry)
        assert _tree(tmp_path / "state") == set()
    assert kills > 5


def test_retry_survives_a_kill_at_every_step(
    inbound: Inbound, quarantine: Quarantine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps_at_least: int
) -> None:
    """Wherever putting back dies, and whoever takes the file then, repeating it gives it to the inbound once."""
    spool = Spool([inbound])
    kills = 0
    entries = [quarantine.keep(_claim(inbound), DAMAGED).id]
    for done in _every_kill(monkeypatch, lambda: quarantine.retry(entries[-1])):
        kills += 1
        taken = spool.take(10)
        assert bool(quarantine.entries() or taken)
        if quarantine.entries():
            quarantine.retry(entries[-1])
        taken += spool.take(10)
        assert [file.path.read_bytes() for file in taken] == [PACKET]
        assert quarantine.entries() == []
        spool.finish(*taken)
        assert _tree(inbound.path) == set()
        assert all(path.endswith((".json", ".moved")) and not done for path in _tree(tmp_path / "state"))
        shutil.rmtree(tmp_path / "state" / "quarantine")
        entries.append(quarantine.keep(_claim(inbound), DAMAGED).id)
    assert kills > steps_at_least


@pytest.mark.usefixtures("steps_at_least")
def test_drop_survives_a_kill_at_every_step(
    inbound: Inbound, quarantine: Quarantine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry whose removal dies is either still whole or gone."""
    entries = [quarantine.keep(_claim(inbound), DAMAGED)]
    for _ in _every_kill(monkeypatch, lambda: quarantine.drop(entries[-1].id)):
        assert quarantine.entries() in ([], [entries[-1]])
        if quarantine.entries():
            quarantine.drop(entries[-1].id)
        entries.append(quarantine.keep(_claim(inbound), DAMAGED))
    assert len(entries) > 5


def test_a_retry_interrupted_by_the_loss_of_its_inbound(
    inbound: Inbound, quarantine: Quarantine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """If the inbound vanishes between copy and rename, the entry is not taken for put back."""
    note = quarantine.keep(_claim(inbound), DAMAGED)
    rename = os.rename

    def fail(source: Path, target: Path) -> None:
        if Path(target).parent == inbound.path:
            shutil.rmtree(inbound.path)
        if Path(source).parent != Path(target).parent and "state" in str(source):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(FileNotFoundError):
        quarantine.retry(note.id)
    assert quarantine.path(note.id).read_bytes() == PACKET
    assert not (tmp_path / "in" / WORK_DIRECTORY).exists()
