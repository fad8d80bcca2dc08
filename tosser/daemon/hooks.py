"""Calling hooks: for each message of an area, in order, at least once, beside the toss.

Each hook has a line of calls of its own, of which only the first is ever under way: so the order is kept, and a hook
that fails holds up no other. The lines are in the state database; a call leaves its line when it has ended, so whatever
moment we are killed at, it is made again.
"""

from __future__ import annotations

import asyncio
import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from tosser.daemon.calling import build_caller
from tosser.errors import StateError
from tosser.rules.hooks import NEXT_PAUSE, Fate, Outcome, is_over, pause_after

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tosser.daemon.calling import Caller
    from tosser.daemon.conditions import Conditions
    from tosser.rules.hooks import Hook
    from tosser.state.hooks import HookCall
    from tosser.state.state import State

log = structlog.get_logger()

CALLS = 4
"""Calls that are under way at a time, each of another hook."""
LOOK_SECONDS = 5.0
"""How often a line is looked at that nobody has said anything about, and how soon again one that could not be read."""
GRACE_SECONDS = 5.0
"""How long calls under way may take when we are to stop; what is not done by then is made again."""
_DIRECTORY = "hooks"
_SUBJECT = "hook-"


class _Line:
    """The calls of one hook."""

    def __init__(self, hook: Hook, caller: Caller) -> None:
        self.hook = hook
        self.caller = caller
        self.failures = 0
        self.woken = asyncio.Event()
        self.rests = asyncio.Event()
        """Whether it had nothing to do, or could not do it, at least once."""


class HookRunner:
    """Calls hooks.

    Args:
        hooks: what to call.
        state: has the lines.
        conditions: takes what goes wrong.
        directory: the state directory; commands run in one below it.
        trusted: tells whether the clock can be trusted; no call is given up while it cannot.
    """

    def __init__(
        self,
        hooks: Sequence[Hook],
        state: State,
        conditions: Conditions,
        directory: Path,
        trusted: Callable[[], bool] = lambda: True,
    ) -> None:
        self._state = state
        self._conditions = conditions
        self._trusted = trusted
        self._threads = ThreadPoolExecutor(CALLS, thread_name_prefix="tosser-hooks")
        self._bounds = {hook.name: hook.max_waiting for hook in hooks}
        self._lines = [
            _Line(hook, build_caller(hook, directory / _DIRECTORY / hook.name, self._threads)) for hook in hooks
        ]
        self._slots = asyncio.Semaphore(CALLS)
        self._finishing = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def wake(self) -> None:
        """See to it that new calls are made soon."""
        for line in self._lines:
            line.woken.set()

    def bound(self) -> None:
        """Drop the oldest calls of lines that are too long.

        Raises:
            StateError: the database cannot be written.
        """
        if self._bounds:
            self._tell_dropped(self._state.bound_hooks(self._bounds), "more wait than its max_waiting")

    async def run(self) -> None:
        """Make calls until `finish` is called."""
        await asyncio.to_thread(self._begin)
        try:
            async with asyncio.TaskGroup() as group:
                self._tasks = [group.create_task(self._serve(line), name=line.hook.name) for line in self._lines]
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def finish(self) -> None:
        """Begin no more calls, and end those under way that take too long."""
        self._finishing.set()
        self.wake()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=GRACE_SECONDS)
        for task in self._tasks:
            task.cancel()

    async def drain(self, seconds: float) -> None:
        """Make all calls that wait, instead of `run`: until none does, those left have failed, or the time is over."""
        running = asyncio.create_task(self.run())
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for line in self._lines:
                    await line.rests.wait()
        await self.finish()
        await running

    def _begin(self) -> None:
        """Forget hooks that are no longer in the configuration."""
        try:
            self._tell_dropped(self._state.forget_other_hooks(self._bounds), "it is no longer in the configuration")
            self.bound()
            known = {f"{_SUBJECT}{name}" for name in self._bounds}
            wrong = [each.subject for each in self._state.conditions() if each.subject.startswith(_SUBJECT)]
        except StateError as error:
            log.error("hooks_unusable", error=str(error))  # noqa: TRY400 - a sentence, not a traceback
        else:
            self._conditions.say({subject: "" for subject in wrong if subject not in known})

    def _tell_dropped(self, dropped: Mapping[str, int], why: str) -> None:
        for hook, calls in dropped.items():
            log.error("hook_calls_dropped", hook=hook, calls=calls, why=why)

    # --- one line

    async def _serve(self, line: _Line) -> None:
        """Make the calls of one hook, one after the other."""
        while not self._finishing.is_set():
            line.woken.clear()
            try:
                call = await asyncio.to_thread(self._state.next_hook_call, line.hook.name)
                if call is None:
                    line.rests.set()
                    await _wait(line.woken, LOOK_SECONDS)
                    continue
                async with self._slots:
                    if self._finishing.is_set():
                        return
                    outcome = await _try(line.caller, call)
                pause = await asyncio.to_thread(self._settle, line, call, outcome, trusted=self._trusted())
            except StateError as error:
                log.error("hooks_unusable", error=str(error))  # noqa: TRY400 - a sentence, not a traceback
                pause = LOOK_SECONDS
            if pause:
                line.rests.set()
                await _wait(self._finishing, pause)

    def _settle(self, line: _Line, call: HookCall, outcome: Outcome, *, trusted: bool) -> float:
        """Record how a try ended; gives the seconds until the next."""
        name, now = line.hook.name, time.time()
        fate, pause = outcome.fate, 0.0
        if fate is Fate.AGAIN:
            line.failures += 1
            since = self._state.hook_failed(name, now)
            if trusted and is_over(call.created, since, line.hook.give_up, now):
                fate, pause = Fate.GIVEN_UP, NEXT_PAUSE
            else:
                pause = pause_after(line.failures, random.uniform, outcome.asked)
        else:
            line.failures = 0
        if fate is not Fate.AGAIN:
            self._state.end_hook_call(call, fate)
        _tell(call, fate, outcome.trouble, pause)
        self._conditions.say({f"{_SUBJECT}{name}": _wrong(fate, outcome.trouble)})
        return pause


async def _try(caller: Caller, call: HookCall) -> Outcome:
    """Make a call; a mistake of ours in it must not stop the mail."""
    try:
        return await caller.call(call.payload)
    except Exception:
        log.exception("hook_surprised", hook=call.hook, id=call.event)
        return Outcome(Fate.AGAIN, "tosser made a mistake, which stands in its log")


def _wrong(fate: Fate, trouble: str) -> str:
    """Say what is wrong with a hook: the same for all calls that fail alike, so that it is told once."""
    match fate:
        case Fate.DONE:
            return ""
        case Fate.REFUSED:
            return f"{trouble}: it refuses calls, and those are not made again"
    return f"{trouble}; its calls are made again, until they are done or given up"


def _tell(call: HookCall, fate: Fate, trouble: str, pause: float) -> None:
    """Put into the log what became of a call."""
    about = {"hook": call.hook, "id": call.event}
    match fate:
        case Fate.DONE:
            log.debug("hook_called", **about)
        case Fate.AGAIN:
            log.warning("hook_failed", **about, error=trouble, retry_in=round(pause, 1))
        case Fate.REFUSED:
            log.error("hook_refused", **about, error=trouble)
        case _:
            log.error("hook_given_up", **about, error=trouble)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
