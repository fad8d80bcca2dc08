from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.inbound.bundles import BUNDLE, LIMITS, PACKET, contents, refused
from tests.mail import packed, packet
from tosser import limited
from tosser.codec.bundle import ArchiveType
from tosser.inbound.unpack import Archiver, open_members
from tosser.reason import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.inbound.bundles import Place
    from tosser.inbound.unpack import ArchiveLimits

SECOND = packet([packed(b"AREA:TQW_GEN\rAnother\r")])
UNAR = Archiver("unar", ("unar", "-quiet", "-force-overwrite", "-output-directory", "{directory}", "{archive}"), 30.0)
SEVENZIP = Archiver("7z", ("7z", "e", "-y", "-o{directory}", "{archive}"), 30.0)
ARCHIVERS = {
    ArchiveType.ARJ: Archiver("arj", ("arj", "e", "-y", "{archive}"), 30.0),
    ArchiveType.LZH: SEVENZIP,
    ArchiveType.ARC: Archiver("arc", ("arc", "e", "{archive}"), 30.0),
    ArchiveType.SEVENZIP: SEVENZIP,
}
PACKERS = {
    ArchiveType.ARJ: ("arj", "a", "-y", "../out.arj"),
    ArchiveType.LZH: ("jlha", "aq", "../out.lzh"),
    ArchiveType.ARC: ("arc", "a", "../out.arc"),
    ArchiveType.SEVENZIP: ("7z", "a", "-bd", "../out.7z"),
}
ARC_HEAD = b"\x1a\x08A.PKT\x00" + bytes(100)
"""Enough for a file to be taken for an ARC file."""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Three files to pack."""
    directory = tmp_path / "files"
    directory.mkdir()
    (directory / "b.pkt").write_bytes(SECOND)
    (directory / "a.pkt").write_bytes(PACKET)
    (directory / "readme.txt").write_bytes(b"Greetings\r\n")
    return directory


def _pack(directory: Path, command: Sequence[str], names: Sequence[str]) -> bytes:
    """Have a real packer pack some files of a directory."""
    subprocess.run([*command, *names], cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    [out] = directory.parent.glob("out.*")
    return out.read_bytes()


@pytest.mark.parametrize(
    ("kind", "archiver"),
    [
        *ARCHIVERS.items(),
        (ArchiveType.ARJ, UNAR),
        (ArchiveType.LZH, UNAR),
        (ArchiveType.SEVENZIP, UNAR),
        (ArchiveType.ARJ, SEVENZIP),
        (ArchiveType.LZH, Archiver("lha", ("lhasa", "eiq", "{archive}"), 30.0)),
        (ArchiveType.ARC, Archiver("nomarch", ("nomarch", "-U", "{archive}"), 30.0)),
    ],
    ids=str,
)
def test_real_archives(place: Place, files: Path, kind: ArchiveType, archiver: Archiver) -> None:
    """Archives of the real packers are unpacked by the real programs, and give the packets by name."""
    path = place(_pack(files, PACKERS[kind], ["b.pkt", "a.pkt", "readme.txt"]))
    found = contents(path, archivers={kind: archiver})
    assert [(name.lower(), problem, data) for name, problem, data in found] == [
        ("a.pkt", None, PACKET),
        ("b.pkt", None, SECOND),
        ("readme.txt", Reason.NOT_A_PACKET, b"Greetings\r\n"),
    ]


@pytest.mark.parametrize("kind", PACKERS)
def test_a_damaged_archive(place: Place, files: Path, kind: ArchiveType) -> None:
    """A program that fails on a damaged archive refuses it whole, with what the program said."""
    data = bytearray(_pack(files, PACKERS[kind], ["b.pkt", "a.pkt"]))
    at = 40 if kind is ArchiveType.SEVENZIP else len(data) - 40
    data[at : at + 8] = bytes(byte ^ 0xFF for byte in data[at : at + 8])
    with refused(Reason.ARCHIVE_TOOL, "ended with status"):
        contents(place(bytes(data)), archivers=ARCHIVERS)


@pytest.mark.parametrize(
    ("kind", "option"), [(ArchiveType.ARJ, "-gsecret"), (ArchiveType.SEVENZIP, "-psecret")], ids=["arj", "7z"]
)
def test_an_encrypted_archive(place: Place, files: Path, kind: ArchiveType, option: str) -> None:
    """A program that wants a password gets none, and does not wait for one."""
    path = place(_pack(files, (*PACKERS[kind], option), ["a.pkt"]))
    with refused(Reason.ARCHIVE_TOOL):
        contents(path, archivers=ARCHIVERS)


def test_a_nested_archive(place: Place, files: Path) -> None:
    """An archive in a foreign archive is told as such."""
    shutil.copy(files / "a.pkt", files / "inner.pkt")
    (files / "inner.mo0").write_bytes(_pack(files, ("zip", "-q", "../out.zip"), ["inner.pkt"]))
    (files.parent / "out.zip").unlink()
    path = place(_pack(files, PACKERS[ArchiveType.ARJ], ["a.pkt", "inner.mo0"]))
    found = contents(path, archivers=ARCHIVERS)
    assert [(name.lower(), problem) for name, problem, _ in found] == [
        ("a.pkt", None),
        ("inner.mo0", Reason.ARCHIVE_NESTED),
    ]


def _script(tmp_path: Path, text: str, *arguments: str, timeout: float = 30.0) -> dict[ArchiveType, Archiver]:
    """Make an archiver of a shell script."""
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    return {ArchiveType.ARC: Archiver("script", (str(program), *arguments), timeout)}


def _run(place: Place, archivers: dict[ArchiveType, Archiver], limits: ArchiveLimits = LIMITS) -> list[str]:
    return [name for name, _, _ in contents(place(ARC_HEAD), limits=limits, archivers=archivers)]


def test_a_program_that_is_not_installed(place: Place) -> None:
    """A missing program is told by its name."""
    missing = {ArchiveType.ARC: Archiver("arc", ("no-such-arc-program", "{archive}"), 5.0)}
    with refused(Reason.ARCHIVE_UNKNOWN, "no-such-arc-program"):
        _run(place, missing)


@pytest.mark.parametrize(("before", "limit", "told"), [("9000", "10000", "9000\n"), ("9000", "8000", "8000\n")])
def test_limits_that_are_lower_already(before: str, limit: str, told: str) -> None:
    """A process whose own limits are lower, and may not be raised, can still start a program."""
    launcher = shlex.join([sys.executable, limited.__file__, limit, "1000000", "4000000000", "sh", "-c", "ulimit -t"])
    command = ["sh", "-c", f"ulimit -t {before}; exec {launcher}"]
    assert subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout == told


def test_what_a_program_is_given(place: Place, tmp_path: Path) -> None:
    """It gets the paths as single arguments whatever is in them, no input, no terminal, and few variables."""
    report = tmp_path / "report"
    archivers = _script(
        tmp_path,
        f'{{ printf "%s\\n" "$@" "$PWD"; cat; tty; env | cut -d= -f1 | sort; ulimit -c; }} > "{report}" 2>&1\n'
        f'echo x > a.pkt; cat "$1" > {tmp_path}/copy',
        "{archive}", "x{directory}/$HOME;{archive}", "{other}",
    )  # fmt: skip
    path = place(ARC_HEAD)
    assert _run(place, archivers) == ["a.pkt"]
    archive, mixed, other, directory, *rest = report.read_text().splitlines()
    assert re.fullmatch(r"\.\./[0-9a-f]{16}\.arc", archive)
    assert mixed == f"x{directory}/$HOME;{archive}"
    assert other == "{other}"
    assert Path(directory).is_relative_to(path.parent)
    assert (tmp_path / "copy").read_bytes() == ARC_HEAD
    assert rest == ["not a tty", "HOME", "LC_ALL", "PATH", "PWD", "0"]


def test_a_program_that_fails(place: Place, tmp_path: Path) -> None:
    """What it unpacked before it failed is not used, and the end of its output is told."""
    archivers = _script(tmp_path, f"cp {tmp_path}/program a.pkt; yes noise | head -n 100000; echo CRC failed; exit 3")
    with refused(Reason.ARCHIVE_TOOL, r"status 3: .*noise\\nCRC failed'$"):
        _run(place, archivers)


def test_a_program_that_finds_nothing(place: Place, tmp_path: Path) -> None:
    """A program that reports success and unpacked nothing is not believed."""
    with refused(Reason.ARCHIVE_TOOL, "found nothing"):
        _run(place, _script(tmp_path, "mkdir empty"))


def test_a_program_that_dies(place: Place, tmp_path: Path) -> None:
    """A crash of the program is told by its signal."""
    with refused(Reason.ARCHIVE_TOOL, "signal 11"):
        _run(place, _script(tmp_path, "kill -SEGV $$"))


def _gone(pid_file: Path) -> bool:
    """Wait until the process is dead, reaped or not."""
    process = Path("/proc") / pid_file.read_text().strip() / "stat"
    for _ in range(500):
        if not process.exists() or process.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize(
    "text", ["trap '' TERM INT HUP; sleep 1000", "while :; do :; done", "yes", "read line; sleep 99"]
)
def test_a_program_that_does_not_end(place: Place, tmp_path: Path, text: str) -> None:
    """A program that hangs, spins or talks for ever is killed with its children."""
    pid = tmp_path / "pid"
    archivers = _script(tmp_path, f"sleep 1000 & echo $! > {pid}; {text}", timeout=0.5)
    with refused(Reason.ARCHIVE_TOOL, "did not end within 0.5 seconds"):
        _run(place, archivers)
    assert _gone(pid)


def test_children_that_stay_behind(place: Place, tmp_path: Path) -> None:
    """A child that outlives its program, and still holds its output, is not waited for but killed."""
    pid = tmp_path / "pid"
    archivers = _script(tmp_path, f"sleep 1000 & echo $! > {pid}; echo done; echo x > a.pkt")
    assert _run(place, archivers) == ["a.pkt"]
    assert _gone(pid)


def test_a_program_that_closes_its_output(place: Place, tmp_path: Path) -> None:
    """Closing its output is not the program's end."""
    archivers = _script(tmp_path, "exec >&- 2>&-; sleep 0.3; echo x > a.pkt")
    assert _run(place, archivers) == ["a.pkt"]


