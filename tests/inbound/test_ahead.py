from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.corpus import make_packets
from tests.inbound.reading_ahead import CASES
from tosser.inbound.ahead import Balance
from tosser.inbound.frames import Waited

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("case", CASES)
def test_reading_ahead(tmp_path: Path, case: str) -> None:
    """What each case says, in a process of its own."""
    inbound = tmp_path / "in"
    inbound.mkdir()
    make_packets(inbound, messages=1000, packets=5, areas=5)
    done = subprocess.run(
        [sys.executable, "-m", "tests.inbound.reading_ahead", case, inbound],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_who_waits_does_more() -> None:
    """The process that waits for the other makes more of the records, after the first few batches."""
    balance = Balance()
    for _ in range(2):
        assert balance.share == 0
        balance.gave(Waited(writer=60.0))
    usual = balance.share
    balance.gave(Waited())
    assert balance.share == usual
    balance.gave(Waited(reader=0.001))
    assert balance.share < usual
    for _ in range(100):
        balance.gave(Waited(reader=60.0))
    assert balance.share == 0
    for _ in range(100):
        balance.gave(Waited(writer=60.0))
    assert balance.share == 1
