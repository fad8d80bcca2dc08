"""Bases are packed and linked by hand, all the time, while the daemon tosses into them, is killed, and recovers."""

from __future__ import annotations

import itertools
import random
import re
import subprocess
import sys
import threading
from collections import Counter
from typing import TYPE_CHECKING

from tests.mail import message, packet
from tests.observe import nothing_waits
from tests.peers import jam_writer
from tests.peers.daemon import DONE, node
from tests.stores.upkeep import stored
from tosser.stores.jam_reader import JamReader, Unreadable

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.daemon import Node

AREAS = ("ALPHA", "BETA")
KILLS = 4
MESSAGES = 60
"""For each area, in each of three packets a life."""

PACKER = """
import sys
from pathlib import Path
from tosser.cli.main import main
rounds = 0
while not Path(sys.argv[2]).exists():
    for command in (["pack"], ["link"], ["link", "--all"]):
        try:
            main(["--config", sys.argv[1], "base", *command])
        except SystemExit:
            pass
    rounds += 1
print("rounds", rounds)
"""


def _bbs(system: Node, ends: threading.Event, written: list[int]) -> None:
    """Write messages and delete every second of them, as a BBS does."""
    for number in itertools.count():
        if ends.wait(0.01):
            return
        for area in AREAS:
            base = system.bases / area.lower()
            if (base.parent / f"{base.name}.jhr").exists():
                text = b"bbs text %d\r" % number + b"-" * 500
                position = jam_writer.append(base, b"All", b"bbs %d" % number, text) - 1
                if number % 2:
                    jam_writer.delete(base, position)
        if number % 2 == 0:
            written.append(number)


def test_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    """Every message of the mail, and every one of a BBS, is there once and whole, but for those that it deleted."""
    system = node(tmp_path, areas=AREAS)
    dice, numbers = random.Random(7), itertools.count(1)
    system.deliver(packet([message(area, number=next(numbers)) for area in AREAS]))
    assert system.toss().code == DONE
    command = [sys.executable, "-c", PACKER, str(system.config), str(tmp_path / "enough")]
    ends, written = threading.Event(), list[int]()
    bbs = threading.Thread(target=_bbs, args=(system, ends, written))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as packer:
        bbs.start()
        try:
            for life in range(KILLS):
                for part in range(3):
                    mail = [message(area, number=next(numbers)) for area in AREAS for _ in range(MESSAGES)]
                    system.deliver(packet(mail), f"{life:04x}{part:04x}.pkt")
                with system.start() as daemon:
                    threading.Event().wait(dice.random() * 0.3)
                    daemon.kill()
            with system.start() as daemon:
                daemon.wait_for(lambda: nothing_waits(system), what="empty inbounds")
                assert daemon.stop() == DONE
        finally:
            ends.set()
            bbs.join()
            (tmp_path / "enough").touch()
            output, _ = packer.communicate(timeout=120)
    sizes = re.findall(r"messages, (\d+) bytes before, (\d+) bytes after", output)
    assert any(int(before) > int(after) > 1024 for before, after in sizes)
    for area in AREAS:
        base = system.bases / area.lower()
        found = list(JamReader(base).records())
        assert not [each for each in found if isinstance(each, Unreadable)]
        subjects = Counter(each.message.subject.decode() for each in JamReader(base).messages())
        assert set(subjects.values()) == {1}
        assert sum(name.startswith("bbs ") for name in subjects) >= len(written) - 1
        assert sum(name.startswith("Test ") for name in subjects) == 1 + KILLS * 3 * MESSAGES
        assert JamReader(base).header().active == len(stored(base))
