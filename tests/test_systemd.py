"""The unit and its companions, judged by systemd's own programs. None of them needs a running systemd, or root."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.peers.programs import require

SYSTEMD = Path(__file__).parent.parent / "systemd"
UNIT = SYSTEMD / "tosser.service"
SYSUSERS = SYSTEMD / "tosser.sysusers.conf"
TMPFILES = SYSTEMD / "tosser.tmpfiles.conf"


def run(*command: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run one of systemd's programs."""
    program = require(command[0], "systemd")
    return subprocess.run([program, *command[1:]], input=stdin, capture_output=True, text=True, check=False, timeout=60)


def settings(name: str) -> list[str]:
    """Return the values a setting has in the unit, in order."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text("utf-8"), re.MULTILINE)


def rows(path: Path) -> list[list[str]]:
    """Return the columns of a sysusers or tmpfiles configuration."""
    return [line.split() for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#")]


@pytest.fixture
def installed_unit(tmp_path: Path) -> Path:
    """The unit as on a machine where its program exists."""
    path = tmp_path / UNIT.name
    path.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text("utf-8"), flags=re.MULTILINE))
    return path


def test_unit_is_free_of_mistakes(installed_unit: Path) -> None:
    """The service manager knows every section, setting and value, and has nothing to remark."""
    done = run("systemd-analyze", "verify", "--man=no", str(installed_unit))

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_unit_is_sandboxed(installed_unit: Path) -> None:
    """The measure of exposure is at most 2.0 of 10."""
    done = run("systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", str(installed_unit))

    assert done.returncode == 0, done.stdout
    assert "Overall exposure level" in done.stdout


def test_user_and_group_of_the_unit_are_created(tmp_path: Path) -> None:
    """The sysusers file makes the group ftn and the user tosser in it: what the unit runs as."""
    done = run("systemd-sysusers", f"--root={tmp_path}", "--dry-run", "-", stdin=SYSUSERS.read_text("utf-8"))

    assert done.returncode == 0, done.stderr
    assert re.search(r"^Creating group 'ftn'", done.stderr, re.MULTILINE)
    assert re.search(r"^Creating user 'tosser' \(FTN tosser\)", done.stderr, re.MULTILINE)
    assert ["m", "tosser", "ftn"] in rows(SYSUSERS)
    assert (settings("User"), settings("Group"), settings("SupplementaryGroups")) == (["tosser"], ["ftn"], ["tosser"])


def test_spool_directories_are_created_for_mailer_and_tosser(tmp_path: Path) -> None:
    """The tmpfiles file makes a spool both can work in, and hides the configuration from others."""
    ours = [[*row[:3], str(os.getuid()), str(os.getgid()), *row[5:]] for row in rows(TMPFILES)]
    text = "".join(f"{' '.join(row)}\n" for row in ours)

    done = run("systemd-tmpfiles", f"--root={tmp_path}", "--create", "-", stdin=text)

    assert (done.returncode, done.stderr) == (0, "")
    made = {path.relative_to(tmp_path).as_posix(): path.stat().st_mode & 0o7777 for path in tmp_path.rglob("*/*")}
    spool = {f"var/spool/ftn{name}": 0o2770 for name in ("", "/in", "/in.secure", "/in.local", "/out")}
    assert made.items() >= (spool | {"etc/tosser": 0o750, "var/lib/tosser": 0o750}).items()
    assert {(row[3], row[4]) for row in rows(TMPFILES)} == {("tosser", "ftn"), ("root", "tosser")}


def test_the_service_may_write_where_the_example_puts_mail() -> None:
    """Each directory made for the spool lies below a path that the sandbox leaves writable."""
    (writable,) = (Path(value.removeprefix("-")) for value in settings("ReadWritePaths"))
    spool = [Path(row[1]) for row in rows(TMPFILES) if row[1].startswith("/var/spool")]

    assert [path for path in spool if not path.is_relative_to(writable)] == []


def test_wrong_configuration_is_not_tried_again() -> None:
    """A restart cannot mend a wrong command line (2) or a wrong configuration (3)."""
    assert settings("RestartPreventExitStatus") == ["2 3"]
