"""The two ways to call a hook: run its command, or post to its webhook."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Protocol

from tosser.daemon.feeding import feed
from tosser.errors import ProgramError, said
from tosser.rules.hooks import Fate, Hook, Outcome, Webhook, judge_exit, variables

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from pathlib import Path


class Caller(Protocol):
    """Calls one hook."""

    async def call(self, event: bytes) -> Outcome:
        """Try once, with the event as it would go to the broker; ends soon when it is cancelled."""


def build_caller(hook: Hook, directory: Path, threads: Executor) -> Caller:
    """Make what calls a hook.

    Args:
        hook: what to call.
        directory: where a command may run; used for this hook only.
        threads: where blocking work is done.
    """
    if isinstance(hook.action, Webhook):
        from tosser.events.webhook import Poster  # noqa: PLC0415 - who has no webhook need not wait for it

        return Poster(hook.action, hook.timeout, threads)
    return _CommandCaller(hook, hook.action, directory, threads)


class _CommandCaller:
    def __init__(self, hook: Hook, command: tuple[str, ...], directory: Path, threads: Executor) -> None:
        self._hook = hook
        self._command = command
        self._directory = directory
        self._threads = threads

    async def call(self, event: bytes) -> Outcome:
        """Run the program; when cancelled it is killed first."""
        unwanted = threading.Event()
        running = asyncio.get_running_loop().run_in_executor(self._threads, self._run, event, unwanted)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            unwanted.set()
            await asyncio.wait([running])
            raise

    def _run(self, event: bytes, unwanted: threading.Event) -> Outcome:
        def look() -> None:
            if unwanted.is_set():
                raise ProgramError("was ended")

        hook = self._hook
        try:
            look()
            feed(
                f"hook {hook.name}", self._command, event, self._directory, hook.timeout, look=look,
                variables=variables(json.loads(event)),
            )  # fmt: skip
        except ProgramError as error:
            return Outcome(judge_exit(error.status), str(error))
        except OSError as error:
            return Outcome(Fate.AGAIN, said(error))
        return Outcome(Fate.DONE)
