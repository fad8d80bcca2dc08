"""What a case came to, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.bench.figures import Series, ratios

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.bench.mail import Post
    from tests.bench.measure import Usage

MIB = 1024 * 1024
TOSSER = "tosser"
CRASHMAIL = "crashmail"
DISK = "disk alone"


@dataclass(frozen=True, slots=True)
class Bench:
    """Where and how cases are run.

    Attributes:
        root: a directory for everything, with a short name: crashmail keeps 100 characters of a path.
        post: makes the mail.
        runs: how often each measurement is made.
        sections: laid over tosser's configuration in every case.
    """

    root: Path
    post: Post
    runs: int
    sections: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """The runs of one contestant.

    Attributes:
        label: of the contestant.
        messages: it worked through in each run.
        usages: one a run, in order.
        syncs: in one run that was not timed; ``None`` when they were not counted.
    """

    label: str
    messages: int
    usages: tuple[Usage, ...]
    syncs: int | None = None

    @property
    def seconds(self) -> Series:
        """How long the runs took."""
        return Series(tuple(usage.seconds for usage in self.usages))


@dataclass(slots=True)
class Outcome:
    """What a case came to.

    Attributes:
        case: its name.
        title: what it does, in a line.
        rows: one a contestant.
        figures: measurements that are no whole runs, by name; the unit is in the name.
    """

    case: str
    title: str
    rows: list[Row] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)

    def row(self, label: str) -> Row:
        """Give the runs of a contestant.

        Raises:
            KeyError: it did not take part.
        """
        for row in self.rows:
            if row.label == label:
                return row
        raise KeyError(label)

    def times(self, label: str, other: str) -> Series:
        """How many times faster one contestant was than another, round by round.

        Raises:
            KeyError: one of them did not take part.
        """
        return ratios(self.row(other).seconds.values, self.row(label).seconds.values)

    def to_json(self) -> dict[str, Any]:
        """Everything measured, for a history file."""
        rows = {
            row.label: {
                "messages": row.messages,
                "syncs": row.syncs,
                "seconds": [round(usage.seconds, 4) for usage in row.usages],
                "user": [round(usage.user, 3) for usage in row.usages],
                "system": [round(usage.system, 3) for usage in row.usages],
                "peak": [usage.peak for usage in row.usages],
                "written": [usage.written for usage in row.usages],
            }
            for row in self.rows
        }
        return {"case": self.case, "rows": rows, "figures": self.figures}

    def lines(self) -> list[str]:
        """What was measured, as text: a table of the contestants, how they compare to the first, and figures."""
        lines = table(_HEAD, [_cells(row) for row in self.rows]) if self.rows else []
        lines += [_comparison(self, row.label, self.rows[0].label) for row in self.rows[1:]]
        return [*lines, *(f"  {name}: {value:,.2f}" for name, value in self.figures.items())]


_HEAD = ("", "median s", "spread", "msg/s", "CPU user+sys s", "peak MiB", "written MB", "syncs")


def _cells(row: Row) -> tuple[str, ...]:
    def middle(values: Sequence[float]) -> float:
        return Series(tuple(values)).median

    user, system = middle([usage.user for usage in row.usages]), middle([usage.system for usage in row.usages])
    return (
        row.label,
        f"{row.seconds.median:.2f}",
        f"{row.seconds.spread:.0%}",
        f"{row.messages / row.seconds.median:,.0f}",
        f"{user:.2f}+{system:.2f}",
        f"{max(usage.peak for usage in row.usages) / MIB:.0f}",
        f"{middle([usage.written for usage in row.usages]) / 1e6:,.0f}",
        "-" if row.syncs is None else f"{row.syncs:,}",
    )


def _comparison(outcome: Outcome, label: str, other: str) -> str:
    times = outcome.times(label, other)
    return f"  {label} against {other}: {times.median:.2f} times as fast ({times.low:.2f} to {times.high:.2f})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> list[str]:
    """Align cells: the first columns to the left, the others to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  " + "  ".join(cells).rstrip()

    return [line(row) for row in (head, *rows)]
