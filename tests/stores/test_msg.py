"""Netmail in *.MSG files, beside other programs; read back by the offsets of FTS-0001."""

from __future__ import annotations

import errno
from functools import partial
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.msgfiles import foreign, msg_files, subjects_in
from tests.stores.samples import sample
from tosser import disk
from tosser.address import Address
from tosser.codec.stored import BaseMessage, MessageKind
from tosser.errors import StoreError
from tosser.stores.base import BasePosition
from tosser.stores.msg import MsgBase

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Killed(BaseException):
    """The process dies here: nothing that only catches errors sees it."""


STEPS = ("make_one_directory", "create", "write_at", "sync_file", "link", "rename", "unlink", "sync_directory")


def letter(number: int, *, in_transit: bool = False) -> BaseMessage:
    """One netmail, different for each number."""
    return replace(
        sample(number), kind=MessageKind.NETMAIL, in_transit=in_transit, seen_by=(), path=(), dest=Address(1337, 2, 2)
    )


def letters(count: int, start: int = 0) -> list[BaseMessage]:
    """Several of them."""
    return [letter(number) for number in range(start, start + count)]


def ours(count: int, start: int = 0) -> list[str]:
    """Subjects of the letters with these numbers."""
    return [f"ours {number}" for number in range(start, start + count)]


def append(base: MsgBase, messages: list[BaseMessage]) -> None:
    """Append messages and have them on the disk."""
    base.append(messages, wait=0)
    base.sync()


def kill(monkeypatch: pytest.MonkeyPatch, work: Callable[[], object], step: int, share: float = 0.0) -> bool:
    """Do some work and die in its given change of the disk, with all later ones; tell whether it got that far."""
    taken = 0

    def mortal(name: str) -> Callable[..., object]:
        function = getattr(disk, name)

        def change(*arguments: object, **options: object) -> object:
            nonlocal taken
            taken += 1
            if taken == step + 1 and name == "write_at":
                descriptor, data, offset = arguments
                assert isinstance(data, bytes)
                function(descriptor, data[: int(len(data) * share)], offset)
            if taken > step:
                raise Killed
            return function(*arguments, **options)

        return change

    with monkeypatch.context() as patch:
        for name in STEPS:
            patch.setattr(disk, name, mortal(name))
        try:
            work()
        except Killed:
            return True
    return False


def check(path: Path, since: BasePosition, messages: list[BaseMessage], others: list[str]) -> list[int]:
    """Resume; all must be there once and whole, nothing else be left, and stay so when it is resumed again."""
    numbers = MsgBase(path).resume(since, messages, wait=0)
    files = msg_files(path)
    assert [files[number].subject for number in numbers] == [message.subject.decode() for message in messages]
    assert [files[number].text.partition(b"text ")[2] for number in numbers] == [
        message.body.partition(b"text ")[2] for message in messages
    ]
    assert sorted(subjects_in(path)) == sorted([*others, *(message.subject.decode() for message in messages)])
    assert all(file.suffix == ".msg" for file in path.iterdir())
    before = {file: file.read_bytes() for file in path.iterdir()}
    assert MsgBase(path).resume(since, messages, wait=0) == numbers
    assert {file: file.read_bytes() for file in path.iterdir()} == before
    return numbers


@pytest.mark.parametrize(("before", "share"), [(0, 0.0), (2, 0.6)])
def test_killed_in_an_append(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int, share: float) -> None:
    """Wherever an append was killed, resuming it leaves each message once, also if that is killed too."""
    for step in range(60):
        path = tmp_path / f"netmail{step}"
        base = MsgBase(path)
        base.append(letters(before), wait=0)
        since = BasePosition.from_json(base.position().to_json())
        messages = letters(3, before)
        died = kill(monkeypatch, partial(append, base, messages), step, share)
        kill(monkeypatch, partial(MsgBase(path).resume, since, messages, wait=0), step % 7, share)
        numbers = check(path, since, messages, ours(before))
        assert numbers == list(range(before + 1, before + 4))
        if not died:
            break
    assert 15 < step < 59


