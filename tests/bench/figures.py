"""The arithmetic of the benchmark: medians, spread, percentiles, ratios. Pure, and tested by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Series:
    """Several measurements of the same thing.

    Attributes:
        values: in the order they were taken; at least one.
    """

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("a series needs a measurement")

    @property
    def median(self) -> float:
        """The middle value; the mean of the two middle ones where their number is even."""
        return median(self.values)

    @property
    def low(self) -> float:
        """The smallest value."""
        return min(self.values)

    @property
    def high(self) -> float:
        """The largest value."""
        return max(self.values)

    @property
    def spread(self) -> float:
        """How far the values lie apart, as a share of their median: 0.1 is 10 %; 0 where the median is 0."""
        return (self.high - self.low) / self.median if self.median else 0.0


def ratios(above: Sequence[float], below: Sequence[float]) -> Series:
    """Divide measurements pair by pair: those of one round met the same noise, so their ratio is steadier than either.

    Raises:
        ValueError: there are not as many of one as of the other, or none.
    """
    return Series(tuple(one / other for one, other in zip(above, below, strict=True)))


def percentile(values: Sequence[float], percent: float) -> float:
    """Give the smallest value that is at least as large as ``percent`` of the values (nearest rank).

    Raises:
        ValueError: there are no values, or ``percent`` is not within 0..100.
    """
    if not values or not 0 <= percent <= 100:
        raise ValueError("a percentile needs values, and a percentage")
    rank = math.ceil(len(values) * percent / 100)
    return sorted(values)[max(rank - 1, 0)]
