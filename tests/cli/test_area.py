from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from tests.mail import HUB, message, packet
from tests.peers.daemon import DONE, node

if TYPE_CHECKING:
    from pathlib import Path

DOWNLINK = "1337:1/201"


def areas(tmp_path: Path) -> list[dict[str, object]]:
    """Two areas in the order in which they are not listed."""
    return [
        {"tag": "TQW_TECH", "description": "Grüße und Technik", "links": [HUB, DOWNLINK]},
        {"tag": "PASSED", "description": "Passed on", "store": "passthrough", "links": [HUB], "paused": True},
        {"tag": "TQW_GEN", "description": "General", "links": [DOWNLINK], "path": str(tmp_path / "elsewhere" / "gen")},
    ]


def test_no_areas(tmp_path: Path) -> None:
    """Where there are none it is said so, and no state is made by looking."""
    system = node(tmp_path, links={HUB: "", DOWNLINK: ""}, areas=[])
    assert system.run("area", "list").stdout == "There are no areas.\n"
    assert system.run("area", "list", "--json").json == []
    assert not system.state.exists()


def test_areas_with_mail(tmp_path: Path) -> None:
    """Each area is listed with its base, its links, and what came in."""
    system = node(tmp_path, links={HUB: "", DOWNLINK: ""})
    document = yaml.safe_load(system.config.read_text("utf-8")) | {"areas": areas(tmp_path)}
    system.config.write_text(yaml.safe_dump(document), "utf-8")
    good = message("TQW_TECH")
    system.deliver(packet([good, message("TQW_TECH", number=2), good]))
    assert system.toss().code == DONE

    listed = system.run("area", "list", "--json")
    assert listed.code == DONE
    passed, general, tech = listed.json
    assert tech.pop("last").endswith("Z")
    assert tech == {
        "network": "tqwnet",
        "tag": "TQW_TECH",
        "description": "Grüße und Technik",
        "store": "jam",
        "path": str(system.bases / "tqw_tech"),
        "links": [HUB, DOWNLINK],
        "paused": False,
        "messages": 2,
        "duplicates": 1,
    }
    assert (passed["tag"], passed["store"], passed["path"], passed["paused"]) == ("PASSED", "passthrough", None, True)
    assert (general["tag"], general["path"], general["last"]) == ("TQW_GEN", str(tmp_path / "elsewhere" / "gen"), None)

    lines = system.run("area", "list").stdout.splitlines()
    assert [line.split()[:7] for line in lines] == [
        ["NETWORK", "TAG", "STORE", "PAUSED", "LINKS", "MESSAGES", "DUPES"],
        ["tqwnet", "PASSED", "passthrough", "yes", "1", "0", "0"],
        ["tqwnet", "TQW_GEN", "jam", "no", "1", "0", "0"],
        ["tqwnet", "TQW_TECH", "jam", "no", "2", "2", "1"],
    ]
    assert lines[3].endswith("Grüße und Technik")
