"""Message bases that another program keeps locked, or that are broken: mail waits for them and loses nothing."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.accounts import held
from tests.mail import message, packet
from tests.observe import nothing_waits
from tests.peers import jam_writer
from tests.peers.daemon import DONE, FAILED, node
from tests.peers.subscriber import Subscriber
from tosser.daemon.pipeline import CLAIM_FILES, MAX_PARKED
from tosser.stores.jam_reader import JamReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.peers.daemon import Node
    from tests.peers.mosquitto import Mosquitto

LOCKED, FREE = "TQW_GEN", "TQW_TECH"
QUICK = {"lock_wait": "50ms", "poll": "200ms"}


@contextmanager
def locked(base: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Have another program keep the lock of a base."""
    command = [sys.executable, str(Path(jam_writer.__file__)), str(base), "hold"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        try:
            yield holder
        finally:
            holder.stdin.close()


def mail(*wanted: tuple[str, int]) -> bytes:
    """Write a packet of messages: areas and numbers."""
    return packet([message(area, number=number) for area, number in wanted])


def numbers(system: Node, area: str) -> list[int]:
    """List the numbers of the messages of an area, as their subjects tell them."""
    base = system.bases / area.lower()
    if not base.with_name(f"{base.name}.jhr").exists():
        return []
    return [int(entry.message.subject.split()[1]) for entry in JamReader(base).messages()]


def trouble(system: Node) -> str:
    """What stops the toss."""
    return "".join(each["text"] for each in system.status()["conditions"] if each["subject"] == "toss")


def test_a_locked_base_holds_nothing_else_up(tmp_path: Path, broker: Mosquitto) -> None:
    """While one base is locked the others go on; what was decided meanwhile is applied after the release, once."""
    system = node(tmp_path, areas=[LOCKED, FREE], mqtt_url=broker.url, toss=QUICK)
    system.deliver(mail((LOCKED, 1)))
    assert system.toss().code == DONE
    with Subscriber(broker.port, "ftn/#") as subscriber, system.start() as daemon:
        with locked(system.bases / LOCKED.lower()):
            system.deliver(mail((LOCKED, 2), (FREE, 2)), "00000002.pkt")
            system.deliver(mail((LOCKED, 3)), "00000003.pkt")
            daemon.wait_for(lambda: "batches wait" in trouble(system), what="the condition")
            assert any("batches wait" in line for line in daemon.notifications if line.startswith("STATUS="))
            system.deliver(mail((FREE, 4)), "00000004.pkt")
            daemon.wait_for(lambda: numbers(system, FREE) == [2, 4], what="mail of the other area")
            subscriber.wait_until(lambda _: len(subscriber.on(f"ftn/tqwnet/area/{FREE}/message")) == 1)
            assert subscriber.on(f"ftn/tqwnet/area/{LOCKED}/message") == []
            assert numbers(system, LOCKED) == [1]
            assert not nothing_waits(system)
        daemon.wait_for(lambda: nothing_waits(system), what="empty inbounds")
        subscriber.wait_until(lambda _: len(subscriber.on("ftn/inbound/tossed")) == 3)
        daemon.wait_for(lambda: trouble(system) == "", what="nothing wrong any more")
        assert daemon.stop() == DONE
    assert numbers(system, LOCKED) == [1, 2, 3]
    assert numbers(system, FREE) == [2, 4]
    told = [event.json["data"] for event in subscriber.received if event.topic.endswith("/message")]
    assert sorted((each["area"], each["subject"], each["number"]) for each in told) == [
        (LOCKED, "Test 2", 2), (LOCKED, "Test 3", 3), (FREE, "Test 2", 1), (FREE, "Test 4", 2),
    ]  # fmt: skip
    assert system.status()["counters"] == {"file.tossed": 4, "message.accepted": 5}


def test_killed_while_a_base_is_locked(tmp_path: Path) -> None:
    """A batch that waits for a base survives the process: the next one applies it once, also what was begun."""
    system = node(tmp_path, areas=[LOCKED, FREE], toss=QUICK)
    system.deliver(mail((LOCKED, 1)))
    assert system.toss().code == DONE
    with locked(system.bases / LOCKED.lower()):
        system.deliver(mail((FREE, 2), (LOCKED, 2), (FREE, 3)), "00000002.pkt")
        for _ in range(2):
            with system.start() as daemon:
                daemon.wait_for(lambda: "batches wait" in trouble(system), what="the condition")
                daemon.kill()
    assert system.toss().code == DONE
    assert numbers(system, LOCKED) == [1, 2]
    assert numbers(system, FREE) == [2, 3]
    assert nothing_waits(system)
    assert system.status()["counters"] == {"file.tossed": 2, "message.accepted": 4}


def test_a_toss_does_not_wait_for_ever(tmp_path: Path) -> None:
    """A single toss that finds a base locked ends with 1 and says so; the next one finishes the work."""
    system = node(tmp_path, areas=[LOCKED], toss=QUICK)
    system.deliver(mail((LOCKED, 1)))
    assert system.toss().code == DONE
    system.deliver(mail((LOCKED, 2)), "00000002.pkt")
    with locked(system.bases / LOCKED.lower()):
        result = system.toss()
        assert result.code == FAILED
        sentence = f"{system.bases / LOCKED.lower()}: another program keeps the base locked"
        assert result.stderr.splitlines()[-1] == f"tosser: 1 batches wait for message bases: {sentence}"
    status = system.status()
    assert status["open"] == {"batches": 1, "files": 1}
    assert system.toss().code == DONE
    assert numbers(system, LOCKED) == [1, 2]
    assert system.status()["open"] == {"batches": 0, "files": 0}


def test_input_waits_in_the_inbound_while_too_much_is_parked(tmp_path: Path) -> None:
    """With many batches waiting no more files are taken: they are safe where they are, and tossed afterwards."""
    system = node(tmp_path, areas=[LOCKED], toss={**QUICK, "batch_messages": 1})
    system.deliver(mail((LOCKED, 1)))
    assert system.toss().code == DONE
    with locked(system.bases / LOCKED.lower()):
        for number in range(2, 302):
            system.deliver(mail((LOCKED, number)), f"{number:08x}.pkt")
        for _ in range(2):
            assert system.toss().code == FAILED
            assert len(list(system.secure.glob("*.pkt"))) == 300 - CLAIM_FILES
            assert system.status()["open"]["batches"] == MAX_PARKED
    assert system.toss().code == DONE
    assert sorted(numbers(system, LOCKED)) == list(range(1, 302))
    assert system.status()["counters"] == {"file.tossed": 301, "message.accepted": 301}


def test_input_that_somebody_takes_away(tmp_path: Path) -> None:
    """When a file is removed while its batch waits, that is told by name; once it is back the batch is applied."""
    system = node(tmp_path, areas=[LOCKED], toss=QUICK)
    system.deliver(mail((LOCKED, 1)))
    assert system.toss().code == DONE
    system.deliver(mail((LOCKED, 2)), "00000002.pkt")
    with locked(system.bases / LOCKED.lower()):
        assert system.toss().code == FAILED
    (work,) = system.secure.glob(".tosser/*.00000002.pkt")
    work.rename(tmp_path / "taken")
    result = system.toss()
    assert result.code == FAILED
    sentence = f"{system.secure}: 00000002.pkt: cannot be read: it was removed while it was being tossed"
    assert sentence in result.stderr.splitlines()[-1]
    assert numbers(system, LOCKED) == [1]
    (tmp_path / "taken").rename(work)
    assert system.toss().code == DONE
    assert numbers(system, LOCKED) == [1, 2]


def break_signature(base: Path) -> None:
    """Overwrite what says that this is a JAM base."""
    with base.with_suffix(".jhr").open("r+b") as file:
        file.write(b"XXXX")


def cut_index(base: Path) -> None:
    """Cut the index within a record."""
    path = base.with_suffix(".jdx")
    path.write_bytes(path.read_bytes()[:-3])


def lose_texts(base: Path) -> None:
    """Remove the file of the texts."""
    base.with_suffix(".jdt").unlink()


@pytest.mark.parametrize("spoil", [break_signature, cut_index, lose_texts])
def test_a_broken_base(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    """A base that is broken is not written to: its mail waits, the rest goes on, toss ends with 1 until the repair."""
    system = node(tmp_path, areas=[LOCKED, FREE])
    system.deliver(mail((LOCKED, 1)))
    assert system.toss().code == DONE
    base = system.bases / LOCKED.lower()
    good = {path: path.read_bytes() for path in system.bases.iterdir()}
    spoil(base)
    broken = {path: path.read_bytes() for path in good if path.exists()}
    system.deliver(mail((LOCKED, 2), (FREE, 2)), "00000002.pkt")
    for _ in range(2):
        result = system.toss()
        assert result.code == FAILED
        sentence = f"tosser: 1 batches wait for message bases: {base}: the base is broken: "
        assert result.stderr.splitlines()[-1].startswith(sentence)
        assert {path: path.read_bytes() for path in good if path.exists()} == broken
        assert numbers(system, FREE) == [2]
        assert not nothing_waits(system)

    for path, data in good.items():
        path.write_bytes(data)
    assert system.toss().code == DONE
    assert numbers(system, LOCKED) == [1, 2]
    assert numbers(system, FREE) == [2]
    assert nothing_waits(system)
    assert system.status()["counters"] == {"file.tossed": 2, "message.accepted": 3}


def test_a_base_that_breaks_under_the_daemon(tmp_path: Path) -> None:
    """The daemon says what is broken, lives on, and takes up its work when the base is repaired."""
    system = node(tmp_path, areas=[LOCKED], toss=QUICK)
    with system.start() as daemon:
        system.deliver(mail((LOCKED, 1)))
        daemon.wait_for(lambda: numbers(system, LOCKED) == [1] and nothing_waits(system), what="the first message")
        header = system.bases / f"{LOCKED.lower()}.jhr"
        good = header.read_bytes()
        break_signature(header)
        system.deliver(mail((LOCKED, 2)), "00000002.pkt")
        daemon.wait_for(lambda: "the base is broken" in trouble(system), what="the condition")
        assert any("the base is broken" in line for line in daemon.notifications if line.startswith("STATUS="))
        header.write_bytes(good)
        daemon.wait_for(lambda: numbers(system, LOCKED) == [1, 2], what="the second message")
        daemon.wait_for(lambda: trouble(system) == "", what="nothing wrong any more")
        assert daemon.stop() == DONE
    assert held(system, LOCKED) == 2
