"""A mailer as FTS-5005 describes one, without a network between: it carries what outbounds hold into inbounds.

It knows nothing of the code under test: names of directories and files are computed here once more. It is quick and
works when it is told to, which a real mailer is not; `tests.peers.binkd` is the real one.
"""

from __future__ import annotations

import os
import re
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.peers.binkd import Domain

_FILE = re.compile(r"([0-9a-f]{4})([0-9a-f]{4})\.(?:([icdfh])lo|([icdoh])ut|(pnt))", re.ASCII | re.IGNORECASE)
_ORDER = "icdofh"
"""Letters of the flavours, most urgent first; normal is ``o`` for packets and ``f`` for flow files."""
_DELETE, _TRUNCATE, _DONE = "^", "#", "~"


@dataclass(frozen=True, slots=True)
class Station:
    """A system as its mailer sees it.

    Attributes:
        addresses: its own, with domains.
        domains: where the outbounds of its networks are.
        inbound: takes what arrives.
    """

    addresses: tuple[str, ...]
    domains: tuple[Domain, ...]
    inbound: Path


class _Entry(NamedTuple):
    """A flow file or flavoured packet; sorted as a session sends them: packets first, then by urgency."""

    is_flow: bool
    urgency: int
    path: Path

    @property
    def held(self) -> bool:
        """Whether it waits for a call."""
        return _ORDER[self.urgency] == "h"


@dataclass(slots=True)
class Traffic:
    """What one round of sessions came to.

    Attributes:
        files: names as they arrived, by the sending and the receiving system's first address.
        busy: addresses that were locked.
    """

    files: list[tuple[str, str, str]] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)


class Mailer:
    """Carries mail between stations that stand in the same machine.

    Args:
        stations: all of them; mail for an address that none has stays where it is.
    """

    def __init__(self, stations: Sequence[Station]) -> None:
        self._stations = tuple(stations)

    def carry(self) -> Traffic:
        """Let every two systems of which one has a reason to call exchange all that they have for each other."""
        traffic = Traffic()
        for index, one in enumerate(self._stations):
            for other in self._stations[index + 1 :]:
                there, back = _mail(one, other), _mail(other, one)
                if any(not entry.held for mail in (there, back) for entries in mail.values() for entry in entries):
                    _send(one, other, there, traffic)
                    _send(other, one, back, traffic)
        return traffic


def _mail(one: Station, other: Station) -> dict[str, list[_Entry]]:
    """Find what one system has for the addresses of another."""
    return {address: entries for address, entries in _queue(one) if address in other.addresses}


def _queue(station: Station) -> Iterator[tuple[str, list[_Entry]]]:
    """List what an outbound holds, by address."""
    found: dict[str, list[_Entry]] = {}
    for domain in station.domains:
        name = re.compile(rf"{re.escape(domain.outbound.name)}(?:\.([0-9a-f]{{3,4}}))?", re.IGNORECASE)
        for directory in sorted(domain.outbound.parent.iterdir()):
            match = name.fullmatch(directory.name)
            if match and directory.is_dir():
                zone = int(match[1], 16) if match[1] else domain.zone
                for node, entry in _entries(directory, f"{zone}:"):
                    found.setdefault(f"{node}@{domain.name}", []).append(entry)
    for address in sorted(found):
        yield address, sorted(found[address])


def _entries(directory: Path, zone: str, boss: str = "") -> Iterator[tuple[str, _Entry]]:
    for path in directory.iterdir():
        match = _FILE.fullmatch(path.name)
        if match is None:
            continue
        high, low = int(match[1], 16), int(match[2], 16)
        node = f"{boss}.{high << 16 | low}" if boss else f"{zone}{high}/{low}"
        if match[5]:
            yield from _entries(path, zone, node)
        else:
            letter = (match[3] or match[4]).lower()
            yield node, _Entry(bool(match[3]), _ORDER.index(letter), path)


def _send(one: Station, other: Station, mail: dict[str, list[_Entry]], traffic: Traffic) -> None:
    """Send everything for the addresses that are not locked."""
    with ExitStack() as locks:
        for address, entries in mail.items():
            if not locks.enter_context(_locked(entries[0].path)):
                traffic.busy.append(address)
                continue
            for entry in entries:
                names = _send_flow(entry.path, other) if entry.is_flow else _send_packet(entry.path, other)
                traffic.files += [(one.addresses[0], other.addresses[0], name) for name in names]


@contextmanager
def _locked(beside: Path) -> Iterator[bool]:
    """Hold the ``.bsy`` of a system, unless somebody else does."""
    lock = beside.with_suffix(".bsy")
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        yield False
        return
    try:
        yield True
    finally:
        lock.unlink()


def _send_packet(path: Path, to: Station) -> Iterator[str]:
    yield _deliver(path.read_bytes(), f"{path.stem}.pkt", to.inbound)
    path.unlink()


def _send_flow(flow: Path, to: Station) -> Iterator[str]:
    for line in flow.read_text("utf-8").splitlines():
        if not line or line.startswith(_DONE):
            continue
        path = Path(line[1:] if line[0] in {_DELETE, _TRUNCATE} else line)
        assert path.is_absolute(), line
        if not path.exists():
            continue
        if path.stat().st_size:
            yield _deliver(path.read_bytes(), path.name, to.inbound)
        if line.startswith(_DELETE):
            path.unlink()
        elif line.startswith(_TRUNCATE):
            os.truncate(path, 0)
    flow.unlink()


def _deliver(data: bytes, name: str, inbound: Path) -> str:
    """Put a file into an inbound under its name, or where that is taken under another one of the same kind."""
    partial = inbound / f"{name}.tmp"
    partial.write_bytes(data)
    stem, _, extension = name.rpartition(".")
    for number in count():
        free = name if not number else f"{(int(stem, 16) + number) % (1 << 32):08x}.{extension}"
        try:
            os.link(partial, inbound / free)
        except FileExistsError:
            continue
        partial.unlink()
        return free
    raise AssertionError(name)
