"""Killed at any step while netmail is sent on, held, or let go on; then started again: each letter and file is once."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.daemon.inside import config_of
from tests.mail import HUB, US, packet
from tests.netmail import attached, change, in_base, letter, sent, vias
from tests.outbound.killing import Killed, Life
from tests.peers.daemon import node
from tosser.codec.kludge import find_value
from tosser.daemon.parts import build_parts, make_directories
from tosser.inbound.held import HeldMail
from tosser.state.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.peers.daemon import Node
    from tosser.config.model import Config

MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of our own is made in it
DOWN, ELSEWHERE, OTHER = "1337:1/201", "1337:1/202", "1337:2/2"
LONG = 10_000
"""More steps than anything takes."""


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory for a node that is begun many times; in memory, where syncing takes no time."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as directory:
        yield Path(directory) / "node"


def configured(home: Path) -> tuple[Node, Config]:
    """Give a node, whose directories may be removed and made again, and its configuration."""
    system = node(
        home,
        areas=1,
        links={HUB: "", DOWN: "", ELSEWHERE: ""},
        link_defaults={"archiver": "none"},
        netmail={"answers": {"bounces": "off"}},
    )
    return system, config_of(system)


def fresh(system: Node) -> None:
    """Begin anew with a packet in the inbound: for us, for a link with a file, and for nobody we know a way to."""
    for directory in (system.state, system.bases, system.outbound, system.secure):
        shutil.rmtree(directory, ignore_errors=True)
    system.secure.mkdir()
    system.outbound.mkdir()
    (system.secure / "game.zip").write_bytes(b"a game")
    letters = [
        letter(),
        letter(number=2, addressee=DOWN, subject=b"game.zip", attributes=0x0010),
        letter(number=3, addressee=OTHER, author="1337:1/300"),
    ]
    system.deliver(packet(letters))


def live(config: Config, steps: int) -> Life:
    """Toss until so many steps are taken, then die."""
    life = Life(steps)
    make_directories(config)
    state = State(config.paths.state)
    try:
        with pytest.MonkeyPatch.context() as patch, suppress(Killed):
            life.disk(patch)
            parts = build_parts(config, life.register(state))
            try:
                parts.pipeline.toss()
            finally:
                parts.close()
    finally:
        state.close()
    return life


def start_again(config: Config) -> None:
    """Toss to the end, and once more, as a process that nobody kills."""
    make_directories(config)
    state = State(config.paths.state)
    try:
        parts = build_parts(config, state)
        for _ in range(2):
            report = parts.pipeline.toss()
            assert (report.trouble, report.surprised) == ("", False)
        parts.close()
    finally:
        state.close()


def in_base_by_msgid(system: Node) -> Counter[bytes]:
    """Count the messages of the netmail base."""
    return Counter(find_value(entry.message.kludges, b"MSGID") or b"" for entry in in_base(system))


def files_below(system: Node) -> list[str]:
    """Name the files of mail that lie in an inbound, in its work directory, or wait to be sent as attached."""
    places = (system.secure, system.state / "held" / "again", system.outbound / ".attached")
    return sorted(path.name for place in places for path in place.rglob("*") if path.is_file())


def assert_all_once(system: Node, *, held: int) -> None:
    """Check that everything is where it should be, once."""
    assert [message.msgid for message in sent(system, DOWN)] == [f"{HUB} 00000002"]
    assert [path.read_bytes() for path in attached(system, DOWN)] == [b"a game"]
    assert files_below(system) == ["game.zip"]
    assert in_base_by_msgid(system) == {b"1337:1/100 00000001": 1, b"1337:1/300 00000003": 1}
    assert len(HeldMail(system.state).entries()) == held


def test_sending_on_and_holding(home: Path) -> None:
    """Whatever step it dies at, the letter to us is kept once, one leaves with its file, and one is held."""
    system, config = configured(home)
    fresh(system)
    steps = live(config, LONG).steps
    assert steps > 40
    for step in range(steps):
        fresh(system)
        live(config, step)
        start_again(config)
        assert_all_once(system, held=1)


def test_letting_go_on(home: Path) -> None:
    """Whatever step it dies at when there is a way at last, what was held leaves once, with one Via line."""
    system, before = configured(home)
    change(system, routes=[{"match": "1337:2/*", "via": ELSEWHERE}])
    config = config_of(system)
    fresh(system)
    start_again(before)
    steps = live(config, LONG).steps
    assert steps > 20
    for step in range(steps):
        fresh(system)
        start_again(before)
        live(config, step)
        start_again(config)
        assert_all_once(system, held=0)
        assert [(message.msgid, vias(message)) for message in sent(system, ELSEWHERE)] == [
            ("1337:1/300 00000003", [US])
        ]
