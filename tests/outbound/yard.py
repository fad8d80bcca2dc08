"""An outbound with everything around it: the state, staged packets, a link, and the mailer that serves it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from tests.outbound.mailer import Mailer
from tests.rules.world import make_link, make_network
from tosser.codec.bundle import ArchiveType
from tosser.codec.flow import bso_stem
from tosser.outbound.bso import Bso
from tosser.outbound.program import PackProgram
from tosser.outbound.ship import Shipper
from tosser.outbound.staging import Staging
from tosser.rules.decision import Decision
from tosser.rules.shipping import LinkKey, PacketOut
from tosser.state.state import Results, State

if TYPE_CHECKING:
    from pathlib import Path

    from tosser.outbound.ship import Register
    from tosser.rules.network import Link

NETWORK = make_network("tqwnet", "1337:1/200")
LINK = make_link("1337:1/201", NETWORK)
POINT = make_link("1337:1/200.5", NETWORK)
MONDAY = 1_795_435_200.0
"""Noon of 23 November 2026, in UTC."""
SIZE = 600
"""Bytes of a packet, unless a test says otherwise."""
STAGED = ".tosser"


def content(serial: int, size: int = SIZE) -> bytes:
    """Make the bytes of a packet that tell which one it is; they cannot be packed to much less than their size."""
    return (b"packet %08x\n" % serial + random.Random(serial).randbytes(size))[:size]


def with_settings(link: Link, **settings: Any) -> Link:  # noqa: ANN401 - of many types
    """Change settings of a link."""
    return replace(link, **settings)


@dataclass
class Yard:
    """One outbound and one link.

    Attributes:
        home: directory of everything.
        link: the link.
        now: what the clock shows, Unix seconds.
    """

    home: Path
    link: Link = LINK
    now: float = MONDAY
    level: int = 2
    state: State = field(init=False)
    staging: Staging = field(init=False)
    mailer: Mailer = field(init=False)
    shipper: Shipper = field(init=False)
    bso: Bso = field(init=False)

    def __post_init__(self) -> None:
        (self.home / "state").mkdir(exist_ok=True)
        self.start()
        self.mailer = Mailer(self.directory, bso_stem(self.link.address))

    @property
    def out(self) -> Path:
        """The outbound."""
        return self.home / "out"

    @property
    def directory(self) -> Path:
        """Where the link's mail is."""
        return self.bso.directory_of(self.link.address)

    def start(self) -> None:
        """Begin as a new process does."""
        self.state = State(self.home / "state")
        self.staging = Staging(self.out)
        self.staging.prepare()
        self.staging.remove_orphans(self.state.staged_serials())
        self.bso = Bso(self.out, NETWORK.domain, 1337, self.state.outbound_identity)
        self.bso.release_leftovers([self.link.address])
        self.use(self.state)

    def use(self, register: Register) -> None:
        """Ship with this register."""
        pack = (
            "/bin/sh",
            "-c",
            'test -e "$0" || printf "\\032\\010" > "$0"; cat "$1" >> "$0"',
            "{archive}",
            "{packet}",
        )
        programs = {"script": PackProgram("script", ArchiveType.ARC, pack, 20.0)}
        self.shipper = Shipper(
            self.bso, self.staging, register, programs=programs, level=self.level, clock=lambda: self.now
        )

    def restart(self) -> None:
        """End as a process that is gone does, and begin anew."""
        self.state.close()
        self.start()

    def stage(self, *sizes: int, link: Link | None = None) -> list[int]:
        """Carry out a batch that makes packets of these sizes; give their serial numbers."""
        entry, first = self.state.commit(Decision(self.now, []), {}, len(sizes))
        serials = list(range(first, first + len(sizes)))
        chunks = [content(serial, size) for serial, size in zip(serials, sizes, strict=True)]
        self.staging.write([(serial, [[data[:9], data[9:]]]) for serial, data in zip(serials, chunks, strict=True)])
        key = LinkKey.of(link or self.link)
        packets = [PacketOut(serial, key, len(data), 1) for serial, data in zip(serials, chunks, strict=True)]
        self.state.applied(entry, Results(packets=packets, finished=self.now))
        return serials

    def files(self) -> list[str]:
        """List all files of the outbound, relative to its parent."""
        return sorted(str(path.relative_to(self.home)) for path in self.home.glob("o*/**/*") if path.is_file())

    def flow(self, extension: str = "flo") -> list[str]:
        """List the lines of a flow file of the link, with names instead of paths."""
        path = self.directory / f"{self.mailer.stem}.{extension}"
        return [line.replace(f"{self.directory}/", "") for line in path.read_text("utf-8").splitlines()]

    def close(self) -> None:
        """Close the database."""
        self.state.close()
