"""The whole way of a file that lies in an inbound: to its verdicts in memory, and through the real toss."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING

import structlog

from tests.fuzz.file_targets import inputs
from tests.fuzz.target import Target
from tests.peers.daemon import node
from tosser.cli.dry_toss import DryToss
from tosser.cli.explain import _say_file
from tosser.codec.jam_message import build_record
from tosser.codec.packet import parse_packet
from tosser.config.loading import load_config
from tosser.config.world import build_rulebook
from tosser.daemon.intake import build_reader
from tosser.daemon.parts import build_parts, make_directories
from tosser.daemon.report import Reporter
from tosser.events.event import Node
from tosser.inbound.spool import ClaimedFile, Inbound
from tosser.reason import FileState
from tosser.rules.decision import Decision, FileProgress, decide, prepare_batch
from tosser.rules.network import InboundClass
from tosser.rules.outgoing import draw_packets
from tosser.rules.plan import draw_up
from tosser.state.journal import read_decision, write_decision
from tosser.state.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fuzz.target import Check
    from tests.peers.daemon import Node as System
    from tosser.config.model import Config
    from tosser.inbound.reading import Reader
    from tosser.rules.batch import Batch
    from tosser.rules.decision import FileOutcome
    from tosser.rules.network import Rulebook

NOW = 1_793_520_000.0
LINKS = {"1337:1/100": "", "1337:1/201": "", "1337:1/202.3": ""}
_NAMES = ("0000ffff.mo0", "12345678.pkt")
_CLASSES = tuple(InboundClass)
_DONE = frozenset((FileState.TOSSED, FileState.DUPLICATE, FileState.EMPTY))
_LATEST = 20
"""Files among which the one that was delivered is: answers to netmail in it are tossed, and finish, after it."""
_BATCH = 3
"""Messages in a batch: a file of a few messages is decided in parts then."""


def make_verdict(directory: Path) -> Check:
    """Whatever lies in an inbound has one outcome; nothing of it is left out, and it reads the same again."""
    config = _configure(directory)
    way = _Way(build_rulebook(config), build_reader(config))
    explaining = DryToss(config, None)
    path = directory / "file"
    path.mkdir()

    def check(data: bytes) -> None:
        head, content = data[:1] or b"\0", data[1:]
        cls = _CLASSES[head[0] // 2 % len(_CLASSES)]
        file = path / _NAMES[head[0] % 2]
        file.write_bytes(content)
        outcome = way.go(ClaimedFile("claim", file.name, Inbound(path, cls), file, len(content), NOW))
        explaining._remembered.clear()
        told = explaining.explain(file, cls)
        assert (told["state"], told["reason"], told["counts"]) == (outcome.state, outcome.reason, outcome.counts)
        with redirect_stdout(io.StringIO()) as shown:
            _say_file(told)
        assert all(char.isprintable() or char in "\t\n" for char in shown.getvalue())
        file.unlink()

    return check


class _Way:
    """The way of one file without a disk: as `tosser.daemon.pipeline` goes it, and checked at each step."""

    def __init__(self, rules: Rulebook, reader: Reader) -> None:
        self._rules = rules
        self._reader = reader
        self._reporter = Reporter(rules, Node("ftn", "ftn://tqwnet/1337:1/200"))
        self._known: set[bytes] = set()
        self._progress: dict[str, FileProgress] = {}
        self._kept: set[int | None] = set()

    def go(self, file: ClaimedFile) -> FileOutcome:
        """Go it, and give how the file ended."""
        self._known, self._progress, self._kept = set(), {}, set()
        outcomes = [each for batch in self._reader.batches([file], {}) for each in self._toss(file, batch).outcomes]
        (outcome,) = outcomes
        assert outcome.claim == file.claim
        assert outcome.reason is not None or outcome.state in _DONE
        return outcome

    def _toss(self, file: ClaimedFile, batch: Batch) -> Decision:
        prepared = prepare_batch(batch, self._rules)
        decision = decide(prepared, self._rules, self._known, self._progress, NOW)
        self._known |= {key for _, _, key in decision.dupe_keys}
        self._progress = dict(decision.progress)
        text = write_decision(decision)
        assert write_decision(read_decision(text, 1)) == text
        plan = draw_up(batch.pieces, decision, self._rules)
        pieces = self._reader.again(file, decision.pieces) if decision.pieces else []
        again = draw_up(pieces, decision, self._rules)
        stored = {target: [entry.message for entry in entries] for target, entries in plan.appends.items()}
        assert stored == {target: [entry.message for entry in entries] for target, entries in again.appends.items()}
        for messages in stored.values():
            assert all(build_record(each).header(1, 0, 0) for each in messages)
        self._kept |= {item.member for item in decision.set_aside}
        refused = [piece for piece, packet in zip(batch.pieces, prepared.packets, strict=True) if packet.reason]
        assert all({None, piece.member} & self._kept for piece in refused)
        judged = [piece for piece in batch.pieces if piece not in refused]
        assert [len(piece.messages) for piece in judged] == [len(piece.verdicts) for piece in decision.pieces]
        numbers = {target: list(range(1, len(messages) + 1)) for target, messages in stored.items()}
        self._reporter.results(plan, numbers, [], [], NOW)
        self._check_packets(batch, decision)
        return decision

    def _check_packets(self, batch: Batch, decision: Decision) -> None:
        """What is sent on are sound packets of messages whose author's part is what came, byte for byte."""
        came = {text.transit for piece in batch.pieces for _, text in piece.messages}
        drawn = draw_packets(batch.pieces, decision, self._rules, datetime(2026, 11, 1))  # noqa: DTZ001 - local time
        for packet in drawn:
            found = parse_packet(packet.content())
            assert (len(found.messages), found.warnings) == (packet.messages, [])
            for message in found.messages:
                end = message.text.rfind(b"SEEN-BY: ")
                assert any(message.text.startswith(transit) for transit in came), message.text[:end]


