"""Files that make us fail, time and again, without a verdict: set aside in the end, and nobody else suffers."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.accounts import held, kept, ledger_of, notes_of
from tests.daemon.inside import config_of, parts_of
from tests.mail import message, packet
from tests.observe import nothing_waits
from tests.peers.daemon import DONE, SET_ASIDE, node
from tosser.daemon.oneshot import toss_once
from tosser.inbound.reading import Reader
from tosser.reason import FileState, Reason
from tosser.stores.jam import JamBase

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pytest

    from tests.peers.daemon import Node
    from tosser.codec.stored import BaseMessage
    from tosser.inbound.spool import ClaimedFile
    from tosser.rules.batch import Batch
    from tosser.rules.decision import FileProgress

AREA = "TQW_GEN"
POISON = "0badcafe.pkt"
ARC = b"\x1a\x08A.PKT\x00" + bytes(100)
"""Enough for a file to be taken for an ARC file."""


def mail(number: int) -> bytes:
    """Write a packet of one message."""
    return packet([message(AREA, number=number)])


def choke(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make reading one file a mistake of ours; gives a list that grows with each attempt."""
    attempts: list[str] = []
    read = Reader.batches

    def batches(
        self: Reader, files: Iterable[ClaimedFile], progress: Mapping[str, FileProgress], first: int | None = None
    ) -> Iterator[Batch]:
        files = list(files)
        for file in files:
            if file.name == POISON:
                attempts.append(file.claim)
                raise RuntimeError("a mistake of ours")
        yield from read(self, files, progress, first)

    monkeypatch.setattr(Reader, "batches", batches)
    return attempts


def test_a_file_that_makes_us_fail(system: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried in company, then three times alone, then set aside whole; the others are tossed the second time."""
    system.deliver(mail(1), "00000001.pkt")
    system.deliver(mail(2), POISON)
    system.deliver(mail(3), "00000003.pkt")
    attempts = choke(monkeypatch)
    with parts_of(system) as parts:
        reports = [parts.pipeline.toss() for _ in range(6)]
    assert [report.surprised for report in reports] == [True, True, True, True, False, False]
    assert [report.files for report in reports[1:]] == [{"tossed": 2}, {}, {}, {"quarantined": 1}, {}]
    assert len(attempts) == 4
    assert len(set(attempts)) == 1
    assert held(system, AREA) == 2
    assert nothing_waits(system)
    entry = ledger_of(system)[POISON]
    assert (entry.state, entry.reason, entry.counts) == (FileState.QUARANTINED, Reason.POISON, {})
    (note,) = notes_of(system)
    assert (note["name"], note["reason"]) == (POISON, Reason.POISON)
    assert kept(system, note) == mail(2)


def test_a_toss_ends_all_the_same(system: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single toss goes through all attempts at once, sets the file aside and ends."""
    system.deliver(mail(1), "00000001.pkt")
    system.deliver(mail(2), POISON)
    choke(monkeypatch)
    report = toss_once(config_of(system))
    assert report.files == {FileState.TOSSED: 1, FileState.QUARANTINED: 1}
    assert report.trouble == ""
    assert nothing_waits(system)


def test_a_decision_that_cannot_be_carried_out(system: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake after the decision keeps input and decision; others go on; once mended, it is carried out once."""
    system.deliver(mail(1), "00000001.pkt")
    append, resume = JamBase.append, JamBase.resume

    def fail(_self: JamBase, messages: Sequence[BaseMessage], *_args: object, **_kwargs: object) -> list[int]:
        raise RuntimeError(f"a mistake of ours with {len(messages)} messages")

    with parts_of(system) as parts:
        pipeline = parts.pipeline
        monkeypatch.setattr(JamBase, "append", fail)
        monkeypatch.setattr(JamBase, "resume", fail)
        for _ in range(6):
            assert pipeline.toss().surprised
        assert pipeline.parked == 1
        system.deliver(packet([]), "00000002.pkt")
        assert pipeline.toss().files == {FileState.EMPTY: 1}
        assert not nothing_waits(system)
        monkeypatch.setattr(JamBase, "append", append)
        monkeypatch.setattr(JamBase, "resume", resume)
        assert pipeline.toss().files == {FileState.TOSSED: 1}
        assert pipeline.parked == 0
    assert held(system, AREA) == 1
    assert nothing_waits(system)
    assert system.status()["counters"] == {"file.empty": 1, "file.tossed": 1, "message.accepted": 1}


def killing(system_root: Path) -> Node:
    """Configure a node whose unpacker kills the process that started it."""
    command = ["sh", "-c", "kill -9 $PPID", "{archive}"]
    return node(
        system_root, areas=[AREA], toss={"settle": "0s"}, archivers={"arc": {"formats": ["arc"], "unpack": command}}
    )


def test_a_file_that_kills_us(tmp_path: Path) -> None:
    """A file at which the process dies is tried three times more, then on trial in a process of its own: poison."""
    system = killing(tmp_path)
    system.deliver(ARC, "0000ffff.mo0")
    system.deliver(mail(1), "00000001.pkt")
    codes: list[int] = []
    while not codes or codes[-1] == -signal.SIGKILL:
        codes.append(system.toss().code)
        assert len(codes) < 10
    assert codes == [-signal.SIGKILL] * 4 + [SET_ASIDE]
    (note,) = notes_of(system)
    assert (note["name"], note["reason"], kept(system, note)) == ("0000ffff.mo0", Reason.POISON, ARC)
    assert held(system, AREA) == 1
    assert nothing_waits(system)
    assert system.status()["counters"] == {
        "file.tossed": 1, "file.quarantined": 1, "kept.poison": 1, "message.accepted": 1,
    }  # fmt: skip


KILLED_WHILE_READING = """
import os, sys
from tosser.cli.main import main
from tosser.inbound.reading import Reader
Reader.batches = lambda *_: os.kill(os.getpid(), 9)
main(sys.argv[1:])
"""


def test_a_process_that_is_killed_makes_no_poison(system: Node) -> None:
    """Whoever kills us time and again proves nothing against the file in work: it passes its trial, and is tossed."""
    system.deliver(mail(1), "00000001.pkt")
    command = [sys.executable, "-c", KILLED_WHILE_READING, *system.command("toss")[1:]]
    for _ in range(5):
        assert subprocess.run(command, check=False, timeout=60).returncode == -signal.SIGKILL
    assert system.toss().code == DONE
    assert held(system, AREA) == 1
    assert ledger_of(system)["00000001.pkt"].attempts == 0
