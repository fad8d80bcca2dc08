"""Storm breakers: a link that sends too much in an hour is put on hold, its files wait, and a person lets them in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from tests.accounts import about, held, ledger_of, log_of
from tests.daemon.troubles import QUICK, free_port, sections, witnessed
from tests.inbound.bundles import zip_of
from tests.mail import HUB, message, packet
from tests.observe import nothing_waits
from tests.peers.daemon import DONE, SET_ASIDE, node

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.daemon import Node
    from tests.peers.mosquitto import Mosquitto

AREA = "TQW_GEN"
STORMY, CALM = "1337:1/701", "1337:1/702"
SUBJECT = f"hold of {STORMY} in tqwnet"
LINK_STATE = "ftn/tqwnet/link/f701.n1.z1337/state"
LIMIT = 20


def mail(sender: str, *numbers: int) -> bytes:
    """Write a packet of messages from a system."""
    return packet([message(AREA, number=number, sender=sender) for number in numbers], sender=sender)


def stormy_node(root: Path, limits: dict[str, int], **more: Any) -> Node:  # noqa: ANN401 - parts of a configuration
    """Configure a node with limits for one of its links."""
    system = node(root, areas=[AREA], links={HUB: "", STORMY: "", CALM: ""}, **{"toss": QUICK} | more)
    document = yaml.safe_load(system.config.read_text("utf-8"))
    next(link for link in document["links"] if link["address"] == STORMY).update(limits)
    system.config.write_text(yaml.safe_dump(document), "utf-8")
    return system


def waiting(system: Node) -> dict[str, Any]:
    """Tell what ``link show`` says of the hold of the link."""
    found: dict[str, Any] = system.run("link", "show", STORMY, "--json").json["held"]
    return found


def test_too_many_messages(tmp_path: Path, broker: Mosquitto) -> None:
    """Over the limit the link is on hold, with all alarms; other links go on; after the release all is tossed, once."""
    port = free_port()
    system = stormy_node(tmp_path / "node", {"max_messages_per_hour": LIMIT}, **sections(broker, port))
    with witnessed(system, broker, port) as witness:
        system.deliver(mail(STORMY, *range(1, LIMIT + 1)), "00000001.pkt")
        witness.daemon.wait_for(lambda: nothing_waits(system), what="what the limit allows")
        assert waiting(system) is None
        system.deliver(mail(STORMY, 101), "00000002.pkt")
        witness.wait_begun(SUBJECT, f"it sent {LIMIT + 1} messages within an hour, and the limit is {LIMIT}")
        witness.daemon.wait_for(lambda: nothing_waits(system), what="the file that broke the limit")
        system.deliver(mail(STORMY, 102), "00000003.pkt")
        system.deliver(zip_of(("1.pkt", mail(STORMY, 103))), "0000ffff.mo0")
        system.deliver(mail(CALM, 201), "00000004.pkt")
        witness.daemon.wait_for(lambda: held(system, AREA) == LIMIT + 2, what="mail of another link")
        witness.daemon.wait_for(lambda: waiting(system)["files"] == 2, what="two files that wait")
        assert [line["file"] for line in about(log_of(witness.daemon.log), "file_held")] == [
            "00000003.pkt", "0000ffff.mo0",
        ]  # fmt: skip
        witness.subscriber.wait_until(lambda _: witness.subscriber.on(LINK_STATE)[-1].json["data"]["held"])

        assert system.run("link", "release", STORMY).stdout == f"{STORMY} is no longer on hold\n"
        witness.daemon.wait_for(lambda: nothing_waits(system), what="what waited")
        witness.wait_ended(SUBJECT)
        witness.subscriber.wait_until(lambda _: not witness.subscriber.on(LINK_STATE)[-1].json["data"]["held"])
        assert witness.daemon.stop() == DONE
    assert held(system, AREA) == LIMIT + 4
    assert {entry.state for entry in ledger_of(system).values()} == {"tossed"}
    assert system.status()["counters"] == {"file.tossed": 5, "message.accepted": LIMIT + 4}


def test_too_many_duplicates(tmp_path: Path) -> None:
    """Duplicates have a limit of their own; what waits survives restarts and is not counted again when released."""
    system = stormy_node(tmp_path, {"max_dupes_per_hour": LIMIT})
    system.deliver(mail(STORMY, *range(1, LIMIT + 2)), "00000001.pkt")
    assert system.toss().code == DONE
    system.deliver(mail(STORMY, *range(1, LIMIT + 2)), "00000002.pkt")
    assert system.toss().code == DONE
    for number in range(3, 6):
        system.deliver(mail(STORMY, *range(1, LIMIT + 2)), f"{number:08x}.pkt")
    system.deliver(mail(STORMY, 500), "gr\xfc\xdfe 6.pkt")
    result = system.toss()
    assert result.code == SET_ASIDE
    assert result.stdout == "files: none; messages: none; set aside: 0; on hold: 4 files\n"
    assert system.toss().code == SET_ASIDE
    status = system.run("status")
    assert status.code == SET_ASIDE
    assert f"on hold     {STORMY} in tqwnet, since " in status.stdout
    assert "; files waiting: 4" in status.stdout
    shown = system.run("link", "show", STORMY).stdout
    assert f"it sent {LIMIT + 1} duplicates within an hour, and the limit is {LIMIT}; files waiting: 4" in shown
    (row,) = [line for line in system.run("link", "list", "--json").json if line["address"] == STORMY]
    assert row["held"]["files"] == 4

    assert system.run("link", "release", STORMY).code == DONE
    assert system.toss().code == DONE
    assert nothing_waits(system)
    assert held(system, AREA) == LIMIT + 2
    counters = system.status()["counters"]
    assert counters == {"file.tossed": 2, "file.duplicate": 4, "message.accepted": LIMIT + 2, "message.duplicate": 84}
    assert system.status()["held"] == []


def test_a_large_packet_is_stopped_in_the_middle(tmp_path: Path) -> None:
    """A packet beyond the limit is stopped after the batch that broke it, and finished from there after the release."""
    system = stormy_node(tmp_path, {"max_messages_per_hour": LIMIT}, toss=QUICK | {"batch_messages": 10})
    system.deliver(mail(STORMY, *range(100)), "00000001.pkt")
    system.deliver(mail(CALM, 200), "00000002.pkt")
    result = system.toss()
    assert result.code == SET_ASIDE
    assert held(system, AREA) == LIMIT + 10 + 1
    assert waiting(system)["files"] == 1
    assert system.run("link", "release", STORMY).code == DONE
    assert system.toss().code == DONE
    assert held(system, AREA) == 101
    assert {name: entry.counts for name, entry in ledger_of(system).items()} == {
        "00000001.pkt": {"accepted": 100}, "00000002.pkt": {"accepted": 1},
    }  # fmt: skip


def test_by_command(tmp_path: Path) -> None:
    """A person puts a link on hold, too; who only says that he is the link is judged as ever."""
    system = node(tmp_path, areas=[AREA], links={HUB: "", STORMY: "GEHEIM"}, toss=QUICK)
    assert system.run("link", "hold", STORMY, "--why", "asked for it").stdout == f"{STORMY} is on hold\n"
    assert system.run("link", "hold", STORMY).stdout == f"{STORMY} was already on hold\n"
    proven = packet([message(AREA, number=1, sender=STORMY)], sender=STORMY, password=b"GEHEIM")
    system.deliver(proven, "00000001.pkt")
    system.deliver(mail(STORMY, 2), "00000002.pkt", system.insecure)
    assert system.toss().code == SET_ASIDE
    assert {name: entry.reason for name, entry in ledger_of(system).items()} == {"00000002.pkt": "missing-password"}
    assert waiting(system)["why"] == "asked for it"
    assert system.run("link", "release", STORMY).stdout == f"{STORMY} is no longer on hold\n"
    assert system.run("link", "release", STORMY).stdout == f"{STORMY} was not on hold\n"
    assert system.toss().code == DONE
    assert held(system, AREA) == 1
