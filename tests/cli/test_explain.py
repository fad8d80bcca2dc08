from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.looking import snapshot
from tests.corpus import HUB, damaged, message, netmail, packed, packet, refused
from tests.netmail import letter
from tests.peers.daemon import BAD_CONFIGURATION, DONE, FAILED, SET_ASIDE, node
from tosser.reason import Reason
from tosser.rules.shipping import LinkKey
from tosser.state.pauses import Pause
from tosser.state.state import State

if TYPE_CHECKING:
    from pathlib import Path

    from tests.corpus import BadInput
    from tests.peers.daemon import Node

SECRET = b"SESAME"


def explained(system: Node, *arguments: str | Path) -> Any:  # noqa: ANN401 - the command's JSON
    """Return what ``tosser explain --json`` tells of files."""
    result = system.run("explain", "--json", *map(str, arguments))
    assert result.code in {DONE, SET_ASIDE}, result.stderr
    return result.json


def verdicts(facts: dict[str, Any]) -> list[str]:
    """List the verdicts on the messages of a file."""
    return [message["verdict"] for each in facts["packets"] for message in each["messages"]]


def test_the_dry_run_tells_what_the_toss_does(tmp_path: Path) -> None:
    """Of every kind of good, bad and refused input, explain foretells state, reason, offset and verdicts."""
    system = node(tmp_path, links={HUB: SECRET.decode("ascii")}, areas=["TQW_GEN"], toss={"settle": "0s"})
    cases = (*damaged(password=SECRET), *refused(password=SECRET))
    for number, case in enumerate(cases):
        system.deliver(case.data, f"{number:08}.pkt")
    with zipfile.ZipFile(system.secure / "0000ffff.mo0", "w") as bundle:
        bundle.writestr("a.pkt", packet([message("TQW_GEN", number=900), netmail()], password=SECRET))
        bundle.writestr("note.txt", "Hello")
    files = sorted(system.secure.iterdir())
    for number, path in enumerate(files):  # the toss takes the oldest first
        os.utime(path, (1_000_000_000 + number, 1_000_000_000 + number))

    told = explained(system, *files)
    assert system.toss().code == SET_ASIDE
    state = State(system.state, read_only=True)
    done = {entry.name: entry for entry in state.latest_files(1000)}
    state.close()

    assert len(done) == len(cases) + 1
    for path, facts in zip(files, told, strict=True):
        entry = done[path.name]
        found = (facts["state"], facts["reason"], facts["what"] or "", facts["counts"])
        assert found == (entry.state, entry.reason, entry.what or "", entry.counts), path.name
        assert sum(entry.counts.values()) == len(verdicts(facts))


@pytest.mark.parametrize("case", [case for case in refused(password=SECRET) if case.whole], ids=lambda case: case.name)
def test_a_refused_packet_is_told_with_its_reason(tmp_path: Path, case: BadInput) -> None:
    """A packet that must not be tossed is told once as refused and once as set aside, and the exit code says so."""
    system = node(tmp_path, links={HUB: SECRET.decode("ascii")})
    path = tmp_path / "a.pkt"
    path.write_bytes(case.data)

    result = system.run("explain", str(path))

    assert result.code == SET_ASIDE
    assert f", messages: 1, refused: {case.expected}\n" in result.stdout
    assert f", {case.expected}: " in result.stdout
    assert "summary: " in result.stdout
    assert SECRET.decode("ascii") not in result.stdout


