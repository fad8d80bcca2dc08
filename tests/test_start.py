"""How a command starts: the usual tosses have a way of their own, which makes no difference but in time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.mail import message, packet
from tests.peers.daemon import BAD_CONFIGURATION, COMMAND_SECONDS, DONE, FAILED, SET_ASIDE
from tests.peers.programs import require, require_own
from tosser.__main__ import QuickToss, understand

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.peers.daemon import Node

FILE = Path("tosser.yaml")
START = "import sys; import tosser.__main__ as start; sys.argv = ['tosser', '--config', {config!r}, 'toss']\n"


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("toss", QuickToss(None, link=False, as_json=False)),
        ("toss --json", QuickToss(None, link=False, as_json=True)),
        ("-c tosser.yaml toss", QuickToss(FILE, link=False, as_json=False)),
        ("--config tosser.yaml toss --json --link", QuickToss(FILE, link=True, as_json=True)),
        ("--config toss toss", QuickToss(Path("toss"), link=False, as_json=False)),
        ("", None),
        ("toss --help", None),
        ("toss toss", None),
        ("toss --config tosser.yaml", None),
        ("--config", None),
        ("--config toss", None),
        ("--config=tosser.yaml toss", None),
        ("--version toss", None),
        ("trace toss", None),
    ],
)
def test_usual_tosses(line: str, meaning: QuickToss | None) -> None:
    """The usual forms of a toss are understood; all other lines are left to what understands every line."""
    assert understand(line.split()) == meaning


def nothing(_node: Node) -> None:
    """There is nothing to toss."""


def mail(node: Node) -> None:
    """A packet, and what is none."""
    node.deliver(packet([message("TQW_GEN")]))
    node.deliver(b"no packet at all, whatever its name says", "00000002.pkt")


def mistakes(node: Node) -> None:
    """The configuration has two mistakes."""
    node.config.write_text(node.config.read_text(encoding="utf-8") + "nonsense: 1\nmore: 2\n", encoding="utf-8")


@pytest.mark.parametrize("processors", ["all", "one"])
@pytest.mark.parametrize(("prepare", "code"), [(nothing, DONE), (mail, SET_ASIDE), (mistakes, BAD_CONFIGURATION)])
def test_both_ways(system: Node, processors: str, prepare: Callable[[Node], None], code: int) -> None:
    """With several processors, where a helper reads the configuration, and with one, a toss says and does the same."""
    prepare(system)
    pinned = [require("taskset", "util-linux"), "-c", str(min(os.sched_getaffinity(0)))]
    done = subprocess.run(
        [*(pinned if processors == "one" else []), require_own("tosser"), "--config", system.config, "toss"],
        capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS, cwd=system.root,
    )  # fmt: skip

    assert done.returncode == code
    told = done.stderr if prepare is mistakes else done.stdout
    assert (
        told
        == {
            nothing: "files: none; messages: none; set aside: 0\n",
            mail: "files: 1 quarantined, 1 tossed; messages: 1 accepted; set aside: 1\n",
            mistakes: "".join(
                f"{system.config}:{number}:1 {key}: unknown key {key!r}\n"
                for number, key in enumerate(
                    ("nonsense", "more"), system.config.read_text(encoding="utf-8").count("\n") - 1
                )
            ),
        }[prepare]
    )


def started(node: Node, program: str) -> subprocess.CompletedProcess[str]:
    """Run a program that tosses, with what it does before or after that."""
    return subprocess.run(
        [sys.executable, "-c", START.format(config=str(node.config)) + program],
        capture_output=True, text=True, check=True, timeout=COMMAND_SECONDS, cwd=node.root,
    )  # fmt: skip


def test_a_helper_that_fails(system: Node) -> None:
    """Where the helper cannot read the configuration, that is told, and it is read without it."""
    system.deliver(packet([message("TQW_GEN")]))
    done = started(
        system,
        "import os; start.take_snapshot = os.getpid; start.os.sched_getaffinity = lambda _: {0, 1}\nstart.main()",
    )
    assert done.stdout == "files: 1 tossed; messages: 1 accepted; set aside: 0\n"
    assert "tosser: the configuration is read without the helper: Traceback" in done.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", ["toss", "status"])
def test_closed_streams(system: Node, closed: str, command: str) -> None:
    """A command that is started without standard streams does what it does with them, and prints into no other file."""
    system.deliver(packet([message("TQW_GEN")]))
    line = f"exec {require_own('tosser')} --config {system.config} {command} {closed}"
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=False, timeout=COMMAND_SECONDS)
    assert done.returncode == DONE
    assert b"Traceback" not in done.stderr
    assert bool(done.stdout) is (">&-" not in closed.replace("2>&-", ""))
    if command == "toss":
        assert not any(system.secure.glob("*.pkt"))


def test_no_process_to_be_had(system: Node) -> None:
    """Where the system allows no further process, a sentence says so, and the mail stays where it is."""
    program = (
        "import os\n"
        "def refuse():\n    raise BlockingIOError(11, os.strerror(11))\n"
        "os.fork = refuse\n"
        "start.os.sched_getaffinity = lambda _: {0, 1}\n"
        "try:\n    start.main()\nexcept SystemExit as end:\n    print(end.code)\n"
    )
    inbound = system.deliver(packet([message("TQW_GEN")]))
    done = started(system, program)
    assert done.stdout.splitlines()[-1] == str(FAILED)
    assert done.stderr.splitlines()[-1] == "tosser: Resource temporarily unavailable"
    assert inbound.exists()


def test_what_a_start_waits_for(system: Node) -> None:
    """A toss does without all that reads configurations and command lines, where a helper reads the former."""
    program = (
        "start.os.sched_getaffinity = lambda _: {0, 1}\n"
        "try:\n    start.main()\nfinally:\n    print(sorted({'pydantic', 'typer', 'yaml'} & sys.modules.keys()))\n"
    )
    assert started(system, program).stdout.splitlines()[-1] == "[]"


def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C ends a toss while its helper waits for something that never comes."""
    program = (
        "import time, tosser.__main__ as start\n"
        "start.understand = lambda _: start.QuickToss(600, False, False)\n"
        "start.os.sched_getaffinity = lambda _: {0, 1}\n"
        "start.take_snapshot = time.sleep\n"
        "start.main()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    process.send_signal(signal.SIGINT)
    assert process.wait(COMMAND_SECONDS) == 130
