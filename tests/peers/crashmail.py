"""crashmail, another tosser, as a peer: an uplink that writes and exports packets, or a downlink that reads ours.

It runs in a directory of its own with a short name, because its configuration reader keeps only about 100 characters
of a path. It writes packets of type 2+, one flow file a link, and knows nothing of who tests it.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.corpus import HUB, US
from tests.mail import split_address
from tests.peers.programs import require

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

_SECONDS = 120
_PREFERENCES = """\
SYSOP "Hub Sysop"
LOGFILE "{root}/log"
LOGLEVEL 3
DUPEFILE "{root}/dupes" 1000000
DUPEMODE KILL
LOOPMODE LOG
MAXPKTSIZE 60000
MAXBUNDLESIZE 60000
DEFAULTZONE {zone}
INBOUND "{root}/in"
OUTBOUND "{root}/out"
TEMPDIR "{root}/tmp"
CREATEPKTDIR "{root}/tmp"
PACKETDIR "{root}/out"
STATSFILE "{root}/stats"
CHECKSEENBY
CHECKPKTDEST
IMPORTSEENBY
JAM_HIGHWATER
JAM_MAXOPEN 60
PACKER "ZIP" "/usr/bin/zip -j %a %f" "/usr/bin/unzip -j %a" "PK"
"""
# MAXPKTSIZE: it names 256 packets a second and then overwrites. JAM_MAXOPEN: it closes and opens bases without end.


@dataclass(frozen=True, slots=True)
class CrashmailLink:
    """A link of the crashmail node: its packet password, and whether it gets ZIP bundles or bare packets."""

    password: str = ""
    bundles: bool = False


class Crashmail:
    """One crashmail node in a directory that is gone when the node is left (use ``with``)."""

    def __init__(
        self,
        *,
        address: str = HUB,
        links: Mapping[str, CrashmailLink] | None = None,
        areas: Sequence[str] = ("TQW_GEN",),
        netmail: bool = True,
        parent: Path | None = None,
        bases: Mapping[str, Path] | None = None,
        routes: Mapping[str, str] | None = None,
    ) -> None:
        """Describe the node; every link exports and imports every area. Its directory is made in ``parent`` (short).

        Areas in ``bases`` have these bases of others (without suffix), whose four files must be there. Netmail for the
        patterns in ``routes`` (``1337:1/202.0``, ``1337:*/*.*``) goes to these links.
        """
        self.address = address
        self.links = {US: CrashmailLink()} if links is None else dict(links)
        self.areas = tuple(areas)
        self._netmail = netmail
        self._program = require("crashmail", "crashmail")
        self._parent = parent
        self._bases = bases or {}
        self._routes = routes or {}
        self.root = Path()

    def __enter__(self) -> Self:
        self.root = Path(tempfile.mkdtemp(prefix="cm", dir=self._parent or "/tmp"))  # noqa: S108 - a short name
        for name in ("in", "out", "tmp", "msg"):
            (self.root / name).mkdir()
        for area, path in self._bases.items():
            for suffix in (".jhr", ".jdt", ".jdx", ".jlr"):
                self.base(area).with_suffix(suffix).symlink_to(path.with_name(path.name + suffix))
        (self.root / "prefs").write_text(self._preferences(), "ascii")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        shutil.rmtree(self.root)

    @property
    def inbound(self) -> Path:
        """Where the node looks for packets and bundles."""
        return self.root / "in"

    def base(self, area: str) -> Path:
        """The JAM base of an area, without suffix."""
        return self.root / "msg" / f"{self.areas.index(area)}"

    @property
    def netmail(self) -> Path:
        """The JAM base of netmail, without suffix."""
        return self.root / "msg" / "net"

    def command(self, *arguments: str) -> list[str]:
        """Build the command line of a command of this node."""
        return [self._program, "SETTINGS", str(self.root / "prefs"), *arguments]

    def toss(self) -> str:
        """Toss the inbound, export to the links, and return what crashmail printed.

        Raises:
            AssertionError: crashmail failed, or set a file aside as bad.
        """
        return self._run("TOSS")

    def scan(self) -> str:
        """Export what was written into the bases; otherwise as `toss`."""
        return self._run("SCAN")

    def outgoing(self, link: str) -> list[Path]:
        """List the files that wait for a link, in the order of its flow file."""
        _, net, node, point = split_address(link)
        boss = f"{net:04x}{node:04x}"
        flow = self.root / "out" / (f"{boss}.pnt/{point:08x}.flo" if point else f"{boss}.flo")
        if not flow.exists():
            return []
        return [Path(line.lstrip("^#")) for line in flow.read_text("ascii").splitlines() if line]

    def collect(self, link: str, directory: Path) -> list[Path]:
        """Move what waits for a link into a directory, as a mailer would, and return the files there."""
        files = [Path(shutil.move(file, directory / file.name)) for file in self.outgoing(link)]
        for flow in (self.root / "out").glob("**/*.?lo"):
            if not any(Path(line.lstrip("^#")).exists() for line in flow.read_text("ascii").splitlines()):
                flow.unlink()
        return files

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            self.command(*arguments), capture_output=True, check=False, timeout=_SECONDS, cwd=self.root
        )
        printed = done.stdout.decode("latin-1") + done.stderr.decode("latin-1")
        assert done.returncode == 0, printed
        assert not list(self.inbound.glob("*.bad")), printed
        return printed

    def _preferences(self) -> str:
        zone = self.address.partition(":")[0]
        lines = [_PREFERENCES.format(root=self.root, zone=zone)]
        own = _with_point(self.address)
        lines += [f'AKA {own}\nDOMAIN "tqwnet"']
        lines += [
            f'NODE {_with_point(link)} "{"ZIP" if how.bundles else ""}" "{how.password}"'
            for link, how in self.links.items()
        ]
        lines += [f'ROUTE "{match}" "{_with_point(to)}" {own}' for match, to in self._routes.items()]
        if self._netmail:
            lines += [f'NETMAIL "NETMAIL" {own} JAM "{self.root}/msg/net"']
        lines += [f'AREA "BAD" {own} JAM "{self.root}/msg/bad"']
        exports = " ".join(map(_with_point, self.links))
        for area in self.areas:
            lines += [f'AREA "{area}" {own} JAM "{self.base(area)}"\nEXPORT {exports}']
        return "\n".join((*lines, ""))


