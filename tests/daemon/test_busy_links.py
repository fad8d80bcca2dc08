"""Links that a mailer has locked, and links whose bundles pile up: what becomes of their mail, by the real command."""

from __future__ import annotations

import os
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.corpus import HUB, message, packet
from tests.packets import messages_in, packets_in
from tests.peers.daemon import DONE, Node, node

if TYPE_CHECKING:
    from tests.peers.daemon import Daemon

LOCKED, FREE, BARE = (f"1337:1/{number}" for number in (201, 202, 203))
FLOWS = {LOCKED: "000100c9.flo", FREE: "000100ca.flo", BARE: "000100cb.flo"}
BUNDLES = 40
NAMES_A_DAY = 36
ALARM = f"bundle names of {LOCKED}"


@pytest.fixture
def hub(tmp_path: Path) -> Node:
    """A node at noon, so that no day ends meanwhile, with an uplink and three downlinks; one gets bare packets."""
    links = dict.fromkeys((HUB, LOCKED, FREE, BARE), "")
    noon = {"TZ": f"NOON{time.gmtime().tm_hour - 12:+d}"}
    system = node(tmp_path / "node", areas=["TQW_GEN"], links=links, environment=noon)
    text = system.config.read_text("utf-8")
    system.config.write_text(text.replace(f"address: {BARE}", f"archiver: none\n  address: {BARE}"), "utf-8")
    return system


def waiting(system: Node, link: str) -> list[Path]:
    """List the files that wait for a link, as its flow file names them."""
    flow = system.outbound / FLOWS[link]
    return [Path(line[1:]) for line in flow.read_text("ascii").splitlines()] if flow.exists() else []


def numbers(files: list[Path]) -> list[str]:
    """Tell which messages are in packets and bundles, by the numbers that `bring` gave them."""
    return [one.msgid.split()[1] for data in packets_in(files) for one in messages_in(data)]


def bring(system: Node, *given: int, body: bytes = b"Hello\r") -> None:
    """Let messages with these numbers arrive from the uplink, each in a packet of its own."""
    for number in given:
        system.deliver(packet([message("TQW_GEN", number=number, body=body)]), f"{number:08x}.pkt")


def toss(system: Node) -> None:
    """Toss once, and find that all is well."""
    result = system.toss()
    assert result.code == DONE, result.stdout + result.stderr


def staged(system: Node, link: str) -> int:
    """Ask the node how many packets for a link are not yet where its mailer finds them."""
    (row,) = [row for row in system.run("queue", "--json").json if row["address"] == link]
    return int(row["staged"]["packets"])


@pytest.mark.parametrize("holder", [b"", b"%d binkd\n" % os.getpid()], ids=["unknown", "living"])
def test_a_locked_link_gets_its_mail_later(hub: Node, holder: bytes) -> None:
    """While its lock is held nothing of a link is touched; the others are served at once, and it is after that."""
    lock = hub.outbound / "000100c9.bsy"
    lock.write_bytes(holder)
    for number in (1, 2):
        bring(hub, number)
        toss(hub)
    assert {path.name for path in hub.outbound.iterdir() if path.name.startswith("000100c9")} == {lock.name}
    assert lock.read_bytes() == holder
    assert staged(hub, LOCKED) == 2
    assert [numbers(waiting(hub, link)) for link in (FREE, BARE)] == [["00000001", "00000002"]] * 2

    lock.unlink()
    toss(hub)
    assert [numbers(waiting(hub, link)) for link in FLOWS] == [["00000001", "00000002"]] * 3
    assert staged(hub, LOCKED) == 0


def test_the_daemon_notices_that_a_link_is_free(hub: Node) -> None:
    """It needs no new mail for that, and what came while the link was locked comes out in its order."""
    lock = hub.outbound / "000100c9.bsy"
    lock.touch()
    with hub.start() as daemon:
        bring(hub, 1, 2)
        wait_for_mail(hub, daemon, BARE, 2)
        assert waiting(hub, LOCKED) == []
        lock.unlink()
        wait_for_mail(hub, daemon, LOCKED, 2)
        assert daemon.stop() == 0
    assert [numbers(waiting(hub, link)) for link in FLOWS] == [["00000001", "00000002"]] * 3


def wait_for_mail(system: Node, daemon: Daemon, link: str, messages: int) -> None:
    """Wait until so many messages wait for a link; whoever looks takes the lock, as a mailer would."""

    def there() -> bool:
        return not (system.outbound / FLOWS[link]).with_suffix(".bsy").exists() and (
            len(numbers(waiting(system, link))) == messages
        )

    daemon.wait_for(there, what=f"mail for {link}")


def test_forty_bundles_in_a_day(hub: Node) -> None:
    """With every name of the day in use more bundles are named by the time, which is told; each arrives once."""
    body = os.urandom(1500).hex().encode("ascii") + b"\r"  # hardly any two fit in one bundle
    text = hub.config.read_text("utf-8")
    hub.config.write_text(f"{text}link_defaults: {{max_packet: 1KiB, max_bundle: 1KiB}}\n", "utf-8")
    for number in range(1, BUNDLES + 1):
        bring(hub, number, body=body)
        toss(hub)
        if number in {NAMES_A_DAY - 1, NAMES_A_DAY, BUNDLES}:
            assert (ALARM in hub.run("status").stdout) == (number >= NAMES_A_DAY)
    files = waiting(hub, LOCKED)
    assert len({path.name for path in files}) == len(files) == BUNDLES
    assert len({path.stem for path in files}) == 1 + BUNDLES - NAMES_A_DAY
    assert numbers(files) == [f"{number:08x}" for number in range(1, BUNDLES + 1)]
    assert BARE not in hub.run("status").stdout.partition("LINK")[0]


def test_names_of_sent_bundles_are_not_given_again(hub: Node) -> None:
    """A mailer that takes each bundle at once never gets two of one name on one day: its peer may keep but one."""
    names = []
    for number in range(1, BUNDLES + 1):
        bring(hub, number)
        toss(hub)
        (bundle,) = waiting(hub, LOCKED)
        with zipfile.ZipFile(bundle) as archive:
            assert len(archive.namelist()) == 1
        names.append(bundle.name)
        bundle.unlink()
        (hub.outbound / FLOWS[LOCKED]).unlink()
    assert len(set(names)) == BUNDLES
    assert ALARM in hub.run("status").stdout
