"""Robots that are programs: each netmail for one is given to it on standard input, one after the other.

They run beside the toss, in a thread of their own. A program that fails, or takes too long, is not tried again: the
message stays in the netmail base, where it was all the time, and a condition says what went wrong. Only when we are
killed while a program runs does it get the same message again.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import structlog

from tosser.daemon.feeding import feed
from tosser.errors import ProgramError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from pathlib import Path

    from tosser.daemon.conditions import Conditions
    from tosser.rules.network import Rulebook
    from tosser.state.answers import RobotMail
    from tosser.state.state import State

log = structlog.get_logger()

MOST_ATTEMPTS = 3
"""A program that was running as often as this when we died is not started with the same message again."""
_DIRECTORY = "robots"


class RobotRunner:
    """Gives robots their mail.

    Args:
        state: has the mail.
        conditions: takes what goes wrong.
        rules: has the robots.
        directory: the state directory; programs run in one below it.
        stopping: asked between messages whether to end.
    """

    def __init__(
        self, state: State, conditions: Conditions, rules: Rulebook, directory: Path, stopping: Callable[[], bool]
    ) -> None:
        self._state = state
        self._conditions = conditions
        self._robots = {robot.name: robot for robot in rules.netmail.answers.robots.values()}
        self._directory = directory / _DIRECTORY
        self._stopping = stopping
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tosser-robots")
        self._running: Future[None] | None = None

    def start(self) -> None:
        """See to it that what waits is given, without waiting for it."""
        if self._running is None or self._running.done():
            self._running = self._thread.submit(self._run)

    def close(self) -> None:
        """Wait for the program that runs, and if nobody said stop, for all that waits; then end."""
        self._thread.shutdown()

    def _run(self) -> None:
        try:
            while not self._stopping():
                mail = self._state.begin_hand_over()
                if mail is None:
                    return
                trouble = self._give(mail)
                self._conditions.say({f"robot {mail.robot}": trouble})
                self._state.end_hand_over(mail)
        except (StateError, OSError) as error:
            log.error("robots_stopped", error=str(error), mail="kept")  # noqa: TRY400 - a sentence, not a traceback

    def _give(self, mail: RobotMail) -> str:
        """Run the program; tells what went wrong, or nothing."""
        robot = self._robots.get(mail.robot)
        if robot is None:
            trouble = "it is no longer in the configuration"
        elif mail.attempts >= MOST_ATTEMPTS:
            trouble = f"tosser was killed {mail.attempts} times while it ran"
        else:
            try:
                feed(f"robot {mail.robot}", robot.command, mail.message, self._directory, robot.timeout)
            except ProgramError as error:
                trouble = str(error)
            else:
                log.info("robot_ran", robot=mail.robot, mail=mail.about)
                return ""
        log.error("robot_failed", robot=mail.robot, mail=mail.about, error=trouble)
        return f"{trouble}; the message {mail.about}, is in the netmail base"
