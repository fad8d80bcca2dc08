"""One packet that is larger than any memory we should take: tossed in parts, also when killed between them."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from tests.mail import message, packet
from tests.observe import nothing_waits
from tests.peers.daemon import DONE, SET_ASIDE, Node, node
from tosser.codec.kludge import find_value
from tosser.stores.jam_reader import JamReader

if TYPE_CHECKING:
    from pathlib import Path

AREAS = ("TQW_GEN", "TQW_TECH", "TQW_ART")
BODY = b"All work and no play makes the sysop a dull node.\r" * 40
MEBIBYTE = 1024 * 1024
INDEX_RECORD = 8


def large_packet(path: Path, messages: int, end: bytes = b"\0\0") -> None:
    """Write a packet of many messages of 2.4 kB, in turn for each area, without holding it in memory."""
    templates = [message(area, number=0x12345678, body=BODY) for area in AREAS]
    unfinished = path.with_suffix(".tmp")
    with unfinished.open("wb") as file:
        file.write(packet([], end=b""))
        for number in range(messages):
            file.write(templates[number % len(AREAS)].replace(b" 12345678\r", b" %08x\r" % number))
        file.write(end)
    unfinished.rename(path)


def counted(system: Node) -> int:
    """Count the messages in all areas by the lengths of their indexes."""
    return sum(path.stat().st_size // INDEX_RECORD for path in system.bases.glob("*.jdx"))


def holds(system: Node, messages: int) -> bool:
    """Tell whether that many messages are stored."""
    return counted(system) >= messages


def test_memory_is_bounded(tmp_path: Path) -> None:
    """A packet of 100,000 messages and 240 MB is tossed with at most 256 MiB of memory."""
    system = node(tmp_path, areas=AREAS)
    large_packet(system.secure / "00000001.pkt", 100_000)
    assert (system.secure / "00000001.pkt").stat().st_size > 220_000_000
    process = subprocess.Popen(system.command("toss"), stdout=subprocess.DEVNULL, cwd=system.root)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == DONE
    assert usage.ru_maxrss * 1024 <= 256 * MEBIBYTE
    assert counted(system) == 100_000
    assert system.status()["counters"] == {"file.tossed": 1, "message.accepted": 100_000}
    assert nothing_waits(system)


def test_killed_between_its_parts(tmp_path: Path) -> None:
    """However often the process is killed in the middle of a large packet, each message is stored once."""
    messages = 20_000
    system = node(tmp_path, areas=AREAS)
    large_packet(system.secure / "00000001.pkt", messages)
    reached = 0
    for share in (0.1, 0.3, 0.6, 0.9):
        with system.start(wait=False) as daemon:
            daemon.wait_for(partial(holds, system, int(messages * share)), 60, "a part of it")
            daemon.kill()
        assert reached < counted(system) < messages
        reached = counted(system)
    assert system.toss().code == DONE
    assert nothing_waits(system)
    found = Counter(
        find_value(entry.message.kludges, b"MSGID")
        for area in AREAS
        for entry in JamReader(system.bases / area.lower()).messages()
    )
    assert found == {b"1337:1/300 %08x" % number: 1 for number in range(messages)}
    assert system.status()["counters"] == {"file.tossed": 1, "message.accepted": messages}


def test_damaged_at_its_very_end(tmp_path: Path) -> None:
    """What is wrong behind 10,000 good messages is found before any of them is stored."""
    system = node(tmp_path, areas=AREAS, toss={"settle": "100ms"})
    large_packet(system.secure / "00000001.pkt", 10_000, end=b"\2\0 and then the line broke")
    assert system.toss().code == SET_ASIDE
    assert counted(system) == 0
    assert system.status()["counters"] == {"file.quarantined": 1, "kept.truncated": 1}
