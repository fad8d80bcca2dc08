"""The desk for requests by MQTT, without a broker: what it posts, refuses, counts and logs, and what a kill leaves."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from tests.daemon.inside import config_of, parts_of
from tests.mail import US
from tests.outbound.killing import Killed, Life
from tests.peers.daemon import node
from tosser.daemon import commands
from tosser.daemon.parts import build_parts, make_directories
from tosser.errors import StateError
from tosser.reason import PostReason
from tosser.state.state import COMMAND_DAYS, State
from tosser.stores.jam_reader import JamReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.peers.daemon import Node
    from tosser.config.model import Config
    from tosser.daemon.parts import Parts

MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of our own is made in it
TOKEN = "correct horse battery"  # noqa: S105 - made up
LONG = 10_000
"""More steps than anything takes."""


def posting(root: Path, **user: Any) -> Node:  # noqa: ANN401 - any option
    """Configure a node with one user, who may do everything; its broker is never asked."""
    bot = {"name": "bot", "token": TOKEN, "areas": ["*"], "netmail": True, "authors": ["Bot"]} | user
    return node(root, areas=["TQW_TECH"], mqtt={"url": "mqtt://127.0.0.1:1", "commands": {"users": [bot]}})


def ask(parts: Parts, id: str, **members: Any) -> dict[str, Any]:  # noqa: A002, ANN401 - the name of the member; any JSON
    """Have a request judged."""
    assert parts.receiver is not None
    place = {} if "dest" in members or "area" in members else {"area": "TQW_TECH"}
    request = {"id": id, "user": "bot", "token": TOKEN, "text": "Hello"} | place | members
    answer: dict[str, Any] = json.loads(asyncio.run(parts.receiver.desk.answer(json.dumps(request).encode())))
    return answer


def settle(parts: Parts) -> None:
    """Do what is done when no request waits."""
    assert parts.receiver is not None
    asyncio.run(parts.receiver.desk.settle())


def kept(system: Node, base: str) -> list[bytes]:
    """List the texts in a base."""
    if not (system.bases / f"{base}.jhr").exists():
        return []
    with JamReader(system.bases / base) as reader:
        return [record.message.body for record in reader.messages()]


@pytest.mark.parametrize(
    ("members", "reason", "told"),
    [
        ({"area": "NONE"}, PostReason.UNKNOWN_AREA, "there is no area NONE"),
        ({"area": "BADMAIL.TQW"}, PostReason.UNKNOWN_AREA, "there is no area BADMAIL.TQW"),
        ({"area": "TQW_TECH", "dest": US}, PostReason.NO_PLACE, "either an area or a dest"),
        ({"area": "TQW_TECH", "network": "fsxnet"}, PostReason.UNKNOWN_AREA, "in network fsxnet"),
        ({"dest": "nine"}, PostReason.BAD_ADDRESS, "'nine' is not an FTN address"),
        ({"dest": "9:9/9", "to": "You"}, PostReason.NO_NETWORK, "9:9/9 belongs to no network of ours"),
        ({"dest": US}, PostReason.NO_ADDRESSEE, "a netmail needs an addressee"),
        ({"text": " \n"}, PostReason.NO_TEXT, "there is no text"),
        ({"text": "one\ntwo Ж"}, PostReason.NOT_IN_CHARSET, "text, line 2, column 5"),
        ({"charset": "KLINGON"}, PostReason.UNKNOWN_CHARSET, "'KLINGON' is no character set"),
        ({"subject": "x" * 72}, PostReason.FIELD_TOO_LONG, "72 bytes; 71 are possible"),
        ({"to": "a\rb"}, PostReason.CONTROL_CHARACTER, "the addressee has a control character"),
        ({"text": "a\0b"}, PostReason.CONTROL_CHARACTER, "text, line 1, column 2: a text cannot have a NUL character"),
        ({"reply": "1:2/3 0"}, PostReason.NO_PARENT, "no message 1:2/3 0 is in area TQW_TECH"),
        ({"reply": "1:2/3 0", "dest": US, "to": "You"}, PostReason.PARENT_UNREADABLE, "looked for in the netmail base"),
        ({"reply": "x" * 9000}, PostReason.NO_PARENT, "..."),
        ({"text": "x\n" * 5000, "split": 10}, PostReason.BAD_SPLIT, "split takes 1000 bytes or more"),
        ({"from": "Jane Sysop"}, PostReason.MAY_NOT_SIGN, "bot may not write as Jane Sysop"),
    ],
)
def test_what_cannot_be_posted_is_refused(
    answering: Parts, members: dict[str, Any], reason: PostReason, told: str
) -> None:
    """Each has its reason and a sentence of bounded length, is logged and counted, and nothing is recorded."""
    before = answering.state.overview().counters.get(f"command.{reason.value}", 0)

    with capture_logs() as log:
        answer = ask(answering, "refused", **members)
    settle(answering)

    assert (answer["id"], answer["status"], answer["reason"]) == ("refused", "refused", reason.value)
    assert told in answer["message"]
    assert len(answer["message"]) < 310
    assert TOKEN not in str(log)
    assert answering.state.overview().counters[f"command.{reason.value}"] == before + 1
    assert answering.state.waiting_commands() == []


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    """A node that takes requests, and has a message in its area."""
    with parts_of(posting(tmp_path_factory.mktemp("node"))) as parts:
        ask(parts, "first")
        parts.pipeline.toss()
        yield parts


def test_a_text_cannot_pretend_to_be_control_lines(tmp_path: Path) -> None:
    """Lines that the network would take for its own, netmail's addresses among them, are changed."""
    system = posting(tmp_path)
    hostile = "\x01INTL 1337:9/9 1337:1/1\n\x01FLAGS DIR\nSEEN-BY: 1/1\n * Origin: elsewhere (1337:9/9)\n"
    with parts_of(system) as parts:
        assert ask(parts, "echo", text=hostile)["status"] == "accepted"
        assert ask(parts, "mail", text=hostile, dest=US, to="You")["status"] == "accepted"
        parts.pipeline.toss()

    quoted = b"@INTL 1337:9/9 1337:1/1\r@FLAGS DIR\rSEEN+BY: 1/1\r + Origin: elsewhere (1337:9/9)\r"
    assert kept(system, "netmail") == [quoted]
    (echo,) = kept(system, "tqw_tech")
    assert echo.startswith(quoted + b"--- ")


