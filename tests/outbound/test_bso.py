from __future__ import annotations

import os
from pathlib import Path

import pytest

from tosser.address import Address
from tosser.errors import StoreError
from tosser.outbound.bso import Backlog, Bso, DomainRoot

OUT = Path("/spool/out")


def bso_in(root: Path, others: dict[str, DomainRoot] | None = None) -> Bso:
    """An outbound whose first network is FidoNet, with zone 2."""
    return Bso(root, "fidonet", 2, lambda: 1, others)


@pytest.mark.parametrize(
    ("address", "directory"),
    [
        ("2:5020/1042@fidonet", "out"),
        ("2:5020/1042", "out"),
        ("1:100/200@fidonet", "out.001"),
        ("21:1/100", "out.015"),
        ("4096:1/1@fidonet", "out.1000"),
        ("2:5020/1042.45@fidonet", "out/139c0412.pnt"),
        ("1:100/200.9@fidonet", "out.001/006400c8.pnt"),
        ("21:1/100@fsxnet", "fsxnet.015"),
        ("2:5020/1042@othernet", "othernet.002"),
        ("21:1/100.5@fsxnet", "fsxnet.015/00010064.pnt"),
    ],
)
def test_directories(address: str, directory: str) -> None:
    """Zones and domains have directories beside the outbound's root, points inside that of their zone."""
    assert bso_in(OUT).directory_of(Address.parse(address)) == OUT.parent / directory


def test_directories_of_domains() -> None:
    """A domain may be given a directory and a default zone, as binkd's ``domain`` statement does."""
    others = {"fsxnet": DomainRoot(Path("/elsewhere/fsx"), 21), "tqwnet": DomainRoot(OUT, 2)}
    bso = bso_in(OUT, others)
    assert bso.directory_of(Address.parse("21:1/100@fsxnet")) == Path("/elsewhere/fsx")
    assert bso.directory_of(Address.parse("22:1/100.5@fsxnet")) == Path("/elsewhere/fsx.016/00010064.pnt")
    assert bso.directory_of(Address.parse("1337:1/100@tqwnet")) == OUT.with_name("out.539")


@pytest.mark.parametrize("domain", ["..", "a/b", "a.b", "x" * 40, "\N{LATIN SMALL LETTER E WITH ACUTE}"])
def test_domains_that_name_no_directory(domain: str) -> None:
    """A domain with characters that no domain has never becomes a path."""
    with pytest.raises(StoreError, match="cannot name a directory"):
        bso_in(OUT).directory_of(Address(21, 1, 100, 0, domain))


def test_a_relative_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Flow files need absolute paths, so the root becomes one."""
    monkeypatch.chdir(tmp_path)
    assert bso_in(Path("out")).directory_of(Address.parse("2:1/1")) == tmp_path / "out"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("2:5020/1042", "out/139c0412.bsy"),
        ("2:5020/1042.45", "out/139c0412.pnt/0000002d.bsy"),
        ("21:1/100@fsxnet", "fsxnet.015/00010064.bsy"),
    ],
)
def test_locks(tmp_path: Path, address: str, name: str) -> None:
    """A system's lock is beside its flow files, each point having its own; directories are made for it."""
    with bso_in(tmp_path / "out").lock(Address.parse(address)):
        assert (tmp_path / name).is_file()
    assert not (tmp_path / name).exists()


def test_leftover_locks(tmp_path: Path) -> None:
    """At start the locks that we left are removed, those of others are not, and nothing is made."""
    bso = bso_in(tmp_path / "out")
    links = [Address.parse(text) for text in ("2:5020/1042", "2:5020/1043", "2:5020/1042.45", "21:1/100@fsxnet")]
    with bso.lock(links[0]):
        ours = (tmp_path / "out" / "139c0412.bsy").read_bytes()
    (tmp_path / "out" / "139c0412.bsy").write_bytes(ours)
    (tmp_path / "out" / "139c0413.bsy").write_bytes(b"1\n")
    assert bso.release_leftovers(links) == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "139c0413.bsy"]


def test_the_identity_is_asked_for_when_it_is_needed() -> None:
    """Who only looks needs no identity, and a state that can be looked at only cannot make one."""

    def refuse() -> int:
        raise AssertionError

    bso = Bso(OUT, "fidonet", 2, refuse)
    assert bso.backlog(Address.parse("2:5020/1042")) == Backlog()


# --- what waits


