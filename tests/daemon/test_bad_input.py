"""Everything that can be wrong with a packet, tossed by the real command in one run, and accounted for everywhere."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.accounts import about, held, kept, ledger_of, log_of, notes_of
from tests.bad_mail import TOLERATED, BadInput, damaged, refused, truncations
from tests.mail import HUB, message, packet
from tests.observe import nothing_waits
from tests.peers.daemon import SET_ASIDE, Node, Result, node
from tests.peers.mosquitto import Mosquitto
from tests.peers.subscriber import Received, Subscriber
from tosser.codec.kludge import find_value
from tosser.daemon.metrics import StateCollector
from tosser.reason import FileState, Reason
from tosser.stores.jam_reader import JamReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.accounts import LogLine, Note
    from tosser.state.ledger import LedgerEntry

PASSWORD = b"GEHEIM42"
"""Of the hub; must be found nowhere but in the packets themselves."""
TAG = "TQW_GEN"
"""The area that every item of `tests.bad_mail` names; each gets an area of its own in its place."""
GOOD = "good.pkt"
SECRETS = (PASSWORD, b"WRONG!")
SHOWN = frozenset({Reason.WRONG_PASSWORD, Reason.MISSING_PASSWORD, Reason.CONCATENATED})
"""Reasons of which there is one case each, whose note is printed."""
STATES = {Reason.NOT_FOR_US: FileState.NTU, Reason.UNKNOWN_SENDER: FileState.UNCLAIMED}


@dataclass(frozen=True, slots=True)
class Case:
    """One bad input as it is delivered.

    Attributes:
        item: from `tests.bad_mail`.
        name: of the file.
        area: the area its messages are for, and no other file's.
    """

    item: BadInput
    name: str
    area: str

    @property
    def data(self) -> bytes:
        """The file."""
        mine, its = self.area.encode(), TAG.encode()
        return self.item.data.replace(its, mine).replace(its.lower(), mine.lower())

    @property
    def state(self) -> FileState:
        """Where the file must end."""
        if self.item.messages or not self.item.whole:
            return FileState.TOSSED
        if self.item.expected in set(FileState):
            return FileState(self.item.expected)
        return STATES.get(Reason(self.item.expected), FileState.QUARANTINED)

    @property
    def reason(self) -> Reason | None:
        """Why the file is kept, if it is."""
        kept = self.item.whole and self.item.expected in set(Reason)
        return Reason(self.item.expected) if kept else None

    @property
    def verdict(self) -> Reason | None:
        """Why the last message is not accepted, if it is not."""
        return None if self.item.whole else Reason(self.item.expected)


def with_password(item: BadInput, password: bytes) -> BadInput:
    """Write another password into a header, in the case it is given in."""
    data = item.data[:26] + password.ljust(8, b"\0") + item.data[34:]
    return BadInput(f"{item.name}, password {password.decode()}", data, item.expected, item.messages, item.whole)


def cases() -> list[Case]:
    """Give each damaged or refused input a file name and an area of its own."""
    sound = BadInput("sound", packet([message(TAG)], password=PASSWORD), TOLERATED, 1)
    items = [*damaged(password=PASSWORD), *refused(password=PASSWORD), with_password(sound, PASSWORD.lower())]
    return [Case(item, f"{index:08x}.pkt", f"TQW_{index:03d}") for index, item in enumerate(items)]


CASES = cases()


@dataclass(frozen=True, slots=True)
class Tossed:
    """What one run over all cases left behind."""

    system: Node
    result: Result
    ledger: dict[str, LedgerEntry]
    events: list[Received]
    log: list[LogLine]
    notes: dict[str, Note]

    def told(self, name: str) -> list[Received]:
        """The events about a file."""
        return [each for each in self.events if "/inbound/" in each.topic and each.json["data"]["name"] == name]


@pytest.fixture(scope="module")
def tossed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tossed]:
    """Every case and one good packet in the inbound at once, tossed by one command, with a subscriber listening."""
    root = tmp_path_factory.mktemp("bad-input")
    with Mosquitto(root / "broker") as broker, Subscriber(broker.port, "ftn/#") as subscriber:
        system = node(
            root / "node",
            areas=[TAG, *(case.area for case in CASES)],
            links={HUB: PASSWORD.decode()},
            mqtt_url=broker.url,
            toss={"settle": "100ms"},
        )
        for case in CASES:
            system.deliver(case.data, case.name)
        system.deliver(packet([message(TAG)], password=PASSWORD), GOOD)
        result = system.toss()
        files = len(CASES) + 1
        subscriber.wait_until(lambda received: sum("/inbound/" in each.topic for each in received) >= files)
        notes = {note["name"]: note for note in notes_of(system)}
        yield Tossed(system, result, ledger_of(system), subscriber.received, log_of(result.stderr), notes)


@pytest.fixture(params=CASES, ids=lambda case: case.item.name)
def case(request: pytest.FixtureRequest) -> Case:
    """One bad input."""
    found: Case = request.param
    return found


def test_it_ends_in_its_state_by_every_account(tossed: Tossed, case: Case) -> None:
    """Ledger, event and log name the same final state, reason and place for the file, and the digest of its bytes."""
    entry = tossed.ledger[case.name]
    assert (entry.state, entry.reason) == (case.state, case.reason)
    assert entry.counts.get(Reason.ACCEPTED, 0) == case.item.messages
    assert entry.digest == hashlib.sha256(case.data).hexdigest()

    (event,) = tossed.told(case.name)
    told = event.json["data"]
    assert event.topic == f"ftn/inbound/{case.state}"
    assert (told["state"], told["reason"], told["offset"]) == (case.state, case.reason, entry.offset)
    assert (told["digest"], told["size"]) == (f"sha256:{entry.digest}", len(case.data))
    assert told["counts"] == entry.counts

    (line,) = about(tossed.log, "file_done", file=case.name)
    assert (line["state"], line.get("reason"), line.get("offset")) == (case.state, case.reason, entry.offset)
    assert line["messages"] == entry.counts


def test_nothing_of_it_is_half_imported(tossed: Tossed, case: Case) -> None:
    """Its area holds the messages that are accepted and no other; without any there is no base."""
    assert held(tossed.system, case.area) == case.item.messages
    assert (tossed.system.bases / f"{case.area.lower()}.jhr").exists() == bool(case.item.messages)
    told = [each for each in tossed.events if each.topic == f"ftn/tqwnet/area/{case.area}/message"]
    assert len(told) == case.item.messages


def test_it_is_kept_unchanged_with_a_note(tossed: Tossed, case: Case) -> None:
    """What is refused lies in the quarantine byte for byte, with reason, place and excerpt; nothing else does."""
    if case.reason is None:
        assert case.name not in tossed.notes
        return
    note = tossed.notes[case.name]
    kept_as = case.state if case.state in STATES.values() else FileState.QUARANTINED
    assert (note["state"], note["reason"]) == (kept_as, case.reason)
    assert kept(tossed.system, note) == case.data
    assert (note["size"], note["digest"]) == (len(case.data), hashlib.sha256(case.data).hexdigest())
    offset = note["offset"]
    assert offset == tossed.ledger[case.name].offset
    assert (offset is None) == (case.reason in {*STATES, Reason.WRONG_PASSWORD, Reason.MISSING_PASSWORD})
    assert offset is None or 0 <= offset <= len(case.data)
    assert note["excerpt"].startswith(f"{max(0, (offset or 0) - 32) // 16 * 16:08x}  ")


def test_a_refused_message_says_why(tossed: Tossed, case: Case) -> None:
    """A message that is not accepted is in the bad area with its reason, unless it is a duplicate, and in the log."""
    if case.verdict is None:
        return
    assert tossed.ledger[case.name].counts == {Reason.ACCEPTED: case.item.messages, case.verdict: 1}
    if case.verdict is Reason.DUPLICATE:
        return
    reasons = [
        find_value(entry.message.kludges, b"TOSSER-REASON")
        for entry in JamReader(tossed.system.bases / "badmail.tqw").messages()
    ]
    assert f"{case.verdict} {HUB}".encode() in reasons
    (line,) = about(tossed.log, "message_refused", file=case.name)
    assert (line["reason"], line["sender"], line["message"]) == (case.verdict, HUB, case.item.messages)


def test_a_good_packet_beside_them_is_tossed(tossed: Tossed) -> None:
    """What is wrong with others does not touch it."""
    assert tossed.ledger[GOOD].state == FileState.TOSSED
    assert held(tossed.system, TAG) == 1


def test_the_exit_status_tells_that_something_was_set_aside(tossed: Tossed) -> None:
    """The command ends with 4, and leaves nothing in the inbounds."""
    assert tossed.result.code == SET_ASIDE
    assert nothing_waits(tossed.system)


def test_what_was_tolerated_is_logged(tossed: Tossed) -> None:
    """A missing terminator after a whole last message is forgiven, and the log says so, with the place."""
    lines = {line["file"]: line for line in about(tossed.log, "packet_tolerated")}
    found = {case.item.name: (line["code"], line["offset"]) for case in CASES if (line := lines.get(case.name))}
    (case,) = [case for case in CASES if case.item.name == "no terminator"]
    assert found["no terminator"] == ("no-terminator", len(case.data))
    assert found["half a terminator"] == ("half-terminator", len(case.data))


def test_the_totals_add_up(tossed: Tossed) -> None:
    """Status and metrics count every file by state, every message by verdict, and everything set aside by reason."""
    files = Counter(case.state.value for case in CASES) + Counter(["tossed"])
    kept = Counter(case.reason.value for case in CASES if case.reason)
    messages = Counter(case.verdict.value for case in CASES if case.verdict)
    messages["accepted"] = sum(case.item.messages for case in CASES) + 1
    expected = {f"file.{state}": count for state, count in files.items()}
    expected |= {f"kept.{reason}": count for reason, count in kept.items()}
    expected |= {f"message.{verdict}": count for verdict, count in messages.items()}

    status = tossed.system.status()
    assert status["counters"] == expected
    assert status["quarantine"]["entries"] == kept.total() == len(tossed.notes)
    assert tossed.system.run("quarantine", "list", "--json").json == list(tossed.notes.values())
    assert status["quarantine"]["states"] == Counter(note["state"] for note in tossed.notes.values())
    assert status["outbox"]["events"] == 0
    assert status["open"] == {"batches": 0, "files": 0}

    collector = StateCollector(tossed.system.state, present=dict, connected=lambda: False, waiting=lambda: 0.0)
    samples = [
        sample
        for family in collector.collect()
        for sample in family.samples
        if sample.name in {"tosser_files_total", "tosser_messages_total", "tosser_kept_total"}
    ]
    names = {"tosser_files_total": "file", "tosser_messages_total": "message", "tosser_kept_total": "kept"}
    measured = {f"{names[sample.name]}.{next(iter(sample.labels.values()))}": sample.value for sample in samples}
    assert measured == expected


def test_no_password_leaks(tossed: Tossed) -> None:
    """The link's password and those that were tried are in no output, no event, no note and not in the database."""
    shown = [tossed.notes[case.name]["id"] for case in CASES if case.reason in SHOWN]
    commands = [("status",), ("quarantine", "list", "--json"), *(("quarantine", "show", each) for each in shown)]
    excerpts = ["".join(line[59:] for line in note["excerpt"].splitlines()) for note in tossed.notes.values()]
    texts = [
        tossed.result.stdout.encode(),
        tossed.result.stderr.encode(),
        *(event.payload for event in tossed.events),
        *(path.read_bytes() for path in tossed.system.state.rglob("*") if path.is_file() and path.suffix != ".data"),
        *(tossed.system.run(*command).stdout.encode() for command in commands),
        *(excerpt.encode() for excerpt in excerpts),
    ]
    leaks = [text for secret in SECRETS for text in texts if secret in text.upper()]
    assert leaks == []
    assert len(shown) == len(SHOWN)


