"""Running totals, and which version of them the broker has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.rules.world import NOW
from tosser.rules.decision import Decision
from tosser.state.state import Results
from tosser.state.totals import AreaTally, AreaTotals, LinkTally, LinkTotals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tosser.state.state import State

LAST = {"number": 7, "from": "Mira", "to": "All", "subject": "\u0416 'x'", "msgid": None}


def add(state: State, *tallies: AreaTally | LinkTally, counters: Mapping[str, int] | None = None) -> None:
    """Carry out a batch that came to this."""
    state.applied(
        state.commit(Decision(NOW, []), {})[0],
        Results(
            areas=[tally for tally in tallies if isinstance(tally, AreaTally)],
            links=[tally for tally in tallies if isinstance(tally, LinkTally)],
            counters=counters or {},
        ),
    )


def test_areas_add_up(state: State) -> None:
    """Totals of an area grow with each batch; its last message is that of the last batch that stored one."""
    add(state, AreaTally("tqwnet", "TECH", stored=3, duplicates=1, last_at=10.0, last=LAST), AreaTally("a", "TECH"))
    add(state, AreaTally("tqwnet", "TECH", duplicates=4))
    assert state.overview().areas == [
        AreaTotals("a", "TECH", 0, 0, None, None, 1),
        AreaTotals("tqwnet", "TECH", 3, 5, 10.0, LAST, 2),
    ]
    add(state, AreaTally("tqwnet", "TECH", stored=1, last_at=30.0, last={"number": 8}))
    assert state.overview().areas[1] == AreaTotals("tqwnet", "TECH", 4, 5, 30.0, {"number": 8}, 3)


def test_links_add_up(state: State) -> None:
    """Totals of a link grow with each batch, in each network by itself."""
    add(state, LinkTally("1337:1/100", "tqwnet", packets=1, messages=9, last_in=10.0, last_file="a.pkt"))
    add(state, LinkTally("1337:1/100", "tqwnet", messages=1), LinkTally("1337:1/100", "other", packets=1))
    assert state.overview().links == [
        LinkTotals("1337:1/100", "other", 1, 0, None, None, 1),
        LinkTotals("1337:1/100", "tqwnet", 1, 10, 10.0, "a.pkt", 2),
    ]


def test_counters_add_up(state: State) -> None:
    """Counters grow by name."""
    add(state, counters={"message.accepted": 5, "file.tossed": 1})
    add(state, counters={"message.accepted": 2, "kept.damaged": 1})
    assert state.overview().counters == {"file.tossed": 1, "kept.damaged": 1, "message.accepted": 7}


def test_areas_that_only_remember(state: State) -> None:
    """An area of which keys are remembered, but nothing was told yet, is not listed."""
    state.commit(Decision(NOW, [], dupe_keys=[("tqwnet", "TECH", b"k" * 16)]), {})
    assert state.overview().areas == []
    assert state.unpublished_totals(9) == ([], [])
    add(state, AreaTally("tqwnet", "TECH", stored=1))
    assert [area.version for area in state.overview().areas] == [1]


def test_only_changes_are_published(state: State) -> None:
    """What the broker has in its present version is not listed again until it changes."""
    add(state, AreaTally("tqwnet", "A"), AreaTally("tqwnet", "B"), LinkTally("1337:1/100", "tqwnet"))
    areas, links = state.unpublished_totals(9)
    assert [area.tag for area in areas] == ["A", "B"]
    assert [link.address for link in links] == ["1337:1/100"]
    state.totals_published([("tqwnet", "A", 1)], [("tqwnet", "1337:1/100", 1)])
    areas, links = state.unpublished_totals(9)
    assert ([area.tag for area in areas], links) == (["B"], [])
    add(state, AreaTally("tqwnet", "A", stored=1), LinkTally("1337:1/100", "tqwnet", packets=1))
    areas, links = state.unpublished_totals(9)
    assert [(area.tag, area.version) for area in areas] == [("A", 2), ("B", 1)]
    assert [link.version for link in links] == [2]


@pytest.mark.parametrize("limit", [0, 1, 2, 3])
def test_so_many_at_a_time(state: State, limit: int) -> None:
    """At most so many areas, and as many links, are listed; going on reaches all of them."""
    add(
        state,
        *(AreaTally("tqwnet", tag) for tag in "ABC"),
        *(LinkTally(f"1337:1/{node}", "tqwnet") for node in (1, 2, 3)),
    )
    areas, links = state.unpublished_totals(limit)
    assert (len(areas), len(links)) == (limit, limit)
    state.totals_published(
        [(area.network, area.tag, area.version) for area in areas],
        [(link.network, link.address, link.version) for link in links],
    )
    areas, links = state.unpublished_totals(9)
    assert (len(areas), len(links)) == (3 - limit, 3 - limit)


def test_old_news(state: State) -> None:
    """A version that is published after a newer one, or of what is not there, changes nothing."""
    for _ in range(3):
        add(state, AreaTally("tqwnet", "A"), LinkTally("1337:1/100", "tqwnet"))
    state.totals_published([("tqwnet", "A", 3)], [("tqwnet", "1337:1/100", 3)])
    state.totals_published([("tqwnet", "A", 2), ("no", "A", 1)], [("tqwnet", "1337:1/100", 1), ("no", "1:1/1", 9)])
    assert state.unpublished_totals(9) == ([], [])


def test_changed_while_it_was_published(state: State) -> None:
    """What changed after it was read for publishing is due again."""
    add(state, AreaTally("tqwnet", "A"))
    areas, _ = state.unpublished_totals(9)
    add(state, AreaTally("tqwnet", "A", stored=1))
    state.totals_published([(area.network, area.tag, area.version) for area in areas], [])
    assert [area.version for area in state.unpublished_totals(9)[0]] == [2]


def test_another_broker(state: State) -> None:
    """When it is not known what the broker has, everything is due again."""
    add(state, AreaTally("tqwnet", "A"), LinkTally("1337:1/100", "tqwnet"))
    state.totals_published([("tqwnet", "A", 1)], [("tqwnet", "1337:1/100", 1)])
    assert state.unpublished_totals(9) == ([], [])
    state.forget_published([], 0.0)
    areas, links = state.unpublished_totals(9)
    assert (len(areas), len(links)) == (1, 1)
