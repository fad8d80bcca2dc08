from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tosser.inbound import mounts
from tosser.inbound.mounts import file_system_type, is_remote

if TYPE_CHECKING:
    from pathlib import Path

MOUNTS = rb"""/dev/sda1 / ext4 rw 0 0
proc /proc proc rw 0 0
nas:/ftn /srv/ftn nfs4 rw,vers=4.2 0 0
/dev/sdb1 /srv/ftn/local xfs rw 0 0
//nas/share /mnt/two\040words cifs rw 0 0
user@host:/ /srv/ftn2 fuse.sshfs rw 0 0
tmpfs /srv/twice tmpfs rw 0 0
nas:/x /srv/twice nfs rw 0 0
broken
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (b"/var/spool/ftn", "ext4"),
        (b"/", "ext4"),
        (b"/srv/ftn", "nfs4"),
        (b"/srv/ftn/in", "nfs4"),
        (b"/srv/ftn/local/in", "xfs"),
        (b"/srv/ftn3", "ext4"),
        (b"/srv/ftn2/in", "fuse.sshfs"),
        (b"/mnt/two words/in", "cifs"),
        (b"/mnt/two", "ext4"),
        (b"/srv/twice", "nfs"),
    ],
)
def test_the_innermost_mount_counts(path: bytes, kind: str) -> None:
    """The longest mount point above a path tells its file system; of two on one point, the later."""
    assert file_system_type(path, MOUNTS) == kind


def test_no_mounts_tell_nothing() -> None:
    """Without a table the type is unknown."""
    assert file_system_type(b"/srv", b"") == ""


def test_a_temporary_directory_is_local(tmp_path: Path) -> None:
    """The directories of this test run are on no network."""
    assert not is_remote(tmp_path)
    assert not is_remote(tmp_path / "not there yet")


def test_without_a_table_all_is_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that does not tell its mounts has none on the network."""
    monkeypatch.setattr(mounts, "_MOUNTS", tmp_path / "none")
    assert not is_remote(tmp_path)


def test_the_table_of_this_machine_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory is remote if the table says so, also through a link."""
    table = tmp_path / "mounts"
    table.write_text(f"nas:/x {tmp_path}/nas nfs4 rw 0 0\n")
    monkeypatch.setattr(mounts, "_MOUNTS", table)
    (tmp_path / "nas" / "in").mkdir(parents=True)
    (tmp_path / "link").symlink_to("nas/in")
    assert is_remote(tmp_path / "link")
    assert not is_remote(tmp_path)
