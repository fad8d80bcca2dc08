"""The example that is shipped."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.peers.programs import require_own

EXAMPLE = Path(__file__).parents[2] / "config" / "tosser.yaml"


def test_the_example_passes_the_check() -> None:
    """`tosser check` finds no mistake in config/tosser.yaml, on a machine that has none of its directories."""
    done = subprocess.run(
        [require_own("tosser"), "--config", EXAMPLE, "check"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == ""
    assert done.returncode != 3, done.stdout
    assert "1 network, 2 links, 3 areas" in done.stdout