def put(path: Path, data: bytes, mtime: float) -> None:
    """Make a file of this age."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (mtime, mtime))


def flow(path: Path, *lines: str) -> None:
    """Make a flow file."""
    put(path, "".join(f"{line}\n" for line in lines).encode(), 1.0)


def test_backlog(tmp_path: Path) -> None:
    """What flow files name and what waits by its name alone counts, once, with the age of the oldest."""
    out = tmp_path / "out"
    put(out / "ffedfc52.mo0", b"x" * 100, 500.0)
    put(out / "ffedfc52.mo1", b"", 10.0)
    put(out / "ffedfc52.mo2", b"x" * 1000, 10.0)
    put(tmp_path / "NODELIST.Z12", b"x" * 10, 300.0)
    put(out / "139c0412.cut", b"x" * 7, 400.0)
    put(out / "139c0413.out", b"x" * 70, 100.0)
    flow(out / "139c0412.flo", f"^{out}/ffedfc52.mo0", f"#{out}/ffedfc52.mo1", f"~{out}/ffedfc52.mo2", "^gone.pkt")
    flow(out / "139c0412.hlo", f"{tmp_path}/NODELIST.Z12", f"^{out}/ffedfc52.mo0", f"^{out}/missing", f"^{tmp_path}")
    flow(out / "139c0413.flo", f"^{out}/ffedfc52.mo2")
    assert bso_in(out).backlog(Address.parse("2:5020/1042")) == Backlog(3, 117, 300.0)


def test_systems(tmp_path: Path) -> None:
    """Whoever has a flow file or a flavoured packet is told, points too, in any case; other files are nobody's."""
    put(tmp_path / "OUT" / "139C0412.FLO", b"", 1.0)
    put(tmp_path / "out.002" / "139c0413.cut", b"x", 1.0)
    put(tmp_path / "out" / "139c0412.pnt" / "0000002d.hlo", b"x", 1.0)
    put(tmp_path / "out" / "139c0412.pnt" / "139c0412.hlo", b"not a point", 1.0)
    put(tmp_path / "out" / "139c0414.bsy", b"", 1.0)
    put(tmp_path / "out" / "139c0415.mo0", b"x", 1.0)
    put(tmp_path / "out.001" / "00640001.flo", b"x", 1.0)
    put(tmp_path / "fsxnet.015" / "00010064.flo", b"x", 1.0)
    bso = bso_in(tmp_path / "out")
    told = {"2:5020/1042@fidonet", "2:5020/1043@fidonet", "2:5020/1042.45@fidonet"}
    assert {str(address) for address in bso.systems(2, "fidonet")} == told
    assert bso.systems(1, "fidonet") == {Address.parse("1:100/1@fidonet")}
    assert bso.systems(21, "fsxnet") == {Address.parse("21:1/100@fsxnet")}
    assert bso.systems(3, "fidonet") == set()


def test_backlog_in_any_case(tmp_path: Path) -> None:
    """Names and directories are read in any case, and the default zone by its number too."""
    put(tmp_path / "OUT" / "139C0412.OUT", b"x", 1.0)
    put(tmp_path / "out.002" / "139c0412.Hut", b"xx", 2.0)
    put(tmp_path / "Out.015" / "00010064.PNT" / "0000000A.CUT", b"xxx", 3.0)
    put(tmp_path / "out.016" / "139c0412.out", b"xxxx", 4.0)
    bso = bso_in(tmp_path / "out")
    assert bso.backlog(Address.parse("2:5020/1042")) == Backlog(2, 3, 1.0)
    assert bso.backlog(Address.parse("21:1/100.10")) == Backlog(1, 3, 3.0)
    assert bso.backlog(Address.parse("21:1/100")) == Backlog()


def test_no_outbound(tmp_path: Path) -> None:
    """Where there is no outbound nothing waits."""
    (tmp_path / "file").touch()
    for root in (tmp_path / "out", tmp_path / "missing" / "out", tmp_path / "file" / "out", tmp_path / "file"):
        assert bso_in(root).backlog(Address.parse("2:5020/1042")) == Backlog()
        assert bso_in(root).backlog(Address.parse("2:5020/1042.1")) == Backlog()


def test_sums() -> None:
    """Backlogs add up; the oldest is the oldest of both."""
    assert Backlog(1, 10, 5.0) + Backlog() == Backlog(1, 10, 5.0)
    assert Backlog(1, 10, 5.0) + Backlog(2, 20, 3.0) == Backlog(3, 30, 3.0)
    assert Backlog() + Backlog() == Backlog()
