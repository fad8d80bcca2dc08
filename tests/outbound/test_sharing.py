from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from tosser.outbound.sharing import file_mode, make_shared

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def umask(value: int) -> Iterator[None]:
    """Work under a umask."""
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An outbound for a group, as the tmpfiles configuration makes it."""
    path = tmp_path / "out"
    path.mkdir()
    path.chmod(0o2770)
    tmp_path.chmod(0o2770)
    return path


def mode_of(path: Path) -> int:
    """Give the permissions of a file or directory."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mask", [0o007, 0o022, 0o077])
def test_directories_are_as_open_as_the_outbound(root: Path, mask: int) -> None:
    """What is made beside and below the outbound has its mode, whatever our umask."""
    made = root.with_name("out.015") / "000100c8.pnt"
    with umask(mask):
        make_shared(made, root)

    assert (mode_of(made), mode_of(made.parent)) == (0o2770, 0o2770)


def test_the_sandbox_of_the_unit_suffices(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the umask of the unit no mode is set afterwards: its sandbox refuses modes with the set-group-ID bit."""

    def refuse(_path: Path, _mode: int) -> NoReturn:
        raise PermissionError

    monkeypatch.setattr(Path, "chmod", refuse)
    with umask(0o007):
        make_shared(root.with_name("out.015"), root)

    assert mode_of(root.with_name("out.015")) == 0o2770


def test_files_may_be_changed_by_those_who_share_the_directory(root: Path) -> None:
    """The mode of files is that of the directory without what only directories have."""
    assert file_mode(root) == 0o660