def test_the_limit_of_an_hour_counts_messages(tmp_path: Path) -> None:
    """A text that is divided counts as its parts; what does not fit is refused whole; an hour later there is room."""
    with parts_of(posting(tmp_path, max_per_hour=4)) as parts:
        long = "A line of forty characters, more or less\n" * 60
        assert len(ask(parts, "three", text=long, split=1000)["msgids"]) == 3
        assert ask(parts, "two", text=long[:1500], split=1000)["reason"] == "rate-limit"
        assert ask(parts, "one")["status"] == "accepted"
        assert ask(parts, "none")["reason"] == "rate-limit"
        with pytest.MonkeyPatch.context() as patch:
            later = time.time() + 3601
            patch.setattr("tosser.daemon.commands.time.time", lambda: later)
            assert ask(parts, "none")["status"] == "accepted"


def test_the_limit_survives_a_wrong_clock(tmp_path: Path) -> None:
    """What was posted while the clock was a year ahead does not count once it is right."""
    with parts_of(posting(tmp_path, max_per_hour=1)) as parts:
        with pytest.MonkeyPatch.context() as patch:
            ahead = time.time() + 365 * 86400
            patch.setattr("tosser.daemon.commands.time.time", lambda: ahead)
            assert ask(parts, "one")["status"] == "accepted"
            assert ask(parts, "two")["reason"] == "rate-limit"
        assert ask(parts, "two")["status"] == "accepted"


