"""What the figures were measured on: a benchmark without its machine says nothing."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from pathlib import Path
from statistics import median
from typing import Any

from tosser import __version__

ROOT = Path(__file__).parents[2]
_SYNCS = 50
_BLOCK = 4096


def describe(directory: Path) -> dict[str, Any]:
    """Describe the machine, and the disk that holds a directory."""
    return {
        "cpu": _first(r"model name\s*: (.+)", "/proc/cpuinfo") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mib": int(_first(r"MemTotal:\s+(\d+)", "/proc/meminfo") or 0) // 1024,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "file_system": _file_system(directory),
        "fsync_ms": round(_fsync_seconds(directory) * 1000, 3),
        "load": os.getloadavg()[0],
        "tosser": __version__,
        "commit": _commit(),
    }


def _first(pattern: str, file: str) -> str:
    found = re.search(pattern, Path(file).read_text("utf-8", "replace"))
    return found[1] if found else ""


def _file_system(directory: Path) -> str:
    """Name the type of file system that holds a directory."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text("utf-8", "replace").splitlines()]
    holding = [(point, kind) for point, kind in mounts if directory.is_relative_to(point)]
    return max(holding, key=lambda mount: len(mount[0]))[1] if holding else "unknown"


def _fsync_seconds(directory: Path) -> float:
    """Time the sync of one appended block."""
    taken = []
    with (directory / "sync").open("wb", buffering=0) as file:
        for _ in range(_SYNCS):
            file.write(bytes(_BLOCK))
            started = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - started)
    return median(taken)


def _commit() -> str:
    """Name the commit that is measured; ``+`` says that files differ from it."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=60)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.decode("ascii").strip()