def test_messages_are_told_with_their_fate(system: Node) -> None:
    """For each message: area, verdict, why, whether it was seen before, where it would be stored, who gets it."""
    path = system.root / "a.pkt"
    raw = [message("TQW_GEN", number=1), message("NO.SUCH", number=2), netmail(number=3), message("TQW_GEN", number=1)]
    path.write_bytes(packet(raw))

    (facts,) = explained(system, path)

    accepted, unknown, private, again = facts["packets"][0].pop("messages")
    assert facts["packets"] == [
        {
            "member": None,
            "from": "1337:1/100",
            "to": "1337:1/200",
            "network": "tqwnet",
            "link": True,
            "count": 4,
            "verdict": "tossed",
            "reason": None,
            "what": None,
        }
    ]
    assert accepted == {
        "number": 1,
        "offset": 58,
        "area": "TQW_GEN",
        "from": "Mira Kovale",
        "to": "All",
        "subject": "Test 1",
        "msgid": "1337:1/300 00000001",
        "verdict": "accepted",
        "why": Reason.ACCEPTED.text,
        "seen_before": "no",
        "stored_in": {
            "kind": "area",
            "network": "tqwnet",
            "area": "TQW_GEN",
            "store": "jam",
            "path": str(system.bases / "tqw_gen"),
        },
        "links": [
            {
                "link": "1337:1/100",
                "gets": False,
                "reason": "sender",
                "why": "it sent us the message, under this or another of its addresses",
            }
        ],
        "answers": [],
    }
    assert (unknown["verdict"], unknown["stored_in"]["kind"]) == ("unknown-area", "bad")
    assert unknown["stored_in"]["path"] == str(system.bases / "badmail.tqw")
    assert (private["area"], private["verdict"], private["seen_before"]) == (None, "netmail", "no")
    assert (again["verdict"], again["seen_before"], again["stored_in"]) == ("duplicate", "here", None)


def test_people_are_told_in_sentences(system: Node) -> None:
    """The text says of each message what it is and where it goes, and sums up each file."""
    path = system.root / "a.pkt"
    path.write_bytes(packet([message("TQW_GEN", number=1), message("NO.SUCH", number=2)]))

    result = system.run("explain", str(path))

    assert result.code == DONE
    assert (
        result.stdout
        == f"""\
{path}, as in a secure inbound
  packet from 1337:1/100, to 1337:1/200 in tqwnet, messages: 2
    1 TQW_GEN: accepted (stored in its area)
      "Test 1" from Mira Kovale to All, offset 58
      MSGID 1337:1/300 00000001, not seen before
      stored in the jam base: {system.bases / "tqw_gen"}
      not to 1337:1/100: it sent us the message, under this or another of its addresses
    2 NO.SUCH: unknown-area (no area of this network has this tag)
      "Test 2" from Mira Kovale to All, offset 344
      MSGID 1337:1/300 00000002, not seen before
      stored in the jam base of bad area BADMAIL.TQW: {system.bases / "badmail.tqw"}
summary: tossed; messages: 1 accepted, 1 unknown-area; set aside: nothing
"""
    )


def test_every_link_of_the_area_is_told_of(tmp_path: Path) -> None:
    """Of each link it is told whether it gets the message, and if not, why."""
    system = node(tmp_path, links={HUB: "", "1337:1/201": "", "1337:1/202": ""}, areas=["TQW_GEN"])
    path = tmp_path / "a.pkt"
    path.write_bytes(packet([message("TQW_GEN", seen_by=["1/100", "1/202", "1/300"])]))

    (facts,) = explained(system, path)
    shown = system.run("explain", str(path)).stdout

    links = facts["packets"][0]["messages"][0]["links"]
    assert [(link["link"], link["gets"], link["reason"]) for link in links] == [
        ("1337:1/100", False, "sender"),
        ("1337:1/201", True, None),
        ("1337:1/202", False, "seen-by"),
    ]
    assert "      sent on to 1337:1/201\n      not to 1337:1/202: it stands in SEEN-BY: it has the message\n" in shown


def test_links_that_are_paused_at_run_time_are_told(tmp_path: Path) -> None:
    """A pause that stands in the state, and not in the configuration, counts."""
    system = node(tmp_path, links={HUB: "", "1337:1/201": ""}, areas=["TQW_GEN"])
    assert system.toss().code == DONE
    state = State(system.state)
    state.pause_link(Pause(LinkKey("tqwnet", "1337:1/201"), 1.0, "auto", "too much waits for it"))
    state.close()
    path = tmp_path / "a.pkt"
    path.write_bytes(packet([message("TQW_GEN")]))

    (facts,) = explained(system, path)

    assert facts["packets"][0]["messages"][0]["links"][1] == {
        "link": "1337:1/201",
        "gets": False,
        "reason": "paused",
        "why": "it is paused",
    }


