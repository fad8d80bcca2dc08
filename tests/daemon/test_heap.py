"""Memory that is kept."""

from __future__ import annotations

import subprocess
import sys

COUNT = """
import resource
from tosser.daemon import heap
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        b"".join([b"x" * 4_000_000, b"y" * 4_000_000])
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
usual = faults()
heap.keep()
faults()
print(faults() * 10 < usual)
"""


def test_memory_is_used_again() -> None:
    """What a batch takes and drops is not fetched from the system again for the next one."""
    assert subprocess.run([sys.executable, "-c", COUNT], stdout=subprocess.PIPE, check=True).stdout == b"True\n"
