"""Which message bases are looked at for mail of other programs, and when: those that have changed, or lists name.

How one of them is looked at is in `tosser.daemon.scan_base`.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from tosser.config.kinds import SyncMode
from tosser.daemon.conditions import LISTS, SCAN
from tosser.daemon.intake import post_boxes
from tosser.daemon.scan_base import BaseScanner, ScanOptions, ScanPlace, ScanSettings
from tosser.daemon.scan_lists import ScanLists
from tosser.daemon.upkeep import LINK_WAIT, NETMAIL
from tosser.errors import StateError, StoreError, StoreLocked, said

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tosser.config.model import Config
    from tosser.daemon.conditions import Conditions
    from tosser.inbound.spool import Spool
    from tosser.rules.network import Rulebook
    from tosser.rules.verdict import Target
    from tosser.state.state import State

log = structlog.get_logger()

_SHOWN = 3
"""Bases named in a sentence about those that are in trouble."""
_PATIENCE = 60.0
"""Seconds for which a base may be locked before that is trouble."""
_ROOM = 4096
"""Bytes of a text that the lines around it may take."""


def build_scanner(
    config: Config,
    rules: Rulebook,
    state: State,
    spool: Spool,
    appended: Callable[[Target, Sequence[int]], None] = lambda _target, _numbers: None,
) -> BaseScanner:
    """Make what looks at one base."""
    settings = ScanSettings(
        origin=(config.scan.origin or config.system.name).encode("ascii", "replace"),
        limit=config.scan.limit,
        longest=config.limits.text - _ROOM,
        synced=config.toss.sync is SyncMode.FULL,
    )
    _, box = post_boxes(config)
    return BaseScanner(rules, state, box, spool, settings=settings, appended=appended)


def places_of(rules: Rulebook) -> list[ScanPlace]:
    """List the bases that are looked at: those of areas, and that of netmail."""
    found = [ScanPlace.of(area) for area in rules.areas.values() if area.scan]
    return [*found, ScanPlace(NETMAIL, "", rules.netmail.path)] if rules.netmail.scan else found


def _traits(*names: str) -> tuple[int, ...]:
    """Give what changes with the first file there is of these names; there are thousands to be asked for at a time."""
    for name in names:
        try:
            status = os.stat(name)  # noqa: PTH116 - as told
        except OSError:
            continue
        return status.st_size, status.st_mtime_ns, status.st_ino
    return ()


class Scanning:
    """Has bases looked at.

    Args:
        config: says which lists there are.
        rules: the sysop's world.
        state: says what is not done with.
        scanner: looks at one base.
        conditions: takes what is wrong.
    """

    def __init__(
        self, config: Config, rules: Rulebook, state: State, scanner: BaseScanner, conditions: Conditions
    ) -> None:
        self._places = {place.path: place for place in places_of(rules)}
        self._state = state
        self._scanner = scanner
        self._conditions = conditions
        self._lists = ScanLists(config.scan.echotoss, [place.area for place in self._places.values() if place.area])
        places = {Path(path).parent for path in self._places} | {path.parent for path in config.scan.echotoss}
        self.directories = sorted(places) if self._places else []
        """Where something changes when there may be mail; empty when no base is looked at."""
        self._guard = threading.Lock()
        self._due = set(self._places)
        self._finished = False
        """Whether nothing is left of what an earlier round, or an earlier life, has begun."""
        self._seen: dict[str, tuple[int, ...]] = {}
        self._troubles: dict[str, str] = {}
        self._locked: dict[str, float] = {}

    @property
    def unfinished(self) -> bool:
        """Whether a base could not be had, and is to be looked at again soon."""
        return bool(self._locked)

    def look(self) -> bool:
        """Find out which bases may have new mail; tells whether any has. May be called from any thread."""
        found = {path for path in self._places if self._has_changed(path)}
        try:
            found |= self._lists.take()
        except OSError as error:
            self._conditions.say({LISTS: said(error)})
        else:
            self._conditions.say({LISTS: ""})
        with suppress(StateError):  # the pass tells
            found.update(self._state.scanned_bases_left())  # of a command that did not end well
        with self._guard:
            self._due |= found | self._troubles.keys() | self._locked.keys()
            return bool(self._due)

    def _has_changed(self, path: str) -> bool:
        now = (*_traits(f"{path}.jhr", f"{path}.JHR"), *_traits(f"{path}.jdx", f"{path}.JDX"))
        before, self._seen[path] = self._seen.get(path), now
        return before != now

    def round(self, beat: Callable[[], None]) -> None:
        """Look at the bases that are due, and finish what was begun; one that cannot be had gets its turn again.

        Raises:
            StateError: the state database, or the box for what is found, cannot be used.
        """
        with self._guard:
            due, self._due = self._due, set()
        if not self._finished:
            due.update(self._state.scanned_bases_left())
        if not due and self._finished:
            return
        left = sorted(due)
        try:
            while left:
                self._troubles[left[0]] = self._try(left[0])
                del left[0]
                beat()
        finally:
            with self._guard:
                self._due.update(left)
        self._troubles = {path: trouble for path, trouble in self._troubles.items() if trouble}
        self._finished = not (self._troubles or self._locked)
        sentences = list(self._troubles.values())
        more = f"; and {len(sentences) - _SHOWN} more" if len(sentences) > _SHOWN else ""
        self._conditions.say({SCAN: f"{'; '.join(sentences[:_SHOWN])}{more}"})

    def _try(self, path: str) -> str:
        """Look at one base if it can be had; tells what is wrong, or nothing: programs lock a base now and then."""
        try:
            trouble = self._scan(path)
        except StoreLocked as error:
            since = self._locked.setdefault(path, time.monotonic())
            return str(error) if time.monotonic() - since > _PATIENCE else ""
        except StoreError as error:
            trouble = str(error)
        self._locked.pop(path, None)
        return trouble

    def _scan(self, path: str) -> str:
        """Look at one base; tells what is wrong, or nothing."""
        place = self._places.get(path)
        if place is None:  # it was one when the mail was found
            self._scanner.finish(path, LINK_WAIT)
            return ""
        report = self._scanner.scan(place, ScanOptions())
        if report.sent or report.older or report.too_long:
            told = {"sent": report.sent, "older": report.older, "too_long": report.too_long}
            log.info("scanned", area=place.tag, network=place.network, **told)
        if not report.refused:
            return ""
        return (
            f"{report.found} local messages were found in {place.tag} at once, more than scan.limit; none is sent "
            f"until you say `tosser scan {place.tag} --many`, or `--skip`"
        )
