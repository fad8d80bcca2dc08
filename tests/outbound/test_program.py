"""Bundles packed by real programs, and read by the inbound's."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from tests.outbound.yard import LINK, SIZE, STAGED, Yard, content, with_settings
from tosser.codec.bundle import ArchiveType
from tosser.errors import ProgramError
from tosser.inbound.unpack import ArchiveLimits, Archiver, open_members
from tosser.outbound.program import PackProgram
from tosser.outbound.ship import Shipper

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = {
    "arj": PackProgram("arj", ArchiveType.ARJ, ("arj", "a", "-e", "-y", "{archive}", "{packet}"), 30.0),
    "7z": PackProgram("7z", ArchiveType.SEVENZIP, ("7z", "a", "-bd", "-t7z", "{archive}", "{packet}"), 30.0),
    "arc": PackProgram("arc", ArchiveType.ARC, ("arc", "a", "{archive}", "{packet}"), 30.0),
    "zip": PackProgram("zip", ArchiveType.ZIP, ("zip", "-q", "-j", "{archive}", "{packet}"), 30.0),
}
UNPACKERS = {
    ArchiveType.ARJ: Archiver("arj", ("arj", "e", "-y", "{archive}"), 30.0),
    ArchiveType.SEVENZIP: Archiver("7z", ("7z", "e", "-y", "-o{directory}", "{archive}"), 30.0),
    ArchiveType.ARC: Archiver("arc", ("arc", "e", "{archive}"), 30.0),
}


def shipper_with(yard: Yard, program: PackProgram) -> Shipper:
    """Ship with a program as archiver ``external``."""
    yard.link = with_settings(yard.link, archiver="external")
    return Shipper(yard.bso, yard.staging, yard.state, programs={"external": program}, clock=lambda: yard.now)


def script(text: str, kind: ArchiveType = ArchiveType.ARC) -> PackProgram:
    """A shell script with the archive as ``$0`` and the packet as ``$1``."""
    return PackProgram("external", kind, ("/bin/sh", "-c", text, "{archive}", "{packet}"), 2.0)


def unpacked(path: Path) -> dict[str, bytes]:
    """Read a bundle as the inbound does."""
    found = {}
    with open_members(path, path.name, ArchiveLimits(), UNPACKERS) as members:
        for member in members:
            assert member.problem is None
            with member.open() as stream:
                found[member.name.lower()] = stream.read()
    return found


@pytest.mark.parametrize("name", PROGRAMS)
def test_real_programs(yard: Yard, name: str) -> None:
    """What the programs of the sample configuration pack, and add to, is unpacked again, byte for byte."""
    program = PROGRAMS[name]
    external = PackProgram("external", program.kind, program.pack, program.timeout)
    shipper = shipper_with(yard, external)
    serials = yard.stage(SIZE, 40 * SIZE)
    [bundle] = shipper.ship(yard.link).files
    serials += yard.stage(SIZE)
    assert shipper.ship(yard.link).files == [bundle]
    sizes = [SIZE, 40 * SIZE, SIZE]
    assert unpacked(bundle) == {f"{s:08x}.pkt": content(s, size) for s, size in zip(serials, sizes, strict=True)}
    assert stat.S_IMODE(bundle.stat().st_mode) == 0o660
    assert yard.files() == ["out/0000ffff.mo0", "out/000100c9.flo"]
    assert [path.name for path in (yard.out / STAGED).iterdir()] == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("exit 3", "archiver external ended with status 3"),
        ("echo disk full; exit 1", "status 1: 'disk full'"),
        ("kill -9 $$", "signal 9"),
        ("true", "left no arc archive"),
        ("echo no archive > $0", "left no arc archive"),
        (': > "$0"', "left no arc archive"),
        ('mkdir "$0"', "left no arc archive"),
        ("sleep 60", "did not end within 2 seconds"),
    ],
)
def test_programs_that_fail(yard: Yard, text: str, what: str) -> None:
    """A program that fails, or lies about it, changes nothing: packets wait, a bundle that is there stays."""
    first = yard.stage(SIZE)
    shipper = shipper_with(yard, script('printf "\\032\\010" >> "$0"; cat "$1" >> "$0"'))
    [bundle] = shipper.ship(yard.link).files
    before = bundle.read_bytes()
    if "left no" in what:
        bundle.unlink()
        (yard.out / "000100c9.flo").unlink()
        before = b""
    second = yard.stage(SIZE)
    with pytest.raises(ProgramError, match=what):
        shipper_with(yard, script(text)).ship(yard.link)
    assert not before or bundle.read_bytes() == before
    assert list(yard.out.glob(".*.tmp")) == []
    assert [path.name for path in (yard.out / STAGED).iterdir()] == [f"{second[0]:08x}.pkt"]
    assert not (yard.out / "000100c9.bsy").exists()
    shipper.ship(yard.link)
    yard.mailer.session()
    assert yard.mailer.packets == (first if before else []) + second


def test_a_missing_program(yard: Yard) -> None:
    """A program that is not installed is told by its name."""
    yard.stage(SIZE)
    missing = PackProgram("external", ArchiveType.ARC, ("no-such-packer", "{archive}", "{packet}"), 5.0)
    with pytest.raises(ProgramError, match="no-such-packer, the program of archiver external, is not installed"):
        shipper_with(yard, missing).ship(yard.link)
    assert yard.shipper.links_waiting() != []


def test_what_a_program_sees(yard: Yard) -> None:
    """A program runs in a directory of its own, where the packet is a copy under a short name."""
    (serial,) = yard.stage(SIZE)
    log = yard.home / "seen"
    text = f'echo "$0 $1" $(ls) > {log}; printf "\\032\\010" > "$0"; cat "$1" >> "$0"; echo junk > "$1"; echo x > y'
    shipper_with(yard, script(text)).ship(yard.link)
    assert log.read_text() == f"../bundle.arc {serial:08x}.pkt {serial:08x}.pkt\n"
    yard.mailer.session()
    assert yard.mailer.packets == [serial]


def test_a_program_that_removes_what_it_packs(yard: Yard) -> None:
    """A program may move files into its archives."""
    serials = yard.stage(SIZE, SIZE)
    text = 'test -e "$0" || printf "\\032\\010" > "$0"; cat "$1" >> "$0"; rm "$1"'
    shipper_with(yard, script(text)).ship(yard.link)
    yard.mailer.session()
    assert yard.mailer.packets == serials


def test_a_box_elsewhere(yard: Yard) -> None:
    """A bundle gets into a file box wherever that is."""
    yard.link = with_settings(LINK, filebox=str(yard.home / "box"))
    serials = yard.stage(SIZE)
    shipper_with(yard, script('printf "\\032\\010" > "$0"; cat "$1" >> "$0"')).ship(yard.link)
    yard.mailer.empty_box(yard.home / "box")
    assert yard.mailer.packets == serials