def test_the_history_counts(system: Node) -> None:
    """What was tossed before is a duplicate, and so is what an earlier file of the same call holds."""
    old, new = packet([message("TQW_GEN", number=1)]), packet([message("TQW_GEN", number=2)])
    system.deliver(old)
    assert system.toss().code == DONE
    for name, data in (("old.pkt", old), ("new.pkt", new), ("newer.pkt", new)):
        (system.root / name).write_bytes(data)

    told = explained(system, *(system.root / name for name in ("old.pkt", "new.pkt", "newer.pkt")))

    found = [(facts["state"], facts["packets"][0]["messages"][0]["seen_before"]) for facts in told]
    assert found == [("duplicate", "history"), ("tossed", "no"), ("duplicate", "here")]


def test_nothing_is_written(system: Node) -> None:
    """Before the first toss and after it, explaining changes no file of ours, and makes none.

    SQLite itself keeps files beside a database while anybody looks into it.
    """
    bundle = system.root / "0000ffff.mo0"
    with zipfile.ZipFile(bundle, "w") as archive:
        archive.writestr("a.pkt", packet([message("TQW_GEN", number=5)]))
    waiting = system.deliver(packet([message("TQW_GEN", number=6)]), "00000006.pkt")

    before = snapshot(system.root)
    explained(system, bundle, waiting)
    assert snapshot(system.root) == before

    assert system.toss().code == DONE


def test_it_works_beside_a_daemon(system: Node) -> None:
    """A running daemon neither hinders the dry run nor is hindered; its history counts."""
    data = packet([message("TQW_GEN", number=1)])
    path = system.root / "a.pkt"
    path.write_bytes(data)
    with system.start() as daemon:
        system.deliver(data)
        daemon.wait_for(lambda: '"file_done"' in daemon.log, what="the toss")
        (facts,) = explained(system, path)
        assert daemon.stop() == DONE

    assert facts["packets"][0]["messages"][0]["seen_before"] == "history"


def test_the_inbound_decides_the_class(system: Node) -> None:
    """A file in an inbound is judged by its class, another as in a secure one, and the caller may say otherwise."""
    data = packet([message("TQW_GEN")])
    files = [
        system.deliver(data, "a.pkt", inbound)
        for inbound in (system.insecure, system.secure, system.local, system.root)
    ]

    told = explained(system, *files)
    assert [facts["inbound"] for facts in told] == ["insecure", "secure", "local", "secure"]
    assert told[0]["reason"] == "insecure"

    overruled = explained(system, "--inbound", "insecure", files[1])
    assert (overruled[0]["inbound"], overruled[0]["reason"]) == ("insecure", "insecure")


def test_members_are_set_aside_alone(system: Node) -> None:
    """A bad packet in a bundle is set aside, the good one beside it is tossed, and the exit code tells."""
    data = packet([message("TQW_GEN")])
    path = system.root / "0000ffff.mo0"
    with zipfile.ZipFile(path, "w") as bundle:
        bundle.writestr("bad.pkt", data[:-20])
        bundle.writestr("good.pkt", data)

    result = system.run("explain", str(path))

    assert result.code == SET_ASIDE
    assert "  set aside: member bad.pkt, quarantined, truncated at offset 58: " in result.stdout
    assert result.stdout.endswith("summary: tossed; messages: 1 accepted; set aside: 1\n")


def test_packets_larger_than_a_batch_are_told_whole(tmp_path: Path) -> None:
    """A packet that a toss takes in several parts is told as one, and its messages are counted through."""
    system = node(tmp_path, toss={"batch_messages": 7})
    path = tmp_path / "a.pkt"
    path.write_bytes(packet([message("TQW_GEN", number=number % 18) for number in range(20)]))

    (facts,) = explained(system, path)

    (found,) = facts["packets"]
    assert [each["number"] for each in found["messages"]] == list(range(1, 21))
    assert verdicts(facts) == ["accepted"] * 18 + ["duplicate"] * 2
    assert facts["counts"] == {"accepted": 18, "duplicate": 2}


