"""What an experiment came to, and how it is shared out over processes."""

from __future__ import annotations

import json
import os
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.crash.account import Differences

_MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of our own is made in it
_MOST_FAILURES = 20
_MOST_LINES = 5


class Enough(Exception):  # noqa: N818 - it is no error
    """Something was found, and nobody wants more."""


@dataclass
class Report:
    """Counts, and the first of what went wrong.

    Attributes:
        counts: what was done, by name.
        lost: messages that were missing in a base or for a link.
        doubled: messages that were there too often.
        wrong: runs after which anything was not as it should be.
        failures: the first of those runs, each told in a few lines.
        brief: whether the first of them is enough.
    """

    counts: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    failures: list[str] = field(default_factory=list)
    brief: bool = False

    def note(self, where: str, differences: Differences) -> None:
        """Take in how one run ended.

        Raises:
            Enough: not well, and that is all that was asked.
        """
        self.lost += len(differences.lost)
        self.doubled += len(differences.doubled)
        if differences.lines:
            self.wrong += 1
            said = [f"said: {line}" for line in differences.said]
            self.fail("\n  ".join((where, *differences.lines[:_MOST_LINES], *said)))
            if self.brief:
                raise Enough

    def fail(self, what: str) -> None:
        """Keep what went wrong, if there is room."""
        if len(self.failures) < _MOST_FAILURES:
            self.failures.append(what)

    def add(self, other: Report) -> None:
        """Take in what another process found."""
        self.counts += other.counts
        self.lost += other.lost
        self.doubled += other.doubled
        self.wrong += other.wrong
        for failure in other.failures:
            self.fail(failure)

    @property
    def lines(self) -> list[str]:
        """The counts, for people."""
        counted = [f"{name}: {count:,}" for name, count in self.counts.items()]
        return [
            *counted,
            f"messages lost: {self.lost:,}",
            f"messages doubled: {self.doubled:,}",
            f"runs with anything wrong: {self.wrong:,}",
        ]

    def to_json(self) -> str:
        """Write it for a program."""
        return json.dumps(vars(self))

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Read what `to_json` wrote."""
        values = json.loads(text)
        return cls(**values | {"counts": Counter(values["counts"])})


@dataclass(frozen=True, slots=True)
class Share:
    """The part of one process in an experiment.

    Attributes:
        home: a directory for it alone.
        worker: its number, from 0.
        workers: how many there are.
    """

    home: Path
    worker: int
    workers: int

    def of(self, runs: int | None) -> slice:
        """Give its part of a list of which so many entries are wanted."""
        return slice(self.worker, runs, self.workers)

    def count(self, runs: int) -> int:
        """Give its part of a number."""
        return len(range(self.worker, runs, self.workers))


Work = Callable[[Report, Share], None]


def share_out(work: Work, workers: int, *, brief: bool = False) -> Report:
    """Do something in several processes, each with a directory in memory.

    Args:
        work: what; it is given a report to fill, the directory, and which of how many it is.
        workers: how many processes.
        brief: end at the first thing that is wrong.

    Raises:
        RuntimeError: one of them failed.
    """
    total = Report()
    with scratch() as root:
        processes = []
        for worker in range(workers):
            process = os.fork()
            if not process:
                _be_worker(work, Report(brief=brief), root, Share(root / str(worker), worker, workers))
            processes.append(process)
        codes = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes]
        if any(codes):
            raise RuntimeError(f"a worker failed: {codes}")
        for worker in range(workers):
            total.add(Report.from_json((root / f"{worker}.json").read_text("utf-8")))
    return total


def _be_worker(work: Work, report: Report, root: Path, share: Share) -> None:
    code = 1
    try:
        share.home.mkdir()
        with suppress(Enough):
            work(report, share)
        (root / f"{share.worker}.json").write_text(report.to_json(), "utf-8")
        code = 0
    except BaseException:  # noqa: BLE001 - the process ends here, whatever it was
        traceback.print_exc()
    finally:
        os._exit(code)


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a directory in memory, where syncing takes no time."""
    with tempfile.TemporaryDirectory(prefix="tosser-crash-", dir=_MEMORY if _MEMORY.is_dir() else None) as directory:
        yield Path(directory)
