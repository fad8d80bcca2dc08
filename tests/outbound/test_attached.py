"""Taking a file out of an inbound: from any file system, once, whatever happens in between."""

from __future__ import annotations

import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tosser.outbound.staging import Staging

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of our own is made in it
NAME = "0123-0-1-0/GAME.ZIP"


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    """An outbound that is open to its group."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out").chmod(0o770)
    staging = Staging(tmp_path / "out")
    staging.prepare()
    return staging


@pytest.fixture(params=["here", "elsewhere"])
def inbound(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """An inbound with its work directory, on the outbound's file system or on another one."""
    with tempfile.TemporaryDirectory(dir=MEMORY if request.param == "elsewhere" else tmp_path) as name:
        (Path(name) / ".tosser").mkdir()
        yield Path(name)


def adopt(staging: Staging, inbound: Path) -> int:
    """Take the file out of the inbound."""
    return staging.adopt(inbound / "GAME.ZIP", inbound / ".tosser" / "attached-0123-0-1-0", NAME)


def test_adopting(staging: Staging, inbound: Path, tmp_path: Path) -> None:
    """The file leaves the inbound and is where the mailer may read and delete it; doing it again changes nothing."""
    (inbound / "GAME.ZIP").write_bytes(b"a game")
    assert adopt(staging, inbound) == len(b"a game")
    (inbound / "GAME.ZIP").write_bytes(b"another game of the same name")
    assert adopt(staging, inbound) == len(b"a game")
    path = staging.file_path(NAME)
    assert path.read_bytes() == b"a game"
    assert path.is_relative_to(tmp_path / "out")
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o770
    assert [each.name for each in inbound.rglob("*") if each.is_file()] == ["GAME.ZIP"]


def test_claimed_before(staging: Staging, inbound: Path) -> None:
    """What was claimed by a process that died then is the file that is meant, not one that came since."""
    (inbound / ".tosser" / "attached-0123-0-1-0").write_bytes(b"a game")
    (inbound / "GAME.ZIP").write_bytes(b"another game")
    assert adopt(staging, inbound) == len(b"a game")
    assert (inbound / "GAME.ZIP").read_bytes() == b"another game"


def test_copied_before(staging: Staging, inbound: Path) -> None:
    """A claimed file that is in its place already is removed where it was."""
    staging.file_path(NAME).parent.mkdir(parents=True)
    staging.file_path(NAME).write_bytes(b"a game")
    (inbound / ".tosser" / "attached-0123-0-1-0").write_bytes(b"a game")
    assert adopt(staging, inbound) == len(b"a game")
    assert list((inbound / ".tosser").iterdir()) == []


def test_gone(staging: Staging, inbound: Path) -> None:
    """A file that somebody removed is told by its size, and nothing is made of it."""
    assert adopt(staging, inbound) == 0
    assert not staging.file_path(NAME).exists()


def test_empty_directories_go(staging: Staging, inbound: Path) -> None:
    """When the mailer has sent a file, the next start removes its directory, and no other."""
    (inbound / "GAME.ZIP").write_bytes(b"a game")
    adopt(staging, inbound)
    staging.prepare()
    assert staging.file_path(NAME).exists()
    staging.file_path(NAME).unlink()
    staging.prepare()
    assert not staging.file_path(NAME).parent.exists()
