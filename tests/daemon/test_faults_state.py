"""The state database and the clock in trouble: what the table of faults in docs/operations.md says, row by row."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.accounts import held, ledger_of
from tests.daemon.troubles import free_port, sections, witnessed
from tests.mail import message, packet
from tests.observe import nothing_waits
from tests.peers.daemon import DONE, FAILED, node
from tests.peers.faulty import Control
from tosser.state.state import DATABASE_NAME

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.daemon.troubles import Witness
    from tests.peers.daemon import Daemon, Node
    from tests.peers.mosquitto import Mosquitto

AREA = "TQW_GEN"
YEAR = 365 * 86400.0


def mail(number: int) -> bytes:
    """Write a packet of one message."""
    return packet([message(AREA, number=number)])


def test_a_database_that_somebody_locks(tmp_path: Path, broker: Mosquitto) -> None:
    """Status, log and metric tell of a lock that lasts, events when it is over; then all goes on, nothing twice."""
    port = free_port()
    control = Control(tmp_path / "control.json")
    system = node(tmp_path / "node", areas=[AREA], **sections(broker, port))
    system = replace(system, program=control.launcher)
    with witnessed(system, broker, port) as witness:
        witness.deliver(AREA, 1)
        witness.daemon.wait_for(lambda: nothing_waits(system), what="the first message")
        foreign = sqlite3.connect(system.state / DATABASE_NAME, isolation_level=None, timeout=60)
        try:
            foreign.execute("BEGIN EXCLUSIVE")
            witness.deliver(AREA, 2)
            witness.daemon.wait_for(lambda: bool(witness.logged("condition", "state")), what="the state in the log")
            assert "database is locked" in witness.status("state")
            assert "database is locked" in system.run("status").stdout
            for subject in ("state", "toss"):
                witness.daemon.wait_for(partial(_is_measured, witness, subject), what=f"the figure of {subject}")
            assert witness.events("state") == []
            foreign.execute("ROLLBACK")
        finally:
            foreign.close()
        witness.daemon.wait_for(lambda: nothing_waits(system), what="the second message")
        witness.wait_ended("state")
        witness.wait_ended("toss")
        assert [told["active"] for told in witness.events("state")] == [True, False]
        assert witness.daemon.stop() == DONE
    assert held(system, AREA) == 2


def _is_measured(witness: Witness, subject: str) -> bool:
    return witness.metric(subject) == 1.0


def spoil_page(database: Path) -> None:
    """Overwrite pages in the middle."""
    with database.open("r+b") as file:
        file.seek(2 * 4096)
        file.write(b"\xa5" * 20 * 4096)


def cut(database: Path) -> None:
    """Cut off the second half."""
    with database.open("r+b") as file:
        file.truncate(file.seek(0, 2) // 2)


def spoil_all(database: Path) -> None:
    """Put something else in its place."""
    database.write_bytes(b"This was a database once.\n" * 500)


@pytest.mark.parametrize("damage", [spoil_page, cut, spoil_all])
def test_a_damaged_database(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """The daemon refuses it with 1 and a sentence that says what to do, touches no mail, and works with the backup."""
    system = node(tmp_path, areas=[AREA])
    system.deliver(mail(1))
    assert system.toss().code == DONE
    database = system.state / DATABASE_NAME
    backup = database.read_bytes()
    damage(database)
    system.deliver(mail(1), "00000002.pkt")
    system.deliver(mail(2), "00000003.pkt")
    with system.start(wait=False) as daemon:
        assert daemon.process.wait(30) == FAILED
        (sentence,) = [line for line in daemon.log.splitlines() if line.startswith("tosser: ")]
    assert sentence.startswith(f"tosser: {database}: cannot be used as the state database, it is damaged: ")
    assert 'docs/operations.md, "Restoring the state database"' in sentence
    assert len(list(system.secure.glob("*.pkt"))) == 2
    for path in system.state.glob(f"{DATABASE_NAME}-*"):
        path.unlink()
    database.write_bytes(backup)
    assert system.toss().code == DONE
    assert held(system, AREA) == 2
    assert {name: entry.state for name, entry in ledger_of(system).items()} == {
        "00000001.pkt": "tossed", "00000002.pkt": "duplicate", "00000003.pkt": "tossed",
    }  # fmt: skip


def test_a_toss_looks_too_after_a_crash(tmp_path: Path) -> None:
    """A single toss looks the database over when whoever had it open was killed."""
    system = node(tmp_path, areas=[AREA])
    with system.start() as daemon:
        system.deliver(mail(1))
        daemon.wait_for(lambda: nothing_waits(system), what="the message")
        daemon.kill()
    database = system.state / DATABASE_NAME
    sqlite3.connect(database).execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    spoil_page(database)
    (system.state / f"{DATABASE_NAME}-wal").touch()
    result = system.toss()
    assert result.code == FAILED
    assert "it is damaged" in result.stderr.splitlines()[-1]


def test_without_the_database(tmp_path: Path) -> None:
    """With the database moved away the tosser begins anew: mail goes on, and what was seen before is stored again."""
    system = node(tmp_path, areas=[AREA])
    system.deliver(mail(1))
    assert system.toss().code == DONE
    for path in system.state.glob(f"{DATABASE_NAME}*"):
        path.rename(tmp_path / path.name)
    system.deliver(mail(1), "00000002.pkt")
    system.deliver(mail(2), "00000003.pkt")
    assert system.toss().code == DONE
    assert held(system, AREA) == 3


def test_a_state_directory_that_is_taken_away(tmp_path: Path) -> None:
    """Without its directory, and so without a lock that others can see, the daemon tosses nothing more and ends."""
    system = node(tmp_path, areas=[AREA], toss={"poll": "200ms"})
    with system.start() as daemon:
        system.deliver(mail(1))
        daemon.wait_for(lambda: held(system, AREA) == 1 and nothing_waits(system), what="the first message")
        system.state.rename(tmp_path / "elsewhere")
        system.deliver(mail(2), "00000002.pkt")
        assert daemon.process.wait(60) == FAILED
        assert f"{system.state}: the directory was removed or replaced; nothing is tossed" in daemon.log
    assert held(system, AREA) == 1
    (tmp_path / "elsewhere").rename(system.state)
    assert system.toss().code == DONE
    assert held(system, AREA) == 2
    assert nothing_waits(system)


def dupes_known(system: Node) -> int:
    """Count the dupe keys that are remembered."""
    connection = sqlite3.connect(system.state / DATABASE_NAME)
    try:
        (count,) = connection.execute("SELECT count(*) FROM dupes").fetchone()
    finally:
        connection.close()
    return int(count)


def test_a_clock_that_jumps(tmp_path: Path, broker: Mosquitto) -> None:
    """A clock that is set years ahead or back is told of; mail goes on, and nothing is forgotten for its age."""
    port = free_port()
    control = Control(tmp_path / "control.json")
    control.constants |= {"tosser.daemon.service.HOUSE_MINUTES": 1, "tosser.daemon.service.HOUSE_SECONDS": 0.1}
    system = node(tmp_path / "node", areas=[AREA], **sections(broker, port) | {"log": {"level": "debug"}})
    system = replace(system, program=control.launcher)
    with witnessed(system, broker, port) as witness:
        witness.deliver(AREA, 1)
        witness.daemon.wait_for(lambda: nothing_waits(system), what="the first message")
        witness.daemon.wait_for(lambda: '"by_age": true' in witness.daemon.log, what="a moment that can be trusted")
        for number, ahead in enumerate((10 * YEAR, -10 * YEAR), 2):
            control.set_clock(ahead)
            witness.wait_begun("clock", "days ahead" if ahead > 0 else "days back")
            witness.deliver(AREA, number)
            witness.daemon.wait_for(lambda: nothing_waits(system), what="mail meanwhile")
            let_it_keep_house(witness.daemon)
            control.set_clock(0)
            witness.wait_ended("clock")
        assert dupes_known(system) == 3
        assert witness.daemon.stop() == DONE
    assert held(system, AREA) == 3
    control.set_clock(10 * YEAR)
    with system.start() as daemon:
        daemon.wait_for(lambda: daemon.log.count("3650.0 days ahead") == 2, what="the clock at the start")
        let_it_keep_house(daemon)
        assert daemon.stop() == DONE
    assert dupes_known(system) == 3


def let_it_keep_house(daemon: Daemon) -> None:
    """Wait until it has been time for housekeeping twice more, by a clock that is not trusted."""
    before = times_kept(daemon)
    daemon.wait_for(lambda: times_kept(daemon) >= before + 2, what="housekeeping")


def times_kept(daemon: Daemon) -> int:
    """Count how often it was time for housekeeping while the clock was not trusted."""
    return daemon.log.count('"by_age": false, "event": "house_kept"')
