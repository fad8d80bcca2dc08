"""The care of message bases: who may work on one when, the linking of new messages, and the nightly round.

Purging, packing and repairing look into the journal with the base locked: while mail that is decided on is still to be
written to a base, a crash would have it looked for from the recorded place on, so such a base is left alone. Linking
changes nothing that is looked for. ``docs/decisions/packing.md`` tells why that is enough beside a running daemon.

Run as a module it is the nightly round, in a process of its own; the order comes on standard input, and each base is
answered by a line of JSON.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from msgspec import Struct, to_builtins

from tosser.errors import StoreError, StoreLocked, TosserError
from tosser.rules.network import Keep, StoreKind
from tosser.state.state import DATABASE_NAME, State
from tosser.stores.jam_files import shared_files
from tosser.stores.jam_links import link_new
from tosser.stores.jam_pack import pack, unused
from tosser.stores.jam_purge import purge

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from tosser.rules.network import Rulebook
    from tosser.rules.verdict import Target
    from tosser.stores.jam_files import JamFiles

    OpenBases = Callable[[], Collection[str]]
    """Lists the bases that mail which is decided on waits for."""

log = structlog.get_logger()

NETMAIL = "netmail"
"""What the base for netmail is called; an area has its tag in upper case."""
LINKED_AT_ONCE = 64
"""Bases whose new messages are linked in one go."""
LINK_WAIT = 0.1
"""Seconds to wait for a base that somebody else has locked; its turn comes again."""
_PAUSE = 0.05
"""Seconds between two looks into the journal."""
WORTH_PACKING = 4
"""A base is packed by itself when one part in so many is unused."""
_LEAST_UNUSED = 64 * 1024


class Base(Struct, frozen=True):
    """One message base.

    Attributes:
        name: tag of its area, or ``netmail``.
        network: name of the network; empty for netmail.
        path: without suffix.
        keep: what a purge leaves.
    """

    name: str
    network: str
    path: str
    keep: Keep


def bases_of(rules: Rulebook) -> list[Base]:
    """List the JAM bases: those of the areas by network and tag, the bad areas among them, and that of netmail."""
    areas = [
        Base(area.tag, area.network, area.path, area.keep)
        for area in rules.areas.values()
        if area.store is StoreKind.JAM
    ]
    bad = [Base(each.bad_area, each.name, each.bad_path, each.bad_keep) for each in rules.networks.values()]
    found = sorted(areas + bad, key=lambda base: (base.network, base.name))
    netmail = rules.netmail
    return [*found, *([Base(NETMAIL, "", netmail.path, netmail.keep)] if netmail.store is StoreKind.JAM else [])]


@contextmanager
def held(path: str, wait: float, open_bases: OpenBases) -> Iterator[JamFiles]:
    """Hold a base for work that mail on its way to it must not meet.

    Args:
        path: of the base.
        wait: seconds to wait for another program, and for such mail.
        open_bases: tells what mail waits for.

    Raises:
        StoreLocked: it could not be had in that time.
        StoreError: there is no base, or the work on it fails.
    """
    files = shared_files(Path(path))
    if not files.exists():
        raise StoreError(files.path, "there is no message base here")
    deadline = time.monotonic() + wait
    while True:
        with files.locked(max(deadline - time.monotonic(), 0)):
            if path not in open_bases():
                yield files
                return
        if time.monotonic() >= deadline:
            raise StoreLocked(files.path, "mail that is decided on waits to be written to the base; toss it first")
        time.sleep(_PAUSE)


class Linker:
    """Links new messages to those they answer, some time after they came in.

    Args:
        active: whether it does; else it forgets what it is told.
    """

    def __init__(self, *, active: bool = True) -> None:
        self._active = active
        self._new: dict[str, int] = {}
        self._lock = threading.Lock()

    def note(self, target: Target, numbers: Sequence[int]) -> None:
        """Note that these messages are new in a base."""
        if self._active and target.store is StoreKind.JAM and numbers:
            self._add(target.path, min(numbers))

    def round(self, limit: int = LINKED_AT_ONCE) -> None:
        """Link the new messages of so many bases; one that cannot be had now gets its turn again."""
        with self._lock:
            due = list(self._new)[:limit]
            taken = [(path, self._new.pop(path)) for path in due]
        for path, first in taken:
            try:
                self._link(path, first)
            except StoreLocked:
                self._add(path, first)
            except StoreError as error:
                log.error("not_linked", error=str(error))  # noqa: TRY400 - a sentence, not a traceback

    def _add(self, path: str, first: int) -> None:
        with self._lock:
            self._new[path] = min(first, self._new.get(path, first))

    def _link(self, path: str, first: int) -> None:
        files = shared_files(Path(path))
        was_open = files.is_open
        try:
            with files.locked(LINK_WAIT):
                linked = link_new(files, first)
        finally:
            if not was_open:
                files.close()
        if linked:
            log.debug("linked", base=path, messages=linked)


# --- the nightly round


class Round(Struct, frozen=True):
    """What the nightly round is to do.

    Attributes:
        state: the state directory.
        bases: the bases.
        wait: seconds to wait for each.
        pack: whether bases with much unused room are packed.
    """

    state: Path
    bases: Sequence[Base]
    wait: float
    pack: bool

    def to_json(self) -> bytes:
        """Give the order as the process takes it."""
        plain = {"state": str(self.state), "bases": [to_builtins(base) for base in self.bases]}
        return json.dumps(plain | {"wait": self.wait, "pack": self.pack}).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Round:
        """Read an order."""
        given = json.loads(data)
        bases = [Base(**base | {"keep": Keep(**base["keep"])}) for base in given["bases"]]
        return cls(Path(given["state"]), bases, given["wait"], given["pack"])

    def run(self, now: int) -> Iterator[dict[str, Any]]:
        """Purge and pack base after base; gives for each what was done, or why nothing was."""
        state = State(self.state, read_only=True) if (self.state / DATABASE_NAME).exists() else None
        try:
            for base in self.bases:
                if shared_files(Path(base.path)).exists():
                    yield {"base": base.name, "network": base.network} | self._one(base, state, now)
        finally:
            if state is not None:
                state.close()

    def _one(self, base: Base, state: State | None, now: int) -> dict[str, Any]:
        try:
            with held(base.path, self.wait, state.open_bases if state is not None else set) as files:
                done: dict[str, Any] = {"purged": purge(files, base.keep, now).deleted, "freed": 0}
                idle, total = unused(files) if self.pack else (0, 0)
                if idle >= max(total // WORTH_PACKING, _LEAST_UNUSED):
                    packed = pack(files)
                    done["freed"] = sum(packed.before) - sum(packed.after)
                files.sync()
                return done
        except TosserError as error:
            return {"skipped": str(error)}
        finally:
            shared_files(Path(base.path)).close()


def main() -> None:
    """Make one round."""
    for line in Round.from_json(sys.stdin.buffer.read()).run(int(time.time())):
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
