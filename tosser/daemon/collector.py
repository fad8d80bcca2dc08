"""The garbage collector's share of the work: next to nothing, for what a toss makes holds no cycles."""

from __future__ import annotations

import gc

_NEW, _YOUNG, _OLD = 50_000, 20, 50
"""How many values more than were dropped, and how many rounds of the younger, before a generation is searched."""


def rest() -> None:
    """Search for nothing until `spare`: what is imported stays."""
    gc.disable()


def spare() -> None:
    """Search for cycles seldom, and not at all among what was loaded at the start.

    A batch makes some 50,000 values and drops them together. With Python's own settings a thirteenth of the processor
    time of a toss goes into searching them.
    """
    gc.freeze()
    gc.set_threshold(_NEW, _YOUNG, _OLD)
    gc.enable()
