"""The real tosser as a subprocess: a node with its own directories, one-shot commands, and the daemon.

The daemon is given a notification socket as systemd would give it, so that a test waits for READY and not for a time.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from tests.corpus import HUB, US, area_description, area_tags
from tests.peers.forks import can_fork, run_forked
from tests.peers.programs import require_own

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

COMMAND_SECONDS = 300
"""No command of a test may take longer."""
READY_SECONDS = 60
STOP_SECONDS = 60
DONE, FAILED, USAGE, BAD_CONFIGURATION, SET_ASIDE = range(5)
"""Exit codes of the command line."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a one-shot command left behind."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever the command prints
        """The standard output, parsed."""
        return json.loads(self.stdout)


@dataclass(frozen=True, slots=True)
class Node:
    """One configured system in a directory of its own.

    Attributes:
        root: holds everything below.
        config: the configuration file.
        areas: tags, in the order of the configuration.
        environment: variables that its commands get besides ours.
        program: what stands before the arguments, where that is not just the program.
    """

    root: Path
    config: Path
    areas: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = ()

    @property
    def secure(self) -> Path:
        """The inbound of password-protected sessions."""
        return self.root / "in.secure"

    @property
    def insecure(self) -> Path:
        """The inbound of anybody."""
        return self.root / "in"

    @property
    def local(self) -> Path:
        """The inbound of our own programs."""
        return self.root / "in.local"

    @property
    def outbound(self) -> Path:
        """The root of the outbound."""
        return self.root / "out"

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.root / "state"

    @property
    def bases(self) -> Path:
        """Where the message bases are; the base of an area is named after its tag in lower case."""
        return self.root / "bases"

    def deliver(self, data: bytes, name: str = "00000001.pkt", inbound: Path | None = None) -> Path:
        """Put a file into an inbound as a mailer does: under another name first, then renamed."""
        target = (inbound or self.secure) / name
        partial = target.with_name(f"{name}.tmp")
        partial.write_bytes(data)
        partial.rename(target)
        return target

    def run(self, *arguments: str, stdin: bytes | None = None) -> Result:
        """Run one command to its end; a daemon is started with `start`."""
        words = self.command(*arguments)
        if not self.program and can_fork():
            code, *outputs = run_forked(
                words, stdin=stdin, environment=self._env(), directory=self.root, seconds=COMMAND_SECONDS
            )
            return Result(code, *(output.decode("utf-8") for output in outputs))
        done = subprocess.run(
            words,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            check=False,
            timeout=COMMAND_SECONDS,
            env=self._env(),
            cwd=self.root,
        )
        return Result(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))

    def toss(self) -> Result:
        """Toss the inbounds once."""
        return self.run("toss")

    def status(self) -> Any:  # noqa: ANN401 - the command's JSON
        """Return ``tosser status --json``.

        Raises:
            AssertionError: the command failed.
        """
        result = self.run("status", "--json")
        assert result.code in {DONE, SET_ASIDE}, result.stderr
        return result.json

    def command(self, *arguments: str) -> list[str]:
        """Build the command line of a command of this node."""
        return [*(self.program or (require_own("tosser"),)), "--config", str(self.config), *arguments]

    @contextmanager
    def start(self, *, wait: bool = True) -> Iterator[Daemon]:
        """Run the daemon for the length of a ``with`` block; it is killed at the end if the test has not stopped it."""
        daemon = Daemon(self.command("run"), self._env(), self.root)
        try:
            if wait:
                daemon.wait_until_ready()
            yield daemon
        finally:
            daemon.kill()
            daemon.close()

    def _env(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("NOTIFY_", "WATCHDOG_", "TOSSER_", "CREDENTIALS_"))
        }
        return kept | {"NO_COLOR": "1", "COLUMNS": "120"} | self.environment


