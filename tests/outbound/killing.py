"""A process that dies at a chosen step: at any change of the disk, or at any transaction of the state.

Once it is dead nothing it does has an effect, so that no ``finally`` tidies up behind it. A step is either not done at
all when the process dies, or, when bytes are written, half done.
"""

from __future__ import annotations

import inspect
import threading
from typing import TYPE_CHECKING, Any

from tosser import disk

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tosser.state.state import State


class Killed(BaseException):
    """The process is dead."""


class Life:
    """A process with so many steps to live.

    Attributes:
        steps: how many it has taken, or tried to.
        journal: what they were: a function, and what it was about.
    """

    def __init__(self, steps: int) -> None:
        self.steps = 0
        self.journal: list[str] = []
        self._limit = steps
        self._lock = threading.Lock()

    def step(self, what: str) -> bool:
        """Take a step; tells whether it is the one at which the process dies."""
        with self._lock:
            self.steps += 1
            self.journal.append(what)
            if self.steps > self._limit + 1:
                raise Killed
            return self.steps > self._limit

    def mortal(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Make a function that is a step."""

        def step(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - those of any function
            if self.step(" ".join(map(str, (name, *arguments[:1])))):
                if name == "write_at":
                    descriptor, data, offset = arguments
                    function(descriptor, data[: len(data) // 2], offset)
                raise Killed
            return function(*arguments, **options)

        return step

    def disk(self, patch: pytest.MonkeyPatch) -> None:
        """Make every change of the disk a step."""
        for name, function in inspect.getmembers(disk, inspect.isfunction):
            if not name.startswith("_"):
                patch.setattr(disk, name, self.mortal(name, function))

    def register(self, state: State) -> Any:  # noqa: ANN401 - it stands for a State
        """Make every transaction a step."""
        return _MortalState(self, state)


class _MortalState:
    def __init__(self, life: Life, state: State) -> None:
        self._life = life
        self._state = state

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return self._life.mortal(name, getattr(self._state, name))
