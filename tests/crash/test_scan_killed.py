"""Killed between every two steps of finding mail in our bases, sending and marking it; and of tossing local mail."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.corpus import US, message, packet
from tests.crash.lives import KILLED, live
from tests.crash.scenes import Scene, read_tree
from tests.crash.seam import Death, Moment, read_trace
from tests.packets import messages_in, packets_in
from tests.peers import jam_writer
from tests.peers.daemon import DONE, Node, node
from tests.peers.ports import LOOPBACK
from tosser.codec.kludge import find_value
from tosser.state.state import State
from tosser.stores.jam_files import shared_files
from tosser.stores.jam_reader import JamReader
from tosser.stores.jam_repair import check

if TYPE_CHECKING:
    from tests.crash.seam import Step

AREA = "TQW_GEN"
WRITTEN = ("from the board, bare", "from the board, whole")
DELIVERED = "Test 7"
_NO_BROKER = 1


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A node that knows its base, into which a BBS wrote, and whose local inbound holds a packet."""
    root = tmp_path_factory.mktemp("scan") / "node"
    system = node(
        root,
        areas=[AREA],
        area_defaults={"scan": True},
        link_defaults={"archiver": "none"},
        mqtt_url=f"mqtt://{LOOPBACK}:{_NO_BROKER}",
        log={"level": "warning", "format": "json"},
    )
    assert live(system, "toss") == DONE
    base = system.bases / AREA.lower()
    soon = jam_writer.now() + 60
    lines = [(7, b"Board 1"), (2000, b"TID: Board 1"), (2000, b"CHRS: CP437 2"), (2004, b"0100")]
    whole = [(jam_writer.MSGID, b"1337:1/200 0badcafe"), *lines]
    text = b"Whole.\r--- Board 1\r * Origin: The Board (1337:1/200)\r"
    for subject, body, fields in zip(WRITTEN, (b"Bare.\r", text), ([], whole), strict=True):
        jam_writer.append(base, b"All", subject.encode(), body, written=soon, processed=0, fields=fields)
    local = message(AREA, number=7, author=US, sender=US, seen_by=[], path=[])
    system.deliver(packet([local], sender=US), inbound=system.local)
    return Scene("scan", system, read_tree(root))


def faults_of(system: Node) -> list[str]:
    """Say what is not as it should be when everything is done."""
    faults: list[str] = []
    packets = packets_in(sorted(system.outbound.glob("*.pkt")))
    sent = {each.subject.decode(): each.msgid for data in packets for each in messages_in(data)}
    counted = Counter(each.subject.decode() for data in packets for each in messages_in(data))
    if counted != Counter([*WRITTEN, DELIVERED]):
        faults.append(f"sent: {counted}")
    base = system.bases / AREA.lower()
    with JamReader(base) as reader:
        there = [(each.message, each.header.attribute) for each in reader.messages()]
        if Counter(mail.subject.decode() for mail, _ in there) != Counter([*WRITTEN, DELIVERED]):
            faults.append(f"in the base: {[mail.subject for mail, _ in there]}")
        for mail, attribute in there:
            msgid = (find_value(mail.kludges, b"MSGID") or b"").decode()
            if msgid != sent.get(mail.subject.decode()):
                faults.append(f"{mail.subject!r} is {msgid} in the base")
            if attribute & jam_writer.LOCAL and not attribute & jam_writer.SENT:
                faults.append(f"{mail.subject!r} is not marked")
        faults += [finding.what for finding in check(shared_files(base))]
    state = State(system.state)
    try:
        (area,) = state.overview().areas
        told = Counter(event.topic for event in state.next_events(0, 100) if event.topic.endswith("/message"))
        if (area.stored, area.duplicates, told.total()) != (3, 0, 3):
            faults.append(f"stored {area.stored}, duplicates {area.duplicates}, told {told}")
        if state.scanned_bases_left() or state.open_batches():
            faults.append("something is not done with")
    finally:
        state.close()
    waiting = [path for name in ("posts", "scanned", "staged") for path in (system.state / name).rglob("*.pkt")]
    return faults + [f"left: {path}" for path in (*waiting, *system.local.rglob("*.pkt"))]


def _is_sync(step: Step) -> bool:
    """Whether a process that dies before it leaves what one does that dies after it."""
    return step.name.startswith("sync")


def test_killed_between_every_two_steps(scene: Scene) -> None:
    """Whichever step it dies before, or half way through, the next toss sends every message once, and marks it.

    From the flow file on it is a shipment as any other.
    """
    system = scene.node
    trace = system.root.with_name("trace")
    scene.set_up()
    assert live(system, "toss", trace=trace) == DONE
    assert faults_of(system) == []
    steps = read_trace(trace)
    found = next(number for number, step in enumerate(steps) if "/scanned/." in step.path and step.name == "create") - 2
    tossed = next(number for number, step in enumerate(steps) if step.path.endswith(".flo.tmp"))
    deaths = [Death(number, Moment.BEFORE) for number in range(found, tossed) if not _is_sync(steps[number])]
    claimed = next(number for number, step in enumerate(steps) if "/scanned/.tosser/" in step.target)
    deaths += [Death(number, Moment.HALF) for number in range(found, claimed) if len(steps[number].data) > 1]
    wrong: list[str] = []
    assert len(deaths) > 40
    for death in deaths:
        scene.set_up()
        assert live(system, "toss", death=death) == KILLED
        code = live(system, "toss")
        faults = faults_of(system) + ([] if code == DONE else [f"ended with {code}"])
        wrong += [f"{death.moment} step {death.step}, {steps[death.step].name}: {fault}" for fault in faults]
    assert wrong == []