def test_cut_anywhere(tmp_path: Path) -> None:
    """A packet cut at any byte is imported up to a whole last message or not at all, and is kept byte for byte."""
    cuts = list(truncations())
    whole = [item for item in cuts if item.messages]
    areas = {item.name: f"TQW_{index:03d}" for index, item in enumerate(whole)}
    system = node(tmp_path, areas=[TAG, *areas.values()], toss={"settle": "100ms"})
    delivered = {}
    for index, item in enumerate(cuts):
        data = item.data.replace(TAG.encode(), areas.get(item.name, TAG).encode())
        delivered[f"{index:08x}.pkt"] = (item, data)
        system.deliver(data, f"{index:08x}.pkt")

    assert system.toss().code == SET_ASIDE

    ledger, notes = ledger_of(system), {note["name"]: note for note in notes_of(system)}
    for name, (item, data) in delivered.items():
        entry = ledger[name]
        if item.messages:
            assert (entry.state, entry.reason) == (FileState.TOSSED, None), item
            assert entry.counts == {Reason.ACCEPTED: item.messages}, item
            assert held(system, areas[item.name]) == item.messages, item
        elif item.expected == FileState.EMPTY:
            assert (entry.state, entry.reason) == (FileState.EMPTY, None), item
        else:
            assert (entry.state, entry.reason) == (FileState.QUARANTINED, item.expected), item
            note = notes.pop(name)
            assert kept(system, note) == data, item
            assert note["offset"] <= len(data), item
    assert notes == {}
    assert not (system.bases / f"{TAG.lower()}.jhr").exists()
    assert nothing_waits(system)
