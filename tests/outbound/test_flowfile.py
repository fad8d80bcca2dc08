from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tosser.codec.flow import Directive, Flavour, FlowLine
from tosser.errors import StoreError
from tosser.outbound.flowfile import FlowFiles, absolute_paths

STEM = "000100c9"
BUNDLE = Path("/out/0000ffff.mo0")


def test_a_new_file(tmp_path: Path) -> None:
    """The first line makes the flow file, as open as its directory; nothing else remains."""
    tmp_path.chmod(0o770)
    FlowFiles(tmp_path, STEM).add(Flavour.CRASH, [BUNDLE, Path("/out/a b.pkt")])
    path = tmp_path / f"{STEM}.clo"
    assert path.read_bytes() == b"^/out/0000ffff.mo0\n^/out/a b.pkt\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert list(tmp_path.iterdir()) == [path]


def test_adding_twice(tmp_path: Path) -> None:
    """A file that is named is not named again: not by the same reader, nor by the next, nor in another flavour."""
    flows = FlowFiles(tmp_path, STEM)
    flows.add(Flavour.NORMAL, [BUNDLE])
    flows.add(Flavour.NORMAL, [BUNDLE])
    flows.add(Flavour.HOLD, [BUNDLE])
    FlowFiles(tmp_path, STEM).add(Flavour.IMMEDIATE, [BUNDLE])
    assert [path.name for path in tmp_path.iterdir()] == [f"{STEM}.flo"]
    assert (tmp_path / f"{STEM}.flo").read_bytes() == b"^/out/0000ffff.mo0\n"


def test_what_was_sent_is_not_named_again(tmp_path: Path) -> None:
    """A line that is struck out stays as it is."""
    (tmp_path / f"{STEM}.flo").write_bytes(b"~/out/0000ffff.mo0\n")
    FlowFiles(tmp_path, STEM).add(Flavour.NORMAL, [BUNDLE])
    assert (tmp_path / f"{STEM}.flo").read_bytes() == b"~/out/0000ffff.mo0\n"


@pytest.mark.parametrize(
    "debris", [b"\0" * 30, b"\0" * 3000, b"^/out/0000f", b"^/out/0000ff\0\0\0", b"^", b"^/out/0000ffff.mo0"]
)
def test_debris_of_a_power_cut(tmp_path: Path, debris: bytes) -> None:
    """What is left of a line that was being added makes room for it when it is added again."""
    (tmp_path / f"{STEM}.flo").write_bytes(b"~/out/0000fffe.mo0\n" + debris)
    FlowFiles(tmp_path, STEM).add(Flavour.NORMAL, [BUNDLE, Path("/out/b")])
    lines = (tmp_path / f"{STEM}.flo").read_bytes()
    assert sorted(lines.splitlines()) == sorted([b"~/out/0000fffe.mo0", b"^/out/0000ffff.mo0", b"^/out/b"])


@pytest.mark.parametrize("name", ["000100C9.FLO", "000100c9.Flo"])
def test_another_spelling(tmp_path: Path, name: str) -> None:
    """A flow file in capitals is used, unless there is one as we write it."""
    (tmp_path / name).write_bytes(b"^/a\r\n")
    FlowFiles(tmp_path, STEM).add(Flavour.NORMAL, [BUNDLE])
    assert (tmp_path / name).read_bytes() == b"^/a\r\n^/out/0000ffff.mo0\n"
    (tmp_path / f"{STEM}.flo").write_bytes(b"^/b\n")
    FlowFiles(tmp_path, STEM).add(Flavour.NORMAL, [Path("/out/0000ffff.mo1")])
    assert (tmp_path / f"{STEM}.flo").read_bytes() == b"^/b\n^/out/0000ffff.mo1\n"


def test_a_line_cut_off(tmp_path: Path) -> None:
    """Behind a line without an end that is not the beginning of ours a new one begins."""
    (tmp_path / f"{STEM}.flo").write_bytes(b"^/a\n^/out/0000fe")
    FlowFiles(tmp_path, STEM).add(Flavour.NORMAL, [BUNDLE])
    assert (tmp_path / f"{STEM}.flo").read_bytes() == b"^/a\n^/out/0000fe\n^/out/0000ffff.mo0\n"


def test_what_waits(tmp_path: Path) -> None:
    """Lines are told by flavour, without those that are struck out and without other systems' files."""
    (tmp_path / f"{STEM}.flo").write_bytes(b"^/a\n~/b\n#/c\n")
    (tmp_path / f"{STEM}.HLO").write_bytes(b"/d\n")
    (tmp_path / f"{STEM}.bsy").write_bytes(b"^/e\n")
    (tmp_path / "000100ca.flo").write_bytes(b"^/f\n")
    flows = FlowFiles(tmp_path, STEM)
    normal = [FlowLine(Directive.DELETE, b"/a"), FlowLine(Directive.TRUNCATE, b"/c")]
    assert flows.waiting(Flavour.NORMAL) == normal
    assert flows.waiting(Flavour.HOLD) == [FlowLine(Directive.KEEP, b"/d")]
    assert flows.waiting(Flavour.CRASH) == []
    assert sorted(line.path for line in flows.waiting()) == [b"/a", b"/c", b"/d"]
    assert flows.named() == {b"/a", b"/b", b"/c", b"/d"}


def test_absolute_paths() -> None:
    """Paths are given as the system knows them, in any bytes; relative ones are not."""
    lines = [FlowLine(Directive.DELETE, path) for path in (b"/a", b"relative", b"/\xff")]
    assert absolute_paths(lines) == [Path("/a"), Path(os.fsdecode(b"/\xff"))]


def test_paths_that_cannot_be_named(tmp_path: Path) -> None:
    """An outbound whose path ends in a blank, or has a line end in it, is told as such, and nothing is written."""
    for path in (Path("/out\n/x.mo0"), Path("/out/x ")):
        with pytest.raises(StoreError, match="cannot stand in a flow file"):
            FlowFiles(tmp_path, STEM).add(Flavour.NORMAL, [path])
    assert list(tmp_path.iterdir()) == []
