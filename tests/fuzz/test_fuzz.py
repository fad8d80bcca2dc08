"""A bounded run of the fuzzer, the same on every machine; ``make fuzz`` goes on from there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUNS = 2000
"""Inputs for each target, besides those to begin with: about ten seconds of a processor for each half."""
SECONDS = 600
CODEC = (
    "packet", "packet-header", "text", "built-text", "kludge", "address", "date", "nodes", "charset", "jam", "flow",
    "msg", "names", "nodelist", "zip-directory", "packet-shown", "toss",
)  # fmt: skip
FILES = ("archive", "jam-base", "config", "small-file", "verdict")
PLANTED = """
import sys
from tests.fuzz.__main__ import main
from tests.fuzz.target import pure

def check(data):
    if b"!" in data:
        raise LookupError("found it")

sys.exit(main(sys.argv[1:], {"planted": pure("planted", check, lambda: [b"nothing wrong"])}))
"""


def fuzz(*command: str) -> subprocess.CompletedProcess[str]:
    """Run the fuzzer, without the measuring of coverage, which it does itself."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "COV_"))}
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=False, timeout=SECONDS,
        cwd=Path(__file__).parents[2], env=kept | {"PYTHONHASHSEED": "0"},
    )  # fmt: skip


@pytest.mark.parametrize("targets", [CODEC, FILES], ids=["codec and toss", "files and verdicts"])
def test_no_input_breaks_anything(targets: tuple[str, ...], tmp_path: Path) -> None:
    """No input that the fuzzer comes upon raises what it should not, gets lost, or is read in two ways."""
    done = fuzz("-m", "tests.fuzz", "--runs", str(RUNS), "--jobs", "1", "--corpus", str(tmp_path), *targets)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [[name, str(RUNS)] for name in targets]


def test_every_target_is_run() -> None:
    """No target is left out of the bounded run."""
    listed = fuzz("-c", "from tests.fuzz.targets import TARGETS; print(*TARGETS)").stdout.split()
    assert sorted(listed) == sorted((*CODEC, *FILES))


def test_what_breaks_is_found_and_kept(tmp_path: Path) -> None:
    """A fault is found, told with its traceback and its input, and the input breaks it again."""
    done = fuzz("-c", PLANTED, "--runs", str(RUNS), "--corpus", str(tmp_path))
    assert done.returncode == 1, done.stderr
    assert "LookupError: found it" in done.stdout
    (kept,) = tmp_path.glob("broken-planted-*")
    assert b"!" in kept.read_bytes()
    assert str(kept) in done.stdout
    again = fuzz("-c", PLANTED, "planted", str(kept))
    assert again.returncode == 1
    assert "LookupError: found it" in again.stderr
