from __future__ import annotations

import asyncio
import errno
import io
import os
import time
import zipfile
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from tests.daemon.inside import config_of, parts_of
from tests.daemon.test_service import service_of
from tests.nodelists import LINES, POINT_LINES, body_of, nodelist
from tests.peers.daemon import DONE, node
from tosser.address import Address
from tosser.daemon import nodelist_files
from tosser.daemon.nodelist_files import is_meant
from tosser.daemon.nodelists import Nodelists, build_nodelists
from tosser.daemon.notify import Notifier

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.daemon import Node

OWL = Address.parse("1337:1/201")
NEW = Address.parse("1337:1/204")
NEW_LINES = (*LINES, "Host,1,Again,x,y,z,300", ",204,Newcomer,Springfield,Nell_New,-Unpublished-,300")
MINUTE = 60.0


def put(directory: Path, name: str, data: bytes, day: date | None = None) -> Path:
    """Lay a list down, as it was made on a day."""
    path = directory / name
    path.write_bytes(data)
    if day is not None:
        moment = datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp()
        os.utime(path, (moment, moment))
    return path


def zipped(members: dict[str, bytes]) -> bytes:
    """Pack files as a list maker does."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in members.items():
            packed.writestr(name, data)
    return archive.getvalue()


def system_with(root: Path, *lists: dict[str, Any]) -> Node:
    """Configure a node with nodelists whose paths start at its root."""
    return node(root, nodelists=[{"network": "tqwnet", **each} for each in lists])


def lists_of(root: Path, path: str = "NODELIST.*", **keys: Any) -> Nodelists:  # noqa: ANN401 - keys of the section
    """Read the lists of a node with one of them."""
    return build_nodelists(config_of(system_with(root, {"path": path, **keys})))


def look(lists: Nodelists) -> list[str]:
    """Look for newer lists some time later; gives the names of those that were read."""
    (watched,) = lists.lists
    changed = watched.look(time.time() + MINUTE)
    return [watched.loaded.file.path.name] if changed and watched.loaded else []


def in_force(lists: Nodelists) -> str | None:
    """Give the name of the file in force."""
    (watched,) = lists.lists
    return watched.loaded.file.path.name if watched.loaded else None


PATTERNS = {
    "nodelist.*": (
        ["nodelist.001", "nodelist.366", "nodelist.z27"],
        ["nodelist", "nodelist.idx", "nodelist.1", "x.001"],
    ),
    "nodelist.???": (["nodelist.001"], ["nodelist.idx", "nodelist.0011"]),
    "nodelist": (["nodelist", "nodelist.001", "nodelist.j27"], ["nodelist.idx", "nodelist2.001", "nodelists"]),
    "nodelist.327": (["nodelist.327"], ["nodelist.328", "nodelist"]),
    "net*.txt": (["net1.txt", "net.txt"], ["net1.001", "bet.txt"]),
    "*.z??": (["tqwnet.z27"], ["tqwnet.zip", "tqwnet.327"]),
}


@pytest.mark.parametrize(("pattern", "names"), PATTERNS.items())
def test_which_files_are_meant(pattern: str, names: tuple[list[str], list[str]]) -> None:
    """Day-numbered files where the extension is open; what lies beside them is none of ours."""
    meant, others = names
    assert [name for name in meant + others if is_meant(name, pattern)] == meant


def test_the_newest_counts(tmp_path: Path) -> None:
    """The newest by the day in its first line is read, whatever its name or the time of its file says."""
    put(tmp_path, "NODELIST.360", nodelist(day=date(2025, 12, 26)), date(2026, 2, 1))
    put(tmp_path, "nodelist.002", nodelist(NEW_LINES, day=date(2026, 1, 2)), date(2026, 1, 1))
    put(tmp_path, "NODELIST.IDX", b"\0" * 100)
    lists = lists_of(tmp_path)
    assert in_force(lists) == "nodelist.002"
    assert lists.current.find(NEW)
    assert lists.trouble == ""


def test_the_newest_by_day_number_over_the_turn_of_the_year(tmp_path: Path) -> None:
    """Where no line tells the day, day 2 is newer than day 360 of the year before."""
    plain = b"".join(body_of(LINES))
    put(tmp_path, "NODELIST.360", plain, date(2025, 12, 26))
    put(tmp_path, "NODELIST.002", plain, date(2026, 1, 2))
    lists = lists_of(tmp_path)
    assert in_force(lists) == "NODELIST.002"
    put(tmp_path, "NODELIST.009", b"".join(body_of(NEW_LINES)), date(2026, 1, 9))
    assert look(lists) == ["NODELIST.009"]


def test_nothing_is_read_again_while_nothing_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking again opens no file."""
    put(tmp_path, "NODELIST.324", nodelist())
    lists = lists_of(tmp_path)
    before = lists.current

    def fail(*_: object) -> None:
        pytest.fail("a file was opened")

    monkeypatch.setattr(nodelist_files, "_open", fail)
    assert look(lists) == []
    assert lists.look() == []
    assert lists.current is before


