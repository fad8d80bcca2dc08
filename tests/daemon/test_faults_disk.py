"""Disks that are full, fail, or may not be written to: the table of faults in docs/operations.md, row by row."""

from __future__ import annotations

import os
import resource
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.accounts import held
from tests.daemon.troubles import QUICK, free_port, sections, witnessed
from tests.mail import HUB
from tests.observe import nothing_waits
from tests.peers.daemon import DONE, node
from tests.peers.faulty import Control
from tests.peers.programs import require, require_own
from tests.peers.small_disk import small_disk
from tosser.stores.jam_reader import JamReader

if TYPE_CHECKING:
    from tests.peers.daemon import Node
    from tests.peers.mosquitto import Mosquitto

AREA, OTHER = "TQW_GEN", "TQW_TECH"
LINK = "1337:1/701"
"""Gets all that the hub sends."""
MIB = 1024 * 1024


def subjects(system: Node, area: str) -> list[str]:
    """List the subjects in the base of an area."""
    base = system.bases / area.lower()
    return sorted(entry.message.subject.decode() for entry in JamReader(base).messages())


def faulty_node(tmp_path: Path, broker: Mosquitto, port: int) -> tuple[Node, Control]:
    """Configure a node whose disk can be spoilt."""
    control = Control(tmp_path / "control.json")
    system = node(tmp_path / "node", areas=[AREA, OTHER], links={HUB: "", LINK: ""}, **sections(broker, port))
    return replace(system, program=control.launcher), control


def test_little_room(tmp_path: Path, broker: Mosquitto) -> None:
    """With less room than is configured no input is taken, long before anything breaks; with more it goes on."""
    port = free_port()
    system = node(tmp_path / "node", areas=[AREA], **sections(broker, port) | {"toss": QUICK | {"min_free": "2MiB"}})
    directories = [system.root / name for name in ("state", "bases", "out")]
    with small_disk(tmp_path / "disk", "8m", directories) as disk:
        system = replace(system, program=(*disk.inside, require_own("tosser")))
        seen = replace(system, root=disk.seen(system.root))
        with witnessed(system, broker, port, look=system.status) as witness:
            witness.deliver(AREA, 1)
            witness.daemon.wait_for(lambda: nothing_waits(system), what="the first message")
            disk.fill(leave=MIB)
            witness.deliver(AREA, 2)
            witness.wait_begun("space", "less than 2 MiB are free on its file system")
            assert witness.status("toss") == ""
            assert [path.name for path in system.secure.glob("*.pkt")] == ["00000002.pkt"]
            disk.make_room()
            witness.daemon.wait_for(lambda: nothing_waits(system), what="the second message")
            witness.wait_ended("space")
            assert witness.daemon.stop() == DONE
        assert subjects(seen, AREA) == ["Test 1", "Test 2"]


def test_no_room_at_all(tmp_path: Path, broker: Mosquitto) -> None:
    """When even the database cannot be written, status, log and metric say so at once, and events when they can."""
    port = free_port()
    system = node(tmp_path / "node", areas=[AREA], **sections(broker, port))
    control = Control(tmp_path / "control.json")
    with small_disk(tmp_path / "disk", "6m", [system.root / name for name in ("state", "bases", "out")]) as disk:
        system = replace(system, program=(*disk.inside, *control.launcher))
        seen = replace(system, root=disk.seen(system.root))
        with witnessed(system, broker, port, look=system.status) as witness:
            witness.deliver(AREA, 1)
            witness.daemon.wait_for(lambda: nothing_waits(system), what="the first message")
            disk.fill(leave=0)
            for number in range(2, 12):
                witness.deliver(AREA, number)
            witness.daemon.wait_for(lambda: bool(witness.logged("condition", "state")), what="the state in the log")
            assert "full" in witness.logged("condition", "state")[0]["text"]
            assert "full" in witness.status("state")
            witness.daemon.wait_for(lambda: witness.metric("state") == 1.0, what="the figure")
            assert witness.events("state") == []
            disk.make_room()
            witness.daemon.wait_for(lambda: nothing_waits(system), what="all messages")
            witness.wait_ended("state")
            witness.wait_ended("toss")
            assert witness.told("state", active=True)
            assert witness.daemon.stop() == DONE
        assert subjects(seen, AREA) == sorted(f"Test {number}" for number in range(1, 12))


