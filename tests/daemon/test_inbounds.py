"""Inbound directories as mailers and administrators treat them: files that grow, directories that come and go."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.accounts import about, held, ledger_of, log_of
from tests.inbound.bundles import zip_of
from tests.mail import message, packet
from tests.observe import nothing_waits
from tests.peers.daemon import DONE, node

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.daemon import Node

AREA = "TQW_GEN"
QUICK = {"poll": "200ms", "settle": "100ms"}


def mail(number: int) -> bytes:
    """Write a packet of one message."""
    return packet([message(AREA, number=number)])


def trouble(system: Node) -> str:
    """What is wrong with the inbounds."""
    return "".join(each["text"] for each in system.status()["conditions"] if each["subject"] == "inbound")


def test_an_inbound_that_vanishes_and_returns(tmp_path: Path) -> None:
    """While an inbound is away the others are served, and status says so; when it is back its mail is tossed."""
    system = node(tmp_path, areas=[AREA], toss=QUICK)
    with system.start() as daemon:
        system.deliver(mail(1))
        daemon.wait_for(lambda: held(system, AREA) == 1 and nothing_waits(system), what="the first message")
        shutil.rmtree(system.secure)
        daemon.wait_for(lambda: trouble(system) != "", what="the condition")
        assert trouble(system) == f"{system.secure}: No such file or directory"
        system.deliver(mail(2), "00000002.pkt", system.local)
        daemon.wait_for(lambda: held(system, AREA) == 2, what="mail in another inbound")
        daemon.wait_for(lambda: "inbound_not_watched" in daemon.log, what="the watcher to miss it")

        system.secure.mkdir()
        system.deliver(mail(3), "00000003.pkt")
        daemon.wait_for(lambda: held(system, AREA) == 3, what="mail in the inbound that is back")
        daemon.wait_for(lambda: trouble(system) == "", what="nothing wrong any more")
        daemon.wait_for(lambda: "inbound_watched_again" in daemon.log, what="the watcher to find it")
        assert daemon.stop() == DONE
    log = log_of(daemon.log)
    assert len(about(log, "inbound_not_watched", directory=str(system.secure))) == 1
    assert len(about(log, "inbound_watched_again", directory=str(system.secure))) == 1


def test_an_inbound_that_is_not_there_yet(tmp_path: Path) -> None:
    """The daemon starts without it, and serves it from when it appears."""
    system = node(tmp_path, areas=[AREA], toss=QUICK)
    system.secure.rmdir()
    with system.start() as daemon:
        daemon.wait_for(lambda: trouble(system) == f"{system.secure}: No such file or directory", what="the condition")
        system.secure.mkdir()
        system.deliver(mail(1))
        daemon.wait_for(lambda: held(system, AREA) == 1, what="the message")
        daemon.wait_for(lambda: trouble(system) == "", what="nothing wrong any more")
        assert daemon.stop() == DONE


def test_a_file_that_grows_is_left_alone(tmp_path: Path) -> None:
    """A packet or bundle that is still being written is not taken, and is taken whole the moment it is."""
    system = node(tmp_path, areas=[AREA], toss={"poll": "100ms", "settle": "1h"})
    data = packet([message(AREA, number=number) for number in range(200)])
    bundle = zip_of(("1.pkt", packet([message(AREA, number=number) for number in range(200, 400)])))
    with system.start() as daemon, (system.secure / "00000001.pkt").open("wb", 0) as first:
        with (system.secure / "0000ffff.mo0").open("wb", 0) as second:
            first.write(data[:20_000])
            second.write(bundle[:2_000])
            daemon.wait_for(lambda: system.status()["inbound"]["settling"] == 2, what="two unfinished files")
            first.write(data[20_000:-1])
            second.write(bundle[2_000:-1])
            assert system.status()["inbound"]["settling"] == 2
            first.write(data[-1:])
            second.write(bundle[-1:])
        daemon.wait_for(lambda: held(system, AREA) == 400, what="all messages")
        assert daemon.stop() == DONE
    assert {name: entry.state for name, entry in ledger_of(system).items()} == {
        "00000001.pkt": "tossed", "0000ffff.mo0": "tossed",
    }  # fmt: skip


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    """Other files of the mailer, directories and links stay as they are, and are counted."""
    system = node(tmp_path, areas=[AREA], toss=QUICK)
    (system.secure / "files.tic").write_text("Area UTILS\r\n")
    (system.secure / "program.zip").write_bytes(zip_of(("program.exe", b"MZ")))
    (system.secure / "00000009.pkt").mkdir()
    (system.root / "elsewhere.pkt").write_bytes(mail(9))
    (system.secure / "0000000a.pkt").symlink_to(system.root / "elsewhere.pkt")
    system.deliver(mail(1), "00000001.PKT")
    assert system.toss().code == DONE
    assert held(system, AREA) == 1
    names = sorted(path.name for path in system.secure.iterdir())
    assert names == [".tosser", "00000009.pkt", "0000000a.pkt", "files.tic", "program.zip"]
    assert system.status()["inbound"]["foreign"] == 4
    assert (system.root / "elsewhere.pkt").exists()


def test_names_that_are_no_text(tmp_path: Path) -> None:
    """A name in bytes that are no UTF-8 is tossed like any other, and printed escaped."""
    system = node(tmp_path, areas=[AREA], toss=QUICK)
    (system.secure / "gr\udcfc\udcdfe \x1b[2J.pkt").write_bytes(mail(1))
    result = system.toss()
    assert result.code == DONE
    assert held(system, AREA) == 1
    assert nothing_waits(system)
    assert set(ledger_of(system)) == {"gr\\udcfc\\udcdfe \\x1b[2J.pkt"}
    assert "gr\\udcfc\\udcdfe \\x1b[2J.pkt" in system.run("status").stdout