def test_a_newer_list_is_taken_into_use(tmp_path: Path) -> None:
    """One that appears, and one that is written over, are read; what was given out before stays as it was."""
    put(tmp_path, "NODELIST.324", nodelist())
    lists = lists_of(tmp_path)
    before = lists.current
    assert before.find(NEW) is None
    put(tmp_path, "NODELIST.331", nodelist(NEW_LINES, day=date(2026, 11, 27)))
    assert look(lists) == ["NODELIST.331"]
    put(tmp_path, "NODELIST.331", nodelist(day=date(2026, 11, 27)))
    assert look(lists) == ["NODELIST.331"]
    assert before.find(NEW) is None


def test_a_list_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    """A list that changed this moment may not be whole; it is read the next time."""
    put(tmp_path, "NODELIST.324", nodelist())
    lists = lists_of(tmp_path)
    put(tmp_path, "NODELIST.331", nodelist(NEW_LINES, day=date(2026, 11, 27))[:-200])
    assert lists.look() == []
    assert lists.trouble == ""
    put(tmp_path, "NODELIST.331", nodelist(NEW_LINES, day=date(2026, 11, 27)))
    assert look(lists) == ["NODELIST.331"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (nodelist(NEW_LINES, day=date(2026, 11, 27), good=False), "its checksum is"),
        (b"<html>no list</html>", "there is no entry in this nodelist"),
        (b"", "there is no entry in this nodelist"),
        (b"PK\3\4 no archive", "not a sound ZIP file"),
        (zipped({}), "there is nothing in the archive"),
        (zipped({"../NODELIST.331": nodelist(day=date(2026, 11, 27))}), "leads out of the archive"),
        (b"\x60\xea" + bytes(100), "no program is configured for files of type arj"),
    ],
    ids=["checksum", "no list", "empty", "no archive", "empty archive", "unsafe", "foreign"],
)
def test_a_broken_list_never_replaces_a_good_one(tmp_path: Path, data: bytes, why: str) -> None:
    """What cannot be used is told with its reason; the list that was in force stays, also where its file is gone."""
    old = put(tmp_path, "NODELIST.324", nodelist())
    lists = lists_of(tmp_path)
    new = put(tmp_path, "NODELIST.331", data, date(2026, 11, 27))
    assert look(lists) == []
    assert lists.trouble.startswith(f"{new}: ")
    assert why in lists.trouble
    assert lists.trouble.endswith("; in force is NODELIST.324 of 2026-11-20")
    assert lists.current.find(OWL)
    old.write_bytes(data)
    assert look(lists) == []
    assert lists.current.find(OWL)
    new.write_bytes(nodelist(NEW_LINES, day=date(2026, 11, 27)))
    assert look(lists) == ["NODELIST.331"]
    assert lists.trouble == ""


