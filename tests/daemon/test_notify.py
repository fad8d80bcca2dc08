"""sd_notify against a real datagram socket in the place of the service manager's."""

from __future__ import annotations

import os
import secrets
import socket
from typing import TYPE_CHECKING, Self

import pytest
import structlog

from tosser.daemon.notify import Notifier

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    """A socket as systemd would offer it, by path and by abstract name."""
    monkeypatch.chdir(tmp_path)  # a relative name stays within the 108 bytes of a socket address
    address = "notify" if request.param == "path" else f"@tosser-test-{secrets.token_hex(8)}"
    with Manager(address) as listening:
        yield listening


class Manager:
    """The receiving end."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(5.0)

    def __enter__(self) -> Self:
        self._socket.bind(f"\0{self.address[1:]}" if self.address.startswith("@") else self.address)
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def receive(self) -> str:
        """Return the next datagram."""
        return self._socket.recv(4096).decode("utf-8")


def test_each_state_is_one_datagram(manager: Manager) -> None:
    """Ready, status, stopping and watchdog arrive in order, word for word."""
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": manager.address})

    notifier.ready()
    notifier.status("tossed 3 packets")
    notifier.watchdog()
    notifier.stopping()

    received = [manager.receive() for _ in range(4)]
    assert received == ["READY=1", "STATUS=tossed 3 packets", "WATCHDOG=1", "STOPPING=1"]


def test_reloading_carries_the_monotonic_clock(manager: Manager) -> None:
    """A reload is announced with the time it began, in microseconds."""
    Notifier.from_environment({"NOTIFY_SOCKET": manager.address}).reloading()

    first, _, second = manager.receive().partition("\n")
    assert first == "RELOADING=1"
    assert second.removeprefix("MONOTONIC_USEC=").isdecimal()


def test_status_cannot_smuggle_in_a_second_state(manager: Manager) -> None:
    """Line ends in a status become blanks, so mail-made text cannot say READY or STOPPING for us."""
    Notifier.from_environment({"NOTIFY_SOCKET": manager.address}).status("a\nSTOPPING=1\r\n é")

    assert manager.receive() == "STATUS=a STOPPING=1 é"


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}])
def test_without_a_manager_nothing_is_sent(environ: dict[str, str]) -> None:
    """Outside a service every call does nothing, not even log."""
    notifier = Notifier.from_environment(environ)

    with structlog.testing.capture_logs() as logged:
        notifier.ready()
        notifier.status("x")
        notifier.reloading()
        notifier.watchdog()
        notifier.stopping()

    assert logged == []


@pytest.mark.parametrize("address", ["/nonexistent/notify", "@tosser-test-nobody-listens", "/" + "x" * 200])
def test_an_unreachable_manager_is_logged_and_nothing_more(address: str) -> None:
    """A socket that is gone, or an address that cannot be one, never stops the caller."""
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": address})

    with structlog.testing.capture_logs() as logged:
        notifier.ready()

    assert [(entry["event"], entry["state"]) for entry in logged] == [("service manager not reached", "READY=1")]


def test_a_manager_that_does_not_read_holds_nobody_up_for_ever(manager: Manager) -> None:
    """When the socket's queue is full the state is dropped, with a line in the log."""
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": manager.address})

    with structlog.testing.capture_logs() as logged:
        for _ in range(100_000):
            notifier.watchdog()
            if logged:
                break

    assert [entry["error"] for entry in logged] == ["timed out"]


@pytest.mark.parametrize(
    ("environ", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid() + 1)}, None),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": ""}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "9" * 5000}, None),
        ({"WATCHDOG_USEC": "٣"}, None),
    ],
)
def test_watchdog_interval_is_half_of_what_is_allowed(environ: dict[str, str], interval: float | None) -> None:
    """The interval is half of WATCHDOG_USEC, and only for the process that is watched."""
    assert Notifier.from_environment(environ).watchdog_interval == interval
