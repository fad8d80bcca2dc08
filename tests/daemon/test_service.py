from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from tests.daemon.inside import config_of
from tosser.daemon import service as module
from tosser.daemon.clock import ClockWatch
from tosser.daemon.conditions import Conditions
from tosser.daemon.notify import Notifier
from tosser.daemon.parts import make_directories
from tosser.daemon.service import Service
from tosser.inbound.helper import Helper
from tosser.state.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.peers.daemon import Node


class Listening(Notifier):
    """A notifier that counts the signs of life."""

    def __init__(self) -> None:
        super().__init__(None, 0.01)
        self.signs = 0

    def watchdog(self) -> None:
        """Count one."""
        self.signs += 1


@contextmanager
def service_of(system: Node, notifier: Notifier) -> Iterator[tuple[Service, State]]:
    """Make a service of a node, which does not run, and give the state it works on."""
    config = config_of(system)
    make_directories(config)
    state = State(system.state)
    try:
        conditions = Conditions(state, None)
        service = Service(
            config,
            state,
            notifier,
            helper=Helper(),
            conditions=conditions,
            clock=ClockWatch(),
            since=time.time(),
        )
        yield service, state
    finally:
        state.close()


def test_a_database_that_fails_stops_nothing(system: Node) -> None:
    """Conditions that cannot be noted and housekeeping that cannot be done are logged, and tried again later."""

    async def run(logs: Sequence[Mapping[str, object]]) -> None:
        with service_of(system, Notifier()) as (service, state):
            state.close()
            await service._say({"toss": "something is wrong"})
            service._first_pass.set()
            keeping = asyncio.create_task(service._keep_house())
            async with asyncio.timeout(60):
                while logs[-1]["event"] != "house_kept":  # noqa: ASYNC110 - what is waited for is a line of a log
                    await asyncio.sleep(0.01)
            keeping.cancel()

    with capture_logs() as logs:
        asyncio.run(run(logs))
    assert [line["event"] for line in logs] == ["condition", "condition", "housekeeping_failed", "house_kept"]


def test_a_hung_toss_is_not_called_alive(system: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """The watchdog hears of us while we are idle or make progress, and not when a step has taken too long."""
    monkeypatch.setattr(module, "STALLED_SECONDS", 0.0)
    notifier = Listening()

    async def signs(service: Service, *, idle: bool) -> int:
        before, service._idle = notifier.signs, idle
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(service._show_life(), 0.1)
        return notifier.signs - before

    async def run() -> tuple[int, int]:
        with service_of(system, notifier) as (service, _):
            return await signs(service, idle=True), await signs(service, idle=False)

    idle, hung = asyncio.run(run())
    assert idle > 1
    assert hung == 0