def _with_point(address: str) -> str:
    """Write an address as its configuration does, always with a point."""
    return "{}:{}/{}.{}".format(*split_address(address))


def crashwrite(
    directory: Path,
    *texts: str,
    area: str = "TQW_GEN",
    subject: str = "Hello",
    from_name: str = "Ada Quillfeather",
    author: str = HUB,
    sender: str = HUB,
    dest: str = US,
    password: str = "",
) -> list[Path]:
    """Let crashmail's own writer make one packet a text (ASCII), one message each, and move them into a directory.

    It takes packet names and MSGIDs from the clock and from the names already there, so call it once for all texts:
    two calls within a second may give the same MSGID twice.
    """
    with tempfile.TemporaryDirectory(prefix="cw", dir="/tmp") as scratch:
        source, made = Path(scratch) / "text", Path(scratch) / "made"
        made.mkdir()
        words = {"FROMNAME": from_name, "FROMADDR": author, "TOADDR": dest, "SUBJECT": subject, "AREA": area}
        words |= {"PKTFROMADDR": sender, "PKTTOADDR": dest, "ORIGIN": "Where it was written", "PASSWORD": password}
        words |= {"TEXT": str(source), "DIR": str(made)}
        command = [require("crashwrite", "crashmail"), *(word for pair in words.items() if pair[1] for word in pair)]
        for text in texts:
            source.write_text(text, "ascii")
            subprocess.run(command, capture_output=True, check=True, timeout=_SECONDS)
        return [Path(shutil.move(packet, directory / packet.name)) for packet in sorted(made.iterdir())]
