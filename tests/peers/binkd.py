"""binkd, the mailer most systems use, as a real peer: it carries what lies in an outbound into another's inbound.

Each one runs in a directory of its own, on a free port of the loopback interface, and looks at its outbound every
second. Sessions have passwords, so what arrives is in the secure inbound.
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from tests.peers.ports import LOOPBACK, free_port, wait_for_port
from tests.peers.programs import require

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

STOP_SECONDS = 20
NO_DEFAULT_ZONE = 0x7FFF
"""A zone nobody is in: a domain with this default zone has a directory with extension for every zone."""
_CONFIG = """\
log {root}/binkd.log
loglevel 6
sysname "{name}"
location "Springfield"
sysop "Jane Sysop"
nodeinfo 115200,TCP,BINKP
{domains}
address {addresses}
inbound {secure}
inbound-nonsecure {insecure}
temp-inbound {root}/in.temp
kill-dup-partial-files
kill-old-partial-files 1d
kill-old-bsy 12h
rescan-delay 1
call-delay 1
send-if-pwd
prescan
listen {loopback}
iport {port}
{nodes}
"""


@dataclass(frozen=True, slots=True)
class Domain:
    """A network as binkd knows it.

    Attributes:
        name: behind the ``@`` of its addresses.
        outbound: directory of its default zone.
        zone: the default zone; `NO_DEFAULT_ZONE` when all zones have directories with extension.
    """

    name: str
    outbound: Path
    zone: int


@dataclass(frozen=True, slots=True)
class Remote:
    """A system that binkd exchanges mail with.

    Attributes:
        password: of the session.
        port: where it listens; ``None`` for one that calls us.
    """

    password: str
    port: int | None = None


class Binkd:
    """One binkd; it runs for the length of a ``with`` block.

    Args:
        root: an existing directory for its files; on the file system of the inbounds.
        addresses: with domains, the main one first.
        domains: the first is the one of addresses without domain.
        secure: takes what comes in sessions with a password.
        insecure: takes what comes in others.
        port: where it listens; chosen when absent, so that others can be told before it runs.
    """

    def __init__(
        self,
        root: Path,
        *,
        addresses: Sequence[str],
        domains: Sequence[Domain],
        secure: Path,
        insecure: Path,
        port: int | None = None,
    ) -> None:
        self.root = root
        self.addresses = tuple(addresses)
        self.port = free_port() if port is None else port
        self._domains = tuple(domains)
        self._inbounds = secure, insecure
        self._remotes: dict[str, Remote] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def know(self, remotes: Mapping[str, Remote]) -> None:
        """Add systems by their addresses; to be called before the start."""
        self._remotes.update(remotes)

    def __enter__(self) -> Self:
        """Start it, and wait until it listens."""
        (self.root / "in.temp").mkdir(exist_ok=True)
        path = self.root / "binkd.cfg"
        path.write_text(self._config(), "ascii")
        with (self.root / "binkd.out").open("ab") as out:
            self._process = subprocess.Popen(
                [require("binkd", "binkd"), "-q", str(path)],
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # it forks: its children are ended with it
            )
        try:
            wait_for_port(self.port)
        except TimeoutError:
            self.stop()
            raise AssertionError(self.log) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def log(self) -> str:
        """Everything it has logged or printed so far."""
        paths = (self.root / "binkd.out", self.root / "binkd.log")
        return "".join(path.read_text("latin-1") for path in paths if path.exists())

    @property
    def partial(self) -> list[Path]:
        """What is still being received."""
        return sorted((self.root / "in.temp").iterdir())

    def stop(self) -> None:
        """End it and its children, as a service manager does; does nothing when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _config(self) -> str:
        secure, insecure = self._inbounds
        return _CONFIG.format(
            root=self.root,
            name=self.addresses[0],
            domains="\n".join(f"domain {domain.name} {domain.outbound} {domain.zone}" for domain in self._domains),
            addresses=" ".join(self.addresses),
            secure=secure,
            insecure=insecure,
            loopback=LOOPBACK,
            port=self.port,
            nodes="\n".join(
                f"node {address} {'-' if remote.port is None else f'{LOOPBACK}:{remote.port}'} {remote.password} c"
                for address, remote in self._remotes.items()
            ),
        )
