from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.cli.looking import tosser
from tests.peers.daemon import DONE, FAILED, SET_ASIDE
from tests.peers.programs import require_own
from tosser.cli.main import main
from tosser.demo import network
from tosser.demo.network import samples
from tosser.demo.stage import Stage
from tosser.reason import FileState, Reason

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def test_the_demo_shows_everything_and_leaves_nothing(tmp_path: Path) -> None:
    """Every event is told as it came from the broker, the areas and the quarantine are shown, nothing is left."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    result = tosser(tmp_path, "demo", environment={"TMPDIR": str(scratch)})

    assert result.code == DONE, result.stdout + result.stderr
    assert result.stderr == ""
    lines = [re.sub(r"  +", " ", line.strip()) for line in result.stdout.splitlines()]
    for event in (
        "ftn/status online, version ",
        'ftn/tqwnet/area/TQW_TECH/message #1 Mira Kovale -> All: "Antenne für 40 Meter" (CP437)',
        'ftn/tqwnet/area/TQW_GEN/message #1 Олег Выдумов -> All: "Привет, сеть!" (UTF-8)',
        'ftn/tqwnet/area/TQW_TECH/message #2 Tom Invented -> Mira Kovale: "Re: Antenne für 40 Meter" (CP437, a reply)',
        'ftn/nightnet/area/NIGHT_CHAT/message #1 Nora Night -> All: "Who is awake?" (CP437)',
        "ftn/inbound/tossed 0001ffff.mo0: 2 accepted, from 1337:1/100",
        "ftn/inbound/duplicate 00000005.pkt: 1 duplicate, from 1337:1/100",
        "ftn/inbound/quarantined 00000006.pkt: truncated at offset ",
        "ftn/inbound/tossed 00000007.pkt: 1 unknown-area, from 1337:1/100",
        "ftn/tqwnet/netmail #1 Sam Stranger -> Ada Demo (subject and text stay private)",
        "ftn/status offline, version ",
        "tqwnet TQW_TECH jam no 1 2 1 ",
        "reason truncated: the file ends inside a message",
    ):
        assert any(line.startswith(event) for line in lines), f"{event} is missing in\n{result.stdout}"
    assert list(scratch.iterdir()) == []


def test_what_is_kept_can_be_looked_into(tmp_path: Path) -> None:
    """With --keep the directory stays, and the commands that are named then work on it."""
    result = tosser(tmp_path, "demo", "--keep", environment={"TMPDIR": str(tmp_path)})

    assert result.code == DONE, result.stdout + result.stderr
    (root,) = tmp_path.glob("tosser-demo-*")
    commands = re.findall(r"^  tosser --config (\S+) (.+)$", result.stdout, re.MULTILINE)
    assert [config for config, _ in commands] == [str(root / "tosser.yaml")] * 3
    expected = {"status": SET_ASIDE, "explain": SET_ASIDE, "packet": FAILED}
    for config, command in commands:
        words = [
            str(path)
            for word in command.split()
            for path in (sorted((root / "samples").iterdir()) if word.endswith("/*") else [word])
        ]
        assert tosser(tmp_path, "--config", config, *words).code == expected[words[0]], command


def test_it_stays_up_on_demand(tmp_path: Path) -> None:
    """With --seconds the broker and the daemon can be used from outside for that time."""
    with subprocess.Popen(
        [require_own("tosser"), "demo", "--seconds", "60"],
        stdout=subprocess.PIPE, env=os.environ | {"TMPDIR": str(tmp_path)}, cwd=tmp_path,
    ) as demo:  # fmt: skip
        assert demo.stdout is not None
        hint = next(line for line in demo.stdout if b"mosquitto_sub" in line).decode()
        port = re.search(r"-p (\d+)", hint)
        assert port is not None
        heard = subprocess.run(
            ["mosquitto_sub", "-h", "127.0.0.1", "-p", port[1], "-V", "311", "-t", "ftn/status", "-C", "1", "-W", "10"],
            capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        demo.terminate()
        code = demo.wait(60)

    assert b'"online"' in heard.stdout
    assert code == FAILED


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    """When it is told to stop it takes the daemon with it and removes its directory."""
    with subprocess.Popen(
        [require_own("tosser"), "demo"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"TMPDIR": str(tmp_path)}, cwd=tmp_path,
    ) as demo:  # fmt: skip
        assert demo.stdout is not None
        assert any(b"online" in line for line in demo.stdout)
        (log,) = tmp_path.glob("tosser-demo-*/daemon.log")
        demo.send_signal(number)
        _, errors = demo.communicate(timeout=60)

    assert demo.returncode == FAILED
    assert errors == b"tosser: the demo was told to stop\n"
    assert not log.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_broker_is_told_kindly(tmp_path: Path) -> None:
    """Without the extra the demo says what to install, and makes no directory."""
    program = "import sys; sys.modules['amqtt'] = None; from tosser.cli.main import main; main(['demo'])"

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=False, timeout=60,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )  # fmt: skip

    assert done.returncode == FAILED
    assert done.stderr == b"tosser: the demo needs an MQTT broker in Python: pip install 'tosser[demo]'\n"
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_happen_is_a_problem(tmp_path: Path) -> None:
    """The demo believes nothing: an end other than the one that was foretold is told as a problem."""
    good, *_, last = samples(datetime.now(UTC))
    wrong = [
        replace(good, state=FileState.DUPLICATE, messages={Reason.DUPLICATE: 1}, areas={}),
        replace(last, messages={Reason.ROUTED: 1}),
    ]

    problems = asyncio.run(Stage(tmp_path, lambda _: None, wrong).play(0))

    assert [problem.partition(" ")[0] for problem in problems[:2]] == [good.name, last.name]
    assert len(problems) == 3, problems


def test_a_problem_ends_it_with_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """When something did not happen as foretold it is said, with the end of the daemon's log, and the exit is 1."""
    good = samples(datetime.now(UTC))[0]
    wrong = [replace(good, state=FileState.DUPLICATE, messages={Reason.DUPLICATE: 1}, areas={})]
    monkeypatch.setattr(network, "samples", lambda _: wrong)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    with pytest.raises(SystemExit) as caught:
        main(["demo"])

    assert caught.value.code == FAILED
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith(f"tosser: {good.name} ")
    assert any(line.startswith("the end of the daemon's log, ") for line in told)
    assert any("file_done" in line for line in told)
    assert list(tmp_path.iterdir()) == []


def test_samples_follow_from_the_time() -> None:
    """The mail of the demo is the same for the same moment, and new for another, so that nothing is a duplicate."""
    first, again, later = samples(NOW), samples(NOW), samples(NOW.replace(minute=1))

    assert first == again
    assert all(old.data != new.data for old, new in zip(first, later, strict=True))
