from __future__ import annotations

from typing import TYPE_CHECKING

from tests.accounts import held
from tests.daemon.inside import config_of
from tests.mail import message, packet
from tests.peers.daemon import DONE, FAILED, SET_ASIDE, node
from tests.peers.ports import LOOPBACK, free_port
from tests.peers.subscriber import Subscriber
from tosser.daemon import oneshot

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.peers.daemon import Node
    from tests.peers.mosquitto import Mosquitto

AREA = "TQW_GEN"


def mail(number: int = 1) -> bytes:
    """Write a packet of one message."""
    return packet([message(AREA, number=number)])


def test_it_waits_for_files_that_settle(tmp_path: Path) -> None:
    """A file that may still be written to is waited for; a toss leaves nothing in the inbound."""
    system = node(tmp_path, areas=[AREA], toss={"settle": "1500ms"})
    system.deliver(mail()[:-9])
    assert system.toss().code == SET_ASIDE
    assert system.status()["inbound"]["settling"] == 0


def test_no_broker_to_be_had(tmp_path: Path) -> None:
    """Without a broker mail is tossed, the events wait, and the toss does not."""
    system = node(tmp_path, areas=[AREA], mqtt_url=f"mqtt://{LOOPBACK}:{free_port()}")
    system.deliver(mail())
    assert system.toss().code == DONE
    assert system.status()["outbox"]["events"] == 2


def test_events_are_handed_over_later(tmp_path: Path, broker: Mosquitto) -> None:
    """What waits since a toss without a broker is published by the next one, though it has nothing to toss."""
    system = node(tmp_path / "node", areas=[AREA], mqtt_url=broker.url)
    broker.stop()
    system.deliver(mail())
    assert system.toss().code == DONE
    broker.start()
    with Subscriber(broker.port, "ftn/#") as subscriber:
        assert system.toss().code == DONE
        subscriber.wait_until(lambda _: bool(subscriber.on(f"ftn/tqwnet/area/{AREA}/message")))
    assert system.status()["outbox"]["events"] == 0


def test_a_broker_that_hangs(tmp_path: Path, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that accepts and then says nothing is given up after a while; what it did not take stays."""
    system = node(tmp_path / "node", areas=[AREA], mqtt_url=broker.url)
    system.deliver(mail())
    monkeypatch.setattr(oneshot, "PUBLISH_SECONDS", 0.5)
    broker.pause()
    try:
        report = oneshot.toss_once(config_of(system))
    finally:
        broker.resume()
    assert report.files == {"tossed": 1}
    assert held(system, AREA) == 1
    assert system.status()["outbox"]["events"] == 2


def test_what_stops_it_is_told_by_status(tmp_path: Path) -> None:
    """Who tosses out of a cron job finds in the status what stopped the last toss, until one goes well."""
    system = node(tmp_path, areas=[AREA])
    headers = system.bases / f"{AREA.lower()}.jhr"
    system.bases.mkdir()
    headers.write_bytes(b"no message base " * 100)
    system.deliver(mail())
    assert system.toss().code == FAILED
    told = system.run("status")
    assert told.code == SET_ASIDE
    assert "WRONG       toss: 1 batches wait for message bases: " in told.stdout
    headers.unlink()
    assert system.toss().code == DONE
    assert held(system, AREA) == 1
    assert "WRONG" not in system.run("status").stdout


def test_a_work_directory_that_is_none(system: Node) -> None:
    """Where a file has the name of the work directory, that is said, and the mail stays where it is."""
    (system.secure / ".tosser").write_text("")
    delivered = system.deliver(mail())
    result = system.toss()
    assert result.code == FAILED
    assert result.stderr == f"tosser: {system.secure / '.tosser'}: File exists\n"
    assert delivered.exists()