@pytest.mark.parametrize("appended", [0, 2])
def test_others_wrote_after_the_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, appended: int) -> None:
    """What another program writes meanwhile stays; it may look like ours in all but a byte."""
    path = tmp_path / "netmail"
    base = MsgBase(path)
    base.append(letters(1), wait=0)
    since = base.position()
    kill(monkeypatch, lambda: base.append(letters(3, 1), wait=0), 6 * appended + 1)
    like = (path / "1.msg").read_bytes().replace(b"text 0", b"text 9").replace(b"ours 0", b"ours 1")
    (path / f"{max(msg_files(path)) + 1}.MSG").write_bytes(like)
    (path / "000077.Msg").write_bytes(b"half a message")
    numbers = base.resume(since, letters(3, 1), wait=0)
    assert numbers == ([78, 79, 80] if appended == 0 else [2, 3, 78])
    assert sorted(subjects_in(path)) == sorted([*ours(4), "ours 1"])
    assert base.resume(since, letters(3, 1), wait=0) == numbers


@pytest.mark.parametrize("change", ["renumbered", "last deleted", "all deleted"])
def test_others_renumbered_or_deleted_meanwhile(tmp_path: Path, change: str) -> None:
    """After a crash ours are found by what they say when the recorded place means nothing any longer."""
    path = tmp_path / "netmail"
    base = MsgBase(path)
    foreign(path / "10.msg", "foreign 10")
    foreign(path / "20.msg", "foreign 20")
    since = base.position()
    assert (since.count, since.base_number) == (2, 20)
    if change != "renumbered":
        (path / "20.msg").unlink()
    if change == "all deleted":
        (path / "10.msg").unlink()
    base.append(letters(2), wait=0)
    if change == "renumbered":
        for new, old in enumerate(sorted(msg_files(path)), 1):
            (path / f"{old}.msg").rename(path / f"{new}.msg")
    numbers = base.resume(since, letters(3), wait=0)
    assert numbers == {"renumbered": [3, 4, 5], "last deleted": [11, 12, 13], "all deleted": [1, 2, 3]}[change]
    assert base.resume(since, letters(3), wait=0) == numbers


def test_the_same_message_twice_in_one_append(tmp_path: Path) -> None:
    """Each file counts for one message only, and one from before the append for none."""
    base = MsgBase(tmp_path)
    base.append([letter(0)], wait=0)
    since = base.position()
    base.append([letter(0)], wait=0)
    assert base.resume(since, [letter(0), letter(0)], wait=0) == [2, 3]
    assert base.resume(since, [letter(0), letter(0)], wait=0) == [2, 3]


def test_a_longer_message_is_another(tmp_path: Path) -> None:
    """What begins like ours, and goes on, is not ours."""
    base = MsgBase(tmp_path)
    base.append([letter(0)], wait=0)
    data = (tmp_path / "1.msg").read_bytes()
    (tmp_path / "1.msg").write_bytes(data[:-1] + b"P.S.\r\0")
    assert base.resume(BasePosition(), [letter(0)], wait=0) == [2]


def test_what_others_set_is_no_difference(tmp_path: Path) -> None:
    """A message that was read and answered before the resumption is still ours."""
    base = MsgBase(tmp_path)
    base.append([letter(0)], wait=0)
    data = bytearray((tmp_path / "1.msg").read_bytes())
    data[164], data[184], data[186] = 1, 7, 0x04
    (tmp_path / "1.msg").write_bytes(data)
    assert base.resume(BasePosition(), [letter(0)], wait=0) == [1]
    assert (tmp_path / "1.msg").read_bytes() == data