def test_a_program_that_writes_a_huge_file(place: Place, tmp_path: Path) -> None:
    """No file can be larger than the limit of a member."""
    with refused(Reason.ARCHIVE_TOOL, "signal 25"):
        _run(place, _script(tmp_path, "exec head -c 300000 /dev/zero > a.pkt"))


def test_a_program_that_fills_the_disk_with_files(place: Place, tmp_path: Path) -> None:
    """Many files are noticed while the program still runs, long before it would have ended."""
    text = "i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo x > $i.pkt; done; sleep 1000"
    with refused(Reason.ARCHIVE_LIMITS):
        _run(place, _script(tmp_path, text))
    text = "for i in 1 2 3 4 5 6; do head -c 100000 /dev/zero > $i.pkt; done; sleep 1000"
    with refused(Reason.ARCHIVE_LIMITS):
        _run(place, _script(tmp_path, text))


def test_limits_count_at_the_end_too(place: Place, tmp_path: Path) -> None:
    """What a fast program left is counted once more."""
    text = "for i in 1 2 3 4 5 6; do head -c 100000 /dev/zero > $i.pkt; done"
    with refused(Reason.ARCHIVE_LIMITS):
        _run(place, _script(tmp_path, text))
    assert len(_run(place, _script(tmp_path, text), replace(LIMITS, total_bytes=600_000))) == 6


