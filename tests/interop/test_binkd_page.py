"""The binkd configuration of the documentation, used by the real binkd to receive mail for a tosser."""

from __future__ import annotations

import re
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.corpus import HUB, US, message, packet
from tests.peers.daemon import node
from tests.peers.ports import LOOPBACK, free_port, wait_for_port
from tests.peers.programs import require
from tosser.address import Address
from tosser.outbound.bso import Bso

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.peers.daemon import Node

PAGE = (Path(__file__).parents[2] / "docs" / "binkd.md").read_text("utf-8")
OTHER_SYSTEM = """\
log {root}/log
loglevel 4
sysname "Other"
location "Elsewhere"
sysop "Other Sysop"
nodeinfo 115200,TCP,BINKP
domain tqwnet {root}/out 1337
address {sender}@tqwnet
inbound {root}/in
inbound-nonsecure {root}/in
node {us}@tqwnet {at} {password} c
"""


def documented(name: str) -> str:
    """Give the content that the page has for a file of binkd."""
    (text,) = re.findall(rf"^## {name}\n.+?^```text\n(.+?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(text)


def session_password(address: str = HUB) -> str:
    """Give the password in the line of a system on the page."""
    (password,) = re.findall(rf"^node {address}@tqwnet \S+ (\S+)", documented("/etc/binkd/binkd.inc"), re.MULTILINE)
    return str(password)


@pytest.fixture
def system(tmp_path: Path) -> Node:
    """A tosser that reads the directories binkd writes to."""
    return node(tmp_path / "node", areas=["TQW_GEN"])


@contextmanager
def binkd(system: Node) -> Iterator[tuple[int, Path]]:
    """Run binkd as documented, with paths and port moved to where a test may use them; gives port and log."""
    port = free_port()
    log, links = system.root / "binkd.log", system.root / "binkd.inc"
    (system.root / "in.temp").mkdir()
    text = documented("/etc/binkd/binkd.cfg").replace("/var/spool/ftn/", f"{system.root}/")
    text = text.replace("/var/log/binkd/binkd", str(log)).replace("/etc/binkd/binkd.inc", str(links))
    path = system.root / "binkd.cfg"
    path.write_text(f"{text}iport {port}\nlisten {LOOPBACK}\n", "ascii")
    links.write_text(documented("/etc/binkd/binkd.inc").replace("/var/spool/ftn/", f"{system.root}/"), "ascii")
    (system.root / "box" / "202").mkdir(parents=True)
    with subprocess.Popen([require("binkd", "binkd"), "-s", "-q", str(path)], cwd=system.root) as process:
        try:
            wait_for_port(port)
            yield port, log
        finally:
            process.terminate()


def call(root: Path, port: int, password: str, sender: str = HUB) -> None:
    """Let another system deliver one packet with one message to the documented binkd, and end."""
    for name in ("out", "in"):
        (root / name).mkdir(parents=True)
    mail = root / "out" / "0badcafe.pkt"
    mail.write_bytes(packet([message("TQW_GEN", sender=sender)], sender=sender))
    (root / "out" / "000100c8.clo").write_text(f"^{mail}\n", "ascii")
    path = root / "binkd.cfg"
    path.write_text(OTHER_SYSTEM.format(root=root, sender=sender, us=US, at=f"{LOOPBACK}:{port}", password=password))
    subprocess.run([require("binkd", "binkd"), "-p", "-q", str(path)], cwd=root, check=True, timeout=60)


def test_a_session_with_password_ends_in_the_secure_inbound(system: Node, tmp_path: Path) -> None:
    """A packet that binkd received is tossed into its area, and nothing is left in any inbound."""
    with binkd(system) as (port, log):
        call(tmp_path / "hub", port, session_password())
        told = log.read_text("latin-1")

    assert f"0badcafe.pkt -> {system.secure}/0badcafe.pkt" in told, told
    assert system.toss().stdout == "files: 1 tossed; messages: 1 accepted; set aside: 0\n"
    assert [path.name for path in (system.root / "in.temp").iterdir()] == []


def test_a_session_without_password_ends_in_the_insecure_inbound(system: Node, tmp_path: Path) -> None:
    """Mail of a stranger is kept apart by binkd, and the tosser does not toss its echomail."""
    with binkd(system) as (port, log):
        call(tmp_path / "stranger", port, "-", "1337:1/999")
        told = log.read_text("latin-1")

    assert "pwd protected session" not in told
    assert (system.insecure / "0badcafe.pkt").exists(), told
    assert system.toss().stdout == "files: 1 unclaimed; messages: none; set aside: 1\n"


def test_a_file_box_is_sent(system: Node, tmp_path: Path) -> None:
    """What lies in the file box of the documented link goes to it when it calls; hidden files stay."""
    with binkd(system) as (port, log):
        for name in ("0000fffe.mo0", ".0000fffe.mo1.tmp"):
            (system.root / "box" / "202" / name).write_bytes(b"mail")
        call(tmp_path / "peer", port, session_password("1337:1/202"), "1337:1/202")
        told = log.read_text("latin-1")

    assert (tmp_path / "peer" / "in" / "0000fffe.mo0").read_bytes() == b"mail", told
    assert [path.name for path in (system.root / "box" / "202").iterdir()] == [".0000fffe.mo1.tmp"]


def test_the_running_tosser_notices_what_binkd_received(system: Node, tmp_path: Path) -> None:
    """A file that binkd links into the inbound wakes the daemon, long before it would look by itself."""
    system.config.write_text(system.config.read_text("utf-8") + "toss: {poll: 1h}\n", "utf-8")
    with system.start() as daemon, binkd(system) as (port, _):
        call(tmp_path / "hub", port, session_password())
        daemon.wait_for(lambda: "0badcafe.pkt" in daemon.log, what="the packet in the log")
        assert daemon.stop() == 0


def test_binkd_looks_where_the_tosser_puts_mail_of_several_networks(system: Node) -> None:
    """With the lines for several networks binkd finds, for both, the directory that the tosser writes to."""
    (lines,) = re.findall(r"\*\*Several networks\.\*\*.+?^```text\n(.+?)^```", PAGE, re.MULTILINE | re.DOTALL)
    text = re.sub(r"^(?:domain|address) .*\n", "", documented("/etc/binkd/binkd.cfg"), flags=re.MULTILINE)
    text = (lines + text).replace("/var/spool/ftn/", f"{system.root}/").replace("/var/log/binkd/", f"{system.root}/")
    (system.root / "in.temp").mkdir()
    outbound = Bso(system.outbound, "tqwnet", 1337, lambda: 1)
    links = ["1337:1/100@tqwnet", "21:1/100@fsxnet"]
    for link in links:
        directory = outbound.directory_of(Address.parse(link))
        directory.mkdir(exist_ok=True)
        (directory / "00010064.clo").touch()
    (system.root / "links").write_text("".join(f"node {link} {LOOPBACK}:1 password c\n" for link in links), "ascii")
    (system.root / "binkd.cfg").write_text(text.replace("/etc/binkd/binkd.inc", f"{system.root}/links"), "ascii")

    command = [require("binkd", "binkd"), "-p", "-q", str(system.root / "binkd.cfg")]
    subprocess.run(command, cwd=system.root, check=True, timeout=60)

    told = (system.root / "binkd").read_text("latin-1")
    assert set(re.findall(r"call to (\S+)", told)) == set(links), told
