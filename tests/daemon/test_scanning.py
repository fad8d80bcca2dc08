"""What other programs write into our bases is sent on: complete, once, and nothing but what is to be sent."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.corpus import US, message, packet
from tests.daemon.inside import config_of, parts_of
from tests.packets import messages_in, packets_in
from tests.peers import jam_writer
from tests.peers.daemon import node
from tests.peers.jam_writer import HOLD, LOCAL, LOCKED, SENT, TYPEECHO
from tosser.codec.kludge import find_value
from tosser.config.world import build_rulebook
from tosser.daemon.conditions import LISTS, SCAN
from tosser.errors import ConfigError
from tosser.inbound.postbox import PostBox
from tosser.stores.jam_files import shared_files
from tosser.stores.jam_reader import JamReader
from tosser.stores.jam_repair import check

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.packets import Taken
    from tests.peers.daemon import Node
    from tosser.daemon.parts import Parts

AREA, OTHER = "TQW_TECH", "TQW_GEN"
AFTER_THE_FIRST_LOOK = 3600
"""Seconds."""


def system_at(root: Path, **sections: object) -> Node:
    """Configure a node that scans its bases, and sends bare packets to the hub."""
    sections = {"area_defaults": {"scan": True}, "link_defaults": {"archiver": "none"}} | sections
    (root / "bases").mkdir(parents=True)
    return node(root, areas=[AREA, OTHER], **sections)  # type: ignore[arg-type]


def base_of(system: Node, area: str = AREA) -> Path:
    """Name the base of an area."""
    return system.bases / area.lower()


def write(system: Node, subject: str, text: bytes = b"Hello,\rfrom the board.\r", **parts: object) -> int:
    """Write a message as a BBS does that knows nothing of networks."""
    wanted = {"sender": b"Bob Caller", "written": jam_writer.now(), "processed": 0} | parts
    return jam_writer.append(base_of(system), b"All", subject.encode(), text, **wanted)  # type: ignore[arg-type]


@contextmanager
def looking(system: Node) -> Iterator[Parts]:
    """Put a node together that has looked at its bases once."""
    with parts_of(system) as parts:
        toss(parts)
        yield parts


def toss(parts: Parts) -> None:
    """Look at what has changed, and toss."""
    parts.scanning.look()
    report = parts.pipeline.toss()
    assert not report.trouble


def sent(system: Node) -> list[Taken]:
    """List what went out to the hub."""
    return [each for data in packets_in(sorted(system.outbound.glob("*.pkt"))) for each in messages_in(data)]


def subjects(system: Node) -> list[str]:
    """List the subjects of what went out to the hub."""
    return [each.subject.decode() for each in sent(system)]


@contextmanager
def jam_lock(base: Path) -> Iterator[None]:
    """Have another program keep a base locked."""
    command = [sys.executable, jam_writer.__file__, str(base), "hold"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"locked\n"
        yield
        process.communicate()


def failing(*_arguments: object) -> None:
    """Be a disk that is full."""
    raise OSError(errno.ENOSPC, "the disk is full")


def assert_sound(system: Node, area: str = AREA) -> None:
    """Check that the base of an area has no damage."""
    assert check(shared_files(base_of(system, area))) == []


def test_a_message_of_a_bbs_is_completed_and_sent(tmp_path: Path) -> None:
    """It gets what FTS-0004 and FTS-0009 ask for, and SEEN-BY and PATH of us; its text stays as it was written."""
    system = system_at(tmp_path)
    with looking(system) as parts:
        write(system, "News")
        toss(parts)

    (mail,) = sent(system)
    assert (mail.from_name, mail.to_name, mail.subject) == (b"Bob Caller", b"All", b"News")
    lines = mail.text.split(b"\r")
    assert lines[0] == b"AREA:TQW_TECH"
    assert [line.partition(b":")[0] for line in lines[1:6]] == [
        b"\x01MSGID",
        b"\x01PID",
        b"\x01TID",
        b"\x01CHRS",
        b"\x01TZUTC",
    ]
    assert mail.msgid.startswith(f"{US}@tqwnet ")
    assert b"\rHello,\rfrom the board.\r--- tosser " in mail.text
    assert mail.authored.endswith(b"\r * Origin: Example BBS (1337:1/200)\r")
    assert (mail.seen_by, mail.path) == (["1/100", "1/200"], ["1/200"])


def test_the_base_has_what_was_sent(tmp_path: Path) -> None:
    """The message is marked as sent, keeps its number, and has what it lacked: MSGID, and the lines of its text."""
    system = system_at(tmp_path)
    with looking(system) as parts:
        number = write(system, "News")
        toss(parts)

    (mail,) = sent(system)
    (found,) = JamReader(base_of(system)).messages()
    assert (found.number, found.header.number) == (number, number)
    assert found.header.attribute == LOCAL | SENT | TYPEECHO
    assert found.header.processed
    assert find_value(found.message.kludges, b"MSGID") == mail.msgid.encode()
    assert mail.text.partition(b"TZUTC")[2].partition(b"\r")[2].startswith(found.text)
    assert_sound(system)


def test_once(tmp_path: Path) -> None:
    """What was sent is not sent again: not when the base changes, and not by another process."""
    system = system_at(tmp_path)
    with looking(system) as parts:
        write(system, "one")
        toss(parts)
        write(system, "two")
        toss(parts)
        toss(parts)
    with looking(system) as parts:
        toss(parts)

    assert subjects(system) == ["one", "two"]


def test_nothing_from_before_the_first_look(tmp_path: Path) -> None:
    """The first look at a base begins at its end."""
    system = system_at(tmp_path)
    for number in range(3):
        write(system, f"old {number}")
    with looking(system) as parts:
        write(system, "new")
        toss(parts)

    assert subjects(system) == ["new"]


def test_what_we_store_ourselves_is_not_local(tmp_path: Path) -> None:
    """Neither mail of a link, nor of our own programs, is taken for mail of a BBS."""
    system = system_at(tmp_path)
    with looking(system) as parts:
        system.deliver(packet([message(AREA)]))
        ours = message(AREA, number=2, author=US, sender=US, seen_by=[], path=[])
        system.deliver(packet([ours], sender=US), inbound=system.local)
        toss(parts)
        toss(parts)

    assert subjects(system) == ["Test 2"]
    assert len(list(JamReader(base_of(system)).messages())) == 2


@pytest.mark.parametrize("attribute", [TYPEECHO, LOCAL | SENT | TYPEECHO, LOCAL | 0x02000000, LOCAL | 0x80000000])
def test_what_is_not_to_be_sent(tmp_path: Path, attribute: int) -> None:
    """What is not local, was sent, is netmail or was deleted stays where it is."""
    system = system_at(tmp_path)
    with looking(system) as parts:
        write(system, "no", attribute=attribute)
        toss(parts)

    assert sent(system) == []


@pytest.mark.parametrize("bit", [HOLD, LOCKED])
def test_what_is_to_wait(tmp_path: Path, bit: int) -> None:
    """What is locked or on hold is sent when it no longer is, however much was sent meanwhile."""
    system = system_at(tmp_path)
    with looking(system) as parts:
        write(system, "later", attribute=LOCAL | TYPEECHO | bit)
        write(system, "at once")
        toss(parts)
        assert subjects(system) == ["at once"]
        jam_writer.set_attribute(base_of(system), 0, LOCAL | TYPEECHO)
        toss(parts)

    assert subjects(system) == ["at once", "later"]


def test_what_a_program_wrote_stays(tmp_path: Path) -> None:
    """A message that has everything is sent byte for byte, and only marked in its base."""
    system = system_at(tmp_path)
    text = b"Hi.\r \r--- Board 1\r * Origin: The Board (1337:1/200)\r"
    fields = [(4, b"1337:1/200 12345678"), (7, b"Board 1"), (2000, b"TID: Board 1"), (2000, b"CHRS: LATIN-1 2")]
    fields += [(2004, b"-0330")]
    with looking(system) as parts:
        write(system, "whole", text, fields=fields)
        before = system.bases.joinpath("tqw_tech.jdt").read_bytes()
        toss(parts)

    (mail,) = sent(system)
    lines = (
        b"\x01MSGID: 1337:1/200 12345678\r\x01PID: Board 1\r\x01TID: Board 1\r\x01CHRS: LATIN-1 2\r\x01TZUTC: -0330\r"
    )
    assert mail.authored == b"AREA:TQW_TECH\r" + lines + text
    assert system.bases.joinpath("tqw_tech.jdt").read_bytes() == before
    (found,) = JamReader(base_of(system)).messages()
    assert found.header.attribute & SENT
    assert_sound(system)


def test_an_answer_names_what_it_answers(tmp_path: Path) -> None:
    """A program that only notes the number of the message answered gets its REPLY, and the answer is linked."""
    system = system_at(tmp_path)
    with looking(system) as parts:
        system.deliver(packet([message(AREA)]))
        toss(parts)
        write(system, "Re: Test 1", reply_to=1)
        toss(parts)

    (mail,) = sent(system)
    assert b"\r\x01REPLY: 1337:1/300 00000001\r" in mail.text


def test_a_renumbered_base(tmp_path: Path) -> None:
    """When a packer has given out other numbers, what is new is found by its date, and nothing old is sent."""
    system = system_at(tmp_path)
    for number in range(5):
        write(system, f"old {number}", written=jam_writer.now() - 1000)
    with looking(system) as parts:
        jam_writer.delete(base_of(system), 0)
        jam_writer.delete(base_of(system), 2)
        jam_writer.pack(base_of(system), renumber=True)
        write(system, "new", written=jam_writer.now() + AFTER_THE_FIRST_LOOK)
        toss(parts)
        assert subjects(system) == ["new"]
        write(system, "newer")
        toss(parts)

    assert subjects(system) == ["new", "newer"]


def test_a_base_from_a_backup(tmp_path: Path) -> None:
    """What was sent before the backup was put back is not sent again, although the base no longer says so."""
    system = system_at(tmp_path)
    with looking(system) as parts:
        write(system, "one", written=jam_writer.now() + AFTER_THE_FIRST_LOOK)
        backup = {path: path.read_bytes() for path in system.bases.glob("tqw_tech.*")}
        toss(parts)
        write(system, "two")
        toss(parts)
        for path, data in backup.items():
            path.write_bytes(data)
        toss(parts)

    assert subjects(system) == ["one", "two"]
    (found,) = JamReader(base_of(system)).messages()
    assert found.header.attribute & SENT


def test_a_base_that_comes_later(tmp_path: Path) -> None:
    """All of a base that a BBS makes after the first look is new; of one that is put there it is what its dates say."""
    system = system_at(tmp_path)
    with looking(system) as parts:
        write(system, "old", written=jam_writer.now() - 1000)
        write(system, "new", written=jam_writer.now() + AFTER_THE_FIRST_LOOK)
        toss(parts)

    assert subjects(system) == ["new"]


def test_more_than_the_limit(tmp_path: Path) -> None:
    """When there is more than the limit nothing is sent, and that is a condition for as long as it is so."""
    system = system_at(tmp_path, scan={"limit": 3})
    with looking(system) as parts:
        for number in range(4):
            write(system, f"flood {number}")
        toss(parts)
        assert sent(system) == []
        assert "4 local messages were found in TQW_TECH at once" in parts.conditions.present[SCAN]
        for position in range(4):
            jam_writer.delete(base_of(system), position)
        toss(parts)
        assert not parts.conditions.present[SCAN]


def test_a_broken_base_is_a_condition(tmp_path: Path) -> None:
    """A base that cannot be looked at is told of, and others are looked at."""
    system = system_at(tmp_path)
    with looking(system) as parts:
        jam_writer.append(base_of(system, OTHER), b"All", b"other", b"text", written=jam_writer.now() + 10)
        write(system, "lost")
        index = system.bases / "tqw_tech.jdx"
        index.write_bytes(index.read_bytes() + b"x")
        toss(parts)

    assert subjects(system) == ["other"]
    assert "ends inside a record" in parts.conditions.present[SCAN]


def test_events_and_totals(tmp_path: Path) -> None:
    """It is told as every accepted message is, with its number in the base, and counted once."""
    system = system_at(tmp_path, mqtt={"url": "mqtt://127.0.0.1:1"})
    with looking(system) as parts:
        system.deliver(packet([message(AREA)]))
        toss(parts)
        number = write(system, "told")
        toss(parts)
        events = [event for event in parts.state.next_events(0, 100) if event.topic.endswith("/message")]
        (area,) = parts.state.overview().areas

    data = json.loads(events[-1].payload)["data"]
    assert (len(events), data["subject"], data["number"]) == (2, "told", number)
    assert data["msgid"] == sent(system)[0].msgid
    assert (area.stored, area.duplicates) == (2, 0)
    assert area.last
    assert area.last["number"] == number


def test_lists(tmp_path: Path) -> None:
    """A list that names an area has it looked at; then the list is gone."""
    system = system_at(tmp_path, scan={"echotoss": ["lists/echotoss.log", "lists/echomail.jam"]})
    lists = tmp_path / "lists"
    lists.mkdir()
    with looking(system) as parts:
        parts.scanning.look()
        parts.pipeline.toss()
        assert not parts.scanning.look()
        (lists / "echotoss.log").write_text("tqw_tech\nNO_SUCH_AREA\n\n")
        assert parts.scanning.look()
        (lists / "echomail.jam").write_text(f"{base_of(system)} 1\n")
        parts.pipeline.toss()
        assert parts.scanning.look()

    assert list(lists.iterdir()) == []
    assert not parts.conditions.present[LISTS]


def test_a_list_that_cannot_be_read_is_a_condition(tmp_path: Path) -> None:
    """A directory of that name is told of."""
    system = system_at(tmp_path, scan={"echotoss": ["echotoss.log"]})
    (tmp_path / "echotoss.log").mkdir()
    with looking(system) as parts:
        toss(parts)

    assert "echotoss.log" in parts.conditions.present[LISTS]


def test_an_answer_from_the_network_is_linked(tmp_path: Path) -> None:
    """The base has the MSGID that others answer to, so an answer that comes back is linked to the message."""
    system = system_at(tmp_path)
    with looking(system) as parts:
        number = write(system, "question")
        toss(parts)
        system.deliver(packet([message(AREA, reply=sent(system)[0].msgid)]))
        toss(parts)
        parts.linker.round()

    question, answer = JamReader(base_of(system)).messages()
    assert (question.header.reply_first, answer.header.reply_to) == (answer.number, number)


def test_it_comes_back(tmp_path: Path) -> None:
    """What was sent is in the dupe history: when a link sends it back it is a duplicate."""
    system = system_at(tmp_path)
    with looking(system) as parts:
        write(system, "there and back")
        toss(parts)
        (data,) = packets_in(system.outbound.glob("*.pkt"))
        (mail,) = messages_in(data)
        again = message(AREA, msgid=mail.msgid, author=US)
        system.deliver(packet([again]))
        toss(parts)
        assert parts.state.overview().counters["message.duplicate"] == 1

    assert len(list(JamReader(base_of(system)).messages())) == 1


def test_a_locked_base_is_looked_at_later(tmp_path: Path) -> None:
    """A base that another program keeps for a moment is no trouble; its mail is sent when it can be had."""
    system = system_at(tmp_path)
    with looking(system) as parts:
        write(system, "later")
        with jam_lock(base_of(system)):
            toss(parts)
            left = [parts.scanning.unfinished]
        assert sent(system) == []
        assert not parts.conditions.present.get(SCAN)
        toss(parts)
        left.append(parts.scanning.unfinished)

    assert left == [True, False]
    assert subjects(system) == ["later"]


def test_mail_for_a_base_that_waits(tmp_path: Path) -> None:
    """A base that mail which is decided on waits for is looked at when that is in it."""
    system = system_at(tmp_path, toss={"lock_wait": "50ms"})
    with looking(system) as parts:
        write(system, "from the board")
        system.deliver(packet([message(AREA)]))
        with jam_lock(base_of(system)):
            parts.scanning.look()
            parts.pipeline.toss()
            assert parts.pipeline.parked == 1
        toss(parts)

    assert subjects(system) == ["from the board"]
    assert len(list(JamReader(base_of(system)).messages())) == 2


@pytest.mark.parametrize("gone", ["area", "base"])
def test_what_was_found_is_sent_in_any_case(tmp_path: Path, gone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off after it was found, a message is sent although its area is no longer scanned, or its base is gone."""
    system = system_at(tmp_path)
    with looking(system) as parts:
        write(system, "found")
        with monkeypatch.context() as patch:
            patch.setattr(PostBox, "drop", failing)
            parts.scanning.look()
            assert "disk" in parts.pipeline.toss().trouble
    if gone == "area":
        document = yaml.safe_load(system.config.read_text("utf-8"))
        document["area_defaults"]["scan"] = False
        system.config.write_text(yaml.safe_dump(document), "utf-8")
    else:
        for path in system.bases.glob("tqw_tech.*"):
            path.unlink()
    with looking(system) as parts:
        assert parts.state.scanned_bases_left() == []

    assert subjects(system) == ["found"]


