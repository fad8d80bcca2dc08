from __future__ import annotations

import os
import re
import threading
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.mail import packed, packet
from tosser import disk
from tosser.inbound.spool import Candidate, ClaimedFile, Inbound, Spool
from tosser.inbound.work import WORK_DIRECTORY
from tosser.rules.network import InboundClass
from tosser.rules.shipping import LinkKey

if TYPE_CHECKING:
    from pathlib import Path

PACKET = packet([packed(b"AREA:TQW_GEN\rHello\r")])
ODD_NAMES = [
    "new\nline.pkt",
    "\x1b[31mred.PKT",
    "latin-\udce9.pkt",
    "ünï.pkt",
    "two words.pkt",
    "n" * 251 + ".pkt",
    "'; rm -rf $HOME;.pkt",
    "%2e%2e.pkt",
]


@pytest.fixture
def inbound(tmp_path: Path) -> Inbound:
    """An empty secure inbound."""
    path = tmp_path / "in"
    path.mkdir()
    return Inbound(path, InboundClass.SECURE)


def _put(inbound: Inbound, name: str, data: bytes = PACKET, mtime: float | None = None) -> Path:
    path = inbound.path / name
    path.write_bytes(data)
    if mtime is not None:
        os.utime(path, (mtime, mtime))
    return path


def _claim_all(spool: Spool) -> list[ClaimedFile]:
    return spool.claim(spool.scan().ready)


