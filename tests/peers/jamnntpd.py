"""jamnntpd, an NNTP server over JAM bases, as a peer that reads what we write, and posts beside us.

Debian's amd64 build takes the index for half as long as it is and sees only the first half of a base; its i386 build
sees all. Which one it is, is asked of the server, not guessed from its name.
"""

from __future__ import annotations

import os
import socket
import subprocess
from typing import TYPE_CHECKING, Self

from tests.mail import US
from tests.peers.ports import LOOPBACK, free_port, wait_for_port
from tests.peers.programs import require

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

_SECONDS = 20.0


class Jamnntpd:
    """A jamnntpd over some bases, running while it is entered (use ``with``).

    Args:
        directory: for its configuration and log.
        areas: base paths without suffix, by newsgroup name.
        program: the binary; else that of the environment variable JAMNNTPD, else the one installed.
        options: further ones of its command line.
        address: the one it writes from.
    """

    def __init__(
        self,
        directory: Path,
        areas: Mapping[str, Path],
        program: str | None = None,
        options: Sequence[str] = (),
        address: str = US,
    ) -> None:
        self._directory = directory
        self._areas = areas
        self._address = address
        self._options = options
        self._program = program or os.environ.get("JAMNNTPD") or require("jamnntpd", "jamnntpd")
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Configure and start it, and wait until it answers."""
        self._directory.mkdir(parents=True, exist_ok=True)
        texts = {
            "groups": "".join(f"{name} A {self._address} {path}\n" for name, path in self._areas.items()),
            "allow": f"{LOOPBACK} A A\n",
            "users": "",
            "xlat": 'read * unknown-8bit\npost * ""\n',
        }
        command = [self._program, "-port", str(self._port), "-noecholog", "-logfile", str(self._directory / "log")]
        command += self._options
        for name, text in texts.items():
            (self._directory / name).write_text(text)
            command += [f"-{name}", str(self._directory / name)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for_port(self._port, _SECONDS)
        except TimeoutError:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self._stop()

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(_SECONDS)
            self._process = None

    def session(self) -> NewsSession:
        """Connect as a newsreader."""
        return NewsSession(self._port)


class NewsSession:
    """One NNTP connection (RFC 3977), closed when it is left (use ``with``)."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((LOOPBACK, port), timeout=_SECONDS)
        self._stream = self._socket.makefile("rwb")
        self._expect("20")

    def __enter__(self) -> Self:
        """Nothing more to do."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        self._stream.close()
        self._socket.close()

    def group(self, name: str) -> tuple[int, int, int]:
        """Enter a newsgroup: how many articles it has, the first and the last number."""
        count, first, last = self._ask(f"GROUP {name}", "211").split()[1:4]
        return int(count), int(first), int(last)

    def article(self, number: int) -> tuple[dict[str, str], list[str]]:
        """Fetch one article of the newsgroup: headers with lower-case names, and the lines of the text."""
        headers, lines = self.whole_article(number)
        return dict(headers), lines

    def whole_article(self, number: int) -> tuple[list[tuple[str, str]], list[str]]:
        """Fetch one article as `article` does, with headers that occur more than once."""
        self._ask(f"ARTICLE {number}", "220")
        lines = self._lines()
        blank = lines.index("")
        headers = [line.split(": ", 1) for line in lines[:blank] if ": " in line]
        return [(name.lower(), value) for name, value in headers], lines[blank + 1 :]

    def overview(self, first: int, last: int) -> list[list[str]]:
        """Fetch the overview of a range: number, subject, author, date and so on of each article."""
        self._ask(f"XOVER {first}-{last}", "224")
        return [line.split("\t") for line in self._lines()]

    def post(self, headers: Mapping[str, str], text: str) -> None:
        """Post an article."""
        self._ask("POST", "340")
        lines = [*(f"{name}: {value}" for name, value in headers.items()), "", *text.splitlines(), "."]
        self._send("\r\n".join(lines))
        self._expect("240")

    def _ask(self, command: str, code: str) -> str:
        self._send(command)
        return self._expect(code)

    def _send(self, text: str) -> None:
        self._stream.write(text.encode("latin-1") + b"\r\n")
        self._stream.flush()

    def _line(self) -> str:
        # It writes a response in small pieces and waits for each to be acknowledged; and the option wears off.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return self._stream.readline().decode("latin-1").rstrip("\r\n")

    def _expect(self, code: str) -> str:
        answer = self._line()
        assert answer.startswith(code), answer
        return answer

    def _lines(self) -> list[str]:
        lines: list[str] = []
        while (line := self._line()) != ".":
            lines.append(line[1:] if line.startswith("..") else line)
        return lines