class Daemon:
    """A running daemon; use `Node.start`."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], root: Path) -> None:
        """Start the process."""
        self._log = root / "daemon.log"
        address = f"tosser-test-{secrets.token_hex(8)}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address}")
        self._news = threading.Condition()
        self._notifications: list[str] = []
        self._reader = threading.Thread(target=self._listen, name="notifications", daemon=True)
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**environment, "NOTIFY_SOCKET": f"@{address}"},
                cwd=root,
            )
        self._reader.start()

    @property
    def log(self) -> str:
        """Everything the daemons of this node have logged so far."""
        return self._log.read_text("utf-8", errors="replace")

    @property
    def notifications(self) -> list[str]:
        """What the daemon has told its service manager so far."""
        with self._news:
            return list(self._notifications)

    def wait_until_ready(self, times: int = 1) -> None:
        """Wait until READY has been said that often (start-up is the first, each reload one more).

        Raises:
            AssertionError: it was not, in the time a test may wait, or the daemon ended first.
        """
        self.wait_for(lambda: self.notifications.count("READY=1") >= times, READY_SECONDS, "READY")

    def wait_for(self, condition: Callable[[], bool], seconds: float = 30.0, what: str = "the condition") -> None:
        """Wait until the condition holds while the daemon runs.

        Raises:
            AssertionError: it did not hold in time, or the daemon ended first.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            code = self.process.poll()
            assert code is None or condition(), f"the daemon ended with {code} before {what}\n{self.log}"
            assert time.monotonic() < deadline, f"no {what} within {seconds} s\n{self.log}"
            time.sleep(0.01)

    def reload(self) -> None:
        """Send SIGHUP and wait until the daemon says that it is done with it."""
        before = self.notifications.count("READY=1")
        self.process.send_signal(signal.SIGHUP)
        self.wait_until_ready(before + 1)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Have it do nothing at all for the length of a ``with`` block."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """Send SIGTERM and return the exit code.

        Raises:
            AssertionError: the daemon did not end in time.
        """
        self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the daemon did not stop within {STOP_SECONDS} s\n{self.log}") from None

    def kill(self) -> None:
        """Send SIGKILL and wait until the process is gone; does nothing when it has ended."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """Stop listening for notifications."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._socket.close()

    def _listen(self) -> None:
        while True:
            datagram = self._socket.recv(4096)
            if not datagram:
                return
            with self._news:
                self._notifications += datagram.decode("utf-8").splitlines()


def node(
    root: Path,
    *,
    areas: int | Sequence[str] = 5,
    links: Mapping[str, str] | None = None,
    address: str = US,
    mqtt_url: str | None = None,
    environment: Mapping[str, str] | None = None,
    **sections: Any,  # noqa: ANN401 - parts of the configuration file
) -> Node:
    """Configure a node below ``root``; each link is a member of each area and may have a packet password.

    ``sections`` are laid over the generated configuration, key by key: ``node(root, toss={"sync": "none"})``.
    Messages of any age are accepted, because the corpus has a fixed date.
    """
    tags = tuple(area_tags(areas) if isinstance(areas, int) else areas)
    links = {HUB: ""} if links is None else links
    system = Node(root, root / "tosser.yaml", tags, dict(environment or {}))
    for directory in (system.secure, system.insecure, system.local, system.outbound):
        directory.mkdir(parents=True, exist_ok=True)
    document: dict[str, Any] = {
        "system": {"name": "Example BBS", "sysop": "Jane Sysop", "location": "Springfield"},
        "paths": {
            "state": str(system.state),
            "bases": str(system.bases),
            "inbound": {
                "secure": [str(system.secure)],
                "insecure": [str(system.insecure)],
                "local": [str(system.local)],
            },
            "outbound": str(system.outbound),
        },
        "networks": {"tqwnet": {"addresses": [address], "bad_area": "BADMAIL.TQW"}},
        "links": [_link(link, password) for link, password in links.items()],
        "area_defaults": {"store": "jam", "dupe_history": "30d", "max_age": "unlimited", "max_future": "unlimited"},
        "areas": [
            {"tag": tag, "description": area_description(index), "links": list(links)} for index, tag in enumerate(tags)
        ],
        "netmail": {"store": "jam", "path": "netmail"},
        "log": {"level": "info", "format": "json"},
    }
    if mqtt_url is not None:
        document["mqtt"] = {"url": mqtt_url}
    system.config.write_text(yaml.safe_dump(_laid_over(document, sections), sort_keys=False), "utf-8")
    return system


def _link(address: str, password: str) -> dict[str, str]:
    entry = {"address": address, "name": f"System {address}", "sysop": "Some Name"}
    return entry | ({"packet_password": password} if password else {})


def _laid_over(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge mappings key by key; anything else above replaces what is below, and ``None`` removes it."""
    merged = dict(below)
    for key, value in above.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _laid_over(merged[key], value)
        else:
            merged[key] = value
    return merged