def test_an_older_file_does_not_replace_what_is_in_force(tmp_path: Path) -> None:
    """When the newest file breaks, the one before it is not taken back: what was read of the newest is newer."""
    put(tmp_path, "NODELIST.324", nodelist())
    put(tmp_path, "NODELIST.331", nodelist(NEW_LINES, day=date(2026, 11, 27)))
    lists = lists_of(tmp_path)
    put(tmp_path, "NODELIST.331", nodelist(NEW_LINES, day=date(2026, 11, 27), good=False))
    assert look(lists) == []
    assert lists.trouble.endswith("; in force is NODELIST.331 of 2026-11-27")
    assert lists.current.find(NEW)


def test_after_a_start_the_next_older_one_is_taken(tmp_path: Path) -> None:
    """A broken newest list does not leave a daemon that starts without any."""
    put(tmp_path, "NODELIST.324", nodelist())
    put(tmp_path, "NODELIST.331", nodelist(day=date(2026, 11, 27), good=False))
    lists = lists_of(tmp_path)
    assert lists.trouble.endswith("; in force is NODELIST.324 of 2026-11-20")
    assert lists.current.find(OWL)


def test_lists_that_are_not_there(tmp_path: Path) -> None:
    """A missing file, and a missing directory, are told; both end when the list comes."""
    lists = lists_of(tmp_path, "lists/NODELIST.*")
    assert lists.trouble == f"{tmp_path}/lists: No such file or directory; in force is nothing"
    assert not lists.current
    (tmp_path / "lists").mkdir()
    assert look(lists) == []
    assert lists.trouble == f"{tmp_path}/lists/NODELIST.*: there is no such file; in force is nothing"
    path = put(tmp_path / "lists", "NODELIST.324", nodelist())
    assert look(lists) == ["NODELIST.324"]
    assert lists.trouble == ""
    path.unlink()
    assert look(lists) == []
    assert lists.trouble.endswith(": there is no such file; in force is NODELIST.324 of 2026-11-20")
    path.parent.rmdir()
    assert look(lists) == []
    assert lists.trouble.endswith(": No such file or directory; in force is NODELIST.324 of 2026-11-20")
    path.parent.mkdir()
    put(tmp_path / "lists", "NODELIST.324", nodelist())
    assert look(lists) == ["NODELIST.324"]
    assert lists.trouble == ""


def test_a_wrong_checksum_can_be_allowed(tmp_path: Path) -> None:
    """Where the configuration says so, a list is used whatever its first line states."""
    put(tmp_path, "NODELIST.324", nodelist(good=False))
    lists = lists_of(tmp_path, check_crc=False)
    assert lists.trouble == ""
    assert lists.current.find(OWL)


def test_a_zipped_list(tmp_path: Path) -> None:
    """A list is read out of its archive; of several members the one with a day number, and the day is that inside."""
    members = {"README.TXT": b"x" * 9000, "NODELIST.324": nodelist(NEW_LINES)}
    put(tmp_path, "NODELIST.Z24", zipped(members), date(2026, 11, 21))
    put(tmp_path, "NODELIST.317", nodelist(day=date(2026, 11, 13)), date(2026, 11, 22))
    put(tmp_path, "NODELIST.R50", b"".join(body_of(LINES)), date(2026, 11, 23))
    lists = lists_of(tmp_path)
    assert in_force(lists) == "NODELIST.Z24"
    assert lists.current.find(NEW)
    table = lists.current.table_of(NEW)
    assert table is not None
    assert table.source == f"{tmp_path}/NODELIST.Z24"


def test_a_list_behind_a_link(tmp_path: Path) -> None:
    """A name that leads to a list, or to a packed one, is as good as the list."""
    put(tmp_path, "list", nodelist())
    put(tmp_path, "packed", zipped({"anything": nodelist(NEW_LINES)}))
    (tmp_path / "current").symlink_to("list")
    assert lists_of(tmp_path, "current").current.find(OWL)
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to("packed")
    assert lists_of(tmp_path, "current").current.find(NEW)


