"""Packets on their way out: numbers are given once, what is placed is remembered, what is shipped is counted once."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from tests.rules.world import NOW
from tosser.errors import StateError
from tosser.rules.decision import Decision
from tosser.rules.shipping import BundleName, LinkKey, PacketOut, Placement, StagedMail, StagedPacket
from tosser.state.state import DATABASE_NAME, Results, State
from tosser.state.totals import LinkTotals

if TYPE_CHECKING:
    from pathlib import Path

HUB = LinkKey("tqwnet", "1337:1/100")
POINT = LinkKey("tqwnet", "1337:1/200.5")
DAY = 86400.0


def stage(state: State, *sizes: int, link: LinkKey = HUB, at: float = NOW) -> list[int]:
    """Carry out a batch that makes packets of these sizes, of two messages each; give their serial numbers."""
    entry, first = state.commit(Decision(at, []), {}, len(sizes))
    packets = [PacketOut(first + index, link, size, 2) for index, size in enumerate(sizes)]
    state.applied(entry, Results(packets=packets, finished=at))
    return [packet.serial for packet in packets]


# --- serial numbers


def test_numbers_follow_the_clock_and_each_other(state: State) -> None:
    """The first number is the time; later ones are behind those given before, or are the time where that is ahead."""
    given = [state.commit(Decision(at, []), {}, count)[1] for at, count in ((1000.9, 3), (1001.0, 2), (2000.0, 1))]
    assert given == [1000, 1003, 2000]


def test_numbers_after_a_restart(tmp_path: Path) -> None:
    """A number is not given again, whatever became of its packet, nor when the clock goes back."""
    given = []
    for at in (1000.0, 5.0):
        state = State(tmp_path)
        given.append(state.commit(Decision(at, []), {}, 10)[1])
        state.close()
    assert given == [1000, 1010]


def test_no_packets(state: State) -> None:
    """A batch that sends nothing on takes no number."""
    assert state.commit(Decision(1000.0, []), {}, 0)[1] == 0
    assert state.commit(Decision(1000.0, []), {}, 1)[1] == 1000


def test_numbers_have_32_bits(state: State) -> None:
    """A clock far off is refused with a sentence; nothing of the batch is recorded."""
    assert state.commit(Decision(2.0**32 - 2, []), {}, 2)[1] == 2**32 - 2
    with pytest.raises(StateError, match="is the clock right"):
        state.commit(Decision(2.0**32, []), {}, 1)
    assert len(state.open_batches()) == 1


def test_open_batches_know_their_numbers(tmp_path: Path) -> None:
    """What is carried out again writes its packets under the numbers it was given."""
    first = State(tmp_path)
    entry, serial = first.commit(Decision(NOW, []), {"": {}}, 3)
    first.close()
    state = State(tmp_path)
    (batch,) = state.open_batches()
    assert (batch.id, batch.first_packet, batch.packets) == (entry, serial, 3)
    state.close()


def test_more_packets_than_before(state: State) -> None:
    """A batch that makes more packets when it is carried out again gets other numbers, which are its own."""
    entry, first = state.commit(Decision(NOW, []), {}, 3)
    again = state.renumber(entry, 5, NOW)
    assert again == first + 3
    (batch,) = state.open_batches()
    assert (batch.first_packet, batch.packets) == (again, 5)
    assert state.staged_serials() == set(range(again, again + 5))
    with pytest.raises(StateError, match="not in the journal"):
        state.renumber(entry + 1, 1, NOW)


def test_which_numbers_are_in_use(state: State) -> None:
    """Numbers of packets that wait and of open batches are in use; those of batches that made fewer are not."""
    waiting = stage(state, 100, 200)
    entry, first = state.commit(Decision(NOW, []), {}, 3)
    assert state.staged_serials() == {*waiting, first, first + 1, first + 2}
    state.applied(entry, Results(packets=[PacketOut(first, HUB, 1, 1)], finished=NOW))
    assert state.staged_serials() == {*waiting, first}


def test_identity(tmp_path: Path) -> None:
    """A tosser knows itself again after a restart, and is no other."""
    found = []
    for name in ("one", "one", "two"):
        (tmp_path / name).mkdir(exist_ok=True)
        state = State(tmp_path / name)
        found.append(state.outbound_identity())
        state.close()
    assert found[0] == found[1] != found[2]
    assert min(found) >= 0
    assert max(found) < 2**48


# --- the way of a packet


def test_staged_with_the_results(state: State) -> None:
    """Packets wait once the batch is recorded as carried out, in the order of their numbers, each link for itself."""
    first, second = stage(state, 100, 200)
    (third,) = stage(state, 300, link=POINT, at=NOW + 1)
    assert state.staged(HUB) == [StagedPacket(first, 100, 2, NOW), StagedPacket(second, 200, 2, NOW)]
    assert state.staged(POINT) == [StagedPacket(third, 300, 2, NOW + 1)]
    assert state.staged_mail() == [StagedMail(HUB, 2, 300, NOW), StagedMail(POINT, 1, 300, NOW + 1)]


def test_a_number_is_staged_once(state: State) -> None:
    """A packet whose number is taken is a mistake that leaves the batch open."""
    (serial,) = stage(state, 100)
    entry, _ = state.commit(Decision(NOW, []), {}, 1)
    with pytest.raises(StateError, match="UNIQUE"):
        state.applied(entry, Results(packets=[PacketOut(serial, HUB, 1, 1)]))
    assert [batch.id for batch in state.open_batches()] == [entry]


def test_placed(tmp_path: Path) -> None:
    """Where packets are going is known after a restart; they no longer count as waiting, but their link does."""
    state = State(tmp_path)
    first, second, third = stage(state, 100, 200, 300)
    placements = [
        Placement("/out/0000ff9c.mo0", (first, second), "zip", added=True),
        Placement(f"/box/{third:08x}.pkt", (third,), boxed=True),
    ]
    state.place(HUB, placements, NOW)
    state.close()
    state = State(tmp_path)
    assert state.staged(HUB) == [
        StagedPacket(first, 100, 2, NOW, "/out/0000ff9c.mo0", added=True),
        StagedPacket(second, 200, 2, NOW, "/out/0000ff9c.mo0", added=True),
        StagedPacket(third, 300, 2, NOW, f"/box/{third:08x}.pkt", boxed=True),
    ]
    assert state.staged_mail() == [StagedMail(HUB, 0, 0, NOW)]
    assert state.staged_serials() == {first, second, third}
    state.close()


def test_taken_back(state: State) -> None:
    """What does not go where it was placed waits again, as if it never had been."""
    first, second = stage(state, 100, 200)
    before = state.staged(HUB)
    state.place(HUB, [Placement("/out/0000ff9c.mo0", (first, second), "zip", added=True)], NOW)
    state.take_back([first, second])
    assert state.staged(HUB) == before


def test_shipped(state: State) -> None:
    """What is shipped waits no more, and is counted for its link; so is the file it went in."""
    first, second, third = stage(state, 100, 200, 300)
    state.shipped(HUB, dict.fromkeys([first, second], "0000ff9c.mo0"), NOW + 5)
    assert [packet.serial for packet in state.staged(HUB)] == [third]
    [totals] = state.overview().links
    assert totals == LinkTotals(
        "1337:1/100", "tqwnet", 0, 0, None, None, 1, 2, 4, NOW + 5, "0000ff9c.mo0",
    )  # fmt: skip
    assert state.unpublished_totals(10)[1] == [totals]


def test_shipped_once(state: State) -> None:
    """Telling again that something was shipped changes nothing."""
    serials = stage(state, 100, 200)
    state.shipped(HUB, dict.fromkeys(serials, "0000ff9c.mo0"), NOW)
    before = state.overview().links
    state.shipped(HUB, dict.fromkeys(serials, "0000ff9c.mo1"), NOW + 1)
    assert state.overview().links == before


def test_lost(state: State) -> None:
    """What somebody removed waits no more, and is not counted as sent."""
    state.packets_lost(stage(state, 100))
    assert state.staged_mail() == []
    assert state.overview().links == []


# --- names of bundles


def bundle(name: str, created: float = NOW, link: LinkKey = HUB) -> BundleName:
    """A bundle as it is remembered."""
    return BundleName(f"/out/{name}", link, "zip", created)


def test_names_are_remembered(state: State) -> None:
    """The names of bundles in a directory are known, the latest last; packets on their own have none."""
    for name, at in (("0000ff9c.mo1", NOW), ("0000ff9c.mo0", NOW + 1), ("000100c8.pnt/0000fffb.mo2", NOW)):
        state.place(HUB, [Placement(f"/out/{name}", (1,), "zip")], at)
    state.place(POINT, [Placement("/out/00000005.pkt", (2,)), Placement("/out0/x.mo0", (2,), "zip")], NOW)
    assert state.bundles_in("/out") == [bundle("0000ff9c.mo1"), bundle("0000ff9c.mo0", NOW + 1)]
    assert state.bundles_in("/out/000100c8.pnt") == [bundle("000100c8.pnt/0000fffb.mo2")]
    assert state.bundles_in("/") == []


def test_adding_to_a_bundle_makes_it_no_younger(state: State) -> None:
    """A bundle keeps the time it was begun; a new one of the same name has its own."""
    path = "/out/0000ff9c.mo0"
    state.place(HUB, [Placement(path, (1,), "zip")], NOW)
    state.place(HUB, [Placement(path, (2,), "zip", added=True)], NOW + 5)
    assert state.bundles_in("/out") == [bundle("0000ff9c.mo0")]
    state.place(POINT, [Placement(path, (3,), "zip")], NOW + 6)
    assert state.bundles_in("/out") == [bundle("0000ff9c.mo0", NOW + 6, POINT)]


def test_names_are_forgotten(state: State) -> None:
    """After two days a name is free, unless a packet is still on its way into the bundle."""
    (serial,) = stage(state, 100)
    state.place(HUB, [Placement("/out/0000ff9c.mo0", (serial,), "zip")], NOW)
    state.place(HUB, [Placement("/out/0000ff9c.mo1", (), "zip")], NOW)
    state.place(HUB, [], NOW + 2 * DAY)
    assert len(state.bundles_in("/out")) == 2
    state.place(HUB, [], NOW + 2 * DAY + 1)
    assert state.bundles_in("/out") == [bundle("0000ff9c.mo0")]
    state.shipped(HUB, {serial: "0000ff9c.mo0"}, NOW)
    state.place(HUB, [], NOW + 2 * DAY + 1)
    assert state.bundles_in("/out") == []


def test_older_database(tmp_path: Path) -> None:
    """A database of the version before gets the new tables, and keeps what it has."""
    state = State(tmp_path)
    entry, _ = state.commit(Decision(NOW, []), {"/base": {"count": 1}})
    state.close()
    connection = sqlite3.connect(tmp_path / DATABASE_NAME)
    for table in (
        "packets",
        "bundles",
        "serials",
        "paused",
        "intake",
        "holds",
        "moments",
        "answers",
        "hand_overs",
        "traces",
        "shipped",
        "hook_calls",
        "failing_hooks",
        "commands",
        "scans",
        "scanned",
    ):
        connection.execute(f"DROP TABLE {table}")
    for column in ("packets_out", "messages_out", "last_out", "last_out_file"):
        connection.execute(f"ALTER TABLE links DROP COLUMN {column}")
    for column in ("first_packet", "packets", "keys"):
        connection.execute(f"ALTER TABLE batches DROP COLUMN {column}")
    connection.execute("ALTER TABLE outbox DROP COLUMN retain")
    connection.execute("ALTER TABLE conditions DROP COLUMN changed")
    connection.execute("CREATE INDEX dupes_old ON dupes (area, seen)")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    state = State(tmp_path)
    (batch,) = state.open_batches()
    assert (batch.id, batch.positions, batch.first_packet, batch.packets) == (entry, {"/base": {"count": 1}}, 0, 0)
    assert stage(state, 100)
    state.close()
