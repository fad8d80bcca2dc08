"""What a link's mailer finds after shipping, whatever it got before."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import time
import zipfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.outbound.yard import LINK, MONDAY, NETWORK, POINT, SIZE, STAGED, Yard, content, with_settings
from tests.rules.world import make_link
from tosser.codec import zip as zip_codec
from tosser.codec.flow import Flavour
from tosser.errors import LinkBusy, ProgramError
from tosser.outbound import zipping
from tosser.outbound.bso import Backlog
from tosser.outbound.ship import ROUND_BYTES, ShipReport, box_backlog
from tosser.outbound.staging import packet_name
from tosser.rules.shipping import LinkKey

if TYPE_CHECKING:
    from tosser.codec.zip import ZipMember
    from tosser.rules.network import Link

DAY = 86400.0
BUNDLE = "0000ffff.mo0"
"""From 1337:1/200 to 1337:1/201, on a Monday."""


def members(path: Path) -> list[int]:
    """List the packets in a ZIP bundle, and compare each with what it was."""
    with zipfile.ZipFile(path) as archive:
        serials = [int(name[:8], 16) for name in archive.namelist()]
        for serial, info in zip(serials, archive.infolist(), strict=True):
            assert archive.read(info) == content(serial, info.file_size)
    return serials


# --- ZIP bundles


def test_a_bundle(yard: Yard) -> None:
    """Packets go into a bundle that the flow file names, and nothing else remains."""
    serials = yard.stage(SIZE, SIZE, SIZE)
    report = yard.shipper.ship(yard.link)
    assert report == ShipReport(packets=3, bundles=1, files=[yard.out / BUNDLE])
    assert yard.files() == [f"out/{BUNDLE}", "out/000100c9.flo"]
    assert (yard.out / "000100c9.flo").read_bytes() == os.fsencode(f"^{yard.out}/{BUNDLE}\n")
    assert members(yard.out / BUNDLE) == serials
    assert yard.shipper.links_waiting() == []
    assert yard.mailer.session()
    assert yard.mailer.packets == serials
    assert yard.files() == []


def test_nothing_waits(yard: Yard) -> None:
    """A link that nothing waits for gets nothing, not even a lock."""
    assert yard.shipper.ship(yard.link) == ShipReport()
    assert yard.files() == []


def test_what_was_sent_is_counted(yard: Yard) -> None:
    """A link's totals tell how many packets and messages went out, the last one when and in which file."""
    yard.stage(SIZE, SIZE)
    yard.shipper.ship(yard.link)
    [totals] = yard.state.overview().links
    assert (totals.address, totals.packets_out, totals.messages_out) == ("1337:1/201", 2, 2)
    assert (totals.last_out, totals.last_out_file) == (MONDAY, BUNDLE)


def test_adding_to_the_bundle_that_waits(yard: Yard) -> None:
    """As long as a bundle waits, what comes later is added to it; the flow file names it once."""
    first = yard.stage(SIZE, SIZE)
    yard.shipper.ship(yard.link)
    second = yard.stage(SIZE)
    report = yard.shipper.ship(yard.link)
    assert report.files == [yard.out / BUNDLE]
    assert members(yard.out / BUNDLE) == [*first, *second]
    assert yard.flow() == [f"^{BUNDLE}"]
    yard.mailer.session()
    assert yard.mailer.packets == [*first, *second]


def test_no_name_is_used_again(yard: Yard) -> None:
    """A bundle that was sent and deleted leaves its name unused; so does one that is struck out."""
    for number in range(4):
        yard.stage(SIZE)
        [path] = yard.shipper.ship(yard.link).files
        assert path.name == f"0000ffff.mo{number}"
        yard.mailer.session()
    assert len({name for name, _ in yard.mailer.sent}) == 4


def test_name_is_not_used_again_after_a_restart(yard: Yard) -> None:
    """Nor is it after a restart; after two days it is."""
    for now, name in ((MONDAY, "mo0"), (MONDAY + 1, "mo1"), (MONDAY + 7 * DAY, "mo0")):
        yard.restart()
        yard.now = now
        yard.stage(SIZE)
        assert yard.shipper.ship(yard.link).files == [yard.out / f"0000ffff.{name}"]
        yard.mailer.session()