def test_a_key_is_known_for_a_week(tmp_path: Path) -> None:
    """Housekeeping forgets what was accepted longer ago, and nothing that is not in the post box."""
    with parts_of(posting(tmp_path)) as parts:
        ask(parts, "one")
        now = time.time()
        parts.state.keep_house({}, 0, 365, now + (COMMAND_DAYS + 1) * 86400)
        assert parts.state.command_answer("bot", "one") is not None
        parts.pipeline.toss()
        parts.state.keep_house({}, 0, 365, now + (COMMAND_DAYS - 1) * 86400)
        assert parts.state.command_answer("bot", "one") is not None
        parts.state.keep_house({}, 0, 365, now + (COMMAND_DAYS + 1) * 86400)
        assert parts.state.command_answer("bot", "one") is None


def test_a_flood_of_refusals_is_cheap(answering: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are counted many at a time, and the log hears of few of them, and of how many more there were."""
    counted: list[int] = []
    count = answering.state.count_commands

    def counting(outcomes: Mapping[str, int]) -> None:
        counted.append(sum(outcomes.values()))
        count(outcomes)

    monkeypatch.setattr(answering.state, "count_commands", counting)
    clock = time.monotonic() + 1000
    monkeypatch.setattr("tosser.events.told.time.monotonic", lambda: clock)
    with capture_logs() as log:
        for _ in range(120):
            ask(answering, "x", user="nobody")
        settle(answering)
        clock += 61
        ask(answering, "x", user="nobody")

    assert counted == [50, 50, 20]
    assert [line["event"] for line in log] == ["command_refused"] * 20 + ["commands_refused", "command_refused"]
    assert log[20]["more"] == 100
    assert {line["user"] for line in log if "user" in line} == {""}


def test_a_mistake_of_ours_is_a_refusal(answering: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon goes on, the request is answered, and the log has the traceback; the broker does not send it again."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(commands, "choose_place", broken)
    with capture_logs() as log:
        assert ask(answering, "x")["reason"] == "failed"
    assert (log[0]["event"], log[0]["exc_info"]) == ("command_failed", True)


def test_a_request_is_not_answered_without_the_database(answering: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be recorded is not refused: it is to be tried again."""

    def broken(*_: object) -> None:
        raise StateError("the disk is full")

    monkeypatch.setattr(answering.state, "record_command", broken)
    with pytest.raises(StateError, match="the disk is full"):
        ask(answering, "x")


# --- killed at any step


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory for a node that is begun many times; in memory, where syncing takes no time."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as directory:
        yield Path(directory) / "node"


def live(config: Config, life: Life) -> dict[str, Any]:
    """Toss what an earlier life left, take a request, and toss again, or die; gives the answer, if there was one."""
    answer: dict[str, Any] = {}
    make_directories(config)
    state = State(config.paths.state)
    try:
        with pytest.MonkeyPatch.context() as patch, suppress(Killed):
            life.disk(patch)
            parts = build_parts(config, life.register(state))
            try:
                parts.pipeline.toss()
                answer = ask(parts, "one", dest=US, to="You")
                parts.pipeline.toss()
            finally:
                parts.pipeline.close()
                parts.shelf.close()
    finally:
        state.close()
    return answer


def test_killed_at_any_step_it_is_posted_once(home: Path) -> None:
    """Whenever the process dies, the request that the broker sends again is answered, and its netmail is there once."""
    system = posting(home)
    config = config_of(system)
    life = Life(0)
    for steps in range(LONG):
        for directory in (system.state, system.bases):
            shutil.rmtree(directory, ignore_errors=True)
        life = Life(steps)
        first = live(config, life)
        again = live(config, Life(LONG))
        assert again["status"] == "accepted", life.journal[-1]
        assert first in ({}, again), life.journal[-1]
        assert kept(system, "netmail") == [b"Hello\r"], life.journal[-1]
        if life.steps <= steps:
            break
    assert {"record_command", "write_whole", "command_dropped", "applied"} <= {
        step.partition(" ")[0] for step in life.journal
    }
