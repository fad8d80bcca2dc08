"""``tosser scan``: by hand, with and without a daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from tests.daemon.test_scanning import AREA, OTHER, assert_sound, base_of, sent, subjects, system_at, write
from tests.peers import jam_writer
from tests.peers.daemon import DONE, FAILED, USAGE
from tosser.stores.jam_files import shared_files

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.daemon import Node, Result

FIRST = "first look: it begins at the end, so nothing that is there is sent"
LATE = 3600
"""Seconds by which a date is surely after the first look."""


def scan(system: Node, *arguments: str, code: int = DONE) -> Result:
    """Run the command, and check how it ends."""
    done = system.run("scan", *arguments)
    assert done.code == code, done.stdout + done.stderr
    return done


def toss(system: Node) -> list[str]:
    """Toss, and give the subjects of all that has gone out."""
    assert system.run("toss").code == DONE
    return subjects(system)


def test_scan_then_toss(tmp_path: Path) -> None:
    """The first look begins at the end; what is written later goes out with the next toss, once, and can be traced."""
    system = system_at(tmp_path)
    write(system, "old")
    assert "first look" in scan(system, AREA).stdout
    number = write(system, "new")
    assert scan(system, AREA, "--dry").stdout == "TQW_TECH: 1 messages would be sent\n"
    assert scan(system).stdout == f"TQW_TECH: 1 messages are sent\n{OTHER}: {FIRST}\n"
    assert scan(system, AREA).stdout == "TQW_TECH: 0 messages are sent\n"

    assert toss(system) == ["new"]

    told = system.run("trace", sent(system)[0].msgid).stdout
    assert f"base        {base_of(system)}, number {number}; it is there" in told


def test_all(tmp_path: Path) -> None:
    """All that is local and unsent goes out when a person asks for it by the name of the area, and is sent once."""
    system = system_at(tmp_path)
    for number in range(3):
        write(system, f"old {number}")
    scan(system, "--all", code=USAGE)
    assert scan(system, "tqwnet/tqw_tech", "--all").stdout == "TQW_TECH: 3 messages are sent\n"
    assert scan(system, AREA, "--all").stdout == "TQW_TECH: 0 messages are sent\n"
    assert toss(system) == ["old 0", "old 1", "old 2"]
    assert_sound(system)


def test_many_or_none(tmp_path: Path) -> None:
    """More than the limit goes out only when a person says so, or is left out for good."""
    system = system_at(tmp_path, scan={"limit": 2})
    scan(system)
    for number in range(3):
        write(system, f"flood {number}")
    told = scan(system, AREA, code=FAILED).stdout
    assert told == "TQW_TECH: 3 messages are more than scan.limit, none is sent: say --many or --skip\n"
    assert scan(system, AREA, "--many").stdout == "TQW_TECH: 3 messages are sent\n"
    for number in range(3):
        write(system, f"another {number}")
    scan(system, AREA, code=FAILED)
    assert scan(system, AREA, "--skip").stdout == "TQW_TECH: looked at from its end on\n"
    assert scan(system, AREA).stdout == "TQW_TECH: 0 messages are sent\n"
    assert toss(system) == ["flood 0", "flood 1", "flood 2"]


def test_what_does_not_fit_together(tmp_path: Path) -> None:
    """Areas that are none, and options that contradict each other, are refused before anything is touched."""
    system = system_at(tmp_path)
    assert "no area with a JAM base" in scan(system, "NOWHERE", code=USAGE).stderr
    assert "--skip sends nothing" in scan(system, AREA, "--skip", "--all", code=USAGE).stderr
    assert not system.state.exists()


def test_nothing_to_look_at(tmp_path: Path) -> None:
    """Without areas that are to be looked at it says so."""
    system = system_at(tmp_path, area_defaults={"scan": False})
    assert scan(system).stdout == "There are no areas with `scan: true`.\n"
    assert scan(system, "--dry", "--json").json == []


def test_a_base_that_is_locked(tmp_path: Path) -> None:
    """One that another program keeps is told of, and the others are looked at."""
    system = system_at(tmp_path, toss={"lock_wait": "50ms"})
    scan(system)
    write(system, "kept")
    jam_writer.append(base_of(system, OTHER), b"All", b"free", b"text\r", written=jam_writer.now() + LATE, processed=0)
    with shared_files(base_of(system)).locked(1):
        rows = scan(system, "--json", code=FAILED).json
    assert {row["area"]: (row["report"]["sent"], bool(row["error"])) for row in rows} == {
        AREA: (0, True),
        OTHER: (1, False),
    }
    shared_files(base_of(system)).close()
    assert toss(system) == ["free", "kept"]


def test_beside_a_daemon(tmp_path: Path) -> None:
    """The daemon sends what it finds by itself, and what a command finds in an area that it does not look at."""
    system = system_at(tmp_path)
    document = yaml.safe_load(system.config.read_text("utf-8"))
    document["areas"][1]["scan"] = False
    system.config.write_text(yaml.safe_dump(document), "utf-8")
    scan(system)
    with system.start() as daemon:
        write(system, "seen", written=jam_writer.now() + LATE)
        daemon.wait_for(lambda: subjects(system) == ["seen"], what="the message that the daemon finds")
        scan(system, OTHER)
        jam_writer.append(base_of(system, OTHER), b"All", b"asked for", b"text\r", written=jam_writer.now() + LATE)
        scan(system, OTHER)
        daemon.wait_for(lambda: sorted(subjects(system)) == ["asked for", "seen"], what="the other one")
        assert daemon.stop() == DONE
    assert_sound(system)