def test_a_list_that_is_too_large(tmp_path: Path) -> None:
    """A file larger than any list is refused unread."""
    path = tmp_path / "NODELIST.324"
    with path.open("wb") as stream:
        stream.truncate(65 * 1024 * 1024)
    assert "and the limit is 67108864" in lists_of(tmp_path).trouble


@pytest.mark.parametrize("name", ["NODELIST.324", "NODELIST.Z24"])
def test_a_list_that_cannot_be_read_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Trouble of the system is told, and over as soon as the file can be read, although it is the same."""
    put(tmp_path, name, zipped({"list": nodelist()}) if "Z" in name else nodelist())

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(nodelist_files, "_open", fail)
        lists = lists_of(tmp_path)
    assert lists.trouble == f"{tmp_path}/{name}: Input/output error; in force is nothing"
    assert look(lists) == [name]
    assert lists.trouble == ""


def test_several_lists_together(tmp_path: Path) -> None:
    """Points of a point list have their boss in the nodelist; the zone of a network is that of its segments."""
    put(tmp_path, "NODELIST.324", nodelist())
    put(tmp_path, "points.txt", b"".join(body_of([line.replace("1337:", "") for line in POINT_LINES])))
    system = system_with(
        tmp_path, {"path": "NODELIST.*"}, {"path": "points.txt", "kind": "pointlist"}, {"path": "none"}
    )
    lists = build_nodelists(config_of(system))
    point = Address.parse("1337:1/201.2@tqwnet")
    assert lists.current.find(point)
    assert lists.current.boss_of(point) == Address.parse("1337:1/201@tqwnet")
    assert lists.current.hub_of(point) == Address.parse("1337:1/100@tqwnet")
    assert lists.trouble == f"{tmp_path}/none: there is no such file; in force is nothing"
    put(tmp_path, "none", b"".join(body_of(["Boss,1/201", ",9,Late,x,y,z,300"])))
    assert [each.file.path.name for each in lists.look()] == ["none"]
    assert lists.current.find(Address.parse("1337:1/201.9"))


def test_the_service_takes_notice(tmp_path: Path) -> None:
    """A newer list is logged; one that is missing is a condition until it comes."""
    system = system_with(tmp_path, {"path": "NODELIST.*"})

    async def run() -> list[str]:
        with service_of(system, Notifier()) as (service, state):
            conditions = []
            for data in (None, nodelist(), None):
                if data is not None:
                    put(tmp_path, "NODELIST.324", data)
                await service._look_at_nodelists()
                conditions += [each.text for each in state.overview().conditions if each.subject == "nodelists"] or [""]
            return conditions

    with capture_logs() as logs:
        conditions = asyncio.run(run())
    assert conditions == [f"{tmp_path}/NODELIST.*: there is no such file; in force is nothing", "", ""]
    read = {"event": "nodelist_read", "log_level": "info", "file": f"{tmp_path}/NODELIST.324", "day": "2026-11-20"}
    assert [line for line in logs if line["event"] == "nodelist_read"] == [read | {"entries": 15}]


def test_a_daemon_has_its_lists(tmp_path: Path) -> None:
    """Its parts have the lists from the start, and what is wrong with one is in the status."""
    put(tmp_path, "NODELIST.324", nodelist(good=False))
    put(tmp_path, "NODELIST.317", nodelist(day=date(2026, 11, 13)))
    system = system_with(tmp_path, {"path": "NODELIST.*"})
    with parts_of(system) as parts:
        assert parts.nodelists.current.find(OWL)
    assert '"subject": "nodelists"' in system.toss().stderr
    with system.start() as daemon:
        daemon.wait_for(lambda: bool(system.status()["conditions"]), what="the condition")
        (condition,) = system.status()["conditions"]
        assert condition["subject"] == "nodelists"
        assert condition["text"].endswith("; in force is NODELIST.317 of 2026-11-13")
        assert daemon.stop() == DONE
