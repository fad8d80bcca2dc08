"""Runs one program to its end and measures it: time, processor, memory, bytes written, and syncs.

Linux only. What a program's children use counts as its own. Memory is sampled, because what the kernel reports at the
end of a process (``ru_maxrss``) starts at the size of the process it was forked from: ours.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SAMPLE_SECONDS = 0.01
"""How often memory is looked at."""
LONGEST_SECONDS = 3600.0
_SYNCS = ("fsync", "fdatasync", "sync_file_range", "syncfs", "sync", "msync")
_KIB = re.compile(rb"^(VmRSS|VmHWM):\s+(\d+) kB$", re.MULTILINE)
_WRITTEN = re.compile(rb"^write_bytes: (\d+)$", re.MULTILINE)


class BenchError(Exception):
    """A run that cannot be counted: a program failed, or did not do all of its work."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one run took.

    Attributes:
        seconds: from before the program is started until it has ended.
        user: processor seconds in the program and its children.
        system: processor seconds in the kernel for them.
        peak: most memory they held at once, bytes; sampled.
        written: bytes they put into files; those that were deleted before they reached the disk included.
    """

    seconds: float
    user: float
    system: float
    peak: int
    written: int

    @property
    def cpu(self) -> float:
        """Processor seconds together."""
        return self.user + self.system

    def since(self, before: Usage) -> Usage:
        """What was used since an earlier look at the same process."""
        return Usage(
            self.seconds - before.seconds,
            self.user - before.user,
            self.system - before.system,
            self.peak,
            self.written - before.written,
        )


def measure(command: Sequence[str], *, cwd: Path, environment: Mapping[str, str]) -> Usage:
    """Run a program, its output going to files in ``cwd``.

    Raises:
        BenchError: it failed.
    """
    started = time.perf_counter()
    process = _start(command, cwd, environment)
    peak = _wait(process.pid)
    seconds = time.perf_counter() - started
    written = written_by(process.pid)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise BenchError(f"{command[0]} ended with {process.returncode}: {last_words(cwd)}")
    return Usage(seconds, used.ru_utime, used.ru_stime, peak, written)


def count_syncs(command: Sequence[str], *, cwd: Path, environment: Mapping[str, str]) -> int | None:
    """Run a program under strace and count how often it, and its children, asked for something to be on the disk.

    Without strace, or where it may not trace, the program is only run.

    Returns:
        The number, or ``None`` when it could not be counted.

    Raises:
        BenchError: the program failed.
    """
    strace = shutil.which("strace")
    if strace is None or not _may_trace(strace):
        measure(command, cwd=cwd, environment=environment)
        return None
    with tempfile.NamedTemporaryFile() as report:
        traced = (strace, "-f", "--seccomp-bpf", "-qq", "-c", "-e", f"trace={','.join(_SYNCS)}", "-o", report.name)
        measure([*traced, *command], cwd=cwd, environment=environment)
        return calls_in(Path(report.name).read_text("ascii"))


def calls_in(summary: str) -> int:
    """Add up the calls of a summary that ``strace -c`` wrote."""
    rows = [line.split() for line in summary.splitlines()]
    return sum(int(row[3]) for row in rows if row and row[-1] in _SYNCS)


def peak_of(pid: int) -> int:
    """Most memory that a running process has held so far, bytes; 0 when it is gone."""
    return _memory(pid)["VmHWM"]


def written_by(pid: int) -> int:
    """Bytes that a process, running or not yet waited for, has put into files; its former children included."""
    found = _WRITTEN.search(Path(f"/proc/{pid}/io").read_bytes())
    return int(found[1]) if found else 0


def usage_of(pid: int) -> Usage:
    """Say what a running process has used since it was started; the seconds are those of a clock."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    return Usage(time.perf_counter(), int(fields[11]) / ticks, int(fields[12]) / ticks, peak_of(pid), written_by(pid))


def last_words(cwd: Path) -> str:
    """Give the end of what the program run in ``cwd`` has printed."""
    printed = "".join((cwd / name).read_text("utf-8", "replace")[-2000:] for name in ("stdout", "stderr"))
    return printed.strip() or "it printed nothing"


def _start(command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    with (cwd / "stdout").open("wb") as stdout, (cwd / "stderr").open("wb") as stderr:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, cwd=cwd, env=dict(environment)
        )


def _wait(pid: int) -> int:
    """Wait for the end of a process without reaping it, and give the most memory it and its children held."""
    peak = 0
    deadline = time.monotonic() + LONGEST_SECONDS
    watched = os.pidfd_open(pid)
    try:
        while not select.select([watched], [], [], SAMPLE_SECONDS)[0]:
            peak = max(peak, peak_of(pid), _resident(pid))
            if time.monotonic() > deadline:
                os.kill(pid, 9)
                raise BenchError(f"still running after {LONGEST_SECONDS:.0f} s")
    finally:
        os.close(watched)
    return peak


def _resident(pid: int) -> int:
    """Memory that a process and all below it hold now; pages they share count for each."""
    children: list[str] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += (task / "children").read_text("ascii").split()
    except OSError:  # it has just ended, or this kernel does not tell
        pass
    return _memory(pid)["VmRSS"] + sum(_resident(int(child)) for child in children)


def _memory(pid: int) -> dict[str, int]:
    found = {"VmRSS": 0, "VmHWM": 0}
    try:
        status = Path(f"/proc/{pid}/status").read_bytes()
    except OSError:
        return found
    return found | {name.decode("ascii"): int(size) * 1024 for name, size in _KIB.findall(status)}


def _may_trace(strace: str) -> bool:
    tried = subprocess.run([strace, "-qq", "-o", "/dev/null", "true"], check=False, capture_output=True, timeout=60)
    return tried.returncode == 0
