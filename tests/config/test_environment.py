from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.config.documents import load
from tosser.config.environment import Finding, check_environment, check_secrets
from tosser.config.include import read_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534


@pytest.fixture
def machine() -> Iterator[Path]:
    """A directory of the user whom permissions bind, with an inbound as it should be."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        own(path, 0o755)
        make(path / "in", 0o750)
        yield path


def own(path: Path, mode: int) -> None:
    """Give a directory to the user that `unprivileged` acts as, with a mode."""
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)
    path.chmod(mode)


def make(path: Path, mode: int) -> None:
    """Make a directory of that user."""
    path.mkdir()
    own(path, mode)


@contextmanager
def unprivileged() -> Iterator[None]:
    """Act as a user whom permissions bind; the superuser is told that everything is allowed."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if user == 0:
            os.seteuid(0)


TEXT = """\
system: {name: Test BBS, sysop: Test Sysop}
paths: {state: $/state, bases: $/bases, inbound: {secure: [$/in]}, outbound: $/out}
networks: {tqwnet: {addresses: [1337:1/200]}}
"""
"""A configuration; ``$`` stands for the directory that is the machine."""


def findings(machine: Path, tmp_path: Path, text: str = TEXT) -> list[Finding]:
    """Look at the machine; ``$`` stands for its directory in the findings too."""
    config = load(tmp_path, text.replace("$", str(machine)))
    with unprivileged():
        found = check_environment(config)
    return [Finding(each.error, each.what.replace(str(machine), "$")) for each in found]


def test_a_ready_machine_has_no_findings(machine: Path, tmp_path: Path) -> None:
    """Directories of ours need not exist where they can be made; nothing is made to find that out."""
    assert findings(machine, tmp_path) == []
    assert [path.name for path in machine.iterdir()] == ["in"]

    make(machine / "in" / ".tosser", 0o750)
    assert findings(machine, tmp_path) == []


def test_what_cannot_be_written_to_is_an_error(machine: Path, tmp_path: Path) -> None:
    """Directories that exist and those to be made are told apart; each is told once."""
    make(machine / "state", 0o500)
    make(machine / "mail", 0o500)
    own(machine / "in", 0o500)
    own(machine, 0o500)
    areas = "areas: [{tag: A}, {tag: B, path: deep/b}, {tag: C, path: ../mail/c}, {tag: D, path: ../mail/d}]\n"

    assert findings(machine, tmp_path, TEXT + areas) == [
        Finding(error=True, what="paths.state: $/state cannot be written to"),
        Finding(error=True, what="directory of message bases: $/bases cannot be made: $ cannot be written to"),
        Finding(error=True, what="directory of message bases: $/bases/deep cannot be made: $ cannot be written to"),
        Finding(error=True, what="directory of message bases: $/mail cannot be written to"),
        Finding(error=True, what="inbound $/in cannot be read and written to"),
        Finding(error=True, what="paths.outbound: $/out cannot be made: $ cannot be written to"),
    ]


def test_what_is_out_of_reach_is_an_error(machine: Path, tmp_path: Path) -> None:
    """A directory that we may not even enter hides what is in it."""
    own(machine, 0o000)

    assert findings(machine, tmp_path) == [
        Finding(error=True, what="paths.state: $/state cannot be made: $ cannot be written to"),
        Finding(error=True, what="directory of message bases: $/bases cannot be made: $ cannot be written to"),
        Finding(
            error=False, what="inbound $/in is not there, or cannot be reached, until the mailer or the sysop makes it"
        ),
        Finding(error=True, what="paths.outbound: $/out cannot be made: $ cannot be written to"),
    ]


def test_a_file_is_no_directory(machine: Path, tmp_path: Path) -> None:
    """Where a file has the name of a directory, nothing can be put."""
    for name in ("state", "out"):
        (machine / name).touch()
    (machine / "in").rmdir()
    (machine / "in").touch()

    assert findings(machine, tmp_path, TEXT.replace("$/bases", "$/state/bases")) == [
        Finding(error=True, what="paths.state: $/state is not a directory"),
        Finding(error=True, what="directory of message bases: $/state is not a directory"),
        Finding(error=True, what="inbound $/in is not a directory"),
        Finding(error=True, what="paths.outbound: $/out is not a directory"),
    ]


def test_an_inbound_that_anybody_can_write_to_is_an_error(machine: Path, tmp_path: Path) -> None:
    """Where anybody can put mail, no class of inbound means anything."""
    own(machine / "in", 0o757)

    assert findings(machine, tmp_path) == [
        Finding(error=True, what="inbound $/in is world-writable: anybody on this machine can put mail there")
    ]