def make_toss(directory: Path) -> Check:
    """Whatever is delivered is in the ledger with its final state after one toss, and nothing of it is left behind."""
    rendered = [structlog.processors.JSONRenderer()]
    structlog.configure(processors=rendered, logger_factory=structlog.ReturnLoggerFactory())
    numbers = count(1)
    tosses = _tosses(directory)

    def check(data: bytes) -> None:
        next(tosses)(data, next(numbers))

    return check


def _tosses(directory: Path) -> Iterator[Toss]:
    """Give a node for each input; a new one now and then, so that none gets slow."""
    for life in count():
        config = _configure(directory / f"node{life}")
        make_directories(config)
        state = State(config.paths.state)
        toss = Toss(config, state)
        for _ in range(500):
            yield toss
        toss.close()
        state.close()


class Toss:
    """One node that tosses what it is given."""

    def __init__(self, config: Config, state: State) -> None:
        self._inbound = config.paths.inbound.secure[0]
        self._root = config.paths.state
        self._state = state
        self._parts = build_parts(config, state)

    def __call__(self, data: bytes, number: int) -> None:
        """Deliver a file, toss, and look at its end."""
        head, content = data[:1] or b"\0", data[1:]
        name = f"{number:08x}.{('mo0', 'pkt')[head[0] % 2]}"
        (self._inbound / name).write_bytes(content)
        report = self._parts.pipeline.toss()
        assert not report.surprised, report
        assert not report.trouble, report
        entries = {entry.name: entry for entry in self._state.latest_files(_LATEST)}
        assert name in entries, sorted(entries)
        entry = entries[name]
        assert not [path for path in self._inbound.rglob("*") if path.is_file()]
        kept = list(self._root.glob("*/*.data"))
        if FileState(entry.state or "") not in _DONE:
            assert kept
            assert len(kept) > 1 or kept[0].read_bytes() == content or _member(kept[0])
        for path in kept:
            path.unlink()
            path.with_suffix(".json").unlink()

    def close(self) -> None:
        """Let go of its files."""
        self._parts.close()


def _member(path: Path) -> str:
    """Tell which member of a bundle was kept; empty for a whole file."""
    return str(json.loads(path.with_suffix(".json").read_bytes())["member"])


def _configure(directory: Path) -> Config:
    system: System = node(
        directory, areas=["TQW_GEN", "TQW_TECH"], links=LINKS,
        toss={"settle": "0s", "batch_messages": _BATCH, "sync": "none"},
        limits={"archive": {"members": 20}}, mqtt={"url": "mqtt://127.0.0.1:1"},
    )  # fmt: skip
    return load_config(system.config, {})


def _headed() -> Iterator[bytes]:
    for number, data in enumerate(inputs()):
        yield bytes([number % 6]) + data


TARGETS = (
    Target("verdict", make_verdict, _headed, 12_000),
    Target("toss", make_toss, _headed, 12_000),
)
