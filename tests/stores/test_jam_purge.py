"""Purging: what is old or too much goes, and never what must not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.outbound.killing import Killed, Life
from tests.peers import jam_writer
from tests.stores.samples import ARRIVED, contents, file_of, ours, samples, subjects
from tests.stores.test_jam_links import fill, linked, links
from tests.stores.upkeep import counted, held, stored
from tosser.codec.jam import HeaderField, JamAttribute, build_field
from tosser.rules.network import Keep
from tosser.stores.jam import JamBase
from tosser.stores.jam_files import shared_files
from tosser.stores.jam_pack import pack
from tosser.stores.jam_purge import Purged, purge
from tosser.stores.jam_reader import JamReader

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86400
NOW = ARRIVED + 100 * DAY


def purged(path: Path, keep: Keep, *, dry_run: bool = False) -> Purged:
    """Purge a base."""
    with held(path):
        return purge(shared_files(path), keep, NOW, dry_run=dry_run)


def aged(path: Path, *days: int) -> None:
    """Make a base whose messages came in so many days ago."""
    for number, age in enumerate(days):
        (message,) = samples(1, number)
        message.arrived = NOW - age * DAY
        JamBase(path).append([message], wait=1)


def mark(path: Path, number: int, attribute: int) -> None:
    """Set the attribute word of a message."""
    offset = int.from_bytes(contents(path)[".jdx"][(number - 1) * 8 + 4 : number * 8], "little")
    with held(path):
        shared_files(path).write(jhr=(offset + HeaderField.ATTRIBUTE, build_field(attribute)))


@pytest.mark.parametrize(
    ("keep", "left"),
    [
        (Keep(), [0, 1, 2, 3, 4]),
        (Keep(days=25), [2, 3, 4]),
        (Keep(messages=2), [3, 4]),
        (Keep(days=25, messages=4), [2, 3, 4]),
        (Keep(days=25, messages=1), [4]),
        (Keep(messages=9), [0, 1, 2, 3, 4]),
    ],
)
def test_by_age_and_number(tmp_path: Path, keep: Keep, left: list[int]) -> None:
    """Messages that are too old, or beyond the number, go as JAM-001 says; the others keep numbers and bytes."""
    path = tmp_path / "AREA"
    aged(path, 40, 30, 20, 10, 0)
    before = stored(path)
    report = purged(path, keep, dry_run=True)
    assert stored(path) == before
    assert purged(path, keep) == report == Purged(5 - len(left), len(left))
    assert subjects(path) == [f"ours {number}" for number in left]
    assert stored(path) == {number + 1: before[number + 1] for number in left}
    assert counted(path) == len(left)
    for number in set(range(5)) - set(left):
        assert contents(path)[".jdx"][number * 8 : number * 8 + 8] == b"\xff" * 8


def test_what_is_never_purged(tmp_path: Path) -> None:
    """Locked messages, and mail from here or in transit that was not sent, stay; once sent they go."""
    path = tmp_path / "AREA"
    aged(path, *[50] * 5)
    echo = JamAttribute.TYPEECHO
    mark(path, 1, echo | JamAttribute.LOCKED)
    mark(path, 2, echo | JamAttribute.LOCAL)
    mark(path, 3, echo | JamAttribute.LOCAL | JamAttribute.SENT)
    mark(path, 4, JamAttribute.TYPENET | JamAttribute.INTRANSIT)
    assert purged(path, Keep(days=1, messages=1)) == Purged(2, 3, 3)
    assert sorted(stored(path)) == [1, 2, 4]


def test_links_lead_to_what_is_left(tmp_path: Path) -> None:
    """Answers to a message that is gone, and chains through it, are linked without it."""
    path = tmp_path / "AREA"
    fill(path, None, 1, 1, 1, 3)
    linked(path)
    mark(path, 1, JamAttribute.TYPEECHO | JamAttribute.LOCKED)
    mark(path, 2, JamAttribute.TYPEECHO | JamAttribute.LOCKED)
    purged(path, Keep(messages=2))
    assert links(path) == {1: (0, 2, 0), 2: (1, 0, 4), 4: (1, 0, 0)}


def test_a_message_without_a_time_of_arrival(tmp_path: Path) -> None:
    """A message that was never tossed is as old as its author says."""
    path = tmp_path / "AREA"
    jam_writer.append(path, b"All", b"old", b"text\r")
    mark(path, 1, JamAttribute.TYPEECHO)
    with held(path):
        shared_files(path).write(jhr=(1024 + 44, bytes(4)))
    assert purged(path, Keep(days=1)).deleted == 1


def test_killed_at_every_step(tmp_path: Path) -> None:
    """Whatever step it dies at, what is left is whole, and the next purge and packing end with the same."""
    steps = 0
    while True:
        path = tmp_path / f"AREA{steps}"
        aged(path, 40, 30, 20, 10, 0)
        before = stored(path)
        life = Life(steps)
        with pytest.MonkeyPatch.context() as patch:
            life.disk(patch)
            try:
                purged(path, Keep(days=25))
            except Killed:
                pass
            else:
                break
        assert {number: each for number, each in stored(path).items() if number > 2} == {
            number: each for number, each in before.items() if number > 2
        }
        purged(path, Keep(days=25))
        with held(path):
            pack(shared_files(path))
        assert subjects(path) == ours(3, 2)
        assert counted(path) == 3
        assert file_of(path, ".jdt").stat().st_size == sum(len(each.text) for each in stored(path).values())
        steps += 1
    assert steps > 5
    assert JamReader(path).header().active == 3
