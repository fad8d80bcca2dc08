from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.corpus import DOWNLINKS, HUB, US, message, netmail, packet
from tests.peers.daemon import DONE, FAILED, SET_ASIDE, node
from tosser.state.state import State

if TYPE_CHECKING:
    from pathlib import Path

MSGID = "1337:1/300 00000007"
DOWN = DOWNLINKS[0]


@pytest.mark.parametrize("archiver", ["none", "zip"])
def test_a_message_is_followed_to_base_and_outbound(tmp_path: Path, archiver: str) -> None:
    """File, verdict, base and number, the packet and file each link got: all of it is told."""
    system = node(
        tmp_path, areas=["TQW_TECH", "TQW_GEN"], links={HUB: "", DOWN: ""}, link_defaults={"archiver": archiver}
    )
    letters = [message(area, number=number) for number in range(1, 10) for area in ("TQW_TECH", "TQW_GEN")]
    system.deliver(packet(letters), "00000042.pkt")
    system.toss()

    (found,) = system.run("trace", MSGID, "--json").json["found"][:1]

    assert (found["file"]["name"], found["file"]["state"], found["message"]) == ("00000042.pkt", "tossed", 13)
    assert (found["reason"], found["area"], found["sender"]) == ("accepted", "TQW_TECH", HUB)
    assert (found["base"], found["number"], found["in_base"]) == (str(system.bases / "tqw_tech"), 7, True)
    (link,) = found["links"]
    assert link["address"] == DOWN
    assert (system.outbound / link["file"]).exists()
    assert (archiver == "none") == link["file"].endswith(".pkt")


def test_every_message_of_that_msgid_is_found(tmp_path: Path) -> None:
    """Areas are told apart; a duplicate and what came for an unknown area are told with their reasons."""
    system = node(tmp_path, areas=["TQW_TECH", "TQW_GEN"])
    system.deliver(packet([message("TQW_TECH", number=7), message("TQW_GEN", number=7)]))
    system.toss()
    system.deliver(packet([message("TQW_TECH", number=7), message("UNKNOWN", number=7), message("TQW_GEN", number=8)]))
    system.toss()

    found = system.run("trace", MSGID, "--json").json["found"]

    assert [(each["reason"], each["area"]) for each in found] == [
        ("accepted", "TQW_TECH"),
        ("accepted", "TQW_GEN"),
        ("duplicate", None),
        ("unknown-area", "BADMAIL.TQW"),
    ]


def test_netmail_is_traced_with_its_answer(tmp_path: Path) -> None:
    """A PING is told with its base and what was answered; the text for people has the same."""
    system = node(tmp_path, areas=[])
    system.deliver(packet([netmail(number=9, to_name=b"Ping")]))
    system.toss()

    told = system.run("trace", f"{HUB} 00000009")

    assert told.code == DONE
    assert "verdict     netmail" in told.stdout
    assert f"base        {system.bases / 'netmail'}, number 1; it is there" in told.stdout
    assert f"answered    pong from {US} to {HUB}" in told.stdout


def test_routed_netmail_is_followed_to_its_packet(tmp_path: Path) -> None:
    """Netmail that goes on, urgent or not, beside echomail for the same link, is told with the file it went in."""
    system = node(tmp_path, areas=["TQW_TECH"], links={HUB: "", DOWN: ""}, link_defaults={"archiver": "none"})
    crash = netmail(b"\x01FLAGS CRA\rSoon!\r", number=3, addressee=DOWN)
    system.deliver(packet([message("TQW_TECH", number=1), netmail(number=2, addressee=DOWN), crash]))
    system.toss()

    for number in (2, 3):
        (found,) = system.run("trace", f"{HUB} {number:08x}", "--json").json["found"]
        (link,) = found["links"]
        assert (found["reason"], link["address"]) == ("routed", DOWN)
        assert (system.outbound / link["file"]).exists()


def test_what_is_older_is_known_by_the_history_of_duplicates(tmp_path: Path) -> None:
    """When the details are forgotten the base is still found."""
    system = node(tmp_path, areas=["TQW_TECH"])
    system.deliver(packet([message("TQW_TECH", number=number) for number in (6, 7)]))
    system.toss()
    state = State(system.state)
    state.keep_house({}, 10**9, 365, time.time() + 31 * 86400)
    state.close()

    told = system.run("trace", MSGID, "--json")

    assert told.json["found"] == []
    (each,) = told.json["remembered"]
    assert (each["area"], each["number"]) == ("TQW_TECH", 2)


def test_nothing_is_known_of_a_stranger(tmp_path: Path) -> None:
    """A MSGID that never came ends with 1 and says since when there are records."""
    system = node(tmp_path, areas=["TQW_TECH"])
    before = system.run("trace", MSGID)
    assert before.code == FAILED
    assert before.stdout == f"Nothing is known of {MSGID}; nothing was tossed in the last 30 days.\n"
    system.deliver(packet([message("TQW_TECH", number=7)]))
    system.toss()

    told = system.run("trace", "1337:1/300 00000008")

    assert told.code == FAILED
    assert "Nothing is known of 1337:1/300 00000008" in told.stdout


def test_a_message_without_a_serial_is_found(tmp_path: Path) -> None:
    """MSGIDs of other shapes are found as well."""
    system = node(tmp_path, areas=["TQW_TECH"])
    system.deliver(packet([message("TQW_TECH", msgid="<odd@example> 12")]))
    assert system.toss().code in {DONE, SET_ASIDE}

    assert system.run("trace", "<odd@example> 12", "--json").json["found"][0]["number"] == 1
