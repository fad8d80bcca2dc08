from __future__ import annotations

from typing import TYPE_CHECKING

from tests.corpus import US, message, netmail, packet
from tests.observe import stored
from tests.peers.daemon import DONE, node
from tosser.inbound.postbox import PostBox
from tosser.inbound.spool import Inbound, Spool
from tosser.rules.network import InboundClass

if TYPE_CHECKING:
    from pathlib import Path

POST = message("TQW_TECH", author=US, sender=US, path=())


def test_what_is_dropped_is_found_whole(tmp_path: Path) -> None:
    """A packet in the post box is ready to be taken, as one of our own programs."""
    box = PostBox(tmp_path)

    path = box.drop("one", b"bytes")

    assert path.read_bytes() == b"bytes"
    assert [file.name for file in box.path.iterdir()] == ["one.pkt"]
    assert box.inbound.cls is InboundClass.LOCAL


def test_a_repeated_drop_replaces(tmp_path: Path) -> None:
    """The same step done again leaves one packet."""
    box = PostBox(tmp_path)
    box.drop("one", b"first")
    box.drop("one", b"again")

    assert [file.read_bytes() for file in box.path.iterdir()] == [b"again"]


def test_a_box_that_is_not_there_is_no_trouble(tmp_path: Path) -> None:
    """Before the first start there is no post box, and no complaint about it; other inbounds are missed."""
    missing = Inbound(tmp_path / "in", InboundClass.LOCAL)

    scan = Spool([missing, PostBox(tmp_path / "state").inbound]).scan()

    assert scan.troubles == [f"{missing.path}: No such file or directory"]


def test_posts_are_tossed_like_local_mail(tmp_path: Path) -> None:
    """What lies in the post box is tossed into area and netmail base, without any configuration."""
    system = node(tmp_path, areas=["TQW_TECH"])
    PostBox(system.state).drop(
        "mine", packet([message("TQW_TECH", author=US, sender=US, path=()), netmail(author=US)], sender=US, dest=US)
    )
    assert system.status()["inbound"]["ready"] + system.status()["inbound"]["settling"] == 1

    assert system.toss().code == DONE

    assert sum(stored(system.bases / "tqw_tech").values()) == 1
    assert sum(stored(system.bases / "netmail").values()) == 1
    assert not [path for path in (system.state / "posts").rglob("*") if path.is_file()]


def test_the_daemon_sees_a_post(tmp_path: Path) -> None:
    """A packet that is dropped beside a running daemon is tossed, as soon as one from a mailer is."""
    system = node(tmp_path, areas=["TQW_TECH"], toss={"poll": "60s"})
    with system.start() as daemon:
        PostBox(system.state).drop("mine", packet([POST], sender=US, dest=US))
        daemon.wait_for((system.bases / "tqw_tech.jhr").exists, what="the message")
        assert daemon.stop() == DONE

    assert sum(stored(system.bases / "tqw_tech").values()) == 1
