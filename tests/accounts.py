"""What a node itself says of its files: its ledger, its quarantine, its log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.observe import stored
from tosser.reason import FileState
from tosser.state.state import State

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.daemon import Node
    from tosser.state.ledger import LedgerEntry

Note = dict[str, Any]
"""The JSON beside a file that was set aside."""
LogLine = dict[str, Any]


def ledger_of(system: Node) -> dict[str, LedgerEntry]:
    """Read how every file ended, by its name."""
    state = State(system.state, read_only=True)
    try:
        return {entry.name: entry for entry in state.latest_files(10_000)}
    finally:
        state.close()


def notes_of(system: Node) -> list[Note]:
    """Read all notes of what was set aside, in that order."""
    notes = [json.loads(path.read_text("ascii")) for path in system.state.glob("*/*.json")]
    return sorted(notes, key=lambda note: (note["set_aside"], note["id"]))


def kept(system: Node, note: Note) -> bytes:
    """Read the bytes that a note is about."""
    return kept_at(system, note).read_bytes()


def kept_at(system: Node, note: Note) -> Path:
    """Tell where the bytes that a note is about must be."""
    directory = "quarantine" if note["state"] == FileState.QUARANTINED else note["state"]
    path: Path = system.state / directory / f"{note['id']}.data"
    return path


def log_of(text: str) -> list[LogLine]:
    """Parse a JSON log; every line must be one. The last may be in the writing."""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def about(log: list[LogLine], event: str, **facts: object) -> list[LogLine]:
    """Find the lines of one event with these facts."""
    return [line for line in log if line["event"] == event and facts.items() <= line.items()]


def held(system: Node, tag: str) -> int:
    """Count the messages in the base of an area; without a base, or while it is being made, there are none."""
    return stored(system.bases / tag.lower()).total()
