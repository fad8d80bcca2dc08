from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.looking import snapshot
from tests.nodelists import LINES, POINT_LINES, body_of, nodelist
from tests.peers.daemon import DONE, FAILED, USAGE, node

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.daemon import Node


@pytest.fixture
def listed(tmp_path: Path) -> Node:
    """A node with a nodelist that has a dirty line, a point list, and a list that is missing."""
    (tmp_path / "NODELIST.324").write_bytes(nodelist((*LINES, "Husb,5,x")))
    (tmp_path / "points.txt").write_bytes(b"".join(body_of(POINT_LINES)))
    lists: list[dict[str, Any]] = [
        {"path": "NODELIST.*", "network": "tqwnet"},
        {"path": "points.txt", "kind": "pointlist"},
        {"path": "missing.*", "network": "tqwnet"},
    ]
    return node(tmp_path, nodelists=lists)


def test_the_lists(listed: Node) -> None:
    """Of each list it is told which file counts, what is in it, and what is wrong; looking changes nothing."""
    before = snapshot(listed.root)
    result = listed.run("nodelist", "list")
    assert result.code == DONE
    head, first, second, third, *below = result.stdout.splitlines()
    assert head.split() == ["NETWORK", "KIND", "FILE", "DAY", "AGE", "NODES", "POINTS", "CHECKSUM", "WARNINGS"]
    nodes = first.split()
    assert (nodes[:4], nodes[5:]) == (
        ["tqwnet", "nodelist", f"{listed.root}/NODELIST.324", "2026-11-20"], ["14", "1", "good", "1"],
    )  # fmt: skip
    points = second.split()
    assert (points[:3], points[5:]) == (["any", "pointlist", f"{listed.root}/points.txt"], ["0", "3", "-", "0"])
    assert third.split() == ["tqwnet", "nodelist", f"{listed.root}/missing.*", "-", "-", "0", "0", "-", "0"]
    assert below == [
        f"{listed.root}/NODELIST.324:18: 'Husb' is no keyword",
        f"WRONG  {listed.root}/missing.*: there is no such file; in force is nothing",
    ]
    assert snapshot(listed.root) == before


def test_the_lists_for_programs(listed: Node) -> None:
    """With --json the same is data."""
    first, second, third = listed.run("nodelist", "list", "--json").json
    assert first["title"].startswith("tqwNet Nodelist for Friday, November 20, 2026 -- Day number 324 : ")
    assert (first["file"], first["day"], first["nodes"], first["points"]) == (
        f"{listed.root}/NODELIST.324", "2026-11-20", 14, 1,
    )  # fmt: skip
    assert (first["checksum"], first["skipped"]) == ("good", 1)
    assert first["warnings"] == [{"line": 18, "what": "'Husb' is no keyword"}]
    assert (second["network"], second["kind"], second["points"], second["checksum"]) == (None, "pointlist", 3, None)
    assert (third["file"], third["day"], third["nodes"]) == (None, None, 0)
    assert third["trouble"].startswith(f"{listed.root}/missing.*: ")


def test_a_node(listed: Node) -> None:
    """Its entry is shown with names as people write them, how it is reached, where it stands, and who is above it."""
    result = listed.run("nodelist", "show", "1337:1/201")
    assert result.code == DONE
    assert result.stdout.splitlines() == [
        "address     1337:1/201 in tqwnet",
        "is          node",
        "name        Night Owl",
        "location    Springfield",
        "sysop       Some Name",
        "phone       -Unpublished-",
        "reached by  binkp owl.example.org:24554",
        "flags       CM,IBN:owl.example.org",
        f"from        {listed.root}/NODELIST.324, line 10",
        "hub         1337:1/100 tqwNet hub, Una Uplink",
        "host        1337:1/0 tqwNet 1, Una Uplink",
        "region      1337:20/0 Region 20, Rita Region",
        "zone        1337:1337/0 tqwNet, Zoe Zone",
    ]


def test_a_point(listed: Node) -> None:
    """A point of a point list is shown with its boss, as data too."""
    found = listed.run("nodelist", "show", "1337:1/201.1", "--json")
    assert found.code == DONE
    facts = found.json
    assert facts["address"] == "1337:1/201.1"
    assert facts["entry"] == {
        "address": "1337:1/201.1", "domain": None, "keyword": "point", "name": "Night Owl's Laptop",
        "location": "Springfield", "sysop": "Some Name", "phone": "-Unpublished-", "flags": [], "services": [],
        "file": f"{listed.root}/points.txt", "line": 2,
    }  # fmt: skip
    assert [(each["is"], each["address"]) for each in facts["above"]] == [
        ("boss", "1337:1/201"), ("hub", "1337:1/100"), ("host", "1337:1/0"), ("region", "1337:20/0"),
        ("zone", "1337:1337/0"),
    ]  # fmt: skip
    assert facts["above"][1]["services"] == [{"protocol": "binkp", "host": "hub.example.org", "port": 24554}]


def test_a_system_that_is_in_no_list(listed: Node) -> None:
    """It is said so with 1, and who is above its net is told all the same."""
    result = listed.run("nodelist", "show", "1337:1/999.3")
    assert result.code == FAILED
    assert result.stderr == "tosser: 1337:1/999.3 is in no nodelist\n"
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["host", "region", "zone"]
    unknown = listed.run("nodelist", "show", "5:5/5", "--json")
    assert (unknown.code, unknown.json) == (FAILED, {"address": "5:5/5", "entry": None, "above": []})


def test_what_is_no_address(listed: Node) -> None:
    """A wrong address is a wrong command line."""
    result = listed.run("nodelist", "show", "1337")
    assert result.code == USAGE
    assert result.stderr.startswith("tosser: '1337' is not an FTN address")


def test_without_lists(tmp_path: Path) -> None:
    """A configuration without nodelists has none to show."""
    system = node(tmp_path)
    assert system.run("nodelist", "list").stdout == "There are no nodelists.\n"
    assert system.run("nodelist", "list", "--json").json == []
    assert system.run("nodelist", "show", "1337:1/201").code == FAILED


def test_a_hostile_name_commands_no_terminal(tmp_path: Path) -> None:
    """Control characters in an entry are shown as their numbers."""
    (tmp_path / "list").write_bytes(b"Zone,1337,\x1b[2JEvil,x,y,z,300\r\n")
    system = node(tmp_path, nodelists=[{"path": "list"}])
    shown = system.run("nodelist", "show", "1337:1337/0").stdout
    assert "\x1b" not in shown
    assert "\\x1b[2JEvil" in shown


def test_the_check_warns(listed: Node) -> None:
    """A list that is missing is a warning of the check, and no reason to call the configuration bad."""
    result = listed.run("check")
    assert result.code == DONE
    assert [line for line in result.stdout.splitlines() if "nodelist" in line] == [
        f"warning: nodelist {listed.root}/missing.*: there is no such file; in force is nothing"
    ]
