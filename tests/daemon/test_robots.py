"""Netmail for robots that are programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.corpus import netmail, packet
from tests.observe import stored
from tests.peers.daemon import DONE, Node, node

if TYPE_CHECKING:
    from pathlib import Path


def robot(root: Path, *command: str, **more: Any) -> Node:  # noqa: ANN401 - keys of the configuration
    """Configure a node with a robot named Weather."""
    return node(root, areas=[], netmail={"robots": {"Weather": {"command": list(command), **more}}})


def test_a_robot_reads_the_message(tmp_path: Path) -> None:
    """The program gets the packed message as it came on standard input; the message is in the base as well."""
    system = robot(tmp_path, "dd", f"of={tmp_path / 'read'}")
    letter = netmail(b"Tomorrow?\r", to_name=b"wEATHER")
    system.deliver(packet([letter, netmail(number=2)]))

    assert system.toss().code == DONE

    assert (tmp_path / "read").read_bytes() == letter
    assert sum(stored(system.bases / "netmail").values()) == 2
    assert system.status()["conditions"] == []
    assert not (system.state / "robots").exists()


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("false",), "ended with status 1"),
        (("no-such-program-here",), "is not installed"),
        (("sleep", "60"), "did not end within 1 seconds"),
    ],
)
def test_a_robot_that_fails_is_told_of(tmp_path: Path, command: tuple[str, ...], told: str) -> None:
    """A program that fails, is missing or hangs leaves the message in the base, and a condition."""
    system = robot(tmp_path, *command, timeout="1s")
    system.deliver(packet([netmail(to_name=b"Weather")]))

    assert system.toss().code == DONE

    assert sum(stored(system.bases / "netmail").values()) == 1
    (condition,) = system.status()["conditions"]
    assert condition["subject"] == "robot Weather"
    assert told in condition["text"]
    assert "is in the netmail base" in condition["text"]


def test_a_robot_that_works_again_ends_the_condition(tmp_path: Path) -> None:
    """The next message that is taken well says that the robot is well."""
    flag = tmp_path / "flag"
    system = robot(tmp_path, "test", "-e", str(flag))
    system.deliver(packet([netmail(to_name=b"Weather")]))
    system.toss()
    assert system.status()["conditions"]
    flag.touch()
    system.deliver(packet([netmail(number=2, to_name=b"Weather")]))

    system.toss()

    assert system.status()["conditions"] == []


def test_a_robot_reads_nothing_unproven(tmp_path: Path) -> None:
    """Mail from an insecure inbound starts no program unless that is configured."""
    system = robot(tmp_path, "touch", str(tmp_path / "ran"))
    system.deliver(packet([netmail(to_name=b"Weather")]), inbound=system.insecure)
    system.toss()

    assert sum(stored(system.bases / "netmail").values()) == 1
    assert not (tmp_path / "ran").exists()


def test_a_robot_may_read_what_is_unproven(tmp_path: Path) -> None:
    """With `insecure` it does."""
    system = robot(tmp_path, "touch", str(tmp_path / "ran"), insecure=True)
    system.deliver(packet([netmail(to_name=b"Weather")]), inbound=system.insecure)
    system.toss()

    assert (tmp_path / "ran").exists()


def test_the_daemon_tosses_on_while_a_robot_runs(tmp_path: Path) -> None:
    """A slow program does not stop mail: what arrives meanwhile is tossed before it ends."""
    gate = tmp_path / "gate"
    system = robot(tmp_path, "sh", "-c", f"while ! test -e {gate}; do sleep 0.05; done")
    with system.start() as daemon:
        system.deliver(packet([netmail(to_name=b"Weather")]))
        daemon.wait_for(lambda: sum(stored(system.bases / "netmail").values()) == 1, what="the first message")
        system.deliver(packet([netmail(number=2)]), "00000002.pkt")
        daemon.wait_for(lambda: sum(stored(system.bases / "netmail").values()) == 2, what="the second message")
        assert "robot_ran" not in daemon.log
        gate.touch()
        daemon.wait_for(lambda: "robot_ran" in daemon.log, what="the end of the program")
        assert daemon.stop() == DONE