@pytest.mark.parametrize(
    "text",
    [
        "ln -s /etc/passwd a.pkt",
        "ln -s / directory",
        "ln $0 a.pkt",
        "mkfifo a.pkt",
        "mkdir -p x; ln -s ../a.pkt x/b.pkt",
    ],
)
def test_a_program_that_leaves_links(place: Place, tmp_path: Path, text: str) -> None:
    """Links of either kind and special files are never opened; one is enough to refuse the bundle."""
    with refused(Reason.ARCHIVE_UNSAFE, "link or a special file"):
        _run(place, _script(tmp_path, f"echo x > good.pkt; {text}"))


@pytest.mark.parametrize(
    "target", ["..", "../..", "../../../x.pkt", "../../../../../../../x", "../../../../../../../../x"]
)
def test_a_program_that_follows_dots(place: Place, tmp_path: Path, target: str) -> None:
    """A program that unpacks above its directory stays inside the scratch directory, and is found out."""
    path = target if target.endswith(("x", ".pkt")) else f"{target}/a.pkt"
    with refused(Reason.ARCHIVE_UNSAFE, "outside of its directory"):
        _run(place, _script(tmp_path, f"echo x > {path}"))


def test_awkward_directories(place: Place, tmp_path: Path) -> None:
    """Packets are found in any directory, also one that cannot be read; names are no paths."""
    text = "mkdir -p a/b 'c d'; echo 1 > a/b/1.pkt; echo 2 > 'c d/2\\..\\x.pkt'; chmod 0 a/b/1.pkt a/b 'c d'"
    assert _run(place, _script(tmp_path, text)) == ["1.pkt", "x.pkt"]


def test_directories_without_end(place: Place, tmp_path: Path) -> None:
    """Directories too deep for the system's paths are refused, and removed all the same."""
    name = "d" * 200
    text = f"i=0; while [ $i -lt 60 ]; do i=$((i+1)); mkdir {name}; cd -P {name}; done; echo x > a.pkt"
    with refused(Reason.ARCHIVE_LIMITS, "deep"):
        _run(place, _script(tmp_path, text))


def test_a_member_that_is_exchanged(place: Place, tmp_path: Path) -> None:
    """A member is opened by its file, never through a link that has taken its place."""
    path = place(ARC_HEAD)
    archivers = _script(tmp_path, "echo x > a.pkt")
    with open_members(path, BUNDLE, LIMITS, archivers) as [member]:
        [file] = path.parent.rglob("a.pkt")
        file.unlink()
        file.symlink_to("/etc/passwd")
        with pytest.raises(OSError, match="symbolic link"):
            member.open()


def test_scratch_outside_of_an_inbound(tmp_path: Path) -> None:
    """A file that was not claimed is unpacked where temporary files are, and nothing is left beside it."""
    path = tmp_path / BUNDLE
    path.write_bytes(ARC_HEAD)
    archivers = _script(tmp_path, 'echo "$PWD" > where.txt')
    [(_, _, where)] = contents(path, archivers=archivers)
    assert not Path(where.decode().strip()).is_relative_to(tmp_path)
    assert not Path(where.decode().strip()).exists()
    assert sorted(tmp_path.iterdir()) == [path, tmp_path / "program"]
