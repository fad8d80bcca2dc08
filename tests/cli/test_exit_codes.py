"""What commands end with: 0 done, 1 failed, 2 usage, 3 bad configuration, 4 done but something was set aside."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cli.looking import tosser
from tests.mail import message, packet
from tests.peers.daemon import BAD_CONFIGURATION, DONE, FAILED, SET_ASIDE, USAGE
from tosser import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.daemon import Node


@pytest.mark.parametrize(
    "words",
    [
        ("no-such-command",),
        ("--no-such-option",),
        ("toss", "--no-such-option"),
        ("toss", "superfluous"),
        ("area", "no-such-command"),
        ("quarantine", "show"),
        ("quarantine", "retry"),
        ("explain",),
        ("packet", "show"),
        ("post",),
        ("post", "--area", "TQW_TECH", "--dest", "1337:1/100"),
        ("demo", "--seconds", "soon"),
    ],
    ids=" ".join,
)
def test_usage(tmp_path: Path, words: tuple[str, ...]) -> None:
    """What is not a command, or lacks something, is told on standard error, before any configuration is looked for."""
    result = tosser(tmp_path, *words)
    assert result.code == USAGE
    assert result.stdout == ""
    assert "Usage: tosser" in result.stderr


def test_version_and_help(tmp_path: Path) -> None:
    """Both work without a configuration."""
    version = tosser(tmp_path, "--version")
    assert (version.code, version.stdout) == (DONE, f"tosser {__version__}\n")
    for option in ("--help", "-h"):
        told = tosser(tmp_path, option)
        assert told.code == DONE
        assert "quarantine" in told.stdout


def test_no_configuration(tmp_path: Path) -> None:
    """Without a configuration there is nothing to do."""
    result = tosser(tmp_path, "--config", "nowhere.yaml", "status")
    assert result.code == BAD_CONFIGURATION
    assert result.stderr == "nowhere.yaml: there is no such file; --config names it\n"


def test_toss(system: Node) -> None:
    """A toss ends with 0 when all is well, also with nothing to do, and with 4 when something was set aside."""
    empty = system.run("toss")
    assert (empty.code, empty.stdout) == (DONE, "files: none; messages: none; set aside: 0\n")
    system.deliver(packet([message("TQW_GEN")]))
    done = system.run("toss", "--json")
    assert done.code == DONE
    assert (done.json["files"], done.json["messages"]) == ({"tossed": 1}, {"accepted": 1})
    assert (done.json["set_aside"], done.json["trouble"]) == (0, "")
    system.deliver(packet([message("TQW_GEN", number=2)]), "00000002.pkt")
    system.deliver(b"no packet at all, whatever its name says", "00000003.pkt")
    aside = system.run("toss")
    assert aside.code == SET_ASIDE
    assert aside.stdout == "files: 1 quarantined, 1 tossed; messages: 1 accepted; set aside: 1\n"
    assert system.run("toss").code == DONE
    assert system.run("status").code == SET_ASIDE
    assert system.run("quarantine", "list").code == DONE


def test_a_state_that_cannot_be_used(system: Node) -> None:
    """A state directory that is a file, or a database that is none, ends with 1 and a sentence."""
    system.state.write_text("")
    result = system.toss()
    assert result.code == FAILED
    assert result.stderr.splitlines()[-1].startswith(f"tosser: {system.state}")
    system.state.unlink()
    system.state.mkdir()
    (system.state / "tosser.db").write_bytes(b"This is no database." * 1000)
    for command in ("toss", "status", "run"):
        result = system.run(command)
        assert result.code == FAILED, command
        assert result.stderr.splitlines()[-1].startswith(f"tosser: {system.state / 'tosser.db'}: ")
        assert "Traceback" not in result.stderr


def test_a_reader_that_has_seen_enough(system: Node) -> None:
    """When whoever reads the output goes away the command ends quietly with 1."""
    with subprocess.Popen(
        [*system.command("quarantine", "reasons")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=system.root
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()
    assert process.returncode == FAILED
    assert errors == b""
