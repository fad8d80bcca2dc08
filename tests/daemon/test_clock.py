from __future__ import annotations

from dataclasses import dataclass

import pytest

from tosser.daemon.clock import JUMP_SECONDS, LONG_OFF_SECONDS, STEADY_SECONDS, ClockWatch

START = 1_794_571_200.0
DAY = 86400.0


@dataclass
class Clocks:
    """A clock on the wall, and one that only goes forward."""

    wall: float = START
    running: float = 1000.0

    def pass_by(self, seconds: float) -> None:
        """Let time go by."""
        self.wall += seconds
        self.running += seconds

    def watch(self, last: float | None = None) -> ClockWatch:
        """Begin to watch."""
        return ClockWatch(last, wall=lambda: self.wall, running=lambda: self.running)


@pytest.mark.parametrize("jump", [400 * DAY, -400 * DAY, 2 * JUMP_SECONDS])
def test_a_jump_is_told_until_the_clock_is_back(jump: float) -> None:
    """While a clock is off by a jump it is not trusted, however often one looks; back, it is at once."""
    clocks = Clocks()
    watch = clocks.watch()
    assert watch.look() == ""
    clocks.wall += jump
    for _ in range(3):
        clocks.pass_by(60)
        assert f"the clock was set {abs(jump) / DAY:.1f} days {'ahead' if jump > 0 else 'back'}; " in watch.look()
    clocks.wall -= jump
    assert watch.look() == ""


def test_a_steady_clock_is_trusted_again() -> None:
    """After a day without another jump the new time is taken for right; a jump in between begins the day anew."""
    clocks = Clocks()
    watch = clocks.watch()
    clocks.wall += 10 * DAY
    assert watch.look()
    clocks.pass_by(STEADY_SECONDS - 1)
    assert watch.look()
    clocks.wall += 10 * DAY
    assert "20.0 days ahead" in watch.look()
    clocks.pass_by(STEADY_SECONDS - 1)
    assert watch.look()
    clocks.pass_by(1)
    assert watch.look() == ""
    clocks.wall -= 20 * DAY
    assert "20.0 days back" in watch.look()


def test_small_corrections_are_none_of_our_business() -> None:
    """What every clock needs now and then is no jump, also when it adds up."""
    clocks = Clocks()
    watch = clocks.watch()
    for _ in range(100):
        clocks.pass_by(3600)
        clocks.wall += JUMP_SECONDS / 2
        assert watch.look() == ""


@pytest.mark.parametrize(
    ("off", "told"),
    [
        (0.0, ""), (LONG_OFF_SECONDS - 1, ""), (LONG_OFF_SECONDS + DAY, "31.0 days ahead"),
        (-2 * JUMP_SECONDS, "0.1 days back"),
    ],
)  # fmt: skip
def test_the_clock_at_the_start(off: float, told: str) -> None:
    """A start long after the last housekeeping, or before it, is a jump as any other."""
    clocks = Clocks()
    watch = clocks.watch(START - off)
    assert told in watch.look()
    assert bool(watch.look()) == bool(told)
