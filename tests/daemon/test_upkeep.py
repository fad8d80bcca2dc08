"""The care of bases by the daemon: links soon after a toss, and the nightly round beside everything else."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import pytest

from tests.accounts import about, log_of
from tests.daemon.inside import config_of, parts_of
from tests.daemon.test_bases_in_trouble import locked, mail
from tests.mail import HUB, message, packet
from tests.observe import nothing_waits
from tests.peers import jam_writer
from tests.peers.daemon import DONE, node
from tests.peers.jamnntpd import Jamnntpd
from tests.peers.programs import require_own
from tests.stores.samples import samples
from tests.stores.upkeep import stored
from tosser.config.world import build_rulebook
from tosser.daemon.conditions import MAINTENANCE, Conditions
from tosser.daemon.nightly import Nightly, next_round
from tosser.errors import StoreLocked
from tosser.stores.jam import JamBase
from tosser.stores.jam_files import shared_files
from tosser.stores.jam_reader import JamReader

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.peers.daemon import Node
    from tosser.state.state import State

AREA, OTHER = "TQW_TECH", "TQW_GEN"
QUICK = {"lock_wait": "50ms", "poll": "200ms"}


def base_of(system: Node, area: str = AREA) -> Path:
    """Name the base of an area."""
    return system.bases / area.lower()


def thread(first: int, count: int) -> bytes:
    """Write a packet of messages that each answer the one before."""
    return packet(
        [
            message(AREA, number=number, msgid=f"{HUB} {number:08x}", reply=f"{HUB} {number - 1:08x}")
            for number in range(first, first + count)
        ]
    )


def parents(system: Node) -> list[int]:
    """List what each message of the area answers."""
    return [each.header.reply_to for each in JamReader(base_of(system)).messages()]


def test_links_are_kept_by_the_daemon(tmp_path: Path) -> None:
    """What comes in is linked by the daemon, what came last at the latest when it stops; jamnntpd reads it all."""
    system = node(tmp_path, areas=[AREA], toss=QUICK)
    system.deliver(thread(1, 3))
    with system.start() as daemon:
        daemon.wait_for(lambda: nothing_waits(system) and parents(system) == [0, 1, 2], what="links")
        system.deliver(thread(4, 3), "00000002.pkt")
        daemon.wait_for(lambda: nothing_waits(system) and len(parents(system)) == 6, what="the second packet")
        assert daemon.stop() == DONE
    assert parents(system) == [0, 1, 2, 3, 4, 5]
    peer = Jamnntpd(tmp_path / "news", {AREA: base_of(system)}, require_own("jamnntpd-i386"))
    with peer as server, server.session() as news:
        assert news.group(AREA) == (6, 1, 6)
        told = [news.article(number)[0]["x-jam-msgid"] for number in range(1, 7)]
    assert told == [f"{HUB} {number:08x}" for number in range(1, 7)]


def test_a_single_toss_links_if_it_is_asked_to(tmp_path: Path) -> None:
    """``tosser toss`` leaves reply links alone, as they take time; with ``--link`` it makes those of what came in."""
    system = node(tmp_path, areas=[AREA])
    system.deliver(thread(1, 3))
    assert system.toss().code == DONE
    assert parents(system) == [0, 0, 0]
    system.deliver(thread(4, 3), "00000002.pkt")
    assert system.run("toss", "--link").code == DONE
    assert parents(system) == [0, 1, 2, 3, 4, 5]


def test_a_locked_base_is_linked_later(tmp_path: Path) -> None:
    """A base that somebody else has locked gets its turn again; who had it open has it open still."""
    system = node(tmp_path, areas=[AREA], toss=QUICK)
    system.deliver(thread(1, 3))
    with parts_of(system) as parts:
        parts.pipeline.toss()
        with locked(base_of(system)):
            parts.linker.round()
            assert parents(system) == [0, 0, 0]
        JamBase(base_of(system)).close()
        parts.linker.round()
        assert not shared_files(base_of(system)).is_open
        assert parents(system) == [0, 1, 2]
        before = base_of(system).with_suffix(".jhr").read_bytes()
        parts.linker.round()
        assert base_of(system).with_suffix(".jhr").read_bytes() == before


def test_a_broken_base_is_not_linked(tmp_path: Path) -> None:
    """A base that breaks between toss and linking is told of, and left."""
    system = node(tmp_path, areas=[AREA], toss=QUICK)
    system.deliver(thread(1, 3))
    with parts_of(system) as parts:
        parts.pipeline.toss()
        index = base_of(system).with_suffix(".jdx")
        index.write_bytes(index.read_bytes()[:-3])
        parts.linker.round()
        parts.linker.round()
        assert len(index.read_bytes()) == 21


NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "hours"), [("12:00", 24), ("12:30", 0.5), ("11:30", 23.5), ("00:00", 12), ("23:59", 11 + 59 / 60)]
)
def test_when_the_next_round_is(at: str, hours: float) -> None:
    """A round is made at its time of day, the next time it is that; never twice in the same minute."""
    assert next_round(at, NOON) - NOON == timedelta(hours=hours)


def rounds(system: Node, clock: list[datetime] | None = None) -> list[tuple[str, str]]:
    """Make one round, or run until the clock has no more to say; what was told to be wrong."""
    config = config_of(system)
    said: list[tuple[str, str]] = []

    class Listener(Conditions):
        def say(self, texts: Mapping[str, str]) -> None:
            said.extend(texts.items())

    def now() -> datetime:
        if not clock:
            raise asyncio.CancelledError
        return clock.pop(0)

    nightly = Nightly(config, build_rulebook(config), Listener(cast("State", None), None), now)
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(nightly.round() if clock is None else nightly.run())
    return said


@pytest.fixture
def system(tmp_path: Path) -> Node:
    """A node with two areas that keep five messages, each with a large one less and one more than that."""
    made = node(tmp_path, areas=[AREA, OTHER], toss=QUICK, area_defaults={"keep": {"messages": 5}})
    for area in (AREA, OTHER):
        JamBase(base_of(made, area)).append(samples(9, 1, size=20_000), wait=1)
        jam_writer.delete(base_of(made, area), 0)
        JamBase(base_of(made, area)).close()
    return made


def test_a_round(system: Node) -> None:
    """Each base is purged as it says, and packed where much of it is unused."""
    before = base_of(system).with_suffix(".jdt").stat().st_size
    assert rounds(system) == [(MAINTENANCE, "")]
    for area in (AREA, OTHER):
        assert sorted(stored(base_of(system, area))) == [5, 6, 7, 8, 9]
    assert base_of(system).with_suffix(".jdt").stat().st_size == before * 5 // 9
    assert not base_of(system).with_name("netmail.jhr").exists()


def test_a_round_at_its_time(system: Node) -> None:
    """A round is made when the clock says so; without a time of day none is."""
    late = datetime(2026, 11, 1, 3, 59, 59, tzinfo=UTC)
    early = late + timedelta(seconds=1)
    assert rounds(system, [late, early, early, early]) == [(MAINTENANCE, "")]
    assert len(stored(base_of(system))) == 8
    config = system.config.read_text("utf-8")
    system.config.write_text(config + 'maintenance: {at: "04:00"}\n', "utf-8")
    assert rounds(system, [late, early]) == [(MAINTENANCE, "")]
    assert len(stored(base_of(system))) == 5


def test_little_unused_room_is_left(system: Node) -> None:
    """A base of which less than a quarter is unused is not packed, nor is any where the configuration says so."""
    config = system.config.read_text("utf-8")
    system.config.write_text(config.replace("messages: 5", "messages: 8"), "utf-8")
    size = base_of(system).with_suffix(".jdt").stat().st_size
    rounds(system)
    assert base_of(system).with_suffix(".jdt").stat().st_size == size
    system.config.write_text(config + "maintenance: {pack: false}\n", "utf-8")
    rounds(system)
    assert len(stored(base_of(system))) == 5
    assert base_of(system).with_suffix(".jdt").stat().st_size == size


def test_a_base_that_cannot_be_had(system: Node) -> None:
    """A base that is locked is left alone, which is told until a later round gets it; the others are done."""
    with locked(base_of(system)):
        ((subject, text),) = rounds(system)
    assert subject == MAINTENANCE
    assert text == f"1 bases were left alone, among them {base_of(system)}: another program keeps the base locked"
    assert len(stored(base_of(system))) == 8
    assert len(stored(base_of(system, OTHER))) == 5
    assert rounds(system) == [(MAINTENANCE, "")]
    assert len(stored(base_of(system))) == 5


def test_a_base_that_mail_waits_for(system: Node) -> None:
    """A base that a batch which is decided on has still to be written to is left alone."""
    with locked(base_of(system)):
        system.deliver(mail((AREA, 77)))
        system.toss()
    ((_, text),) = rounds(system)
    assert "mail that is decided on waits" in text
    assert len(stored(base_of(system))) == 8
    assert system.toss().code == DONE
    assert rounds(system) == [(MAINTENANCE, "")]
    assert sorted(stored(base_of(system))) == [6, 7, 8, 9, 10]


def test_a_round_is_given_up(system: Node) -> None:
    """A daemon that stops takes the process of the round with it, also while that waits for a base."""
    system.config.write_text(system.config.read_text("utf-8").replace("lock_wait: 50ms", "lock_wait: 10m"), "utf-8")
    config = config_of(system)
    assert config.toss.lock_wait == 600
    nightly = Nightly(config, build_rulebook(config), Conditions(cast("State", None), None))

    async def give_up() -> None:
        task = asyncio.create_task(nightly.round())
        while nightly.process is None:  # noqa: ASYNC110 - it tells nobody that it has begun
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert nightly.process.returncode is not None

    with locked(base_of(system)):
        asyncio.run(give_up())
    assert len(stored(base_of(system))) == 8


def test_a_round_that_ends_early(system: Node) -> None:
    """A round whose process fails is told of, with what it said in the log."""
    database = system.state / "tosser.db"
    database.parent.mkdir()
    database.write_bytes(b"no database" * 1000)
    ((subject, text),) = rounds(system)
    assert subject == MAINTENANCE
    assert text.startswith("the round ended early, with exit code 1")


def test_the_daemon_makes_rounds(system: Node) -> None:
    """The daemon tells of the time it was given, and stops while it waits for it."""
    config = system.config.read_text("utf-8")
    system.config.write_text(config + 'maintenance: {at: "04:00"}\n', "utf-8")
    with system.start() as daemon:
        system.deliver(mail((AREA, 1)))
        daemon.wait_for(lambda: nothing_waits(system), what="empty inbounds")
        assert daemon.stop() == DONE
    assert about(log_of(daemon.log), "stopped")


def test_waiting_for_a_base(system: Node) -> None:
    """The lock of a base that somebody else keeps is waited for, for so long."""
    from tosser.daemon.upkeep import held  # noqa: PLC0415 - another `held` is about listings

    with locked(base_of(system)), pytest.raises(StoreLocked), held(str(base_of(system)), 0.05, set):
        pass
    answers = [{str(base_of(system))}, set[str]()]
    with held(str(base_of(system)), 5, lambda: answers.pop(0)) as files:
        assert files.is_open
    assert answers == []
