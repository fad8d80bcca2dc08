from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.corpus import HUB, message, packet
from tests.peers.daemon import DONE, FAILED, USAGE, node

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.daemon import Node

SECRET = "SESAME"  # noqa: S105 - invented, to be looked for
PEER = "1337:1/201"


@pytest.fixture
def hub(tmp_path: Path) -> Node:
    """A node with a link that says nothing and one that says everything."""
    system = node(tmp_path, links={HUB: "", PEER: SECRET}, areas=["TECH", "TALK"])
    document = yaml.safe_load(system.config.read_text("utf-8"))
    document["links"][1] |= {
        "paused": True,
        "max_messages_per_hour": 20_000,
        "same_system_as": HUB,
        "packet_type": "2",
        "archiver": "none",
        "flavour": "crash",
        "max_packet": "1KiB",
        "max_bundle": "2KiB",
        "filebox": str(tmp_path / "box"),
        "seen_by": "tiny",
        "sbadd": ["5/1", "5/2"],
        "sbstrip": ["5/3"],
        "sbignore": True,
        "areafix": {"password": SECRET},
    }
    document["areas"][1]["links"][1] = {"address": PEER, "read": False, "mandatory": True}
    document["areas"][1]["paused"] = True
    system.config.write_text(yaml.safe_dump(document), "utf-8")
    return system


def run(system: Node, *arguments: str) -> str:
    """Run a command that succeeds and shows no password."""
    result = system.run(*arguments)
    assert result.code == DONE, result.stderr
    assert SECRET not in result.stdout
    return result.stdout


def of_link(system: Node, address: str) -> Any:  # noqa: ANN401 - the command's JSON
    """Return what ``link show --json`` tells."""
    run(system, "link", "show", address, "--json")
    return system.run("link", "show", address, "--json").json


def test_all_settings_are_shown(hub: Node) -> None:
    """Every setting of a link and its rights in each area, but no password."""
    assert of_link(hub, PEER) == {
        "network": "tqwnet",
        "address": PEER,
        "domain": "tqwnet",
        "name": f"System {PEER}",
        "sysop": "Some Name",
        "our_aka": "1337:1/200",
        "packet_password": True,
        "packet_type": "2",
        "archiver": "none",
        "flavour": "crash",
        "filebox": str(hub.root / "box"),
        "paused": True,
        "pause": None,
        "held": None,
        "max_messages_per_hour": 20_000,
        "max_dupes_per_hour": None,
        "same_system_as": HUB,
        "max_packet": 1024,
        "max_bundle": 2048,
        "seen_by": "tiny",
        "sbadd": ["1337:5/1", "1337:5/2"],
        "sbstrip": ["1337:5/3"],
        "sbignore": True,
        "areas": 2,
        "linked": [
            {"tag": "TALK", "read": False, "write": True, "mandatory": True},
            {"tag": "TECH", "read": True, "write": True, "mandatory": False},
        ],
        "packets": 0,
        "messages": 0,
        "last_in": None,
        "last_file": None,
        "packets_out": 0,
        "messages_out": 0,
        "last_out": None,
        "last_out_file": None,
    }


def test_a_pause_is_shown_with_its_reason(hub: Node) -> None:
    """Who paused a link by a command, since when and why, stands there until it is resumed."""
    run(hub, "link", "pause", HUB, "--why", "line down")
    shown = run(hub, "link", "show", HUB)
    run(hub, "link", "resume", HUB)
    assert re.search(r"^paused      since 20\S+Z, by \S+: line down$", shown, re.MULTILINE)
    assert "\npaused" not in run(hub, "link", "show", HUB)