@pytest.mark.parametrize("kind", ["file", "link", "locked"])
def test_the_work_directory_is_a_directory_of_ours(machine: Path, tmp_path: Path, kind: str) -> None:
    """A work directory that leads elsewhere, or that we cannot use, would lose claimed files."""
    work = machine / "in" / ".tosser"
    match kind:
        case "file":
            work.touch()
        case "link":
            work.symlink_to(machine)
        case _:
            make(work, 0o500)

    assert findings(machine, tmp_path) == [
        Finding(error=True, what="$/in/.tosser is not a directory that can be written to")
    ]


def test_links_without_an_outbound_are_a_warning(machine: Path, tmp_path: Path) -> None:
    """Mail can be received, but not sent."""
    text = TEXT.replace(", outbound: $/out", "") + "links: [{address: 1337:1/100}]\n"

    assert findings(machine, tmp_path, text) == [
        Finding(error=False, what="there are links and no paths.outbound: nothing can be sent to them")
    ]


def test_an_outbound_that_is_not_there_is_a_warning(machine: Path, tmp_path: Path) -> None:
    """A path with a slip in it would be made, and no mailer would look there."""
    text = TEXT + "links: [{address: 1337:1/100}]\n"

    assert findings(machine, tmp_path, text) == [
        Finding(
            error=False, what="paths.outbound: $/out is not there and will be made; it has to be where the mailer looks"
        )
    ]
    make(machine / "out", 0o750)
    assert findings(machine, tmp_path, text) == []


def test_a_missing_archiver_is_a_warning(machine: Path, tmp_path: Path) -> None:
    """Only bundles of its formats will be set aside."""
    archivers = "archivers: {a: {formats: [lzh], unpack: [sh, '{archive}'], pack: [no-such-packer, '{archive}']}}\n"

    assert findings(machine, tmp_path, TEXT + archivers) == [
        Finding(error=False, what="archiver a: there is no program no-such-packer")
    ]


def test_a_missing_robot_or_hook_is_a_warning(machine: Path, tmp_path: Path) -> None:
    """Mail for it would only be kept; what is built in needs no program."""
    robots = "netmail: {robots: {PING: ping, Weather: {command: [no-such-robot]}, Here: {command: [sh]}}}\n"
    hooks = "hooks: {news: {command: [no-such-hook, -v]}, web: {url: 'http://127.0.0.1/'}}\n"

    assert findings(machine, tmp_path, TEXT + robots + hooks) == [
        Finding(error=False, what="robot Weather: there is no program no-such-robot"),
        Finding(error=False, what="hook news: there is no program no-such-hook"),
    ]


def test_certificates_have_to_be_readable(machine: Path, tmp_path: Path) -> None:
    """A missing certificate would keep the broker out of reach."""
    (machine / "ca.pem").touch(mode=0o644)
    mqtt = "mqtt: {url: mqtts://broker, tls: {ca: $/ca.pem, cert: $/cert.pem, key: $/key.pem}}\n"

    assert findings(machine, tmp_path, TEXT + mqtt) == [
        Finding(error=True, what="mqtt.tls.cert: $/cert.pem cannot be read"),
        Finding(error=True, what="mqtt.tls.key: $/key.pem cannot be read"),
    ]


SECRETS = """\
include: more.yaml
system: {name: Test BBS, sysop: Test Sysop}
paths: {state: state, bases: bases, inbound: {secure: [in]}}
networks: {tqwnet: {addresses: [1337:1/200]}}
links:
  - {address: 1337:1/201, packet_password: !env SECRET}
  - {address: 1337:1/202, packet_password: ""}
hooks: {one: {url: "http://127.0.0.1/", headers: {Authorization: !file secret}}}
mqtt: {url: mqtt://127.0.0.1, username: test, password: !env SECRET}
"""
MORE = """\
links:
  - {address: 1337:1/203, areafix: {password: WRITTEN}, same_system_as: 1337:1/201}
  - {address: 1337:1/204, packet_password: WRITTEN}
areas:
  - {tag: TEST, links: [1337:1/201, {address: 1337:1/203, write: false}]}
netmail: {robots: {PING: ping}}
"""


@pytest.mark.parametrize(("mode", "told"), [(0o644, True), (0o604, True), (0o640, False), (0o600, False)])
def test_passwords_that_anybody_may_read(tmp_path: Path, mode: int, *, told: bool) -> None:
    """A file that everybody may read is told of if a password stands in it; secrets from elsewhere do not count."""
    (tmp_path / "secret").write_text("ELSEWHERE")
    (tmp_path / "more.yaml").write_text(MORE)
    (tmp_path / "more.yaml").chmod(mode)
    config = load(tmp_path, SECRETS, {"SECRET": "S3CRET"})
    (tmp_path / "tosser.yaml").chmod(0o644)
    root = read_tree(tmp_path / "tosser.yaml", {"SECRET": "S3CRET"}).root
    assert root is not None
    what = f"{tmp_path}/more.yaml can be read by everybody, and there is a password in line 2"
    assert check_secrets(config, root) == ([Finding(error=False, what=what)] if told else [])
