"""The peer itself: two binkd systems carry packets, and work through flow files, that were written by hand."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.corpus import message, packet
from tests.peers.binkd import NO_DEFAULT_ZONE, Binkd, Domain, Remote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECONDS = 30
SESSION = "SESSIONWORD"
PACKET = packet([message("TQW_GEN")])


@dataclass(frozen=True, slots=True)
class System:
    """A binkd with the directories it works on."""

    root: Path
    mailer: Binkd

    @property
    def outbound(self) -> Path:
        """Outbound of the first domain's default zone."""
        return self.root / "out"

    @property
    def secure(self) -> Path:
        """The inbound of sessions with a password."""
        return self.root / "in.secure"

    @property
    def waiting(self) -> list[Path]:
        """Every file in the outbound of either network."""
        return [path for pattern in ("out*", "fsxnet*") for path in self.root.glob(f"{pattern}/**/*") if path.is_file()]

    def write(self, flow: str, directive: str, name: str = "0badcafe.pkt") -> Path:
        """Put a packet somewhere and name it in a flow file, whose path is relative to the parent of the outbound."""
        mail = self.root / name
        mail.write_bytes(PACKET)
        path = self.root / flow
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{directive}{mail}\n", "ascii")
        return mail


def build(root: Path, *addresses: str) -> System:
    """Give a system the networks tqwnet (zone 1337 without extension) and fsxnet (always with)."""
    for name in ("out", "in.secure", "in"):
        (root / name).mkdir(parents=True)
    domains = [Domain("tqwnet", root / "out", 1337), Domain("fsxnet", root / "fsxnet", NO_DEFAULT_ZONE)]
    mailer = Binkd(root, addresses=addresses, domains=domains, secure=root / "in.secure", insecure=root / "in")
    return System(root, mailer)


@contextmanager
def running(*systems: System) -> Iterator[None]:
    """Let systems know each other by all their addresses, and run them."""
    with ExitStack() as stack:
        for system in systems:
            others = [other.mailer for other in systems if other is not system]
            for other in others:
                system.mailer.know({address: Remote(SESSION, other.port) for address in other.addresses})
            stack.enter_context(system.mailer)
        yield


def wait_for(condition: Callable[[], bool], *systems: System) -> None:
    """Wait until the mailers have done something.

    Raises:
        AssertionError: they have not, in the time a test may wait.
    """
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "\n".join(system.mailer.log for system in systems)
        time.sleep(0.05)


def received(system: System) -> dict[str, bytes]:
    """Read what came in sessions with a password."""
    return {path.name: path.read_bytes() for path in system.secure.iterdir()}


@pytest.fixture
def pair(tmp_path: Path) -> tuple[System, System]:
    """Two systems with an address in each network; the first has a point in one."""
    return (
        build(tmp_path / "one", "1337:1/100@tqwnet", "21:1/100@fsxnet"),
        build(tmp_path / "two", "1337:1/200@tqwnet", "21:3/110@fsxnet", "1337:1/100.5@tqwnet"),
    )


@pytest.mark.parametrize("directive", ["^", "#", ""])
def test_a_packet_named_in_a_flow_file_arrives(pair: tuple[System, System], directive: str) -> None:
    """A normal and a crash flow file are worked through, and the files are deleted, truncated or kept as they say."""
    one, two = pair
    there = one.write("out/000100c8.flo", directive, "0badcafe.pkt")
    back = two.write("out/00010064.clo", directive, "0badbeef.pkt")
    with running(one, two):
        wait_for(lambda: not one.waiting + two.waiting, one, two)

    assert received(two) == {"0badcafe.pkt": PACKET}
    assert received(one) == {"0badbeef.pkt": PACKET}
    assert [path.stat().st_size if path.exists() else None for path in (there, back)] == {
        "^": [None, None],
        "#": [0, 0],
        "": [len(PACKET), len(PACKET)],
    }[directive]
    assert one.mailer.partial == two.mailer.partial == []


@pytest.mark.parametrize("flow", ["fsxnet.015/0003006e.flo", "out/00010064.pnt/00000005.clo"])
def test_networks_and_points_have_directories_of_their_own(pair: tuple[System, System], flow: str) -> None:
    """Mail for an address of another domain, and for a point, is found where FTS-5005 says."""
    one, two = pair
    one.write(flow, "^")
    with running(one, two):
        wait_for(lambda: not one.waiting, one, two)

    assert received(two) == {"0badcafe.pkt": PACKET}


def test_held_mail_waits_for_a_call(pair: tuple[System, System]) -> None:
    """Nobody is called for mail on hold; it goes when the other system calls for a reason of its own."""
    one, two = pair
    one.write("out/000100c8.hlo", "^", "0badcafe.pkt")
    two.write("out/00010064.flo", "^", "0badbeef.pkt")
    with running(one, two):
        wait_for(lambda: not one.waiting + two.waiting, one, two)

    assert received(two) == {"0badcafe.pkt": PACKET}
    assert received(one) == {"0badbeef.pkt": PACKET}
    assert "call to" not in one.mailer.log
    assert "call to" in two.mailer.log


def test_a_name_that_is_taken_is_changed(pair: tuple[System, System]) -> None:
    """A packet never replaces another one that still lies in the inbound."""
    one, two = pair
    (two.secure / "0badcafe.pkt").write_bytes(b"another")
    one.write("out/000100c8.flo", "^")
    with running(one, two):
        wait_for(lambda: not one.waiting, one, two)

    arrived = received(two)
    assert arrived.pop("0badcafe.pkt") == b"another"
    assert list(arrived.values()) == [PACKET]
    assert all(name.endswith(".pkt") for name in arrived)


def test_a_locked_system_is_left_alone(pair: tuple[System, System]) -> None:
    """While a program holds the lock of a system no session with it takes place, whoever calls; afterwards one does."""
    one, two = pair
    one.write("out/000100c8.flo", "^")
    two.write("out/00010064.flo", "^", "0badbeef.pkt")
    lock = one.outbound / "000100c8.bsy"
    lock.touch()
    with running(one, two):
        wait_for(lambda: "Secure AKA 1337:1/200@tqwnet busy" in one.mailer.log, one, two)
        assert received(two) == received(one) == {}
        lock.unlink()
        wait_for(lambda: not one.waiting + two.waiting, one, two)

    assert received(two) == {"0badcafe.pkt": PACKET}
    assert received(one) == {"0badbeef.pkt": PACKET}
