"""Netmail kept as *.MSG files, through a whole node; read back by the offsets of FTS-0001."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.daemon.inside import config_of, parts_of
from tests.daemon.test_netmail_killed import live, start_again
from tests.mail import HUB, US, packet
from tests.msgfiles import foreign, msg_files, subjects_in
from tests.netmail import change, letter, sent
from tests.peers.daemon import DONE, USAGE, node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.peers.daemon import Node

MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of our own is made in it
LONG = 10_000
"""More steps than anything takes."""


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory in memory, where syncing takes no time."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as directory:
        yield Path(directory) / "node"


@pytest.fixture
def system(home: Path) -> Node:
    """A node that keeps netmail as *.MSG files."""
    return node(
        home,
        areas=1,
        links={HUB: ""},
        link_defaults={"archiver": "none"},
        netmail={"store": "msg", "path": "mail", "answers": {"bounces": "off"}},
    )


def toss(system: Node, *letters: bytes) -> None:
    """Toss a packet, if there are letters for one, as a process that was started now."""
    if letters:
        system.deliver(packet(letters))
    with parts_of(system) as parts:
        report = parts.pipeline.toss()
    assert (report.trouble, report.surprised) == ("", False)


def test_netmail_to_us(system: Node) -> None:
    """A letter from a point with a file lands in a file of its own, with all fields, beside those of others."""
    system.bases.mkdir()
    foreign(system.bases / "mail" / "41.MSG", "from an editor")
    toss(
        system,
        letter(author="1337:1/300.4", addressee=f"{US}.0", subject=b"game.zip", attributes=0x01BB, vias=(HUB,)),
        letter(number=2),
    )
    assert subjects_in(system.bases / "mail") == ["from an editor", "game.zip", "Hello"]
    found = msg_files(system.bases / "mail")[42]
    assert (found.to, found.date) == ("Jane Sysop", "01 Nov 26  08:00:00")
    # timesRead, destNode, origNode, cost, origNet, destNet, four of zones and points, replyTo, attributes, nextReply
    assert found.words == (0, 200, 300, 0, 1, 1, 1337, 1337, 0, 4, 0, 0x0011, 0)
    lines = found.text.split(b"\r")
    assert lines[:3] == [b"\x01INTL 1337:1/200 1337:1/300", b"\x01FMPT 4", b"\x01MSGID: 1337:1/300.4 00000001"]
    assert lines[3:] == [b"This is for you alone.", f"\x01Via {HUB} @20261101.080000.UTC Mailer 1.0".encode(), b""]
    assert not (system.bases / "mail.jhr").exists()


def test_held_and_gone_on(system: Node) -> None:
    """What cannot go on is in transit, crash as it was, with its reason; once it has gone on it is sent."""
    toss(system, letter(addressee="1337:2/2", author="1337:1/300", attributes=0x0003))
    (before,) = msg_files(system.bases / "mail").values()
    assert before.text.startswith(b"\x01TOSSER-REASON: no-route 1337:1/100\r\x01INTL 1337:2/2 1337:1/300\r")
    assert before.attributes == 0x0023
    change(system, routes=[{"match": "1337:*", "via": f"{HUB}"}])
    toss(system)
    assert sent(system, HUB) == []  # it would go back to where it came from
    change(system, routes=[{"match": "1337:*", "via": "noroute"}])
    toss(system)
    (after,) = msg_files(system.bases / "mail").values()
    assert (after.attributes, after.text, after.words[:11]) == (0x000B, before.text, before.words[:11])


def test_killed_at_every_step(system: Node) -> None:
    """Whatever step it dies at, a letter to us is in one file, and no other file is left."""
    config = config_of(system)

    def fresh() -> None:
        for directory in (system.state, system.bases, system.outbound, system.secure):
            shutil.rmtree(directory, ignore_errors=True)
        system.secure.mkdir()
        system.outbound.mkdir()
        system.deliver(packet([letter()]))

    fresh()
    steps = live(config, LONG).steps
    assert steps > 20
    for step in range(steps):
        fresh()
        live(config, step)
        start_again(config)
        assert (subjects_in(system.bases / "mail")) == ["Hello"]
        assert {file.name for file in (system.bases / "mail").iterdir()} == {"1.msg"}


def test_commands(system: Node) -> None:
    """Commands that look into the netmail base find what is there; those for JAM bases say why they pass it over."""
    toss(system, letter())
    found = system.run("trace", f"{HUB} 00000001", "--json").json["found"]
    assert [(each["base"], each["number"], each["in_base"]) for each in found] == [
        (f"{system.bases / 'mail'}", 1, True)
    ]
    asked = system.run("post", "--dest", US, "--reply", f"{HUB} 00000001", stdin=b"Thanks.\n")
    assert asked.code == DONE
    toss(system)
    assert subjects_in(system.bases / "mail") == ["Hello", "Re: Hello"]
    listed = system.run("base", "list", "netmail", "--json")
    assert (listed.code, listed.json) == (DONE, [])
    assert listed.stderr == "tosser: netmail is in *.MSG files, which need no looking after; it is passed over\n"
    everything = system.run("base", "check")
    assert (everything.code, everything.stderr) == (DONE, listed.stderr)
    assert system.run("base", "check", "NOWHERE").code == USAGE


def test_the_directory_cannot_be_used(system: Node) -> None:
    """A check of the configuration finds a file where the directory should be."""
    assert "netmail.path" not in system.run("check").stdout
    system.bases.mkdir()
    (system.bases / "mail").write_bytes(b"")
    told = system.run("check")
    assert f"netmail.path: {system.bases / 'mail'} is not a directory" in told.stdout + told.stderr