def test_one_that_is_too_long(tmp_path: Path) -> None:
    """A message that no packet takes is passed over, and those behind it are sent."""
    system = system_at(tmp_path, limits={"text": "64KiB"})
    with looking(system) as parts:
        write(system, "long", b"." * 65536)
        write(system, "short")
        toss(parts)

    assert subjects(system) == ["short"]


def test_a_paused_area_is_left_alone(tmp_path: Path) -> None:
    """What is written while an area is paused is sent when it no longer is."""
    system = system_at(tmp_path)
    with looking(system):
        pass
    document = yaml.safe_load(system.config.read_text("utf-8"))
    for paused in (True, False):
        document["areas"][0]["paused"] = paused
        system.config.write_text(yaml.safe_dump(document), "utf-8")
        if paused:
            write(system, "meanwhile")
        with looking(system):
            assert subjects(system) == ([] if paused else ["meanwhile"])


def test_an_area_that_cannot_be_scanned(tmp_path: Path) -> None:
    """To scan a passthrough area is a mistake when it is asked for, and left out when it is the default."""
    assert [area.scan for area in build_rulebook(config_of(system_at(tmp_path))).areas.values()] == [True, True]
    system = system_at(tmp_path / "two", area_defaults={"scan": True, "store": "passthrough"})
    assert not any(area.scan for area in build_rulebook(config_of(system)).areas.values())
    document = yaml.safe_load(system.config.read_text("utf-8"))
    document["areas"][0]["scan"] = True
    system.config.write_text(yaml.safe_dump(document), "utf-8")
    with pytest.raises(ConfigError, match="has no base that anybody could write to"):
        config_of(system)


def test_what_was_wrong_is_over_when_nothing_is_scanned(tmp_path: Path) -> None:
    """A condition of a base ends when its area is not scanned any more."""
    system = system_at(tmp_path, scan={"limit": 1})
    with looking(system) as parts:
        write(system, "one")
        write(system, "two")
        toss(parts)
        assert [each.subject for each in parts.state.conditions()] == [SCAN]
    document = yaml.safe_load(system.config.read_text("utf-8"))
    document["area_defaults"]["scan"] = False
    system.config.write_text(yaml.safe_dump(document), "utf-8")
    with looking(system) as parts:
        assert parts.state.conditions() == []