def test_another_program_takes_the_same_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who takes a number between our look and our writing keeps it; we take the next."""
    link = disk.link

    def late(source: Path, target: Path) -> None:
        if target.name in {"4.msg", "5.msg", "7.msg"}:
            foreign(target, f"foreign {target.name}")
        link(source, target)

    foreign(tmp_path / "3.msg", "foreign 3")
    monkeypatch.setattr(disk, "link", late)
    assert MsgBase(tmp_path).append(letters(3), wait=0) == [6, 8, 9]
    assert subjects_in(tmp_path) == [
        "foreign 3", "foreign 4.msg", "foreign 5.msg", "ours 0", "foreign 7.msg", "ours 1", "ours 2"
    ]  # fmt: skip


def test_a_leftover_that_is_a_message_as_well(tmp_path: Path) -> None:
    """The temporary name that a kill left is not written through: the file under it may be a finished message."""
    base = MsgBase(tmp_path)
    base.append(letters(1), wait=0)
    (tmp_path / ".tosser.tmp").hardlink_to(tmp_path / "1.msg")
    base.append(letters(1, 1), wait=0)
    assert subjects_in(tmp_path) == ours(2)


def test_a_disk_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a message cannot be written none of the append stays, and the error says where."""
    base = MsgBase(tmp_path / "netmail")
    base.append(letters(1), wait=0)
    before = base.position()
    sync, left = disk.sync_file, 2

    def failing(descriptor: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(disk, "sync_file", failing)
        with pytest.raises(StoreError, match=r"netmail: the base cannot be used: .*No space left on device"):
            base.append(letters(3, 1), wait=0)
    assert [file.name for file in (tmp_path / "netmail").iterdir()] == ["1.msg"]
    assert base.position() == before
    assert base.append(letters(3, 1), wait=0) == [2, 3, 4]


def test_a_failed_sync_stays_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory is synced after an append and after what was found, and again after a sync that failed."""
    synced: list[Path] = []

    def failing(path: Path) -> None:
        synced.append(path)
        if len(synced) == 1:
            raise OSError(errno.EIO, "Input/output error")

    base = MsgBase(tmp_path)
    base.append(letters(1), wait=0)
    monkeypatch.setattr(disk, "sync_directory", failing)
    with pytest.raises(StoreError, match="Input/output error"):
        base.sync()
    base.sync()
    base.sync()
    assert synced == [tmp_path] * 2
    again = MsgBase(tmp_path)
    again.resume(BasePosition(), letters(1), wait=0)
    again.sync()
    assert synced == [tmp_path] * 3


def test_no_directory(tmp_path: Path) -> None:
    """Where there is none it counts as empty, and only an append makes one; what is no directory is refused."""
    base = MsgBase(tmp_path / "deep" / "netmail")
    assert base.position() == BasePosition()
    assert base.append([], wait=0) == base.resume(BasePosition(), [], wait=0) == []
    assert base.mark_sent([letter(1)], wait=0) == 0
    assert (base.message(1), base.find(b"x")) == (None, None)
    assert list(tmp_path.iterdir()) == []
    assert base.append(letters(1), wait=0) == [1]
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="Not a directory"):
        MsgBase(tmp_path / "file").position()


def test_full(tmp_path: Path) -> None:
    """When there is no higher number nothing is written, and nothing overwritten."""
    foreign(tmp_path / "999999999.msg", "last")
    with pytest.raises(StoreError, match="numbers are used up"):
        MsgBase(tmp_path).append(letters(1), wait=0)
    assert [file.name for file in tmp_path.iterdir()] == ["999999999.msg"]


def test_marked_as_sent(tmp_path: Path) -> None:
    """Of letters in transit those given are marked, each as often as given; all else is as it was."""
    base = MsgBase(tmp_path)
    held = letter(2, in_transit=True)
    held.kludges = (b"TOSSER-REASON: no-route 1337:1/100", *held.kludges)
    held.attributes = 0x0013
    base.append([letter(1, in_transit=True), held, letter(2, in_transit=True), letter(3)], wait=0)
    before = {number: file.text for number, file in msg_files(tmp_path).items()}
    assert base.mark_sent([letter(2), letter(3), letter(4)], wait=0) == 1
    assert [file.attributes for file in msg_files(tmp_path).values()] == [0x0020, 0x001B, 0x0020, 0]
    assert {number: file.text for number, file in msg_files(tmp_path).items()} == before
    assert base.mark_sent([letter(2), letter(2)], wait=0) == 1
    assert base.mark_sent([letter(2)], wait=0) == 0


def test_found(tmp_path: Path) -> None:
    """A message is had by its number, and the latest one by its MSGID; what cannot be read is passed over."""
    base = MsgBase(tmp_path)
    base.append([letter(1), letter(2), replace(letter(1), subject=b"later")], wait=0)
    (tmp_path / "4.msg").write_bytes(b"short")
    (tmp_path / "5.msg").mkdir()
    found = base.find(b"1337:1/100 00000001")
    assert found is not None
    assert found.subject == b"later"
    assert base.find(b"1337:1/100 00000009") is None
    second = base.message(2)
    assert second is not None
    assert (second.subject, second.dest, second.body) == (b"ours 2", Address(1337, 2, 2), letter(2).body)
    assert (base.message(4), base.message(9)) == (None, None)