def test_unreadable_files_do_not_stop_the_others(system: Node) -> None:
    """A missing file, and a link that leads to itself, are complained of, and the others are explained."""
    none, loop, path = (system.root / name for name in ("none.pkt", "loop.pkt", "a.pkt"))
    loop.symlink_to(loop)
    path.write_bytes(packet([message("TQW_GEN")]))

    result = system.run("explain", *map(str, (none, loop, path)))

    assert result.code == FAILED
    assert result.stderr == (
        f"tosser: {none}: No such file or directory\ntosser: {loop}: Too many levels of symbolic links\n"
    )
    assert "summary: tossed; messages: 1 accepted" in result.stdout


def test_terminals_are_safe(system: Node) -> None:
    """No control character of a message reaches the terminal."""
    path = system.root / "a.pkt"
    evil = b"\x1b]0;owned\x07\x9b2J\x7f"
    raw = packed(b"AREA:TQW" + evil + b"\r\x01MSGID: " + evil + b"\r", to_name=evil, from_name=evil, subject=evil)
    path.write_bytes(packet([raw, message("TQW_GEN", msgid="\x1b[2J")]))

    result = system.run("explain", str(path))

    assert {char for char in result.stdout + result.stderr if not char.isprintable()} == {"\n"}


def test_a_bad_configuration_is_told(system: Node) -> None:
    """Without a good configuration there is nothing to judge by."""
    system.config.write_text("nonsense: true\n")

    assert system.run("explain", "a.pkt").code == BAD_CONFIGURATION


def test_answers_are_foretold(tmp_path: Path) -> None:
    """Of netmail explain tells which answers and robots it causes, and the toss then gives just those."""
    robots = {"PING": "ping", "Weather": {"command": ["true"]}}
    system = node(tmp_path, areas=0, netmail={"answers": {"per_system": 2}, "robots": robots})
    raw = [
        letter(number=1, to_name=b"Ping"),
        letter(number=2, to_name=b"Weather"),
        *(letter(number=number, addressee="1337:9/9") for number in (3, 4, 4, 5)),
        letter(number=6),
    ]
    path = system.root / "a.pkt"
    path.write_bytes(packet(raw))

    (facts,) = explained(system, path)
    told = [message["answers"] for message in facts["packets"][0]["messages"]]
    text = system.run("explain", str(path)).stdout
    system.deliver(path.read_bytes())
    assert system.toss().code == DONE
    counters = system.status()["counters"]
    again = explained(system, path)[0]["packets"][0]["messages"]

    def answer(kind: str, withheld: str | None = None) -> list[dict[str, str | None]]:
        return [{"kind": kind, "from": "1337:1/200", "to": HUB, "withheld": withheld, "robot": None}]

    robot = [{"kind": "robot", "from": None, "to": None, "withheld": None, "robot": "Weather"}]
    bounces = [answer("bounce", withheld) for withheld in (None, None, "repeated", "system-limit")]
    assert told == [answer("pong"), robot, *bounces, []]
    assert "      answered: pong from 1337:1/200 to 1337:1/100\n" in text
    assert "      given to robot Weather\n" in text
    assert f"      stored in the jam base: {system.bases / 'netmail'}; held until it can go on\n" in text
    assert "      not answered (repeated): bounce from 1337:1/200 to 1337:1/100\n" in text
    given = {name: count for name, count in counters.items() if name.startswith(("answer.", "withheld."))}
    assert given == {"answer.pong": 1, "answer.bounce": 2, "withheld.repeated": 1, "withheld.system-limit": 1}
    assert [message["answers"] for message in again[2:5]] == [answer("bounce", "repeated")] * 3


def test_answers_to_several_files(system: Node) -> None:
    """What one file would have answered is not answered again for the next."""
    for number in (1, 2):
        (system.root / f"{number}.pkt").write_bytes(packet([letter(addressee="1337:9/9")]))

    first, second = explained(system, system.root / "1.pkt", system.root / "2.pkt")

    assert [each["packets"][0]["messages"][0]["answers"][0]["withheld"] for each in (first, second)] == [
        None,
        "repeated",
    ]
