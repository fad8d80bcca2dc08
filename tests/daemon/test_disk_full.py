"""A disk that is full at any point of the toss: input is kept, bases stay sound, and all goes on when there is room.

The file size limit of the process stands in for the disk: every write beyond it fails, as it does on a full one.
"""

from __future__ import annotations

import os
import resource
import subprocess
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.corpus import make_packets
from tests.observe import assert_all_stored_once, nothing_waits
from tests.peers.daemon import DONE, FAILED, node

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.daemon import Node

MESSAGES, PACKETS, AREAS = 600, 6, 3
KIB = 1024


def limited(system: Node, most: int) -> subprocess.CompletedProcess[str]:
    """Toss with no file allowed to grow beyond that many bytes.

    Coverage is not measured there: its own data file would be limited too, and what it says of that is not ours.
    """
    return subprocess.run(
        system.command("toss"),
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
        cwd=system.root,
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")},
        preexec_fn=partial(resource.setrlimit, resource.RLIMIT_FSIZE, (most, most)),
    )


@pytest.mark.parametrize("most", [0, 3 * KIB, 60 * KIB, 150 * KIB, 300 * KIB])
def test_no_room(tmp_path: Path, most: int) -> None:
    """Without room the toss ends with 1 and a sentence, as often as it is tried; with room all is stored once."""
    system = node(tmp_path, areas=AREAS, toss={"batch_messages": 100})
    manifest = make_packets(system.secure, messages=MESSAGES, packets=PACKETS, areas=AREAS)
    for _ in range(2):
        result = limited(system, most)
        assert result.returncode == FAILED
        assert result.stderr.splitlines()[-1].startswith("tosser: ")
        assert "Traceback" not in result.stderr
        assert not nothing_waits(system)
    assert system.toss().code == DONE
    assert_all_stored_once(system, manifest.letters)
    assert nothing_waits(system)
    assert system.status()["counters"] == {"file.tossed": PACKETS, "message.accepted": MESSAGES}
