"""A real mosquitto on a free port of the loopback interface, with the configuration a test asks for."""

from __future__ import annotations

import signal
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.peers.ports import LOOPBACK, free_port, wait_for_port
from tests.peers.programs import require

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

_STOP_SECONDS = 10
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Certificates:
    """An authority, and what it signed: a server at the loopback address, and a client.

    Attributes:
        directory: where they are.
    """

    directory: Path

    @property
    def authority(self) -> Path:
        """The authority's certificate."""
        return self.directory / "authority.crt"

    def certificate(self, name: str) -> Path:
        """The certificate of ``server`` or ``client``."""
        return self.directory / f"{name}.crt"

    def key(self, name: str) -> Path:
        """Its private key."""
        return self.directory / f"{name}.key"


def make_certificates(directory: Path) -> Certificates:
    """Have openssl make an authority, a server certificate for localhost and 127.0.0.1, and a client certificate."""
    directory.mkdir(parents=True, exist_ok=True)
    made = Certificates(directory)
    _openssl(
        "req", "-x509", *_new_key(made.key("authority")), "-subj", "/CN=Test authority", "-days", "2",
        "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        "-out", made.authority,
    )  # fmt: skip
    for name in ("server", "client"):
        request, extensions = directory / f"{name}.csr", directory / f"{name}.ext"
        extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
        _openssl("req", *_new_key(made.key(name)), "-subj", f"/CN={name}", "-out", request)
        _openssl(
            "x509", "-req", "-in", request, "-CA", made.authority, "-CAkey", made.key("authority"), "-CAcreateserial",
            "-days", "2", "-extfile", extensions, "-out", made.certificate(name),
        )  # fmt: skip
    return made


def _new_key(path: Path) -> tuple[str | Path, ...]:
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path)


def _openssl(*arguments: str | Path) -> None:
    subprocess.run([require("openssl", "openssl"), *arguments], check=True, capture_output=True, timeout=60)


@dataclass(slots=True)
class Mosquitto:
    """A broker of one's own; as a context manager it runs within the block.

    Attributes:
        directory: for its configuration, log and persistent state.
        acl: text of the ACL file; empty allows everything. A new text counts after `reload`.
        users: password by name; empty allows anybody.
        certificates: makes the listener speak TLS.
        ask_certificate: whether clients must show a certificate.
        options: further lines of the configuration.
        verbose: whether it logs everything; where it is measured, it should not.
        port: where it listens.
    """

    directory: Path
    acl: str = ""
    users: Mapping[str, str] = field(default_factory=dict)
    certificates: Certificates | None = None
    ask_certificate: bool = False
    options: str = ""
    verbose: bool = True
    port: int = 0
    _process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    @property
    def url(self) -> str:
        """As in the configuration of tosser."""
        return f"{'mqtts' if self.certificates else 'mqtt'}://{LOOPBACK}:{self.port}"

    @property
    def log(self) -> str:
        """All it has logged so far."""
        return (self.directory / "mosquitto.log").read_text("utf-8", "replace")

    def start(self) -> None:
        """Start it, at the same port as before if it ran before, and wait until it accepts connections."""
        self.directory.mkdir(parents=True, exist_ok=True)
        for _ in range(_ATTEMPTS if self.port == 0 else 1):
            port = self.port or free_port()
            if self._start_at(port):
                self.port = port
                return
        raise AssertionError(f"mosquitto does not start:\n{self.log}")

    def _start_at(self, port: int) -> bool:
        config = self.directory / "mosquitto.conf"
        config.write_text(self._configuration(port))
        with (self.directory / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                [require("mosquitto", "mosquitto"), *(["-v"] if self.verbose else []), "-c", config],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_for_port(port)
        except TimeoutError:
            self.kill()
            return False
        return self._process.poll() is None

    def _configuration(self, port: int) -> str:
        lines = [
            f"listener {port} {LOOPBACK}",
            "user root",  # where the tests run as root, it would become a user who may not read the files below
            "max_queued_messages 0",
            "max_inflight_messages 100",
            "persistence true",
            f"persistence_location {self.directory}/",
            f"allow_anonymous {'false' if self.users else 'true'}",
            self.options,
        ]
        if self.acl:
            lines.append(f"acl_file {self._write_acl()}")
        if self.users:
            lines.append(f"password_file {self._write_passwords()}")
        if self.certificates:
            lines += [
                f"cafile {self.certificates.authority}",
                f"certfile {self.certificates.certificate('server')}",
                f"keyfile {self.certificates.key('server')}",
                f"require_certificate {str(self.ask_certificate).lower()}",
            ]
        return "\n".join(lines) + "\n"

    def _write_acl(self) -> Path:
        path = self.directory / "acl"
        path.write_text(self.acl)
        return path

    def _write_passwords(self) -> Path:
        path = self.directory / "passwords"
        path.write_text("".join(f"{name}:{password}\n" for name, password in self.users.items()))
        subprocess.run([require("mosquitto_passwd", "mosquitto"), "-U", path], check=True, timeout=60)
        return path

    def reload(self) -> None:
        """Make it read its ACL again."""
        self._write_acl()
        self._signal(signal.SIGHUP)

    def save(self) -> None:
        """Make it write its sessions and retained messages to the disk, and wait until it has.

        Of a broker that is then killed they outlive it; of one that is stopped, sessions that are open at that moment
        may not.
        """
        database = self.directory / "mosquitto.db"
        before = database.stat().st_ino if database.exists() else 0
        self._signal(signal.SIGUSR1)
        deadline = time.monotonic() + _STOP_SECONDS
        while not database.exists() or database.stat().st_ino == before:
            assert time.monotonic() < deadline, f"mosquitto does not save:\n{self.log}"
            time.sleep(0.01)

    def pause(self) -> None:
        """Make it hang: its connections stay open and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it without warning."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order, if it runs."""
        self._end(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "mosquitto has not been started"
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