def test_people_are_shown_what_is_set(hub: Node) -> None:
    """The text has a line for each setting, and leaves out those that are not used."""
    assert (
        run(hub, "link", "show", PEER)
        == f"""\
address     1337:1/201 in tqwnet, paused
name        System 1337:1/201
sysop       Some Name
also        1337:1/100
our aka     1337:1/200
password    set
packets     type 2, of at most 1024 bytes
bundles     none, it gets bare packets
sent by     file box {hub.root}/box
limits      on hold when it sends more than 20000 messages within an hour
seen-by     tiny
sbadd       1337:5/1, 1337:5/2
sbstrip     1337:5/3
sbignore    gets messages although it stands in SEEN-BY

AREA  READS  WRITES  MANDATORY
TALK  no     yes     yes
TECH  yes    yes     no
"""
    )
    assert (
        run(hub, "link", "show", f"{HUB}@tqwnet")
        == """\
address     1337:1/100 in tqwnet
name        System 1337:1/100
sysop       Some Name
our aka     1337:1/200
password    none
packets     type 2+, of at most 524288 bytes
bundles     zip bundles of at most 2097152 bytes
sent by     outbound, normal
seen-by     as the area says

AREA  READS  WRITES  MANDATORY
TALK  yes    yes     no
TECH  yes    yes     no
"""
    )


def test_what_came_in_is_counted(hub: Node) -> None:
    """Messages, packets and the last file are told, in the list and alone."""
    hub.deliver(packet([message("TECH", number=1), message("TECH", number=2)]))
    assert hub.toss().code == DONE

    found = of_link(hub, HUB)
    listed = hub.run("link", "list", "--json").json

    assert (found["packets"], found["messages"], found["last_file"]) == (1, 2, "00000001.pkt")
    assert found["last_in"] is not None
    assert listed[0] == {key: value for key, value in found.items() if key in listed[0]}
    shown = run(hub, "link", "show", HUB)
    assert "\nin          messages: 2, packets: 1, the last " in shown
    assert " ago: 00000001.pkt\nout         messages: 0, packets: 0\n" in shown


def test_the_list_has_a_line_a_link(hub: Node) -> None:
    """Each link is told with what it gets and whether it is paused."""
    lines = run(hub, "link", "list").splitlines()

    assert [" ".join(line.split()) for line in lines] == [
        "NETWORK ADDRESS NAME OUR AKA PASSWORD GETS PAUSED ON HOLD AREAS IN LAST IN OUT LAST OUT",
        "tqwnet 1337:1/100 System 1337:1/100 1337:1/200 no 2+ zip normal no no 2 0 - 0 -",
        "tqwnet 1337:1/201 System 1337:1/201 1337:1/200 yes 2 none crash yes no 2 0 - 0 -",
    ]


def test_areas_are_listed_with_their_pause(hub: Node) -> None:
    """A paused area shows as such."""
    lines = run(hub, "area", "list").splitlines()

    assert [line.split()[:5] for line in lines] == [
        ["NETWORK", "TAG", "STORE", "PAUSED", "LINKS"],
        ["tqwnet", "TALK", "jam", "yes", "2"],
        ["tqwnet", "TECH", "jam", "no", "2"],
    ]


@pytest.mark.parametrize(
    ("address", "code", "why"),
    [
        ("1337:1/999", FAILED, "1337:1/999 is no link"),
        ("1337:1/201@othernet", FAILED, "1337:1/201@othernet is no link"),
        ("1/201", USAGE, "'1/201' is not an FTN address (zone:net/node[.point][@domain])"),
    ],
)
def test_unknown_links_are_told(hub: Node, address: str, code: int, why: str) -> None:
    """What is no link, or no address, is said in a sentence."""
    result = hub.run("link", "show", address)

    assert (result.code, result.stdout, result.stderr) == (code, "", f"tosser: {why}\n")


def test_equal_numbers_need_the_domain(tmp_path: Path) -> None:
    """Where two networks have a link of that number, its domain tells which is meant."""
    system = node(tmp_path, links={f"{HUB}@tqwnet": "", f"{HUB}@rival": ""}, areas=[])
    document = yaml.safe_load(system.config.read_text("utf-8"))
    document["networks"]["rival"] = {"addresses": ["1337:1/300"]}
    system.config.write_text(yaml.safe_dump(document), "utf-8")

    result = system.run("link", "show", HUB)

    assert (result.code, result.stdout) == (FAILED, "")
    assert result.stderr == f"tosser: {HUB} is in networks tqwnet and rival; add @ and its domain\n"
    shown = run(system, "link", "show", f"{HUB}@rival")
    assert shown.startswith("address     1337:1/100 in rival\n")
    assert shown.endswith("\n\nIt is linked to no area.\n")