FAULTS = [
    ("flow", ("write_at", "*/out/*.flo*", "ENOSPC"), "toss", "No space left on device"),
    ("claim", ("sync_directory", "*/in.secure", "EIO"), "toss", "in.secure: Input/output error"),
    ("text", ("write_at", "*.jdt", "EIO"), "toss", "tqw_gen.jdt: Input/output error"),
    ("index", ("write_at", "*.jdx", "ENOSPC"), "toss", "tqw_gen.jdx: No space left on device"),
    ("sync", ("sync_file", "*/bases/*.jhr", "EIO"), "toss", "tqw_gen.jhr: Input/output error"),
    ("staging", ("create", "*/out/.tosser/*.pkt", "EROFS"), "toss", "Read-only file system"),
    ("bundle", ("rename", "*/out/*", "EACCES"), "toss", "1337:1/701: "),
    ("finish", ("unlink", "*/in.secure/.tosser/*", "EROFS"), "toss", "Read-only file system"),
]
"""What fails, the fault, the subject, and what is said."""


def test_each_step_that_fails(tmp_path: Path, broker: Mosquitto) -> None:
    """Whatever write fails, the daemon says what and where, and finishes by itself when it works: once, everywhere."""
    port = free_port()
    system, control = faulty_node(tmp_path, broker, port)
    with witnessed(system, broker, port) as witness:
        for number, (what, fault, subject, text) in enumerate(FAULTS, 1):
            control.spoil(fault)
            witness.deliver(AREA, number)
            witness.wait_begun(subject, text)
            control.spoil()
            witness.daemon.wait_for(lambda: nothing_waits(system), what=f"the message after {what}")
            witness.wait_ended(subject)
        assert witness.daemon.stop() == DONE
    numbers = range(1, len(FAULTS) + 1)
    assert subjects(system, AREA) == sorted(f"Test {number}" for number in numbers)
    told = [event.json["data"]["subject"] for event in witness.subscriber.received if event.topic.endswith("/message")]
    assert sorted(told) == sorted(f"Test {number}" for number in numbers)
    status = system.status()
    assert status["counters"] == {"file.tossed": len(FAULTS), "message.accepted": len(FAULTS)}
    assert [link["messages_out"] for link in status["links"] if link["address"] == LINK] == [len(FAULTS)]


def test_directories_that_are_closed_to_us(tmp_path: Path, broker: Mosquitto) -> None:
    """Bases, outbound or an inbound without permission stop what needs them, until the permission is back."""
    port = free_port()
    system = node(tmp_path / "node", areas=[AREA, OTHER], links={HUB: "", LINK: ""}, **sections(broker, port))
    if os.geteuid() == 0:  # who may do everything has to give that up first
        powers = ("--bounding-set", "-dac_override,-dac_read_search")
        system = replace(system, program=(require("setpriv", "util-linux"), *powers, require_own("tosser")))
    with witnessed(system, broker, port) as witness:
        for number, (directory, subject) in enumerate(
            [(system.bases, "toss"), (system.outbound, "toss"), (system.secure, "inbound")], 1
        ):
            directory.chmod(0o000)
            try:
                witness.deliver(AREA if os.geteuid() else OTHER, number)
                witness.wait_begun(subject, "Permission denied")
            finally:
                directory.chmod(0o750)
            witness.daemon.wait_for(lambda: nothing_waits(system), what=f"message {number}")
            witness.wait_ended(subject)
        assert witness.daemon.stop() == DONE
    assert held(system, OTHER) == 3


def test_no_descriptors_left(tmp_path: Path, broker: Mosquitto) -> None:
    """Without descriptors for another file the daemon waits and says so, and goes on when there are some."""
    port = free_port()
    system = node(tmp_path / "node", areas=[AREA, OTHER], **sections(broker, port))
    with witnessed(system, broker, port) as witness:
        witness.deliver(AREA, 1)
        witness.daemon.wait_for(lambda: nothing_waits(system), what="the first message")
        process = witness.daemon.process.pid
        before = resource.prlimit(process, resource.RLIMIT_NOFILE)
        in_use = sum(1 for _ in Path(f"/proc/{process}/fd").iterdir())
        resource.prlimit(process, resource.RLIMIT_NOFILE, (in_use, before[1]))
        witness.deliver(OTHER, 2)
        witness.daemon.wait_for(lambda: "Too many open files" in witness.daemon.log, what="the log")
        resource.prlimit(process, resource.RLIMIT_NOFILE, before)
        witness.daemon.wait_for(lambda: nothing_waits(system), what="the second message")
        witness.daemon.wait_for(lambda: witness.status("inbound") + witness.status("toss") == "", what="all well")
        assert witness.daemon.stop() == DONE
    assert (held(system, AREA), held(system, OTHER)) == (1, 1)
