"""What a mailer does with an outbound, as binkd does it: take what flow files name, strike it out, do as they say.

A session leaves alone a system that somebody has locked, sends flavour by flavour, passes over what is not there, and
removes a flow file when nothing in it waits. It may die when the other side has a file and it has not yet noted that
everywhere. `packets_in` is the other side, which unpacks what it got.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path


class Died(Exception):  # noqa: N818 - it is what happened
    """The mailer is gone in the middle of a session."""


_STEM = re.compile(rb"packet ([0-9a-f]{8})\n")


@dataclass
class Mailer:
    """A mailer that serves one system.

    Attributes:
        directory: where the system's flow files are.
        stem: how they are named.
        sent: name and content of every file that was sent, in order.
        dies: empty, or when it dies: ``struck out`` a line and not yet deleted its file, or ``deleted`` a file whose
            line it has not yet struck out, as mailers do that write flow files anew.
    """

    directory: Path
    stem: str
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    dies: str = ""

    def session(self, *, heeding: bool = True) -> bool:
        """Send what waits, unless the system is locked; ``heeding=False`` is somebody who removes the lock first."""
        lock = self.directory / f"{self.stem}.bsy"
        self.directory.mkdir(exist_ok=True)
        if not heeding:
            lock.unlink(missing_ok=True)
        try:
            lock.touch(exist_ok=False)
        except FileExistsError:
            return False
        with suppress(Died):
            for extension in ("ilo", "clo", "dlo", "flo", "hlo"):
                for path in sorted(self.directory.iterdir()):
                    if path.name.lower() == f"{self.stem}.{extension}":
                        self._serve(path)
        lock.unlink()
        return True

    def _serve(self, flow: Path) -> None:
        with flow.open("r+b") as stream:
            while True:
                at = stream.tell()
                line = stream.readline()
                if not line:
                    break
                text = line.rstrip()
                if not text or text.startswith(b"~"):
                    continue
                directive, path = (text[:1], text[1:]) if text[:1] in b"^#" else (b"", text)
                self._send(directive, Path(os.fsdecode(path)), stream, at)
                stream.seek(at + len(line))
        flow.unlink()

    def _send(self, directive: bytes, path: Path, stream: io.BufferedRandom, at: int) -> None:
        there = path.is_file()
        if there:
            self.sent.append((path.name, path.read_bytes()))
        if not there or self.dies != "deleted":
            stream.seek(at)
            stream.write(b"~")
            stream.flush()
        if there and self.dies != "struck out":
            self._finish(directive, path)
        if there and self.dies:
            raise Died

    @staticmethod
    def _finish(directive: bytes, path: Path) -> None:
        if directive == b"^":
            path.unlink()
        elif directive == b"#":
            os.truncate(path, 0)

    def empty_box(self, box: Path) -> None:
        """Send every file of a box that is not hidden, and remove the box when nothing is in it."""
        for path in sorted(box.iterdir()) if box.is_dir() else []:
            if path.name[0] != "." and path.is_file():
                self.sent.append((path.name, path.read_bytes()))
                path.unlink()
        if box.is_dir() and not list(box.iterdir()):
            box.rmdir()

    @property
    def packets(self) -> list[int]:
        """The serial numbers of all packets that were sent, sorted; one that was sent twice is there twice."""
        return sorted(serial for name, data in self.sent for serial in packets_in(name, data))


def packets_in(name: str, data: bytes) -> list[int]:
    """Unpack a file and read the number of each packet in it (`tests.outbound.yard.content` wrote them)."""
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert archive.testzip() is None
            assert all(re.fullmatch(r"[0-9a-f]{8}\.pkt", member) for member in archive.namelist())
            members = [archive.read(member) for member in archive.namelist()]
        assert all(len(_STEM.findall(member)) == 1 for member in members)
        data = b"".join(members)
    else:
        assert name.endswith(".pkt") or data.startswith(b"\x1a\x08")
    return [int(match, 16) for match in _STEM.findall(data)]