def test_a_new_day(yard: Yard) -> None:
    """What is made on another day goes into a bundle of that day, though the one of before waits."""
    first = yard.stage(SIZE)
    yard.shipper.ship(yard.link)
    yard.now += DAY
    second = yard.stage(SIZE)
    yard.shipper.ship(yard.link)
    assert yard.flow() == [f"^{BUNDLE}", "^0000ffff.tu0"]
    assert members(yard.out / "0000ffff.tu0") == second
    assert members(yard.out / BUNDLE) == first


def test_the_same_day_of_another_week(yard: Yard) -> None:
    """A bundle that waits since last Monday is not added to, and keeps its name."""
    yard.link = with_settings(LINK, flavour=Flavour.HOLD)
    first = yard.stage(SIZE)
    yard.shipper.ship(yard.link)
    yard.now += 7 * DAY
    second = yard.stage(SIZE)
    yard.shipper.ship(yard.link)
    assert yard.flow("hlo") == [f"^{BUNDLE}", "^0000ffff.mo1"]
    assert [members(yard.out / BUNDLE), members(yard.out / "0000ffff.mo1")] == [first, second]


def test_the_day_is_the_local_one(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """The day in a name is that of the clock on the wall, and begins at its midnight."""
    monkeypatch.setenv("TZ", "XXX-14")
    time.tzset()
    for now, name in ((MONDAY, "tu0"), (MONDAY - 3 * 3600, "mo0")):
        yard.now = now
        yard.stage(SIZE)
        assert yard.shipper.ship(yard.link).files == [yard.out / f"0000ffff.{name}"]


def test_size_of_bundles(yard: Yard) -> None:
    """No bundle is larger than the link allows; as many packets go into each as fit; none is lost."""
    yard.link = with_settings(LINK, max_bundle=3000)
    serials = yard.stage(*[SIZE] * 20)
    report = yard.shipper.ship(yard.link)
    sizes = [path.stat().st_size for path in report.files]
    assert max(sizes) <= 3000
    assert min(sizes[:-1]) > 3000 - SIZE - 200
    assert [serial for path in report.files for serial in members(path)] == serials
    assert yard.flow() == [f"^{path.name}" for path in report.files]
    assert report.bundles == len(report.files) > 4


def test_size_counts_what_is_there(yard: Yard) -> None:
    """A bundle is added to only up to the limit; the rest goes into the next."""
    yard.link = with_settings(LINK, max_bundle=3000)
    first = yard.stage(*[SIZE] * 3)
    yard.shipper.ship(yard.link)
    second = yard.stage(*[SIZE] * 3)
    report = yard.shipper.ship(yard.link)
    assert [members(path) for path in report.files] == [[*first, second[0]], second[1:]]
    third = yard.stage(SIZE)
    assert yard.shipper.ship(yard.link).files == [yard.out / "0000ffff.mo1"]
    assert members(yard.out / "0000ffff.mo1") == [*second[1:], *third]


@pytest.mark.parametrize("archiver", ["zip", "none"])
def test_it_is_noted_what_each_packet_is_in(yard: Yard, archiver: str) -> None:
    """Where there are several bundles, or packets on their own, each packet is traced to its own."""
    serials = yard.stage(*[SIZE] * 5)
    yard.shipper.ship(with_settings(LINK, archiver=archiver, max_bundle=2 * SIZE + 400))
    with closing(sqlite3.connect(yard.home / "state" / "tosser.db")) as database:
        noted = dict(database.execute("SELECT serial, file FROM shipped"))
    if archiver == "zip":
        found = {serial: path.name for path in yard.out.glob("0000ffff.*") for serial in members(path)}
    else:
        found = {int(path.stem, 16): path.name for path in yard.out.glob("*.pkt")}
    assert len(set(found.values())) > 1
    assert noted == found
    assert noted.keys() == set(serials)


def test_a_packet_larger_than_a_bundle(yard: Yard) -> None:
    """A packet that no bundle may hold has one of its own, and the others are not with it."""
    yard.link = with_settings(LINK, max_bundle=2000)
    small, large, last = yard.stage(SIZE, 9000, SIZE)
    report = yard.shipper.ship(yard.link)
    assert [members(path) for path in report.files] == [[small], [large], [last]]


def test_a_long_backlog(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backlog is shipped in runs of bounded size, one after the other into the same bundle."""
    assert ROUND_BYTES < 2**28
    monkeypatch.setattr("tosser.outbound.ship.ROUND_BYTES", 2 * SIZE)
    serials = yard.stage(*[SIZE] * 7)
    report = yard.shipper.ship(yard.link)
    assert report.files == [yard.out / BUNDLE] * 4
    assert report.packets == 7
    assert members(yard.out / BUNDLE) == serials
    assert yard.flow() == [f"^{BUNDLE}"]


def test_forty_bundles_in_a_day(yard: Yard) -> None:
    """When the 36 names of a day are used up the time names bundles; none is used twice, and the report says so."""
    serials: list[int] = []
    for number in range(40):
        yard.now += 60
        serials += yard.stage(SIZE)
        report = yard.shipper.ship(yard.link)
        assert report.names_used_up == (number >= 35)
        yard.mailer.session()
    names = [name for name, _ in yard.mailer.sent]
    assert names[:36] == [f"0000ffff.mo{char}" for char in "0123456789abcdefghijklmnopqrstuvwxyz"]
    assert names[36:] == [f"{int(yard.now - 60 * back) & 0xFFFFFF:06x}00.mo0" for back in (3, 2, 1, 0)]
    assert yard.mailer.packets == serials
    yard.now += DAY
    yard.stage(SIZE)
    report = yard.shipper.ship(yard.link)
    assert report.files == [yard.out / "0000ffff.tu0"]
    assert not report.names_used_up


def test_forty_bundles_that_wait(yard: Yard) -> None:
    """Bundles that all wait for a call have forty names."""
    yard.link = with_settings(LINK, max_bundle=SIZE, flavour=Flavour.HOLD)
    serials = [yard.stage(SIZE)[0] for _ in range(40)]
    report = yard.shipper.ship(yard.link)
    assert len(set(report.files)) == 40
    assert report.names_used_up
    yard.mailer.session()
    assert yard.mailer.packets == serials


def test_names_of_other_programs(yard: Yard) -> None:
    """A name that is there in any case of letters is taken, and so is an emptied one for two days."""
    (yard.out / "0000FFFF.MO0").write_bytes(b"another's")
    (yard.out / "0000ffff.mo1").touch()
    (yard.out / "0000ffff.mo2").touch()
    os.utime(yard.out / "0000ffff.mo1", (yard.now - DAY, yard.now - DAY))
    os.utime(yard.out / "0000ffff.mo2", (yard.now - 3 * DAY, yard.now - 3 * DAY))
    (yard.out / "000100c9.clo").write_bytes(os.fsencode(f"~{yard.out}/0000ffff.mo3\n^/elsewhere/0000FFFF.MO4\n"))
    names = []
    for _ in range(3):
        yard.stage(SIZE)
        names.append(yard.shipper.ship(yard.link).files[0].name)
        yard.mailer._serve(yard.out / "000100c9.flo")
    assert names == ["0000ffff.mo5", "0000ffff.mo6", "0000ffff.mo7"]
    assert (yard.out / "0000FFFF.MO0").read_bytes() == b"another's"


def test_an_emptied_name_is_used_again(yard: Yard) -> None:
    """What was sent and emptied more than two days ago does not stand in the way."""
    for char in "0123456789abcdefghijklmnopqrstuvwxyz":
        path = yard.out / f"0000ffff.mo{char}"
        path.touch()
        os.utime(path, (yard.now - 3 * DAY, yard.now - 3 * DAY))
    serials = yard.stage(SIZE)
    assert yard.shipper.ship(yard.link).files == [yard.out / BUNDLE]
    assert members(yard.out / BUNDLE) == serials


@pytest.mark.parametrize("spoil", ["empty", "struck out", "unnamed", "truncating", "damaged", "not ours", "foreign"])
def test_bundles_that_are_not_added_to(yard: Yard, spoil: str) -> None:
    """Only a bundle of ours that waits, whole, is added to; one that a flow file has emptied is added to as well."""
    first = yard.stage(SIZE)
    yard.shipper.ship(yard.link)
    bundle, flow = yard.out / BUNDLE, yard.out / "000100c9.flo"
    before = bundle.read_bytes()
    line = flow.read_bytes()
    match spoil:
        case "empty":
            os.truncate(bundle, 0)
        case "struck out":
            flow.write_bytes(line.replace(b"^", b"~"))
        case "unnamed":
            flow.unlink()
        case "truncating":
            flow.write_bytes(line.replace(b"^", b"#"))
        case "damaged":
            bundle.write_bytes(before[:-4])
        case "not ours":
            yard.link = with_settings(LINK, archiver="script")
        case _:
            bundle.rename(bundle.with_suffix(".mo9"))
            flow.write_bytes(line.replace(b"mo0", b"mo9"))
    second = yard.stage(SIZE)
    [path] = yard.shipper.ship(yard.link).files
    if spoil == "truncating":
        assert path == bundle
        assert members(bundle) == [*first, *second]
    else:
        assert path.name == ("0000ffff.moa" if spoil == "foreign" else "0000ffff.mo1")


def test_another_flavour(yard: Yard) -> None:
    """Mail of another flavour has its own bundle and flow file."""
    first = yard.stage(SIZE)
    yard.shipper.ship(yard.link)
    yard.link = with_settings(LINK, flavour=Flavour.CRASH)
    second = yard.stage(SIZE)
    yard.shipper.ship(yard.link)
    assert yard.flow() == [f"^{BUNDLE}"]
    assert yard.flow("clo") == ["^0000ffff.mo1"]
    yard.mailer.session()
    assert [name for name, _ in yard.mailer.sent] == ["0000ffff.mo1", BUNDLE]
    assert yard.mailer.packets == [*first, *second]


@pytest.mark.parametrize(
    ("flavour", "extension"),
    [("normal", "flo"), ("hold", "hlo"), ("direct", "dlo"), ("crash", "clo"), ("immediate", "ilo")],
)
def test_flavours(yard: Yard, flavour: str, extension: str) -> None:
    """Each flavour has its flow file."""
    yard.link = with_settings(LINK, flavour=Flavour(flavour))
    yard.stage(SIZE)
    yard.shipper.ship(yard.link)
    assert yard.flow(extension) == [f"^{BUNDLE}"]


# --- other kinds


def test_bare_packets(yard: Yard) -> None:
    """Without an archiver the packets themselves lie in the outbound, and the flow file names each."""
    yard.link = with_settings(LINK, archiver="none")
    serials = yard.stage(SIZE, 2 * SIZE)
    report = yard.shipper.ship(yard.link)
    names = [f"{serial:08x}.pkt" for serial in serials]
    assert report == ShipReport(packets=2, bundles=0, files=[yard.out / name for name in names])
    assert yard.flow() == [f"^{name}" for name in names]
    assert [(yard.out / name).read_bytes() for name in names] == [content(serials[0]), content(serials[1], 2 * SIZE)]
    yard.mailer.session()
    assert yard.mailer.packets == serials
    assert yard.files() == []


def test_a_packet_of_the_same_name(yard: Yard) -> None:
    """A packet's name that is taken is left to who has it."""
    yard.link = with_settings(LINK, archiver="none")
    (serial,) = yard.stage(SIZE)
    (yard.out / f"{serial:08X}.PKT").write_bytes(b"another's")
    assert yard.shipper.ship(yard.link).files == [yard.out / f"{serial + 1:08x}.pkt"]


def test_another_archiver(yard: Yard) -> None:
    """Any other archiver is a program, which adds one packet after the other."""
    yard.link = with_settings(LINK, archiver="script")
    first = yard.stage(SIZE, SIZE)
    yard.shipper.ship(yard.link)
    second = yard.stage(SIZE)
    assert yard.shipper.ship(yard.link).files == [yard.out / BUNDLE]
    assert yard.flow() == [f"^{BUNDLE}"]
    yard.mailer.session()
    assert yard.mailer.packets == [*first, *second]
    assert yard.files() == []


def test_size_of_bundles_of_programs(yard: Yard) -> None:
    """The limit holds for what programs pack, and for what they add to."""
    yard.link = with_settings(LINK, archiver="script", max_bundle=3 * SIZE)
    serials = yard.stage(*[SIZE] * 5)
    first = yard.shipper.ship(yard.link).files
    serials += yard.stage(SIZE)
    again = yard.shipper.ship(yard.link).files
    assert [path.name for path in (*first, *again)] == [f"0000ffff.mo{number}" for number in (0, 1, 2, 2)]
    assert max(path.stat().st_size for path in first) <= 3 * SIZE
    yard.mailer.session()
    assert yard.mailer.packets == serials


def test_another_archiver_than_before(yard: Yard) -> None:
    """A bundle is not added to by another archiver than the one that made it."""
    first = yard.stage(SIZE)
    yard.shipper.ship(yard.link)
    yard.link = with_settings(LINK, archiver="script")
    second = yard.stage(SIZE)
    yard.shipper.ship(yard.link)
    assert yard.flow() == [f"^{BUNDLE}", "^0000ffff.mo1"]
    yard.mailer.session()
    assert yard.mailer.packets == [*first, *second]


def test_an_archiver_that_fails(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a program fails its packets wait, nothing is left behind, and the lock is free."""
    yard.link = with_settings(LINK, archiver="script")
    serials = yard.stage(SIZE)
    with monkeypatch.context() as patch:
        patch.setattr("tosser.outbound.program.fill_in", lambda *_: ["-c", "exit 7"])
        with pytest.raises(ProgramError, match="archiver script ended with status 7"):
            yard.shipper.ship(yard.link)
    assert yard.files() == [f"out/{STAGED}/{serials[0]:08x}.pkt"]
    assert list((yard.out / STAGED).glob("scratch-*")) == []
    yard.shipper.ship(yard.link)
    yard.mailer.session()
    assert yard.mailer.packets == serials


@pytest.mark.parametrize("archiver", ["zip", "none", "script"])
def test_file_boxes(yard: Yard, archiver: str) -> None:
    """A link with a file box finds its mail there, always under new names; the outbound is not touched."""
    box = yard.home / "boxes" / "hub"
    yard.link = with_settings(LINK, archiver=archiver, filebox=str(box))
    serials = []
    for _ in range(2):
        serials += yard.stage(SIZE, SIZE)
        yard.shipper.ship(yard.link)
    assert yard.files() == []
    names = sorted(path.name for path in box.iterdir())
    assert names == ([f"{serial:08x}.pkt" for serial in serials] if archiver == "none" else [BUNDLE, "0000ffff.mo1"])
    assert yard.shipper.backlog(yard.link).files == len(names)
    yard.mailer.empty_box(box)
    assert yard.mailer.packets == serials
    yard.stage(SIZE)
    yard.shipper.ship(yard.link)
    assert [path.name for path in box.iterdir()] != names[:1]


def test_a_box_that_vanishes(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mailer that removes an empty box at a bad moment does no harm."""
    box = yard.home / "box"
    yard.link = with_settings(LINK, filebox=str(box))
    serials = yard.stage(SIZE)
    create, left = os.open, [2]

    def remove_first(path: Path, *arguments: int) -> int:
        if str(path).endswith(".tmp") and left[0]:
            left[0] -= 1
            box.rmdir()
        return create(path, *arguments)

    monkeypatch.setattr(os, "open", remove_first)
    yard.shipper.ship(yard.link)
    yard.mailer.empty_box(box)
    assert yard.mailer.packets == serials


def test_a_box_needs_no_lock(yard: Yard) -> None:
    """Mail for a box does not wait for a lock of the outbound."""
    (yard.out / "000100c9.bsy").touch()
    yard.link = with_settings(LINK, filebox=str(yard.home / "box"))
    yard.stage(SIZE)
    assert yard.shipper.ship(yard.link).packets == 1


def test_points(tmp_path: Path) -> None:
    """A point's mail is in a directory of its boss, named for node and point."""
    yard = Yard(tmp_path, POINT)
    serials = yard.stage(SIZE)
    yard.shipper.ship(yard.link)
    assert yard.files() == ["out/000100c8.pnt/00000005.flo", "out/000100c8.pnt/0000fffb.mo0"]
    yard.mailer.session()
    assert yard.mailer.packets == serials
    yard.directory.rmdir()
    serials += yard.stage(SIZE)
    yard.shipper.ship(yard.link)
    yard.mailer.session()
    assert yard.mailer.packets == serials
    yard.close()


# --- other programs


def test_a_busy_link(yard: Yard) -> None:
    """A link that another program is at work on is left alone whole; others get their mail, and it later."""
    lock = yard.out / "000100c9.bsy"
    lock.write_bytes(b"%d\n" % os.getppid())
    serials = yard.stage(SIZE)
    yard.stage(SIZE, link=POINT)
    with pytest.raises(LinkBusy, match=f"000100c9.bsy: held by process {os.getppid()}"):
        yard.shipper.ship(yard.link)
    assert yard.shipper.ship(POINT).packets == 1
    assert yard.shipper.links_waiting() == [LinkKey.of(yard.link)]
    assert not (yard.out / BUNDLE).exists()
    assert not (yard.out / "000100c9.flo").exists()
    lock.unlink()
    yard.shipper.ship(yard.link)
    yard.mailer.session()
    assert yard.mailer.packets == serials


def test_the_lock_is_held(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """While packets are shipped the link is locked for others, and for us; afterwards it is not."""
    yard.stage(SIZE)
    seen = []

    def look(*_: object) -> None:
        seen.append((yard.out / "000100c9.bsy").read_bytes())
        assert not yard.mailer.session()

    monkeypatch.setattr("tosser.outbound.ship.FlowFiles.add", look)
    yard.shipper.ship(yard.link)
    assert seen == [b"%d tosser %012x\n" % (os.getpid(), yard.state.outbound_identity())]
    assert not (yard.out / "000100c9.bsy").exists()


def test_lines_of_others_stay(yard: Yard) -> None:
    """What other programs wrote into the flow file stays as it is, whatever it is, in the same file."""
    flow = yard.out / "000100C9.FLO"
    theirs = b"#/files/NODEDIFF.A12\r\n~/sent\r\n; what is this?\n-/old/way\n\xff\xfe\n^/no/newline"
    flow.write_bytes(theirs)
    flow.chmod(0o604)
    inode = flow.stat().st_ino
    yard.stage(SIZE)
    yard.shipper.ship(yard.link)
    assert flow.read_bytes() == theirs + os.fsencode(f"\n^{yard.out}/{BUNDLE}\n")
    assert (flow.stat().st_ino, stat.S_IMODE(flow.stat().st_mode)) == (inode, 0o604)
    assert yard.files() == [f"out/{BUNDLE}", "out/000100C9.FLO"]


def test_the_mailer_may_touch_what_we_make(yard: Yard) -> None:
    """What lies in the outbound is as open as the sysop made it, whatever our umask."""
    old = os.umask(0o077)
    yard.out.chmod(0o2775)
    yard.link = POINT
    for link in (POINT, with_settings(LINK, archiver="none"), with_settings(LINK, archiver="script")):
        yard.stage(SIZE, link=link)
        yard.shipper.ship(link)
    os.umask(old)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in yard.out.rglob("*") if path.name != STAGED}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o2775}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o664}
    assert len(modes) == 6


def test_packets_that_somebody_removed(yard: Yard) -> None:
    """A staged packet that is gone, or is not what it was, is told and counted as lost; the others go."""
    gone, cut, whole = yard.stage(SIZE, SIZE, SIZE)
    yard.staging.path(gone).unlink()
    os.truncate(yard.staging.path(cut), 10)
    report = yard.shipper.ship(yard.link)
    assert (report.lost, report.packets) == (2, 1)
    assert members(yard.out / BUNDLE) == [whole]
    assert yard.shipper.links_waiting() == []
    assert yard.files() == [f"out/{BUNDLE}", "out/000100c9.flo"]
    (lost,) = yard.stage(SIZE)
    yard.staging.path(lost).unlink()
    assert yard.shipper.ship(yard.link) == ShipReport(lost=1)


@pytest.fixture
def deflated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the names of packets when they are deflated."""
    names: list[str] = []

    def pack_member(name: str, *arguments: Any) -> ZipMember:  # noqa: ANN401 - as they come
        names.append(name)
        return zip_codec.pack_member(name, *arguments)

    monkeypatch.setattr(zipping, "pack_member", pack_member)
    return names


def await_names(names: list[str], count: int) -> None:
    """Wait until so many are noted."""
    for _ in range(1000):
        if len(names) >= count:
            return
        time.sleep(0.005)
    raise AssertionError(names)


def prepare(yard: Yard, serial: int, link: Link = LINK) -> None:
    """Have a packet prepared, as far as packets for the link are."""
    yard.shipper.prepare(link, serial, SIZE, lambda: content(serial))


def test_packets_are_prepared(yard: Yard, deflated: list[str]) -> None:
    """What is deflated before it is asked for is not deflated again, and the bundle is as ever."""
    serials = yard.stage(SIZE, SIZE, SIZE)
    for serial in serials[:2]:
        prepare(yard, serial)
    prepare(yard, serials[2], with_settings(LINK, archiver="none"))
    yard.shipper.ship(yard.link)
    assert members(yard.out / BUNDLE) == serials
    assert sorted(deflated) == [packet_name(serial) for serial in serials]


def test_only_so_much_is_prepared(yard: Yard, deflated: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is beyond the room waits until it is asked for; there is room again in the next round."""
    monkeypatch.setattr(zipping, "_MOST_PREPARED", 2 * SIZE)
    yard.shipper.ship(yard.link)
    for done in (0, 3):
        serials = yard.stage(SIZE, SIZE, SIZE)
        for serial in serials:
            prepare(yard, serial)
        await_names(deflated, done + 2)
        assert sorted(deflated[done:]) == [packet_name(serial) for serial in serials[:2]]
        yard.shipper.ship(yard.link)
        assert len(deflated) == done + 3


@pytest.mark.parametrize("room", [zipping._MOST_PREPARED, 2 * SIZE, 1])
def test_packets_of_the_next_links_are_prepared(
    yard: Yard, deflated: list[str], monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """While one link is served those of the next ones are deflated, as far as there is room; each of them once."""
    monkeypatch.setattr(zipping, "_MOST_PREPARED", room)
    yard.shipper.ship(yard.link)
    busy, late = POINT, make_link("1337:1/203", NETWORK)
    serials = {link.address: yard.stage(SIZE, SIZE, link=link) for link in (LINK, busy, late)}
    with yard.shipper.round([LINK, busy, late]) as ship, yard.bso.lock(busy.address):
        assert ship(LINK).packets == 2
        if room > 2 * SIZE:
            await_names(deflated, 6)
        with pytest.raises(LinkBusy):
            ship(busy)
        assert ship(late).packets == 2
    assert yard.shipper.ship(busy).packets == 2
    again = serials[busy.address] if room > SIZE else []
    names = [packet_name(serial) for each in serials.values() for serial in each]
    assert sorted(deflated) == sorted(names + [packet_name(serial) for serial in again])


def test_what_is_prepared_in_vain_is_forgotten(yard: Yard, deflated: list[str]) -> None:
    """A packet of a link that is locked is deflated again when it goes; nothing is kept for it meanwhile."""
    (serial,) = yard.stage(SIZE)
    prepare(yard, serial)
    await_names(deflated, 1)
    with yard.bso.lock(yard.link.address), pytest.raises(LinkBusy):
        yard.shipper.ship(yard.link)
    yard.shipper.ship(yard.link)
    assert members(yard.out / BUNDLE) == [serial]
    assert deflated == [packet_name(serial)] * 2


@pytest.mark.parametrize("again", [LINK, with_settings(LINK, archiver="none")])
def test_a_packet_that_is_staged_again(
    yard: Yard, deflated: list[str], monkeypatch: pytest.MonkeyPatch, again: Link
) -> None:
    """What was prepared of a packet counts no more when another one gets its number, prepared itself or not."""
    monkeypatch.setattr(zipping, "_MOST_PREPARED", SIZE)
    yard.shipper.ship(yard.link)
    (serial,) = yard.stage(SIZE)
    yard.shipper.prepare(yard.link, serial, SIZE, lambda: b"x" * SIZE)
    await_names(deflated, 1)
    prepare(yard, serial, again)
    yard.shipper.ship(yard.link)
    assert members(yard.out / BUNDLE) == [serial]


def test_what_cannot_be_removed(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Staged files that stay behind are told, harm nothing, and go in the next round."""

    def fail(_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    yard.stage(SIZE, SIZE)
    with monkeypatch.context() as patch:
        patch.setattr(yard.staging, "remove", fail)
        with pytest.raises(OSError, match="Input/output error"):
            yard.shipper.ship(yard.link)
    assert yard.shipper.links_waiting() == []
    assert len(list((yard.out / STAGED).iterdir())) == 2
    with yard.shipper.round():
        pass
    assert list((yard.out / STAGED).iterdir()) == []


def test_backlog(yard: Yard) -> None:
    """What waits is what is staged and what the mailer finds."""
    assert yard.shipper.backlog(yard.link) == Backlog()
    yard.stage(SIZE, SIZE)
    assert yard.shipper.backlog(yard.link) == Backlog(2, 2 * SIZE, MONDAY)
    yard.shipper.ship(yard.link)
    bundle = (yard.out / BUNDLE).stat()
    assert yard.shipper.backlog(yard.link) == Backlog(1, bundle.st_size, bundle.st_mtime)
    yard.now = bundle.st_mtime + 5
    yard.stage(SIZE)
    assert yard.shipper.backlog(yard.link) == Backlog(2, bundle.st_size + SIZE, bundle.st_mtime)
    assert yard.shipper.backlog(POINT) == Backlog()


def name_of(descriptor: int) -> str:
    """Give the path of an open file."""
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


def test_without_syncing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who wants no syncs gets none but that of the lock, and the same files."""
    yard = Yard(tmp_path)
    yard.staging = type(yard.staging)(yard.out, synced=False)
    synced: list[str] = []
    monkeypatch.delattr("tosser.disk.sync_directory")
    monkeypatch.setattr("tosser.disk.sync_file", lambda number: synced.append(name_of(number)))
    shipper = type(yard.shipper)(yard.bso, yard.staging, yard.state, synced=False, clock=lambda: yard.now)
    for archiver in ("zip", "none"):
        link = with_settings(LINK, archiver=archiver)
        serials = yard.stage(SIZE, SIZE)
        shipper.ship(link)
        yard.mailer.session()
        assert yard.mailer.packets[-2:] == serials
    assert yard.files() == []
    assert all(".bsy." in name for name in synced)
    yard.close()


@pytest.mark.parametrize("archiver", ["zip", "none", "script"])
@pytest.mark.parametrize("boxed", [False, True])
def test_another_file_system(yard: Yard, monkeypatch: pytest.MonkeyPatch, archiver: str, *, boxed: bool) -> None:
    """Directories on another file system than the staged packets get copies."""
    box = yard.home / "box"
    yard.link = with_settings(LINK, archiver=archiver, filebox=str(box) if boxed else "")
    serials = yard.stage(SIZE, SIZE)

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", refuse)
    yard.shipper.ship(yard.link)
    yard.mailer.empty_box(box)
    yard.mailer.session()
    assert yard.mailer.packets == serials
    assert yard.files() == []


def test_backlog_of_boxes(yard: Yard) -> None:
    """What waits in a box counts, except what is hidden; a box that is not there yet is empty."""
    box = yard.home / "box"
    link = with_settings(LINK, filebox=str(box))
    assert box_backlog(LINK) == box_backlog(link) == Backlog()
    box.mkdir()
    (box / "0000ffff.mo0").write_bytes(b"1234")
    (box / ".0000ffff.mo1.tmp").write_bytes(b"1234")
    assert (box_backlog(link).files, box_backlog(link).bytes) == (1, 4)


def test_more_than_the_format_holds(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle that is as large as old programs can count is not added to, whatever the link allows."""
    yard.stage(SIZE)
    yard.shipper.ship(yard.link)
    monkeypatch.setattr("tosser.outbound.zipping.MOST_BYTES", 100)
    yard.stage(SIZE)
    assert yard.shipper.ship(yard.link).files == [yard.out / "0000ffff.mo1"]
