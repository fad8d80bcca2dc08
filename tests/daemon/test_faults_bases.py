"""Message bases and inbounds in trouble: what the table of faults in docs/operations.md says of them, row by row."""

from __future__ import annotations

import shutil
from functools import partial
from typing import TYPE_CHECKING

from tests.accounts import held
from tests.daemon.test_bases_in_trouble import break_signature, cut_index, locked, lose_texts
from tests.daemon.troubles import free_port, sections, witnessed
from tests.mail import message, packet
from tests.observe import nothing_waits
from tests.peers.daemon import DONE, node

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.daemon import Node
    from tests.peers.mosquitto import Mosquitto

AREA, OTHER = "TQW_GEN", "TQW_TECH"


def _holds(system: Node, messages: int) -> bool:
    return held(system, OTHER) == messages


def cut_header(base: Path) -> None:
    """Cut the headers within the fixed one."""
    path = base.with_suffix(".jhr")
    path.write_bytes(path.read_bytes()[:100])


DAMAGES = [
    (break_signature, "the base is broken: "),
    (cut_index, "ends inside a record"),
    (cut_header, "its header is cut to 100 bytes"),
    (lose_texts, "tqw_gen.jdt is missing"),
]
"""What is done to a base, and what is said of it."""


def test_broken_bases(tmp_path: Path, broker: Mosquitto) -> None:
    """Mail of a broken base waits, that of other areas goes on; once it is repaired, all is stored, once."""
    port = free_port()
    system = node(tmp_path / "node", areas=[AREA, OTHER], **sections(broker, port))
    base = system.bases / AREA.lower()
    with witnessed(system, broker, port) as witness:
        witness.deliver(AREA, 1)
        witness.daemon.wait_for(lambda: nothing_waits(system), what="the first message")
        for number, (damage, text) in enumerate(DAMAGES, 1):
            good = {path: path.read_bytes() for path in system.bases.glob(f"{AREA.lower()}.*")}
            damage(base)
            broken = {path: path.read_bytes() for path in system.bases.glob(f"{AREA.lower()}.*")}
            witness.deliver(AREA, 10 * number)
            witness.wait_begun("toss", text)
            assert witness.status("toss").startswith(f"batches wait for message bases: {base}: ")
            witness.deliver(OTHER, 10 * number + 1)
            witness.daemon.wait_for(partial(_holds, system, number), what="mail of another area")
            assert {path: path.read_bytes() for path in system.bases.glob(f"{AREA.lower()}.*")} == broken
            for path, data in good.items():
                path.write_bytes(data)
            witness.daemon.wait_for(lambda: nothing_waits(system), what="the message that waited")
            witness.wait_ended("toss")
        assert witness.daemon.stop() == DONE
    assert (held(system, AREA), held(system, OTHER)) == (1 + len(DAMAGES), len(DAMAGES))
    assert system.status()["counters"]["message.accepted"] == 1 + 2 * len(DAMAGES)


def test_killed_while_a_base_is_broken(tmp_path: Path) -> None:
    """A batch for a base that could not even be looked at survives the process, and is stored once after the repair."""
    system = node(tmp_path, areas=[AREA, OTHER], toss={"poll": "200ms"})
    with system.start() as daemon:
        system.deliver(_mail(1))
        daemon.wait_for(lambda: nothing_waits(system), what="the first message")
        header = system.bases / f"{AREA.lower()}.jhr"
        good = header.read_bytes()
        break_signature(header.with_suffix(""))
        system.deliver(_mail(2), "00000002.pkt")
        daemon.wait_for(lambda: '"batch_parked"' in daemon.log, what="the parked batch")
        daemon.kill()
    header.write_bytes(good)
    assert system.toss().code == DONE
    assert system.toss().code == DONE
    assert held(system, AREA) == 2
    assert nothing_waits(system)


def _mail(number: int) -> bytes:
    return packet([message(AREA, number=number)])


def test_a_base_that_stays_locked(tmp_path: Path, broker: Mosquitto) -> None:
    """A lock that is never given back holds up the mail of its base only, and is told for as long as it lasts."""
    port = free_port()
    system = node(tmp_path / "node", areas=[AREA, OTHER], **sections(broker, port))
    with witnessed(system, broker, port) as witness:
        witness.deliver(AREA, 1)
        witness.daemon.wait_for(lambda: nothing_waits(system), what="the first message")
        with locked(system.bases / AREA.lower()):
            witness.deliver(AREA, 2)
            witness.wait_begun("toss", "another program keeps the base locked")
            witness.deliver(OTHER, 3)
            witness.daemon.wait_for(lambda: held(system, OTHER) == 1, what="mail of another area")
        witness.wait_ended("toss")
        assert witness.daemon.stop() == DONE
    assert (held(system, AREA), held(system, OTHER)) == (2, 1)


def test_an_inbound_that_goes_away(tmp_path: Path, broker: Mosquitto) -> None:
    """An inbound that vanishes is told of, with what it held of claimed mail; the others go on, and it may return."""
    port = free_port()
    system = node(tmp_path / "node", areas=[AREA], **sections(broker, port))
    with witnessed(system, broker, port) as witness:
        witness.deliver(AREA, 1)
        witness.daemon.wait_for(lambda: nothing_waits(system), what="the first message")
        with locked(system.bases / AREA.lower()):
            witness.deliver(AREA, 2)
            witness.wait_begun("toss", "another program keeps the base locked")
            shutil.move(system.secure, tmp_path / "away")
            witness.wait_begun("inbound", f"{system.secure}: No such file or directory")
        witness.wait_begun("toss", "00000002.pkt: cannot be read: it was removed while it was being tossed")
        system.deliver(_mail(3), "00000003.pkt", system.local)
        witness.daemon.wait_for(lambda: held(system, AREA) == 2, what="mail of another inbound")
        shutil.move(tmp_path / "away", system.secure)
        witness.wait_ended("inbound")
        witness.wait_ended("toss")
        assert witness.daemon.stop() == DONE
    assert held(system, AREA) == 3
    assert nothing_waits(system)
