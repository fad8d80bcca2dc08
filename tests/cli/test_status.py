from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.mail import HUB, message, netmail, packet
from tests.peers.daemon import DONE, SET_ASIDE, node
from tests.peers.mosquitto import Mosquitto
from tosser.state.state import State

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.daemon import Node

AREA = "TQW_GEN"


def facts(system: Node, code: int = DONE) -> dict[str, str]:
    """The lines of the first paragraph, by their first word; what has none belongs to the line above."""
    result = system.run("status")
    assert result.code == code, result.stderr
    found: dict[str, str] = {}
    for line in result.stdout.split("\n\n", maxsplit=1)[0].splitlines():
        key = line[:12].strip() or f"{list(found)[-1]}+"
        found[key] = line[12:]
    return found


def test_before_any_mail(system: Node) -> None:
    """Where nothing was ever tossed everything is zero, for people and for programs, and no state is made."""
    assert facts(system) == {
        "daemon": "not running",
        "inbound": "0 ready, 0 settling, 0 not ours",
        "set aside": "nothing",
    }
    status = system.run("status", "--json").json
    assert (status["daemon"], status["files"], status["areas"], status["counters"]) == (None, [], [], {})
    assert status["netmail"] == {"to_us": 0, "sent_on": 0, "in_transit": 0, "held": {}}
    assert not system.state.exists()


def test_with_mail(tmp_path: Path) -> None:
    """Files, areas and links with what came in, what waits, and what was set aside."""
    system = node(tmp_path, areas=[AREA], toss={"settle": "100ms"})
    good = message(AREA)
    system.deliver(packet([good, good, netmail()]), "00000001.pkt")
    system.deliver(packet([message(AREA, number=2)])[:-9], "00000002.pkt")
    assert system.toss().code == SET_ASIDE
    system.deliver(packet([message(AREA, number=3)]), "00000003.pkt")
    (system.secure / "files.tic").write_text("")

    told = system.run("status")
    assert told.code == SET_ASIDE
    first, links, areas, files = told.stdout.split("\n\n")
    assert re.sub(r"waited \d+s", "waited a moment", first).splitlines() == [
        "daemon      not running",
        "inbound     1 ready, 0 settling, 1 not ours, the oldest has waited a moment",
        "in work     0 files, 0 batches decided and not yet carried out",
        "set aside   1 quarantined",
        "outbox      0 events wait for the broker",
        "netmail     1 to us, 0 sent on, 0 in transit",
    ]
    assert links.splitlines()[1].split()[:4] == [HUB, "tqwnet", "1", "3"]
    assert areas.splitlines()[1].split()[:4] == [AREA, "tqwnet", "1", "1"]
    assert sorted(line.split()[1:5] for line in files.splitlines()[1:]) == [
        ["00000001.pkt", "tossed", "-", HUB], ["00000002.pkt", "quarantined", "truncated", HUB],
    ]  # fmt: skip


def test_what_is_wrong(tmp_path: Path) -> None:
    """An inbound that is missing is told by the look itself, and as what the daemon finds wrong."""
    system = node(tmp_path, areas=[AREA], toss={"poll": "200ms"})
    with system.start() as daemon:
        shutil.rmtree(system.local)
        daemon.wait_for(lambda: "WRONG" in facts(system, SET_ASIDE), what="the condition")
        found = facts(system, SET_ASIDE)
        assert found["daemon"] == f"running, process {daemon.process.pid}"
        assert found["inbound+"] == f"{system.local}: No such file or directory"
        assert found["WRONG"].startswith(f"inbound: {system.local}: No such file or directory (since ")
        assert daemon.stop() == DONE


@pytest.mark.parametrize("allowed", [True, False], ids=["away", "saying no"])
def test_a_broker_that_takes_nothing(tmp_path: Path, *, allowed: bool) -> None:
    """Events that wait are told with their age, and a topic that the broker refuses with the code and how many wait."""
    topic = f"ftn/tqwnet/area/{AREA}/message"
    writable = ("ftn/+/area/+/state", "ftn/+/link/+/state", "ftn/inbound/#", "ftn/status")
    acl = "".join(f"topic write {each}\n" for each in writable)
    with Mosquitto(tmp_path / "broker", acl=acl) as broker:
        system = node(tmp_path / "node", areas=[AREA], mqtt_url=broker.url)
        if allowed:
            broker.stop()
        system.deliver(packet([message(AREA), message(AREA, number=2)]))
        assert system.toss().code == DONE
        found = facts(system)
    if allowed:
        assert found["outbox"].startswith("3 events wait for the broker, the oldest since ")
        assert "outbox+" not in found
    else:
        assert found["outbox"].startswith("2 events wait for the broker, the oldest since ")
        assert found["outbox+"] == f"refused by the broker (0x87): {topic}, 2 events"


def test_what_is_wrong_is_in_the_exit_code(system: Node) -> None:
    """A monitor that looks at the exit code alone learns of an inbound that is gone, and of a condition."""
    shutil.rmtree(system.insecure)
    told = facts(system, SET_ASIDE)
    assert told["inbound+"] == f"{system.insecure}: No such file or directory"
    system.insecure.mkdir()
    assert system.toss().code == DONE
    facts(system)

    state = State(system.state)
    state.set_condition("maintenance", "a base is locked", 1_000_000_000.0)
    state.close()

    assert facts(system, SET_ASIDE)["WRONG"].startswith("maintenance: a base is locked (since ")
