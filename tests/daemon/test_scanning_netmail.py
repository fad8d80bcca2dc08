"""Netmail that other programs write into the netmail base is routed, once; what is for us stays where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from tests.daemon.inside import config_of, parts_of
from tests.daemon.test_scanning import sent, subjects, toss
from tests.peers import jam_writer
from tests.peers.daemon import DONE, node
from tests.peers.jam_writer import LOCAL, SENT
from tosser.codec.kludge import find_value
from tosser.errors import ConfigError
from tosser.stores.jam_files import shared_files
from tosser.stores.jam_reader import JamReader
from tosser.stores.jam_repair import check

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.daemon import Node

TYPENET, PRIVATE, CRASH, DIRECT = 0x02000000, 0x00000004, 0x00000100, 0x00000400
FROM, TO = 0, 1
"""Kinds of subfields."""
FAR = b"1337:5/5.7"


def system_at(root: Path, **netmail: object) -> Node:
    """Configure a node that scans its netmail, and routes all by the hub."""
    routes = [{"match": "1337:*", "via": "1337:1/100"}]
    system = node(
        root, areas=[], link_defaults={"archiver": "none"}, netmail={"scan": True, "routes": routes} | netmail
    )
    system.bases.mkdir()
    return system


def write(
    system: Node, subject: bytes, to: bytes = FAR, *, attribute: int = 0, fields: tuple[tuple[int, bytes], ...] = ()
) -> int:
    """Write a netmail as a BBS does."""
    return jam_writer.append(
        system.bases / "netmail",
        b"Mira Kovale",
        subject,
        b"For you.\r",
        sender=b"Bob Caller",
        attribute=LOCAL | TYPENET | PRIVATE | attribute,
        written=jam_writer.now() + 60,
        processed=0,
        fields=[(TO, to), *fields],
    )


def test_it_is_routed(tmp_path: Path) -> None:
    """It gets INTL and points, and what else it lacks, and no tearline or Origin; in the base it is marked as sent."""
    system = system_at(tmp_path)
    with parts_of(system) as parts:
        toss(parts)
        write(system, b"letter", attribute=CRASH | DIRECT)
        toss(parts)
        toss(parts)

    (mail,) = sent(system)
    lines = mail.text.split(b"\r")
    assert lines[:2] == [b"\x01INTL 1337:5/5 1337:1/200", b"\x01TOPT 7"]
    assert [line.partition(b":")[0] for line in lines[2:6]] == [b"\x01MSGID", b"\x01PID", b"\x01CHRS", b"\x01TZUTC"]
    assert lines[6:8] == [b"\x01FLAGS DIR", b"For you."]
    assert lines[8].startswith(b"\x01Via 1337:1/200")
    (found,) = JamReader(system.bases / "netmail").messages()
    assert found.header.attribute == LOCAL | TYPENET | PRIVATE | CRASH | DIRECT | SENT
    assert find_value(found.message.kludges, b"MSGID") == mail.msgid.encode()
    assert found.text == b"For you.\r"
    assert check(shared_files(system.bases / "netmail")) == []


@pytest.mark.parametrize("to", [b"1337:1/200", b"1337:1/200@tqwnet", b"1337:9/9"])
def test_what_is_for_us(tmp_path: Path, to: bytes) -> None:
    """Netmail to one of our addresses, or to one that is kept here, is where it should be."""
    system = system_at(tmp_path, here=["1337:9/*"])
    with parts_of(system) as parts:
        toss(parts)
        write(system, b"local", to)
        toss(parts)

    assert sent(system) == []
    (found,) = JamReader(system.bases / "netmail").messages()
    assert not found.header.attribute & SENT


def test_from_a_point(tmp_path: Path) -> None:
    """What is from a point of ours says so; what states an address that is none of ours is from us."""
    system = system_at(tmp_path)
    with parts_of(system) as parts:
        toss(parts)
        write(system, b"point", fields=((FROM, b"1337:1/200.3"),))
        write(system, b"stranger", fields=((FROM, b"2:5/5"),))
        toss(parts)

    point, stranger = sorted(sent(system), key=lambda mail: mail.subject)
    assert point.text.startswith(b"\x01INTL 1337:5/5 1337:1/200\r\x01FMPT 3\r\x01TOPT 7\r\x01MSGID: 1337:1/200.3")
    assert stranger.text.startswith(b"\x01INTL 1337:5/5 1337:1/200\r\x01TOPT 7\r\x01MSGID: 1337:1/200@tqwnet")


def test_what_cannot_go_on(tmp_path: Path) -> None:
    """Without a way it is held, of which its author is told, and goes on once there is one; it is not stored again."""
    system = system_at(tmp_path, routes=[])
    with parts_of(system) as parts:
        toss(parts)
        write(system, b"stuck")
        toss(parts)
    assert sent(system) == []
    assert "no-route" in system.run("netmail", "list").stdout
    document = yaml.safe_load(system.config.read_text("utf-8"))
    document["netmail"]["routes"] = [{"match": "1337:*", "via": "1337:1/100"}]
    system.config.write_text(yaml.safe_dump(document), "utf-8")
    with parts_of(system) as parts:
        toss(parts)

    assert subjects(system) == ["stuck"]
    stored = [each.message.subject for each in JamReader(system.bases / "netmail").messages()]
    assert stored[0] == b"stuck"
    assert [subject.startswith(b"Undeliverable") for subject in stored[1:]] == [True]


def test_by_hand(tmp_path: Path) -> None:
    """It is called netmail on the command line, too."""
    system = system_at(tmp_path)
    write(system, b"old")
    assert system.run("scan").stdout.startswith("netmail: first look")
    assert system.run("scan", "netmail", "--all").stdout == "netmail: 1 messages are sent\n"
    assert system.toss().code == DONE
    assert subjects(system) == ["old"]


def test_files_are_not_scanned(tmp_path: Path) -> None:
    """Of *.MSG files it is not asked for."""
    system = system_at(tmp_path, store="msg")
    with pytest.raises(ConfigError, match="not looked through"):
        config_of(system)
