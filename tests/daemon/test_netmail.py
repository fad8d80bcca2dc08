"""Netmail through a whole node: delivered, sent on with its Via line, held with its reason, and let go on later."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.daemon.inside import config_of, parts_of
from tests.mail import HUB, US, packet
from tests.netmail import attached, change, flow_of, in_base, in_transit, letter, sent, vias
from tests.nodelists import nodelist
from tests.packets import number
from tests.peers.daemon import DONE, FAILED, node
from tosser import disk
from tosser.address import Address
from tosser.cli.status import gather
from tosser.codec.jam import JamAttribute
from tosser.codec.kludge import find_value
from tosser.codec.nodelist import Keyword, NodeEntry, Nodelist, NodeTable
from tosser.inbound.held import HeldMail

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.daemon import Node

DOWN, NEIGHBOUR, POINT, FAR = "1337:1/201", "1337:1/202", f"{US}.5", "1337:5/6"
VIA = re.compile(rb"\x01Via 1337:1/200 @\d{8}\.\d{6}\.UTC tosser \d+\.\d+\.\d+\r\Z")


@pytest.fixture
def system(tmp_path: Path) -> Node:
    """A node with a hub, a downlink and a point; all of them get bare packets."""
    return node(
        tmp_path,
        areas=1,
        links={HUB: "HUBWARD", DOWN: "", POINT: ""},
        link_defaults={"archiver": "none"},
        netmail={
            "routes": [{"match": "1337:5/*", "via": HUB, "flavour": "crash"}],
            "answers": {"bounces": "off"},  # they have their own tests
        },
    )


def toss(
    system: Node, *letters: bytes, sender: str = HUB, name: str = "00000001.pkt", inbound: Path | None = None
) -> None:
    """Deliver a packet and toss it."""
    password = b"HUBWARD" if sender == HUB else b""
    system.deliver(packet(letters, sender=sender, password=password), name, inbound)
    toss_again(system)


def toss_again(system: Node) -> None:
    """Toss what there is, as a process that was started now."""
    with parts_of(system) as parts:
        report = parts.pipeline.toss()
    assert (report.trouble, report.surprised) == ("", False)


def held(system: Node) -> dict[str, int]:
    """Count what is held, by reason."""
    found: dict[str, int] = status(system)["netmail"]["held"]
    return found


def status(system: Node) -> dict[str, Any]:
    """Ask how everything stands."""
    return gather(config_of(system), time.time())


def test_sent_on(system: Node) -> None:
    """A letter leaves by the packets of its link, byte for byte, with one more Via line, and no base keeps it."""
    raw = letter(author="1337:1/300.4", addressee=f"{DOWN}.7", vias=("1337:1/300", "1337:1/100"))
    toss(system, raw)
    (message,) = sent(system, DOWN)
    text = raw[34:].split(b"\0", 3)[3].removesuffix(b"\0")
    assert message.text.startswith(text)
    assert VIA.fullmatch(message.text[len(text) :])
    assert vias(message) == ["1337:1/300", "1337:1/100", US]
    assert (message.to_name, message.from_name, message.subject) == (b"Jane Sysop", b"Mira Kovale", b"Hello")
    fields = ("origNode", "destNode", "origNet", "destNet", "attributes")
    assert [number(message.fixed[field]) for field in fields] == [300, 201, 1, 1, 1]
    assert message.fixed["date"] == raw[14:34]
    assert in_base(system) == []
    assert status(system)["netmail"] == {"to_us": 0, "sent_on": 1, "in_transit": 0, "held": {}}


def test_to_a_point_and_by_a_route(system: Node) -> None:
    """Points get theirs; a route takes what is far away to its link, as urgently as it says, beside its other mail."""
    toss(system, letter(addressee=POINT), letter(number=2, addressee=FAR, author=DOWN), sender=DOWN)
    assert [message.msgid for message in sent(system, POINT)] == [f"{HUB} 00000001"]
    assert [message.msgid for message in sent(system, HUB, "crash")] == [f"{DOWN} 00000002"]
    assert sent(system, HUB) == []


def test_a_link_that_gets_both(system: Node) -> None:
    """Normal and urgent netmail for one link wait in two flow files, in packets of their own."""
    ordinary, urgent = letter(addressee=HUB, author=DOWN), letter(number=2, addressee=FAR, author=DOWN)
    toss(system, ordinary, urgent, sender=DOWN)
    assert [message.msgid for message in sent(system, HUB)] == [f"{DOWN} 00000001"]
    assert [message.msgid for message in sent(system, HUB, "crash")] == [f"{DOWN} 00000002"]
    assert len(flow_of(system, HUB)) == len(flow_of(system, HUB, "crash")) == 1


def test_without_intl(system: Node) -> None:
    """What has no INTL gets it, since zones are certain to no other system without."""
    raw = letter(addressee=DOWN).replace(b"\x01INTL 1337:1/201 1337:1/100\r", b"")
    toss(system, raw)
    (message,) = sent(system, DOWN)
    assert message.text.startswith(b"\x01INTL 1337:1/201 1337:1/100\r\x01MSGID: ")


@pytest.mark.parametrize("reason", ["no-route", "unknown-point", "via-loop", "too-large", "file-request"])
def test_held(system: Node, reason: str) -> None:
    """What cannot go on is in the netmail base, marked in transit with its reason, and is counted."""
    change(system, transit={"max_size": "1KiB"})
    raw = {
        "no-route": letter(addressee="1337:2/2"),
        "unknown-point": letter(addressee=f"{US}.99"),
        "via-loop": letter(addressee=DOWN, vias=("1337:1/300", US, "1337:1/100")),
        "too-large": letter(addressee=DOWN, body=b"x" * 2000),
        "file-request": letter(addressee=DOWN, attributes=0x0801),
    }[reason]
    toss(system, raw)
    (entry,) = in_transit(system)
    assert find_value(entry.message.kludges, b"TOSSER-REASON") == f"{reason} {HUB}".encode()
    assert held(system) == {reason: 1}
    assert sent(system, DOWN) == []
    toss_again(system)
    assert held(system) == {reason: 1}
    assert len(in_base(system)) == 1


def test_insecure_and_not_allowed(system: Node) -> None:
    """Nobody sends through us unproven, unless we allow it, or from where we do not; what is for us is welcome."""
    stranger = "1337:9/9"
    toss(system, letter(addressee=DOWN), letter(number=2), sender=stranger, inbound=system.insecure)
    assert held(system) == {"insecure-transit": 1}
    assert len(in_base(system)) == 2
    change(system, transit={"insecure": True, "allow": [HUB]})
    toss(system, sender=stranger, inbound=system.insecure, name="00000002.pkt")
    assert held(system) == {"link-not-allowed": 1}
    toss(system, letter(number=3, addressee=DOWN), inbound=system.insecure, name="00000003.pkt")
    assert [message.msgid for message in sent(system, DOWN)] == [f"{HUB} 00000003"]
    change(system, transit={"insecure": True})
    toss_again(system)
    assert [message.msgid for message in sent(system, DOWN)] == [f"{HUB} 00000003", f"{HUB} 00000001"]


def test_back_to_where_it_came_from(system: Node) -> None:
    """A route that leads back is none: the two systems would send it to and fro."""
    toss(system, letter(addressee=FAR))
    assert held(system) == {"route-back": 1}


def test_held_goes_on_once_there_is_a_way(system: Node) -> None:
    """When the configuration has a route for it, a held letter leaves by itself, once, as it came."""
    raw = letter(addressee="1337:2/2", author=DOWN)
    toss(system, raw, sender=DOWN)
    assert "0 to us, 0 sent on, 1 in transit (1 no-route)" in system.run("status").stdout
    (row,) = system.run("netmail", "list", "--json").json
    assert (row["reason"], row["from"], row["to"]) == ("no-route", f"{DOWN}@tqwnet", "1337:2/2@tqwnet")
    assert "  no-route  " in system.run("netmail", "list").stdout
    toss_again(system)
    change(system, routes=[{"match": "1337:*", "via": HUB}])
    for _ in range(3):
        toss_again(system)
    (message,) = sent(system, HUB)
    assert message.text.startswith(raw[34:].split(b"\0", 3)[3].removesuffix(b"\0"))
    assert vias(message) == [US]
    assert held(system) == {}
    assert status(system)["netmail"]["sent_on"] == 1
    (record,) = in_base(system)
    assert list(in_transit(system)) == []
    assert record.header.attribute & JamAttribute.SENT


def test_what_is_held_can_be_given_up(system: Node) -> None:
    """A dropped letter goes nowhere, though a route comes; the others go on, and an id that is wrong drops nothing."""
    assert system.run("netmail", "drop", "all").stdout == "Nothing is held.\n"
    toss(system, *(letter(number=number, addressee="1337:2/2") for number in (1, 2)))
    first, _ = (row["id"] for row in system.run("netmail", "list", "--json").json)

    wrong = system.run("netmail", "drop", first, "0-0")
    assert (wrong.code, wrong.stdout, wrong.stderr) == (FAILED, "", "tosser: 0-0: nothing of that id is held\n")
    assert held(system) == {"no-route": 2}
    done = system.run("netmail", "drop", first)
    assert (done.code, done.stdout) == (DONE, f"{first} is deleted\n")

    change(system, routes=[{"match": "1337:2/*", "via": DOWN}])
    toss_again(system)
    assert [message.msgid for message in sent(system, DOWN)] == [f"{HUB} 00000002"]
    assert held(system) == {}
    assert len(in_base(system)) == 2


def test_dropping_is_finished_after_a_crash(system: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever dies while he drops a letter leaves one that is dropped, and nothing of it after the next start."""
    toss(system, letter(addressee="1337:2/2"))
    mail = HeldMail(system.state)
    (entry,) = mail.entries()

    def die(_: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(disk, "unlink", die)
        with pytest.raises(KeyboardInterrupt):
            mail.drop(entry)

    assert held(system) == {}
    toss_again(system)
    assert (held(system), list(entry.path.parent.iterdir())) == ({}, [])


def test_one_that_goes_on_is_not_dropped(system: Node) -> None:
    """What was let go on, or judged anew, since it was listed, is not taken for dropped."""
    toss(system, letter(addressee="1337:2/2"))
    mail = HeldMail(system.state)
    (entry,) = mail.entries()
    mail.release(entry)

    with pytest.raises(FileNotFoundError):
        mail.drop(entry)

    assert len(list(system.state.rglob(f"{entry.id}.pkt"))) == 1


def test_a_new_nodelist(system: Node) -> None:
    """What is held for want of a hub goes on when a nodelist knows the hub."""
    change(system, routes=[{"match": "1337:1/*", "via": "hub"}])
    toss(system, letter(addressee="1337:1/9"))
    assert held(system) == {"no-route": 1}
    with parts_of(system) as parts:
        for hub in (NEIGHBOUR, DOWN):
            node = NodeEntry(Keyword.NODE, Address(1337, 1, 9), int(hub.rpartition("/")[2]), 0, "Node", 1)
            above = NodeEntry(Keyword.HUB, Address.parse(hub), 0, 0, "Hub", 2)
            parts.pipeline.use_nodelist(Nodelist([NodeTable({key_of(entry): entry for entry in (node, above)})]))
            parts.pipeline.toss()
            assert held(system) == ({} if hub == DOWN else {"no-route": 1})
    assert [message.msgid for message in sent(system, DOWN)] == [f"{HUB} 00000001"]


def test_the_nodelist_of_the_configuration(system: Node) -> None:
    """A route by the hub asks the nodelists, in a toss as in a question; hubs that are no links are passed over."""
    (system.root / "NODELIST.324").write_bytes(nodelist())
    document = yaml.safe_load(system.config.read_text("utf-8"))
    document["nodelists"] = [{"path": "NODELIST.*", "network": "tqwnet"}]
    system.config.write_text(yaml.safe_dump(document), "utf-8")
    change(system, routes=[{"match": "1337:1/*", "via": "hub"}])
    letters = [letter(author=DOWN, addressee="1337:1/202"), letter(author=DOWN, number=2, addressee="1337:1/301")]
    toss(system, *letters, sender=DOWN)
    assert [message.msgid for message in sent(system, HUB)] == [f"{DOWN} 00000001"]
    assert held(system) == {"no-route": 1}
    assert system.run("route", "1337:1/202", "--json").json["links"][0]["link"] == HUB


def key_of(entry: NodeEntry) -> tuple[int, int, int, int]:
    """Give the key of an entry in its list."""
    at = entry.address
    return at.zone, at.net, at.node, at.point


def test_a_paused_link(system: Node) -> None:
    """Netmail for a paused link is held, not lost, and leaves when the pause is over."""
    toss_again(system)
    assert system.run("link", "pause", DOWN).code == DONE
    toss(system, letter(addressee=DOWN))
    assert held(system) == {"link-paused": 1}
    assert system.run("link", "resume", DOWN).code == DONE
    toss_again(system)
    assert [message.msgid for message in sent(system, DOWN)] == [f"{HUB} 00000001"]


def test_lists_in_parts(system: Node) -> None:
    """Two parts of a list without MSGID are both delivered, though their headers are the same."""
    parts = [letter(to_name=b"AreaFix", msgid=False, body=body) for body in (b"+TQW_A\r", b"+TQW_B\r", b"+TQW_B\r")]
    toss(system, *parts)
    assert len(in_base(system)) == 3


def test_sent_again_after_a_crash(system: Node) -> None:
    """The same letter once more, to us or to others, is a duplicate; with another text under its MSGID it is not."""
    ours, theirs = letter(), letter(number=2, addressee=DOWN)
    toss(system, ours, theirs)
    toss(system, ours, theirs, letter(body=b"Other words.\r"), name="00000002.pkt")
    assert len(in_base(system)) == 2
    assert [message.msgid for message in sent(system, DOWN)] == [f"{HUB} 00000002"]
    assert status(system)["counters"]["message.duplicate"] == 2


def test_here(system: Node) -> None:
    """Mail for points that read here is kept as our own."""
    change(system, here=[f"{US}.7"])
    toss(system, letter(addressee=f"{US}.7"))
    (entry,) = in_base(system)
    assert list(in_transit(system)) == []
    assert str(entry.message.dest) == f"{US}.7@tqwnet"


def test_remap_and_copies(system: Node) -> None:
    """A name gets its mail elsewhere, with INTL and TOPT of there; of other mail a copy goes to another address."""
    change(
        system,
        remap=[{"name": "old friend", "to": f"{DOWN}.3"}, {"match": "1337:1/9*", "to": US}],
        copies=[{"name": "Jane Sysop", "to": POINT}],
    )
    toss(
        system,
        letter(to_name=b"Old FRIEND"),
        letter(number=2),
        letter(number=3, addressee="1337:1/99"),
        letter(number=4, to_name=b"Someone"),
    )
    (moved,) = sent(system, DOWN)
    assert moved.text.startswith(b"\x01INTL 1337:1/201 1337:1/100\r\x01TOPT 3\r\x01MSGID: 1337:1/100 00000001\r")
    assert number(moved.fixed["destNode"]) == 201
    (copy,) = sent(system, POINT)
    assert copy.text.startswith(b"\x01INTL 1337:1/200 1337:1/100\r\x01TOPT 5\r\x01MSGID: 1337:1/100 00000002\r")
    assert len(in_base(system)) == 3


def test_straight_to_a_system_that_is_no_link(system: Node) -> None:
    """``noroute`` leaves mail for the system itself, in a packet without password, with the flavour of the line."""
    change(system, routes=[{"match": "1337:3/*", "via": "noroute"}])
    toss(system, letter(addressee="1337:3/4.2"))
    (message,) = sent(system, "1337:3/4", "direct")
    assert vias(message) == [US]
    rows = {row["address"]: row for row in system.run("queue", "--json").json}
    assert {address: row["known"] for address, row in rows.items()} == {
        HUB: True, DOWN: True, POINT: True, "1337:3/4": False
    }  # fmt: skip
    assert (rows["1337:3/4"]["outbound"]["files"], rows[HUB]["outbound"]["files"]) == (1, 0)
    assert re.search(r"^tqwnet +1337:3/4 +\(no link\) +0 +1 ", system.run("queue").stdout, re.MULTILINE)


def test_a_file_goes_along(system: Node) -> None:
    """An attached file leaves with its letter, whatever the letter case of its name, and is gone from the inbound."""
    (system.secure / "Game.ZIP").write_bytes(b"a game")
    (system.secure / "other.zip").write_bytes(b"another")
    toss(system, letter(addressee=DOWN, subject=b"GAME.zip", attributes=0x0011))
    (message,) = sent(system, DOWN)
    assert number(message.fixed["attributes"]) == 0x0011
    (file,) = attached(system, DOWN)
    assert (file.name, file.read_bytes()) == ("Game.ZIP", b"a game")
    assert sorted(path.name for path in system.secure.iterdir() if path.is_file()) == ["other.zip"]


def test_a_file_that_comes_later(system: Node) -> None:
    """A letter waits for its file; with the file there, both leave."""
    toss(system, letter(addressee=DOWN, subject=b"one.zip two.zip", attributes=0x0010))
    assert held(system) == {"attach-missing": 1}
    for name in ("one.zip", "two.zip"):
        assert sent(system, DOWN) == []
        (system.secure / name).write_bytes(name.encode())
        toss_again(system)
    assert [path.name for path in attached(system, DOWN)] == ["one.zip", "two.zip"]
    assert len(sent(system, DOWN)) == 1
    assert held(system) == {}


@pytest.mark.parametrize("subject", [b"../passwd", b"/etc/passwd", b"C:\\GAME.ZIP", b".hidden", b"", b"a.zip,^../b"])
def test_names_that_are_paths(system: Node, subject: bytes) -> None:
    """No name of a file leads anywhere else."""
    toss(system, letter(addressee=DOWN, subject=subject, attributes=0x0010))
    assert held(system) == {"attach-unsafe": 1}


def test_files_have_routes_of_their_own(system: Node) -> None:
    """A route for messages takes no files; one for files does."""
    (system.secure / "game.zip").write_bytes(b"a game")
    change(system, routes=[{"match": "1337:*", "via": DOWN}])
    toss(system, letter(addressee="1337:2/2", subject=b"game.zip", attributes=0x0010))
    assert held(system) == {"attach-no-route": 1}
    change(system, file_routes=[{"match": "1337:2/*", "via": DOWN, "flavour": "hold"}])
    toss_again(system)
    assert [path.name for path in attached(system, DOWN, "hold")] == ["game.zip"]
    assert len(sent(system, DOWN, "hold")) == 1


def test_file_requests(system: Node) -> None:
    """A file request passes as plain netmail where the sysop says so."""
    change(system, transit={"requests": "strip"})
    toss(system, letter(addressee=DOWN, subject=b"NODELIST", attributes=0x0801))
    (message,) = sent(system, DOWN)
    assert number(message.fixed["attributes"]) == 0x0001
