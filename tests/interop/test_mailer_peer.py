"""The model mailer itself: it does with hand-written flow files what `test_binkd_peer` shows that binkd does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.peers.binkd import NO_DEFAULT_ZONE, Domain
from tests.peers.mailer import Mailer, Station

if TYPE_CHECKING:
    from pathlib import Path

ONE, TWO = "1337:1/100@tqwnet", "1337:1/200@tqwnet"


def station(root: Path, *addresses: str) -> Station:
    """Make the directories of a system that is in two networks."""
    (root / "out").mkdir(parents=True)
    (root / "in").mkdir()
    domains = Domain("tqwnet", root / "out", 1337), Domain("fsxnet", root / "fsxnet", NO_DEFAULT_ZONE)
    return Station(addresses, domains, root / "in")


@pytest.fixture
def mailer(tmp_path: Path) -> Mailer:
    """Two systems below the directories ``one`` and ``two``; the second is also in another network, and a point."""
    other = (TWO, "21:3/110@fsxnet", "1337:1/100.5@tqwnet")
    return Mailer([station(tmp_path / "one", ONE), station(tmp_path / "two", *other)])


def write(root: Path, flow: str, *lines: tuple[str, str]) -> None:
    """Write a flow file, and the files it names, each with its name in it."""
    path = root / flow
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{directive}{root / name}\n" for directive, name in lines), "ascii")
    for _, name in lines:
        (root / name).write_text(name, "ascii")


def files(directory: Path) -> dict[str, str]:
    """Read every file below a directory."""
    return {
        str(path.relative_to(directory)): path.read_text("ascii") for path in directory.rglob("*") if path.is_file()
    }


def test_directives(mailer: Mailer, tmp_path: Path) -> None:
    """What is sent is deleted, truncated or kept; what is struck out is not sent; the flow file goes."""
    lines = ("^", "1.mo0"), ("#", "2.mo0"), ("", "3.mo0"), ("~", "4.mo0")
    write(tmp_path / "one", "out/000100C8.FLO", *lines)
    traffic = mailer.carry()

    assert traffic.files == [(ONE, TWO, name) for name in ("1.mo0", "2.mo0", "3.mo0")]
    assert files(tmp_path / "two" / "in") == {"1.mo0": "1.mo0", "2.mo0": "2.mo0", "3.mo0": "3.mo0"}
    assert files(tmp_path / "one") == {"2.mo0": "", "3.mo0": "3.mo0", "4.mo0": "4.mo0"}
    assert mailer.carry().files == []


@pytest.mark.parametrize("name", ["fsxnet.015/0003006e.out", "out/00010064.pnt/00000005.cut", "out.539/000100c8.dut"])
def test_places(mailer: Mailer, tmp_path: Path, name: str) -> None:
    """Packets that go by their names alone are found in the directories of zones and points; none goes elsewhere."""
    write(tmp_path / "one", "out/0001012c.flo", ("^", "stranger.pkt"))
    write(tmp_path / "one", name)
    (tmp_path / "one" / name).write_text("whole", "ascii")
    mailer.carry()

    stem = name.rpartition("/")[2].partition(".")[0]
    assert files(tmp_path / "two" / "in") == {f"{stem}.pkt": "whole"}
    assert sorted(files(tmp_path / "one")) == ["out/0001012c.flo", "stranger.pkt"]


def test_held_mail_and_locks(mailer: Mailer, tmp_path: Path) -> None:
    """What is on hold waits for another reason to call; a locked address gets nothing, and its lock stays."""
    write(tmp_path / "one", "out/000100c8.hlo", ("^", "held.pkt"))
    assert mailer.carry().files == []

    write(tmp_path / "two", "out/00010064.flo", ("^", "reason.pkt"))
    lock = tmp_path / "one" / "out" / "000100c8.bsy"
    lock.touch()
    traffic = mailer.carry()
    assert traffic.busy == [TWO]
    assert traffic.files == [(TWO, ONE, "reason.pkt")]
    assert lock.exists()

    lock.unlink()
    write(tmp_path / "two", "out/00010064.flo", ("^", "again.pkt"))
    assert [name for _, _, name in mailer.carry().files] == ["held.pkt", "again.pkt"]
    assert files(tmp_path / "one" / "out") == files(tmp_path / "two" / "out") == {}


def test_a_name_that_is_taken_is_changed(mailer: Mailer, tmp_path: Path) -> None:
    """A file never replaces another one that still lies in the inbound."""
    (tmp_path / "two" / "in" / "0badcafe.mo0").write_text("before", "ascii")
    write(tmp_path / "one", "out/000100c8.flo", ("^", "0badcafe.mo0"))
    mailer.carry()

    assert files(tmp_path / "two" / "in") == {"0badcafe.mo0": "before", "0badcaff.mo0": "0badcafe.mo0"}
