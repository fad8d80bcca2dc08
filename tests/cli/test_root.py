"""What root and others may not do where the state belongs to the user of the service."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

import pytest

from tests.cli.looking import snapshot
from tests.peers.daemon import DONE, FAILED, node
from tosser.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.daemon import Node

NOBODY = 65534
LINK = "1337:1/100"
CHANGING = (
    "run", "toss", "scan", "post --area TQW_GEN", f"link pause {LINK}", f"link resume {LINK}", f"link hold {LINK}",
    f"link release {LINK}", "quarantine retry all", "quarantine drop all", "netmail drop all",
    "base repair", "base pack", "base purge", "base link",
)  # fmt: skip
LOOKING = ("status", "queue", "link list", "quarantine list", "netmail list", "base list", "area list")


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    """A node whose state is another's, seen by root; a user who is not root takes himself for it."""
    system = node(tmp_path, areas=["TQW_GEN"])
    system.state.mkdir()
    if os.geteuid() == 0:
        os.chown(system.state, NOBODY, -1)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return system


def ended(system: Node, words: str) -> int:
    """Run a command in this process; returns what it ends with."""
    with pytest.raises(SystemExit) as end:
        main(["--config", str(system.config), *words.split()])
    return int(end.value.code or 0)


@pytest.mark.parametrize("words", CHANGING)
def test_root_changes_nothing(foreign: Node, capsys: pytest.CaptureFixture[str], words: str) -> None:
    """What would make files that the tosser cannot use afterwards is refused, with what to do instead."""
    before = snapshot(foreign.root)
    owner = pwd.getpwuid(foreign.state.stat().st_uid).pw_name

    assert ended(foreign, words) == FAILED

    what = f"belongs to {owner}, who could not use what root makes: runuser -u {owner} -- tosser ..."
    assert capsys.readouterr().err == f"tosser: {foreign.state} {what}\n"
    assert snapshot(foreign.root) == before


def test_who_may_not_write_is_told_who_may(
    foreign: Node, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who may only look is told so before anything is tried, and whose the state is."""
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY + 1)
    monkeypatch.setattr(os, "access", lambda path, *_, **__: path != foreign.state)
    owner = pwd.getpwuid(foreign.state.stat().st_uid).pw_name

    assert ended(foreign, f"link pause {LINK}") == FAILED

    what = f"belongs to {owner}, and you may not write there: sudo -u {owner} tosser ..."
    assert capsys.readouterr().err == f"tosser: {foreign.state} {what}\n"


@pytest.mark.parametrize("words", LOOKING)
def test_root_may_look(foreign: Node, words: str) -> None:
    """What only looks is for everybody who can read."""
    assert ended(foreign, words) == DONE


def test_what_root_may_is_not_what_the_tosser_may(foreign: Node, capsys: pytest.CaptureFixture[str]) -> None:
    """A check by root says that it does not tell what it is asked for."""
    ended(foreign, "check")

    owner = pwd.getpwuid(foreign.state.stat().st_uid).pw_name
    assert (
        f"warning: checked as root, who may do everything; `runuser -u {owner} -- tosser check` checks as {owner}\n"
    ) in capsys.readouterr().out