def _tree(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*")}


def test_ready_files_come_oldest_first(inbound: Inbound, tmp_path: Path) -> None:
    """Files of all inbounds are in one order: by modification time, then by name."""
    other = Inbound(tmp_path / "other", InboundClass.LOCAL)
    other.path.mkdir()
    _put(inbound, "00000001.pkt", mtime=3000)
    _put(inbound, "00000002.pkt", mtime=1000)
    _put(other, "00000003.PKT", mtime=2000)
    _put(inbound, "0000000b.pkt", mtime=500)
    _put(other, "0000000a.pkt", mtime=500)
    scan = Spool([inbound, other]).scan()
    names = ["0000000a.pkt", "0000000b.pkt", "00000002.pkt", "00000003.PKT", "00000001.pkt"]
    assert [candidate.name for candidate in scan.ready] == names
    assert scan.oldest_waiting == 500
    assert (scan.waiting, scan.next_check, scan.foreign, scan.troubles) == ([], None, 0, [])


def test_bundles_are_in_order_of_age_not_of_weekday(inbound: Inbound) -> None:
    """A bundle of last Saturday comes before one of this Sunday."""
    _put(inbound, "0000ffff.su0", b"x", mtime=2000)
    _put(inbound, "0000ffff.sa0", b"x", mtime=1000)
    scan = Spool([inbound], settle=0).scan()
    assert [candidate.name for candidate in scan.ready] == ["0000ffff.sa0", "0000ffff.su0"]


def test_unfinished_files_wait(inbound: Inbound) -> None:
    """A cut packet and an empty file are left alone until they have lain still; the scan says for how long."""
    _put(inbound, "00000001.pkt", PACKET[:-1], mtime=1000)
    _put(inbound, "00000002.pkt", b"")
    _put(inbound, "00000003.pkt")
    scan = Spool([inbound], settle=500).scan()
    assert [candidate.name for candidate in scan.ready] == ["00000003.pkt"]
    assert [candidate.name for candidate in scan.waiting] == ["00000001.pkt", "00000002.pkt"]
    assert scan.next_check is not None
    assert 0 < scan.next_check <= 500
    assert scan.oldest_waiting == 1000


def test_settled_files_are_ready_whatever_they_hold(inbound: Inbound) -> None:
    """Damaged and empty files are taken in the end, so that they reach a final state."""
    _put(inbound, "00000001.pkt", PACKET[:-1])
    _put(inbound, "00000002.pkt", b"")
    assert len(Spool([inbound], settle=0).scan().ready) == 2


def test_foreign_things_are_counted_and_left(inbound: Inbound, tmp_path: Path) -> None:
    """TIC files, links, directories and FIFOs are none of ours, under whatever name; temporary files do not count."""
    outside = tmp_path / "outside.pkt"
    outside.write_bytes(PACKET)
    _put(inbound, "file.tic")
    (inbound.path / "link.pkt").symlink_to(outside)
    (inbound.path / "dangling.pkt").symlink_to("nowhere")
    (inbound.path / "directory.pkt").mkdir()
    os.mkfifo(inbound.path / "fifo.pkt")
    for name in ("0001a2b3.hr", "0001a2b3.dt", "a.pkt.bad", ".hidden.pkt", "x.$$$", "y.tmp"):
        _put(inbound, name)
    before = _tree(inbound.path)
    spool = Spool([inbound], settle=0)
    assert _claim_all(spool) == []
    assert spool.scan().foreign == 5
    assert _tree(inbound.path) == before
    assert outside.read_bytes() == PACKET


def test_a_missing_inbound_is_reported(inbound: Inbound, tmp_path: Path) -> None:
    """An inbound that cannot be read is told, and does not keep the others from being read."""
    _put(inbound, "00000001.pkt")
    gone = Inbound(tmp_path / "gone", InboundClass.INSECURE)
    scan = Spool([gone, inbound]).scan()
    assert len(scan.ready) == 1
    assert scan.troubles == [f"{gone.path}: No such file or directory"]


def test_claiming_moves_the_file_into_the_work_directory(inbound: Inbound) -> None:
    """A claimed file keeps its bytes and is described as it was found."""
    _put(inbound, "00000001.pkt", mtime=1234)
    [file] = _claim_all(Spool([inbound]))
    assert file.path.parent == inbound.path / WORK_DIRECTORY
    assert file.path.read_bytes() == PACKET
    assert (file.name, file.inbound, file.size, file.mtime) == ("00000001.pkt", inbound, len(PACKET), 1234)
    assert re.fullmatch(rf"{file.claim}\.00000001\.pkt", file.path.name)
    assert not (inbound.path / "00000001.pkt").exists()


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_survive(inbound: Inbound, name: str) -> None:
    """Whatever a file is called, it is claimed, found again by another process under the same claim, and put back."""
    path = _put(inbound, name)
    [file] = _claim_all(Spool([inbound]))
    assert not path.exists()
    assert file.name == name
    assert Spool([inbound]).claimed() == [file]
    assert Spool([inbound]).release(file) == path
    assert path.read_bytes() == PACKET
    assert _tree(inbound.path) == {name, WORK_DIRECTORY}


@given(
    st.binary(min_size=1, max_size=251).filter(lambda name: not set(name) & {0, ord("/")} and not name.startswith(b"."))
)
def test_any_name_survives(tmp_path_factory: pytest.TempPathFactory, name: bytes) -> None:
    """Every name that a file system can hold comes back from the work directory."""
    inbound = Inbound(tmp_path_factory.mktemp("in"), InboundClass.SECURE)
    path = _put(inbound, os.fsdecode(name + b".pkt"))
    [file] = _claim_all(Spool([inbound]))
    assert Spool([inbound]).claimed() == [file]
    assert file.name == path.name
    Spool([inbound]).finish(file)
    assert _tree(inbound.path) == {WORK_DIRECTORY}


def test_claims_sort_in_the_order_of_claiming(inbound: Inbound) -> None:
    """Claims are unique and ordered, also over several calls, and so are the left-overs."""
    names = [f"{number:08x}.pkt" for number in range(50)]
    for number, name in enumerate(names):
        _put(inbound, name, mtime=1000 - number)
    spool = Spool([inbound])
    ready = spool.scan().ready
    files = spool.claim(ready[:20]) + spool.claim(ready[20:])
    assert [file.name for file in files] == names[::-1]
    assert [file.claim for file in files] == sorted({file.claim for file in files})
    assert Spool([inbound]).claimed() == files


def test_a_vanished_file_is_left_out(inbound: Inbound) -> None:
    """What another process took first is skipped, and leaves nothing behind."""
    names = ["00000001.pkt", "two words.pkt", "00000003.pkt"]
    for name in names:
        _put(inbound, name)
    spool = Spool([inbound])
    ready = spool.scan().ready
    for name in names[:2]:
        (inbound.path / name).unlink()
    assert [file.name for file in spool.claim(ready)] == ["00000003.pkt"]
    assert len(_tree(inbound.path / WORK_DIRECTORY)) == 1


def test_two_processes_never_claim_one_file(inbound: Inbound) -> None:
    """However many claim at once, each file goes to exactly one of them."""
    for number in range(200):
        _put(inbound, f"{number:08x}.pkt")
    spools = [Spool([inbound]) for _ in range(4)]
    ready = spools[0].scan().ready
    taken: list[ClaimedFile] = []
    threads = [threading.Thread(target=lambda spool=spool: taken.extend(spool.claim(ready))) for spool in spools]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(file.name for file in taken) == [f"{number:08x}.pkt" for number in range(200)]
    assert all(file.path.read_bytes() == PACKET for file in taken)


def test_a_file_that_changed_since_the_look_is_left(inbound: Inbound) -> None:
    """A packet that is written to between the look and the claim goes back to its place."""
    path = _put(inbound, "00000001.pkt")
    spool = Spool([inbound])
    ready = spool.scan().ready
    path.write_bytes(PACKET + b"more")
    assert spool.claim(ready) == []
    assert path.read_bytes() == PACKET + b"more"


def test_a_link_put_in_place_of_a_file_is_left(inbound: Inbound, tmp_path: Path) -> None:
    """A file exchanged for a link between the look and the claim is not followed."""
    path = _put(inbound, "00000001.pkt")
    spool = Spool([inbound])
    ready = spool.scan().ready
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    assert spool.claim(ready) == []
    assert path.is_symlink()
    assert spool.claimed() == []


def test_a_file_that_cannot_be_claimed_waits_and_is_reported(inbound: Inbound) -> None:
    """With a file where the work directory should be, nothing can be claimed, and scans say so until it is gone."""
    path = _put(inbound, "00000001.pkt")
    blocker = _put(inbound, WORK_DIRECTORY, b"")
    spool = Spool([inbound])
    assert _claim_all(spool) == []
    scan = spool.scan()
    assert (scan.ready, [candidate.path for candidate in scan.waiting]) == ([], [path])
    assert scan.troubles == [f"{path}: File exists"]
    assert scan.next_check is not None
    assert 50 < scan.next_check <= 60
    assert spool.take(10) == []
    blocker.unlink()
    assert [file.name for file in Spool([inbound]).take(10)] == [path.name]


def test_a_refused_file_is_tried_again(inbound: Inbound) -> None:
    """A minute after a failed claim the file is ready again."""
    _put(inbound, "00000001.pkt")
    blocker = _put(inbound, WORK_DIRECTORY, b"")
    spool = Spool([inbound])
    assert _claim_all(spool) == []
    blocker.unlink()
    spool._refused = {candidate: (since - 61, why) for candidate, (since, why) in spool._refused.items()}
    assert [file.name for file in _claim_all(spool)] == ["00000001.pkt"]
    assert spool.scan().troubles == []


def test_take_goes_through_a_backlog_with_one_look(inbound: Inbound) -> None:
    """A long backlog is taken in its order, in parts, and then what came meanwhile."""
    for number in range(10):
        _put(inbound, f"{number:08x}.pkt", mtime=1000 + number)
    spool = Spool([inbound])
    taken = [file.name for file in spool.take(4)]
    _put(inbound, "ffffffff.pkt", mtime=1)
    (inbound.path / "00000005.pkt").unlink()
    while files := spool.take(4):
        taken += [file.name for file in files]
    assert taken == [f"{number:08x}.pkt" for number in range(10) if number != 5] + ["ffffffff.pkt"]


def test_take_goes_on_when_all_of_a_part_is_gone(inbound: Inbound) -> None:
    """A part of the backlog that another process took is not taken for the end."""
    for number in range(4):
        _put(inbound, f"{number:08x}.pkt", mtime=1000 + number)
    spool = Spool([inbound])
    assert len(spool.take(1)) == 1
    (inbound.path / "00000001.pkt").unlink()
    assert [file.name for file in spool.take(1)] == ["00000002.pkt"]


def test_finish_removes_and_may_be_repeated(inbound: Inbound) -> None:
    """Finished files are gone for good; finishing again what a crash interrupted does no harm."""
    _put(inbound, "00000001.pkt")
    _put(inbound, "two words.pkt")
    spool = Spool([inbound])
    files = _claim_all(spool)
    spool.finish(*files)
    spool.finish(*files)
    assert spool.claimed() == []
    assert _tree(inbound.path) == {WORK_DIRECTORY}
    assert spool.scan().ready == []


@pytest.mark.parametrize(
    ("name", "pattern"), [("00000001.pkt", r"[0-9a-f]{8}\.pkt"), ("0000ffff.MO1", r"[0-9a-f]{8}\.MO1")]
)
def test_release_replaces_nothing(inbound: Inbound, name: str, pattern: str) -> None:
    """A file whose name is taken by then goes back under another that still says what it is."""
    _put(inbound, name)
    spool = Spool([inbound], settle=0)
    [file] = _claim_all(spool)
    newer = _put(inbound, name, b"newer")
    path = spool.release(file)
    assert path is not None
    assert re.fullmatch(pattern, path.name)
    assert path.read_bytes() == PACKET
    assert newer.read_bytes() == b"newer"
    assert spool.release(file) is None


def test_work_directory_holds_what_is_not_ours_too(inbound: Inbound) -> None:
    """Left-overs are told by their names; links, scratch and strangers among them are not taken for mail."""
    _put(inbound, "00000001.pkt")
    files = _claim_all(Spool([inbound]))
    work = inbound.path / WORK_DIRECTORY
    (work / "scratch-abc").mkdir()
    (work / "retry-00000000000001-abcdef").write_bytes(b"x")
    (work / "00000000000001-abcdef.pkt").symlink_to(files[0].path)
    (work / "00000000000002-abcdef.d").mkdir()
    assert Spool([inbound]).claimed() == files


def test_prepare_clears_scratch_and_keeps_mail(inbound: Inbound, tmp_path: Path) -> None:
    """At start the scratch of a killed unpacker goes, however it left it; claimed files and copies stay."""
    _put(inbound, "00000001.pkt")
    _put(inbound, "two words.pkt")
    files = _claim_all(Spool([inbound]))
    work = inbound.path / WORK_DIRECTORY
    deep = work / "scratch-abc" / "d"
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(b"x")
    (deep / "out").symlink_to(tmp_path)
    deep.chmod(0)
    (work / "00000000000002-abcdef.d").mkdir()
    (work / "retry-x").write_bytes(b"x")
    spool = Spool([inbound, Inbound(tmp_path / "gone", InboundClass.LOCAL)])
    spool.prepare()
    assert spool.claimed() == files
    assert _tree(work) == {str(path.relative_to(work)) for file in files for path in (file.path, file.path.parent)} - {
        "."
    } | {"retry-x"}
    assert not (tmp_path / "gone").exists()


def test_prepare_makes_the_work_directory(inbound: Inbound) -> None:
    """The work directory is there before any file is, and closed to others."""
    Spool([inbound]).prepare()
    mode = (inbound.path / WORK_DIRECTORY).stat().st_mode
    assert mode & 0o777 == 0o750


def test_scans_from_several_threads_do_not_disturb_each_other(inbound: Inbound) -> None:
    """A file waits its time and no longer, also if other threads look all the while."""
    _put(inbound, "00000001.pkt", b"cut")
    spool = Spool([inbound], settle=0.3)
    stop = threading.Event()

    def look_on() -> None:
        while not stop.is_set():
            spool.scan()

    threads = [threading.Thread(target=look_on) for _ in range(3)]
    for thread in threads:
        thread.start()
    while not (ready := spool.scan().ready):
        time.sleep(0.01)
    stop.set()
    for thread in threads:
        thread.join()
    assert [candidate.name for candidate in ready] == ["00000001.pkt"]


class _Killed(BaseException):
    """The process ends here."""


def _killed_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Let the given number of changes to the disk happen, and none after."""
    left = [steps]
    for name in ("rename", "claim", "unlink", "remove_empty_directory", "make_directory", "sync_directory"):
        original = getattr(disk, name)

        def step(*arguments: Path, original: object = original) -> None:
            if not left[0]:
                raise _Killed
            left[0] -= 1
            assert callable(original)
            original(*arguments)

        monkeypatch.setattr(disk, name, step)


@pytest.mark.parametrize("name", ["00000001.pkt", "two words.pkt"])
def test_claim_and_finish_survive_a_kill_at_every_step(
    inbound: Inbound, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At whatever step the process dies, the file is either in the inbound or claimed, once; and it can be finished."""
    steps = 0
    done = False
    while not done:
        _put(inbound, name)
        with monkeypatch.context() as patch:
            _killed_after(patch, steps)
            try:
                spool = Spool([inbound])
                spool.finish(*_claim_all(spool))
                done = True
            except _Killed:
                steps += 1
        after = Spool([inbound])
        after.prepare()
        waiting, claimed = after.scan().ready, after.claimed()
        assert [*(item.name for item in waiting), *(file.name for file in claimed)] in ([], [name])
        after.finish(*claimed, *after.claim(waiting))
        assert _tree(inbound.path) == {WORK_DIRECTORY}
    assert steps >= 6


def test_candidates_tell_their_path(inbound: Inbound) -> None:
    """A candidate knows where it is."""
    candidate = Candidate(inbound, "a.pkt", 1, 2.0)
    assert candidate.path == inbound.path / "a.pkt"
    assert replace(candidate, name="b.pkt").path.name == "b.pkt"


@pytest.mark.parametrize("name", ["00000001.pkt", *ODD_NAMES])
def test_files_of_a_link_on_hold(inbound: Inbound, name: str) -> None:
    """A file that waits for a link is not among the claimed, keeps its claim and its name, and comes back as it was."""
    _put(inbound, name)
    spool = Spool([inbound])
    (file,) = _claim_all(spool)
    spool.hold(file, LinkKey("..", "1337:1/100.5"))
    assert spool.claimed() == []
    assert not file.path.exists()
    again = Spool([inbound])
    again.prepare()
    (held,) = again.held()
    assert held.link == LinkKey("..", "1337:1/100.5")
    assert (held.file.claim, held.file.name, held.file.path.read_bytes()) == (file.claim, name, PACKET)
    again.unhold(held)
    assert again.held() == []
    assert again.claimed() == [file]
    again.finish(file)
    again.prepare()
    assert _tree(inbound.path) == {WORK_DIRECTORY}


def test_a_claim_is_synced_before_it_is_used(inbound: Inbound, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the sync of a claim fails it is due before the claimed files are listed, until it succeeds."""
    _put(inbound, "00000001.pkt")
    spool = Spool([inbound])
    spool.prepare()
    sync = disk.sync_directory

    def failing(path: Path) -> None:
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr(disk, "sync_directory", failing)
    with pytest.raises(OSError, match="Input/output error"):
        _claim_all(spool)
    with pytest.raises(OSError, match="Input/output error"):
        spool.claimed()
    synced: list[Path] = []

    def working(path: Path) -> None:
        synced.append(path)
        sync(path)

    monkeypatch.setattr(disk, "sync_directory", working)
    assert [file.name for file in spool.claimed()] == ["00000001.pkt"]
    assert synced == [inbound.path / WORK_DIRECTORY, inbound.path]


def test_a_work_directory_that_cannot_be_read(inbound: Inbound, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is reported, and the others are not held up."""
    _put(inbound, "00000001.pkt")
    spool = Spool([inbound])
    _claim_all(spool)

    def closed(directory: Path) -> list[Path]:
        raise PermissionError(13, "Permission denied", str(directory))

    with monkeypatch.context() as patch:
        patch.setattr("tosser.inbound.spool._listing", closed)
        assert spool.claimed() == []
        assert spool.scan().troubles == [f"{inbound.path / WORK_DIRECTORY}: Permission denied"]
    assert len(spool.claimed()) == 1
    assert spool.scan().troubles == []
