"""Links that are paused: by command, and by themselves when too much waits for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.corpus import make_packets
from tests.mail import HUB
from tests.peers.daemon import DONE, Node, node

if TYPE_CHECKING:
    from pathlib import Path

LINK = "1337:1/701"
"""In no SEEN-BY of the corpus."""


def waiting(system: Node) -> dict[str, Any]:
    """Tell what the queue says of the link."""
    rows: list[dict[str, Any]] = system.run("queue", "--json").json
    return next(row for row in rows if row["address"] == LINK)


def test_paused_by_command(tmp_path: Path) -> None:
    """A paused link gets nothing that is tossed meanwhile, and gets what comes after it was resumed."""
    system = node(tmp_path, areas=2, links={HUB: "", LINK: ""}, toss={"settle": "100ms"})
    assert system.run("link", "pause", LINK, "--why", "line down").code == DONE
    make_packets(system.secure, messages=20, packets=1, areas=2, seed=1)
    assert system.toss().code == DONE
    assert waiting(system)["bytes"] == 0
    assert waiting(system)["paused"]["why"] == "line down"
    assert system.run("link", "resume", LINK).code == DONE
    make_packets(system.secure, messages=20, packets=1, areas=2, seed=2)
    assert system.toss().code == DONE
    assert waiting(system)["outbound"]["files"] == 1
    assert waiting(system)["paused"] is None


def test_paused_by_itself(tmp_path: Path) -> None:
    """A link that more waits for than it may is paused, keeps what waits, and gets nothing more."""
    limits = {"pause_size": "1KiB"}
    system = node(tmp_path, areas=2, links={HUB: "", LINK: ""}, link_defaults=limits, toss={"settle": "100ms"})
    make_packets(system.secure, messages=20, packets=1, areas=2, seed=1)
    assert system.toss().code == DONE
    first = waiting(system)
    assert first["bytes"] > 1024
    assert first["paused"]["who"] == "auto"
    assert "the limit is 1024" in first["paused"]["why"]
    make_packets(system.secure, messages=20, packets=1, areas=2, seed=2)
    assert system.toss().code == DONE
    assert waiting(system)["bytes"] == first["bytes"]
