"""Marking netmail as sent: the right message, once, whatever else is in the base."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tests.stores.samples import sample
from tosser.address import Address
from tosser.codec.jam import JamAttribute
from tosser.codec.stored import MessageKind
from tosser.errors import StoreLocked
from tosser.stores.jam import JamBase
from tosser.stores.jam_files import shared_files
from tosser.stores.jam_reader import JamReader
from tosser.stores.jam_sent import mark_sent

if TYPE_CHECKING:
    from pathlib import Path

    from tosser.codec.stored import BaseMessage

MARKS = JamAttribute.INTRANSIT | JamAttribute.SENT


def letter(number: int, *, in_transit: bool = True) -> BaseMessage:
    """One netmail, different for each number."""
    dest = Address(1337, 2, 2)
    return replace(
        sample(number), kind=MessageKind.NETMAIL, in_transit=in_transit, seen_by=[], path=[], dest=dest
    )  # fmt: skip


def marks(path: Path) -> list[JamAttribute]:
    """Whether each message is in transit, or sent."""
    return [JamAttribute(found.header.attribute) & MARKS for found in JamReader(path).messages()]


def test_the_right_ones(tmp_path: Path) -> None:
    """Of letters that are in transit those given are marked, each as often as given; all else is as it was."""
    path = tmp_path / "netmail"
    kept = [letter(1), letter(2), letter(2), letter(3, in_transit=False), letter(4)]
    JamBase(path).append(kept, wait=0)
    before = [(found.subfields, found.text) for found in JamReader(path).messages()]
    assert mark_sent(path, [letter(2), letter(3), letter(4), letter(5)], wait=0) == 2
    sent, transit = JamAttribute.SENT, JamAttribute.INTRANSIT
    assert marks(path) == [transit, sent, transit, JamAttribute(0), sent]
    assert [(found.subfields, found.text) for found in JamReader(path).messages()] == before
    assert mark_sent(path, [letter(4)], wait=0) == 0


def test_why_it_was_kept_does_not_count(tmp_path: Path) -> None:
    """The control line that says why it was held is no part of the letter that went on."""
    path = tmp_path / "netmail"
    held = letter(1)
    held.kludges = (b"TOSSER-REASON: no-route 1337:1/100", *held.kludges)
    JamBase(path).append([held], wait=0)
    assert mark_sent(path, [letter(1)], wait=0) == 1


def test_no_base(tmp_path: Path) -> None:
    """Where there is no base none is made."""
    assert mark_sent(tmp_path / "netmail", [letter(1)], wait=0) == 0
    assert list(tmp_path.iterdir()) == []


def test_locked(tmp_path: Path) -> None:
    """While another part of the program has the lock, nothing is marked."""
    path = tmp_path / "netmail"
    JamBase(path).append([letter(1)], wait=0)
    found: list[type] = []

    def elsewhere() -> None:
        try:
            mark_sent(path, [letter(1)], wait=0)
        except StoreLocked as error:
            found.append(type(error))

    with shared_files(path).locked(0):
        thread = Thread(target=elsewhere)
        thread.start()
        thread.join(30)
    assert found == [StoreLocked]
    assert marks(path) == [JamAttribute.INTRANSIT]
