"""``tosser run``: one process, one lock, one database; a service for each configuration that is in force in turn.

SIGTERM and SIGINT stop it after the batch in hand; SIGHUP reads the configuration again: a good one replaces the
service between two passes, a bad one is refused whole, and log, event and status say why.
"""

from __future__ import annotations

import asyncio
import resource
import signal
import time
from typing import TYPE_CHECKING

import structlog

from tosser import __version__
from tosser.config.loading import load_config
from tosser.daemon import collector, logs
from tosser.daemon.clock import ClockWatch
from tosser.daemon.conditions import CONFIGURATION, Conditions
from tosser.daemon.notify import Notifier
from tosser.daemon.parts import build_node, make_directories, sync_leftovers
from tosser.daemon.service import Service
from tosser.errors import ConfigError, ConfigProblem, StateError
from tosser.events.payloads import config_event
from tosser.inbound.helper import Helper
from tosser.state.lock import StateLock
from tosser.state.state import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tosser.config.model import Config

log = structlog.get_logger()

OPEN_FILES = 8192
"""Descriptors we ask for where fewer are the rule: 200 message bases open at once need 600."""


def run_daemon(path: Path, config: Config, environ: Mapping[str, str]) -> None:
    """Run until told to stop.

    Raises:
        StateLocked: another tosser is at work on the same state.
        StateError: the state database cannot be used.
    """
    logs.configure(config.log.level, config.log.format)
    collector.spare()
    _ask_for_descriptors()
    make_directories(config)
    with Helper() as helper, StateLock(config.paths.state) as lock:
        sync_leftovers(config, lock)
        state = State(config.paths.state)
        try:
            state.verify()
            conditions = Conditions(state, build_node(config), lock.tell)
            daemon = Daemon(path, config, environ, state, helper=helper, conditions=conditions, lock=lock)
            asyncio.run(daemon.run())
        finally:
            state.close()


def _ask_for_descriptors() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < OPEN_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, hard), hard))


class Daemon:
    """The process around the services.

    Args:
        path: the configuration file, for reading it again.
        config: what it says now.
        environ: where secrets and the service manager's socket come from.
        state: the database, open and locked.
        helper: the process that reads backlogs.
        conditions: takes what is wrong.
        lock: of the state directory, taken.
    """

    def __init__(
        self,
        path: Path,
        config: Config,
        environ: Mapping[str, str],
        state: State,
        *,
        helper: Helper,
        conditions: Conditions,
        lock: StateLock,
    ) -> None:
        self._path = path
        self._config = config
        self._environ = environ
        self._state = state
        self._helper = helper
        self._conditions = conditions
        self._lock = lock
        self._clock = ClockWatch(state.last_housekeeping())
        self._notifier = Notifier.from_environment(environ)
        self._stop = False
        self._reload_due = False
        self._since = time.time()
        self._service = self._serve(config)

    async def run(self) -> None:
        """Serve until a signal says stop.

        Raises:
            StateError: somebody has removed or replaced the state directory.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_soon)
        loop.add_signal_handler(signal.SIGHUP, self._reload_soon)
        log.info("starting", version=__version__, config=str(self._path))
        await asyncio.to_thread(self._conditions.say, {CONFIGURATION: ""})
        while not self._stop:
            await self._service.run()
            if not self._lock.is_in_place():
                state = self._config.paths.state
                raise StateError(f"{state}: the directory was removed or replaced; nothing is tossed")
            while self._reload_due and not self._stop:
                self._reload_due = False
                await self._reload()
        log.info("stopped")

    def _serve(self, config: Config) -> Service:
        return Service(
            config,
            self._state,
            self._notifier,
            helper=self._helper,
            conditions=self._conditions,
            clock=self._clock,
            since=self._since,
            owns_state=self._lock.is_in_place,
        )

    def _stop_soon(self) -> None:
        self._stop = True
        self._notifier.stopping()
        log.info("stopping")
        self._service.finish()

    def _reload_soon(self) -> None:
        self._reload_due = True
        self._notifier.reloading()
        self._service.finish()

    async def _reload(self) -> None:
        """Read the configuration again; what cannot be used leaves the old one in force."""
        problems: Sequence[ConfigProblem] = ()
        try:
            config = await asyncio.to_thread(self._read)
            self._service = self._serve(config)
        except (ConfigError, StateError) as error:
            problems = error.problems if isinstance(error, ConfigError) else [self._problem(str(error))]
            self._service = self._serve(self._config)
        else:
            self._config = config
            logs.configure(config.log.level, config.log.format)
        await asyncio.to_thread(self._tell_reload, problems)

    def _read(self) -> Config:
        """Read the configuration for another service of this process.

        Raises:
            ConfigError: it has mistakes.
            StateError: this process, or this machine, cannot work by it.
        """
        config = load_config(self._path, self._environ)
        if config.paths.state != self._config.paths.state:
            raise StateError("another state directory takes a restart")
        make_directories(config)
        return config

    def _problem(self, what: str) -> ConfigProblem:
        """Make a problem of what is wrong outside of the file."""
        return ConfigProblem(str(self._path), 0, 0, "paths", what)

    def _tell_reload(self, problems: Sequence[ConfigProblem]) -> None:
        now = time.time()
        if problems:
            log.error("reload_refused", problems=[str(problem) for problem in problems], in_force="the old one")
        else:
            log.info("reloaded", config=str(self._path))
        text = f"reload refused, the old one is in force: {problems[0]}" if problems else ""
        self._conditions.say({CONFIGURATION: text})
        node = build_node(self._config)
        if node is not None:
            event = config_event(
                node, id=f"config/{now:.6f}", time=now, accepted=not problems, problems=problems
            )  # fmt: skip
            try:
                self._state.add_events([(event.id, event.topic, event.payload)], now)
            except StateError as error:
                log.error("event_lost", topic=event.topic, error=str(error))  # noqa: TRY400 - a sentence
