"""Reply links: who answers whom, in bases of ours and of others, one pass at a time or all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.outbound.killing import Killed, Life
from tests.peers import jam_writer
from tests.stores.samples import contents, file_of, sample
from tests.stores.upkeep import counted, held, stored
from tosser.codec.jam import HeaderField, build_field
from tosser.stores.jam import JamBase
from tosser.stores.jam_files import shared_files
from tosser.stores.jam_links import link_new, relink
from tosser.stores.jam_reader import JamReader

if TYPE_CHECKING:
    from pathlib import Path

    from tosser.stores.base import BaseMessage


def reply(number: int, to: int | None, *, case: bool = False) -> BaseMessage:
    """Make the sample of a number an answer to another one."""
    message = sample(number, size=10)
    if to is None:
        return message
    value = b"1337:1/100 %08x" % to
    return replace(message, kludges=[*message.kludges, b"REPLY: " + (value.upper() if case else value)])


def fill(path: Path, *answers: int | None) -> None:
    """Append a message for each, the first of them being message 1: which message it answers."""
    start = JamReader(path).count() if JamBase(path).position().jhr else 0
    mail = [reply(start + 1 + place, to) for place, to in enumerate(answers)]
    JamBase(path).append(mail, wait=1)


def linked(path: Path, first_new: int = 1, window: int = 2000) -> int:
    """Link new messages."""
    with held(path):
        return link_new(shared_files(path), first_new, window)


def links(path: Path) -> dict[int, tuple[int, int, int]]:
    """Read ReplyTo, Reply1st and ReplyNext of the messages that have any."""
    found = {
        each.number: (each.header.reply_to, each.header.reply_first, each.header.reply_next)
        for each in JamReader(path).messages()
    }
    return {number: three for number, three in found.items() if any(three)}


TREE = {1: (0, 2, 0), 2: (1, 4, 3), 3: (1, 7, 6), 4: (2, 5, 8), 5: (4, 0, 0), 6: (1, 0, 0), 7: (3, 0, 0), 8: (2, 0, 0)}
"""The example of JAM-001, with its erratum put right."""


def test_the_tree_of_the_specification(tmp_path: Path) -> None:
    """The example of JAM-001 is linked as it says, in one pass and in a pass after each message."""
    answers = (None, 1, 1, 2, 4, 1, 3, 2)
    fill(tmp_path / "ONE", *answers)
    assert linked(tmp_path / "ONE") == 7
    assert links(tmp_path / "ONE") == TREE
    for number, to in enumerate(answers, 1):
        fill(tmp_path / "MANY", to)
        linked(tmp_path / "MANY", number)
    assert links(tmp_path / "MANY") == TREE
    fill(tmp_path / "ALL", *answers)
    with held(tmp_path / "ALL"):
        assert relink(shared_files(tmp_path / "ALL")) == 8
        assert relink(shared_files(tmp_path / "ALL")) == 0
    assert links(tmp_path / "ALL") == TREE


def test_nothing_else_is_changed(tmp_path: Path) -> None:
    """Linking changes links and the change counter; with nothing to link it changes nothing."""
    path = tmp_path / "AREA"
    fill(path, None, 1, 2)
    before, bytes_before = stored(path), contents(path)
    linked(path)
    assert {number: (each.subfields, each.text) for number, each in stored(path).items()} == {
        number: (each.subfields, each.text) for number, each in before.items()
    }
    assert counted(path) == 3
    assert JamReader(path).header().mod_counter == int.from_bytes(bytes_before[".jhr"][8:12], "little") + 1
    after = contents(path)
    assert linked(path) == 0
    assert contents(path) == after


def test_an_answer_that_comes_first(tmp_path: Path) -> None:
    """An answer that was there before its message is linked once that comes."""
    path = tmp_path / "AREA"
    fill(path, 3, None)
    assert linked(path) == 0
    fill(path, None)
    assert linked(path, 3) == 1
    assert links(path) == {1: (3, 0, 0), 3: (0, 1, 0)}


def test_letter_case_does_not_count(tmp_path: Path) -> None:
    """MSGID and REPLY may differ in letter case, as their CRCs do not."""
    path = tmp_path / "AREA"
    JamBase(path).append([reply(0xAB, None), reply(2, 0xAB, case=True)], wait=1)
    assert linked(path) == 1


def test_a_crc_alone_is_no_link(tmp_path: Path) -> None:
    """Where only the CRCs agree nothing is linked, and a message does not answer itself."""
    path = tmp_path / "AREA"
    JamBase(path).append([reply(1, None), reply(2, 77), reply(3, 3)], wait=1)
    found = list(JamReader(path).messages())
    with held(path):
        offset = 1024 + found[0].header.subfield_length + 76 + HeaderField.REPLY_CRC
        shared_files(path).write(jhr=(offset, build_field(found[0].header.msgid_crc)))
    before = contents(path)
    assert linked(path) == 0
    with held(path):
        assert relink(shared_files(path)) == 0
    assert contents(path) == before


def test_only_so_many_are_looked_at(tmp_path: Path) -> None:
    """A pass looks at a window before the new messages; a chain that began before it is followed all the same."""
    path = tmp_path / "AREA"
    fill(path, None, 1, None, None)
    linked(path)
    fill(path, 1, 3)
    assert linked(path, 5, window=2) == 1
    assert links(path) == {1: (0, 2, 0), 2: (1, 0, 0), 3: (0, 6, 0), 6: (3, 0, 0)}
    assert linked(path, 5, window=4) == 1
    assert links(path)[2] == (1, 0, 5)


def test_links_of_others_are_kept(tmp_path: Path) -> None:
    """A link that another program found by subject stays, also when all are made anew; one to nothing goes."""
    path = tmp_path / "AREA"
    fill(path, None, 1)
    jam_writer.append(path, b"All", b"Re: ours 1", b"text\r")
    jam_writer.append(path, b"All", b"Re: gone", b"text\r")
    with held(path):
        for number, to in ((3, 1), (4, 99)):
            offset = JamReader(path).message(number)
            del offset
            at = int.from_bytes(contents(path)[".jdx"][(number - 1) * 8 + 4 : number * 8], "little")
            shared_files(path).write(jhr=(at + HeaderField.REPLY_TO, build_field(to)))
    linked(path)
    assert links(path)[3] == (1, 0, 0)
    with held(path):
        relink(shared_files(path))
    assert links(path) == {1: (0, 2, 0), 2: (1, 0, 3), 3: (1, 0, 0)}


def test_a_circle_is_left(tmp_path: Path) -> None:
    """A chain that another program tied into a circle, or that leads to nothing, is cut and goes on."""
    path = tmp_path / "AREA"
    fill(path, None, 1, 1)
    linked(path)
    at = int.from_bytes(contents(path)[".jdx"][20:24], "little") + HeaderField.REPLY_NEXT
    for wrong in (2, 3, 1, 4_000_000_000):
        with held(path):
            shared_files(path).write(jhr=(at, build_field(wrong)))
        number = JamReader(path).count() + 1
        fill(path, 1)
        assert linked(path, number) == 1
        assert links(path)[number] == (1, 0, 0)
        assert links(path)[3] == (1, 0, number)


def test_a_deleted_answer(tmp_path: Path) -> None:
    """A chain ends before an answer that is deleted; made anew it passes over it."""
    path = tmp_path / "AREA"
    fill(path, None, 1, 1, 1)
    linked(path)
    jam_writer.delete(path, 2)
    with held(path):
        relink(shared_files(path))
    assert links(path) == {1: (0, 2, 0), 2: (1, 0, 4), 4: (1, 0, 0)}


@pytest.mark.parametrize("offset", [0, 16, 1025, 2_000, 4_000_000_000])
def test_damage_is_passed_over(tmp_path: Path, offset: int) -> None:
    """A message that cannot be read keeps nobody from being linked, and nothing is written where none is."""
    path = tmp_path / "AREA"
    fill(path, None, None, 1)
    with file_of(path, ".jdx").open("r+b") as index:
        index.seek(12)
        index.write(build_field(offset))
    before = contents(path)[".jhr"]
    assert linked(path) == 1
    assert (links(path)[3][0], links(path)[1][1]) == (1, 3)
    with held(path):
        assert relink(shared_files(path)) == 0
    assert contents(path)[".jhr"][12:1024] == before[12:1024]


def test_killed_at_every_step(tmp_path: Path) -> None:
    """Whatever step it dies at, the next pass ends with the same links, and no message is harmed."""
    steps = 0
    while True:
        path = tmp_path / f"AREA{steps}"
        fill(path, None, 1, 1, 2, 4, 1, 3, 2)
        before = {number: (each.subfields, each.text) for number, each in stored(path).items()}
        life = Life(steps)
        with pytest.MonkeyPatch.context() as patch:
            life.disk(patch)
            try:
                linked(path)
            except Killed:
                pass
            else:
                break
        linked(path)
        assert links(path) == TREE
        assert {number: (each.subfields, each.text) for number, each in stored(path).items()} == before
        steps += 1
    assert steps > 8


@settings(deadline=None, max_examples=60)
@given(answers=st.lists(st.integers(0, 9), min_size=1, max_size=9), cut=st.integers(0, 9))
def test_passes_and_all_at_once_agree(tmp_path_factory: pytest.TempPathFactory, answers: list[int], cut: int) -> None:
    """Whoever answers whom: in two passes the same messages have the same parents as all at once."""
    home = tmp_path_factory.mktemp("links")
    wanted = [to or None for to in answers]
    fill(home / "ALL", *wanted)
    with held(home / "ALL"):
        relink(shared_files(home / "ALL"))
    for part in (wanted[:cut], wanted[cut:]):
        if part:
            fill(home / "PASSES", *part)
            linked(home / "PASSES", JamReader(home / "PASSES").count() - len(part) + 1)
    assert {n: three[0] for n, three in links(home / "PASSES").items()} == {
        n: three[0] for n, three in links(home / "ALL").items()
    }
    for path in (home / "ALL", home / "PASSES"):
        check_chains(path)
        shared_files(path).close()


def check_chains(path: Path) -> None:
    """Each message with a parent stands exactly once in its parent's chain, and nobody else does."""
    found = links(path)
    for parent in found:
        chain: list[int] = []
        number = found[parent][1]
        while number:
            assert number not in chain
            chain.append(number)
            number = found[number][2]
        assert sorted(chain) == sorted(number for number, three in found.items() if three[0] == parent)
