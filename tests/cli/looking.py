"""What tests of commands that only look share: running one anywhere, and seeing whether anything was touched."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from tests.peers.daemon import COMMAND_SECONDS, Result
from tests.peers.programs import require_own

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def tosser(directory: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Result:
    """Run a command in a directory, with no configuration but what is there."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("TOSSER_")}
    done = subprocess.run(
        [require_own("tosser"), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=COMMAND_SECONDS,
        env=env | {"NO_COLOR": "1", "COLUMNS": "120"} | dict(environment or {}),
        cwd=directory,
    )
    return Result(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))


def snapshot(root: Path) -> dict[str, tuple[int, bytes]]:
    """Give every path below a directory with when it was changed and what is in it.

    A file that was made and removed again shows in the time of its directory.
    """
    return {
        str(path.relative_to(root)): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in [root, *sorted(root.rglob("*"))]
    }
