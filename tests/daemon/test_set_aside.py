"""What was set aside, and what a sysop can do about it: look, put right and try again, or give up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from tests.accounts import held, kept_at, notes_of
from tests.inbound.bundles import zip_of
from tests.mail import HUB, US, message, packet
from tests.observe import nothing_waits
from tests.peers.daemon import DONE, FAILED, SET_ASIDE, USAGE, node
from tosser.reason import FileState, Reason

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from tests.peers.daemon import Node

STRANGER = "1337:9/9"
OTHER = "1337:9/8"
AREA = "TQW_GEN"


@pytest.fixture
def system(tmp_path: Path) -> Node:
    """A node that does not wait long for files to settle."""
    return node(tmp_path, areas=[AREA], links={HUB: "GEHEIM42"}, toss={"settle": "100ms"})


def good(*, sender: str = HUB, dest: str = US, password: bytes = b"GEHEIM42", number: int = 1) -> bytes:
    """Write a packet of one message."""
    return packet([message(AREA, number=number, sender=sender, dest=dest)], sender=sender, dest=dest, password=password)


def change(system: Node, edit: Callable[[dict[str, Any]], None]) -> None:
    """Edit the configuration file."""
    document = yaml.safe_load(system.config.read_text("utf-8"))
    edit(document)
    system.config.write_text(yaml.safe_dump(document), "utf-8")


def add_stranger(document: dict[str, Any]) -> None:
    """Make the stranger a link of the area."""
    document["links"].append({"address": STRANGER, "name": "No longer a stranger", "sysop": "Some Name"})
    document["areas"][0]["links"].append(STRANGER)


def add_aka(document: dict[str, Any]) -> None:
    """Answer to the other address, too."""
    document["networks"]["tqwnet"]["addresses"].append(OTHER)


def change_password(document: dict[str, Any]) -> None:
    """Agree with the hub on another password."""
    document["links"][0]["packet_password"] = "ANDERS"  # noqa: S105 - an invented password


@pytest.mark.parametrize(
    ("data", "state", "reason", "edit"),
    [
        (good(sender=STRANGER, password=b""), FileState.UNCLAIMED, Reason.UNKNOWN_SENDER, add_stranger),
        (good(dest=OTHER), FileState.NTU, Reason.NOT_FOR_US, add_aka),
        (good(password=b"ANDERS"), FileState.QUARANTINED, Reason.WRONG_PASSWORD, change_password),
    ],
    ids=["unknown link", "unknown address of ours", "wrong password"],
)
def test_put_right_and_tried_again(
    system: Node, data: bytes, state: FileState, reason: Reason, edit: Callable[[dict[str, Any]], None]
) -> None:
    """Once the configuration is put right, a file that was set aside goes back under its name, and is tossed."""
    system.deliver(data, "0badcafe.pkt")
    assert system.toss().code == SET_ASIDE
    (note,) = notes_of(system)
    assert (note["state"], note["reason"], note["sender"]) == (state, reason, STRANGER if edit is add_stranger else HUB)
    assert held(system, AREA) == 0
    assert system.run("status").code == SET_ASIDE

    change(system, edit)
    retried = system.run("quarantine", "retry", note["id"])
    assert retried.code == DONE
    assert retried.stdout == f"{note['id']} is back as {system.secure / '0badcafe.pkt'}\n"
    assert (system.secure / "0badcafe.pkt").read_bytes() == data
    assert notes_of(system) == []

    assert system.toss().code == DONE
    assert held(system, AREA) == 1
    assert nothing_waits(system)
    assert system.run("status").code == DONE
    assert system.status()["counters"] == {
        f"file.{state}": 1, f"kept.{reason}": 1, "file.tossed": 1, "message.accepted": 1,
    }  # fmt: skip


def test_tried_again_too_early(system: Node) -> None:
    """What is as bad as before is set aside again, whole."""
    data = good()[:-20]
    system.deliver(data)
    assert system.toss().code == SET_ASIDE
    (first,) = notes_of(system)
    assert system.run("quarantine", "retry", "all").code == DONE
    assert system.toss().code == SET_ASIDE
    (second,) = notes_of(system)
    assert system.run("quarantine", "list", "--json").json == [second]
    assert first["id"] != second["id"]
    assert (second["digest"], second["reason"], second["offset"]) == (
        first["digest"],
        Reason.TRUNCATED,
        first["offset"],
    )
    assert kept_at(system, second).read_bytes() == data
    assert held(system, AREA) == 0


def test_a_member_of_a_bundle_tried_again(system: Node) -> None:
    """A member goes back as a packet of its own, while the rest of its bundle has long been tossed."""
    stranger = good(sender=STRANGER, password=b"", number=2)
    system.deliver(zip_of(("1.pkt", good()), ("2.pkt", stranger)), "0000ffff.mo0")
    assert system.toss().code == SET_ASIDE
    (note,) = notes_of(system)
    assert (note["name"], note["member"], note["state"]) == ("0000ffff.mo0", "2.pkt", FileState.UNCLAIMED)
    assert held(system, AREA) == 1

    change(system, add_stranger)
    assert system.run("quarantine", "retry", note["id"]).code == DONE
    (back,) = system.secure.glob("*.pkt")
    assert back.read_bytes() == stranger
    assert system.toss().code == DONE
    assert held(system, AREA) == 2


def test_tried_again_beside_a_daemon(system: Node) -> None:
    """While the daemon runs entries can be looked at, put back and dropped; what is put back it tosses."""
    stranger = good(sender=STRANGER, password=b"")
    with system.start() as daemon:
        system.deliver(stranger)
        system.deliver(good(number=2)[:-20], "00000002.pkt")
        daemon.wait_for(lambda: len(notes_of(system)) == 2 and nothing_waits(system), what="two entries")
        change(system, add_stranger)
        daemon.reload()
        (note,) = (note for note in notes_of(system) if note["state"] == FileState.UNCLAIMED)
        assert system.run("quarantine", "retry", note["id"]).code == DONE
        daemon.wait_for(lambda: held(system, AREA) == 1, what="the message")
        assert system.run("quarantine", "drop", "all").code == DONE
        assert notes_of(system) == []
        assert daemon.stop() == DONE


def test_a_packet_with_junk_tried_again(system: Node) -> None:
    """Its messages were tossed the first time, so they are duplicates the second time, and it is kept again."""
    system.deliver(good() + b"NO CARRIER")
    assert system.toss().code == SET_ASIDE
    assert held(system, AREA) == 1
    assert system.run("quarantine", "retry", "all").code == DONE
    assert system.toss().code == SET_ASIDE
    assert held(system, AREA) == 1
    assert [entry["state"] for entry in system.status()["files"]] == [FileState.DUPLICATE, FileState.TOSSED]
    assert [note["reason"] for note in notes_of(system)] == [Reason.TRAILING_JUNK]


def test_shown(system: Node) -> None:
    """All that is known is shown, for people and for programs, and the place of the damage with its bytes."""
    data = good()[:-20]
    system.deliver(data)
    system.toss()
    (note,) = notes_of(system)
    assert system.run("quarantine", "show", note["id"], "--json").json == note
    shown = system.run("quarantine", "show", note["id"])
    assert shown.code == DONE
    facts = dict(line.split(None, 1) for line in shown.stdout.split("\n\n", maxsplit=1)[0].splitlines())
    assert facts["file"] == "00000001.pkt"
    assert facts["inbound"] == f"{system.secure} (secure)"
    assert facts["reason"] == f"truncated: {Reason.TRUNCATED.text}"
    assert facts["from"] == HUB
    assert facts["size"] == f"{len(data)} bytes, SHA-256 {note['digest']}"
    assert facts["what"].endswith(f", at offset {note['offset']}")
    assert note["excerpt"] in shown.stdout
    row = system.run("quarantine", "list").stdout.splitlines()[1].split()
    assert [row[0], row[1], row[2], row[3], row[-1]] == [note["id"], "quarantined", "truncated", HUB, "00000001.pkt"]


def test_dropped(system: Node) -> None:
    """An entry that is dropped is gone with its note, and only that one."""
    for number in (1, 2, 3):
        system.deliver(good(number=number)[:-20], f"{number:08x}.pkt")
    assert system.toss().code == SET_ASIDE
    first, *others = notes_of(system)
    dropped = system.run("quarantine", "drop", first["id"])
    assert (dropped.code, dropped.stdout) == (DONE, f"{first['id']} is deleted\n")
    assert notes_of(system) == others
    assert not kept_at(system, first).exists()
    assert system.run("quarantine", "drop", "all").code == DONE
    assert notes_of(system) == []
    assert list((system.state / "quarantine").iterdir()) == []
    assert system.run("status").code == DONE
    assert system.run("quarantine", "list").stdout == "Nothing is set aside.\n"
    assert system.run("quarantine", "drop", "all").stdout == "Nothing is set aside.\n"


@pytest.mark.parametrize("command", ["drop", "retry"])
def test_an_id_that_is_none(system: Node, command: str) -> None:
    """One wrong id refuses the whole call, before anything is touched."""
    system.deliver(good()[:-20])
    system.toss()
    (note,) = notes_of(system)
    result = system.run("quarantine", command, note["id"], "../../etc/passwd", "0")
    assert result.code == FAILED
    assert result.stderr.splitlines() == [
        "tosser: ../../etc/passwd: nothing of that id is set aside", "tosser: 0: nothing of that id is set aside",
    ]  # fmt: skip
    assert notes_of(system) == [note]
    assert system.run("quarantine", "show", "0").stderr == "tosser: 0: nothing of that id is set aside\n"
    assert system.run("quarantine", command).code == USAGE


def test_every_reason_is_explained(system: Node) -> None:
    """Each code has a sentence, for people and for programs."""
    texts = {reason.value: reason.text for reason in Reason}
    assert system.run("quarantine", "reasons", "--json").json == texts
    lines = system.run("quarantine", "reasons").stdout.splitlines()[1:]
    assert {line.split()[0]: line.split(None, 1)[1] for line in lines} == texts
