"""The life of the daemon as its service manager and its sysop see it: start, reload, stop, and one at a time."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.accounts import about, held, log_of
from tests.corpus import make_packets
from tests.mail import message, packet
from tests.observe import assert_all_stored_once, nothing_waits
from tests.peers.daemon import BAD_CONFIGURATION, DONE, FAILED, node
from tests.peers.ports import LOOPBACK, free_port
from tests.peers.subscriber import Subscriber

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from tests.peers.daemon import Node
    from tests.peers.mosquitto import Mosquitto

AREA = "TQW_GEN"
MESSAGES, PACKETS, AREAS = 6_000, 12, 10


def edit(system: Node, change: Callable[[dict[str, Any]], None]) -> None:
    """Edit the configuration file."""
    document = yaml.safe_load(system.config.read_text("utf-8"))
    change(document)
    system.config.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")


def conditions(system: Node) -> dict[str, str]:
    """What is wrong at this moment, by subject."""
    return {each["subject"]: each["text"] for each in system.status()["conditions"]}


def heard_of_reload(subscriber: Subscriber) -> dict[str, Any]:
    """Wait for the one event about the configuration, and give its data."""
    received = subscriber.wait_until(lambda all_: any(event.topic == "ftn/config" for event in all_))
    (event,) = [event for event in received if event.topic == "ftn/config"]
    data: dict[str, Any] = event.json["data"]
    return data


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_in_mid_toss(tmp_path: Path, number: signal.Signals) -> None:
    """A signal to stop ends the daemon after the batch in hand; the next one goes on from there; nothing is lost."""
    system = node(tmp_path, areas=AREAS, toss={"batch_messages": 50})
    manifest = make_packets(system.secure, messages=MESSAGES, packets=PACKETS, areas=AREAS)
    with system.start() as daemon:
        daemon.wait_for(lambda: '"file_done"' in daemon.log, what="the first file")
        daemon.process.send_signal(number)
        assert daemon.process.wait(60) == DONE
        assert "STOPPING=1" in daemon.notifications
        assert log_of(daemon.log)[-1]["event"] == "stopped"
    stored = sum(held(system, tag) for tag in system.areas)
    assert 0 < stored < MESSAGES, "it was not in mid-toss"
    assert not nothing_waits(system)
    with system.start() as daemon:
        daemon.wait_for(lambda: nothing_waits(system), 60, "empty inbounds")
        assert daemon.stop() == DONE
    assert_all_stored_once(system, manifest.letters)
    assert system.status()["counters"] == {"file.tossed": PACKETS, "message.accepted": MESSAGES}


def test_stopped_while_idle(system: Node) -> None:
    """With nothing to do it ends at once, and says good-bye to the service manager."""
    with system.start() as daemon:
        assert daemon.stop() == DONE
        assert "STOPPING=1" in daemon.notifications


def test_what_the_service_manager_hears(tmp_path: Path) -> None:
    """READY once, a status in words, and a sign of life twice in each watchdog interval, also while tossing."""
    system = node(tmp_path, areas=AREAS, environment={"WATCHDOG_USEC": "100000"}, toss={"batch_messages": 50})
    make_packets(system.secure, messages=2_000, packets=2, areas=AREAS)
    with system.start() as daemon:
        daemon.wait_for(lambda: '"file_done"' not in daemon.log and "WATCHDOG=1" in daemon.notifications)
        daemon.wait_for(lambda: nothing_waits(system), 60, "empty inbounds")
        before = daemon.notifications.count("WATCHDOG=1")
        daemon.wait_for(lambda: daemon.notifications.count("WATCHDOG=1") > before + 2, what="signs of life")
        daemon.wait_for(lambda: "STATUS=files waiting: 0" in daemon.notifications, what="the status")
        assert daemon.notifications.count("READY=1") == 1
        assert daemon.notifications[0] == "READY=1"
        assert daemon.stop() == DONE


def test_reload_with_a_good_configuration(tmp_path: Path, broker: Mosquitto) -> None:
    """SIGHUP brings a new area into use; log and event say that the configuration was accepted."""
    system = node(tmp_path, areas=[AREA], mqtt_url=broker.url)
    with Subscriber(broker.port, "ftn/#") as subscriber, system.start() as daemon:
        system.deliver(packet([message("NEW_AREA")]), "00000001.pkt")
        daemon.wait_for(lambda: held(system, "BADMAIL.TQW") == 1, what="the message in the bad area")
        edit(system, lambda document: document["areas"].append(document["areas"][0] | {"tag": "NEW_AREA"}))
        daemon.reload()
        system.deliver(packet([message("NEW_AREA", number=2)]), "00000002.pkt")
        daemon.wait_for(lambda: held(system, "NEW_AREA") == 1, what="the message in the new area")
        assert heard_of_reload(subscriber) == {"accepted": True, "problems": []}
        assert len(about(log_of(daemon.log), "reloaded", config=str(system.config))) == 1
        told = daemon.notifications
        assert told.index("RELOADING=1") < len(told) - 1 - told[::-1].index("READY=1")
        assert [line for line in told if re.fullmatch(r"MONOTONIC_USEC=[0-9]+", line)]
        assert conditions(system) == {}
        assert daemon.stop() == DONE


def break_file(system: Node) -> None:
    """Write what is no configuration: two mistakes."""
    edit(system, lambda document: document.update(nonsense=1, areas=[{"tag": "TWO WORDS"}]))


def move_state(system: Node) -> None:
    """Ask for another state directory, which a running daemon cannot move to."""
    edit(system, lambda document: document["paths"].update(state=str(system.root / "elsewhere")))


def impossible_bases(system: Node) -> None:
    """Ask for bases where no directory can be."""
    edit(system, lambda document: document["paths"].update(bases=str(system.config / "bases")))


@pytest.mark.parametrize(
    ("spoil", "problems", "first"),
    [
        (break_file, 2, r".*tosser\.yaml:\d+:\d+ .*"),
        (move_state, 1, r".*another state directory takes a restart"),
        (impossible_bases, 1, r".*tosser\.yaml/bases: Not a directory"),
    ],
)
def test_reload_with_a_bad_configuration(
    tmp_path: Path, broker: Mosquitto, spoil: Callable[[Node], None], problems: int, first: str
) -> None:
    """What cannot be used is refused whole: the old one stays in force, and log, event and status say why."""
    system = node(tmp_path, areas=[AREA], mqtt_url=broker.url)
    with Subscriber(broker.port, "ftn/#") as subscriber, system.start() as daemon:
        good = system.config.read_text("utf-8")
        spoil(system)
        daemon.reload()
        heard = heard_of_reload(subscriber)
        assert heard["accepted"] is False
        assert len(heard["problems"]) == problems
        (line,) = about(log_of(daemon.log), "reload_refused")
        assert len(line["problems"]) == problems
        assert re.fullmatch(first, line["problems"][0])

        system.config.write_text(good, "utf-8")
        assert conditions(system) == {
            "configuration": f"reload refused, the old one is in force: {line['problems'][0]}"
        }
        system.deliver(packet([message(AREA)]))
        daemon.wait_for(lambda: held(system, AREA) == 1, what="the message, by the old configuration")

        daemon.reload()
        daemon.wait_for(lambda: conditions(system) == {}, what="nothing wrong any more")
        assert daemon.stop() == DONE


def test_a_restart_forgets_a_refused_reload(system: Node) -> None:
    """Whatever was refused before, a daemon that has started works by the file as it is."""
    with system.start() as daemon:
        good = system.config.read_text("utf-8")
        break_file(system)
        daemon.reload()
        system.config.write_text(good, "utf-8")
        daemon.wait_for(lambda: "configuration" in conditions(system), what="the condition")
        daemon.kill()
    with system.start() as daemon:
        daemon.wait_for(lambda: conditions(system) == {}, what="nothing wrong any more")


def test_many_reloads_in_mid_toss(tmp_path: Path) -> None:
    """Reloads one after another while mail comes in lose and double nothing."""
    system = node(tmp_path, areas=AREAS, toss={"batch_messages": 50})
    manifest = make_packets(system.secure, messages=3_000, packets=6, areas=AREAS)
    with system.start() as daemon:
        for _ in range(5):
            daemon.reload()
        daemon.wait_for(lambda: nothing_waits(system), 60, "empty inbounds")
        assert daemon.stop() == DONE
    assert_all_stored_once(system, manifest.letters)
    assert system.status()["counters"] == {"file.tossed": 6, "message.accepted": 3_000}


def test_one_at_a_time(system: Node) -> None:
    """A second daemon and a toss beside a daemon are refused, and say which process is at work."""
    with system.start() as daemon:
        for command in ("run", "toss"):
            result = system.run(command)
            assert result.code == FAILED
            assert result.stderr.splitlines()[-1] == (
                f"tosser: {system.state / 'tosser.lock'}: another tosser (process {daemon.process.pid}) is at work here"
            )
        assert system.status()["daemon"] == daemon.process.pid
        assert f"daemon      running, process {daemon.process.pid}" in system.run("status").stdout
        assert daemon.stop() == DONE
    assert system.toss().code == DONE
    assert system.status()["daemon"] is None


def test_a_lock_does_not_outlive_its_process(system: Node) -> None:
    """After SIGKILL the next daemon starts by itself: no lock has to be removed by hand."""
    with system.start() as daemon:
        daemon.kill()
    with system.start() as daemon:
        assert daemon.stop() == DONE


def test_a_bad_configuration_is_no_start(system: Node) -> None:
    """The daemon does not start on a file with mistakes, names them, and touches nothing."""
    break_file(system)
    result = system.run("run")
    assert result.code == BAD_CONFIGURATION
    assert len(result.stderr.splitlines()) == 2
    assert all(line.startswith(f"{system.config}:") for line in result.stderr.splitlines())
    assert not system.state.exists()


def test_a_metrics_port_that_is_taken(tmp_path: Path) -> None:
    """Figures that cannot be served hold no mail up; status says what is wrong."""
    port = free_port()
    systems = [
        node(tmp_path / name, areas=[AREA], metrics={"listen": f"{LOOPBACK}:{port}"}) for name in ("first", "second")
    ]
    with systems[0].start(), systems[1].start() as daemon:
        systems[1].deliver(packet([message(AREA)]))
        daemon.wait_for(lambda: held(systems[1], AREA) == 1, what="the message")
        assert conditions(systems[1]) == {"metrics": f"cannot listen on {LOOPBACK}:{port}: Address already in use"}
        assert conditions(systems[0]) == {}
        assert daemon.stop() == DONE


def test_the_log_for_people(tmp_path: Path) -> None:
    """In a terminal's format the log is lines of words, and nobody's colours when it is no terminal."""
    system = node(tmp_path, areas=[AREA], log={"format": "console"})
    system.deliver(packet([message(AREA)]))
    with system.start() as daemon:
        daemon.wait_for(lambda: held(system, AREA) == 1, what="the message")
        assert daemon.stop() == DONE
        assert "file_done" in daemon.log
        assert "\x1b" not in daemon.log


def test_without_a_service_manager(system: Node) -> None:
    """Started by hand, without a socket to notify, it runs just the same and ends on Ctrl-C."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NOTIFY_")}
    with subprocess.Popen(
        system.command("run"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env=environment, cwd=system.root,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        assert b'"starting"' in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert b'"stopped"' in process.stderr.read()
    assert process.returncode == DONE


def test_nobody_else_may_read_mail(tmp_path: Path) -> None:
    """What we make is for us and our group, whatever the umask allows; a file that was set aside keeps its own mode."""
    system = node(tmp_path, areas=[AREA], toss={"settle": "100ms"})
    system.deliver(packet([message(AREA)]))
    system.deliver(b"no packet at all, whatever its name says", "ffffffff.pkt")
    with system.start() as daemon:
        daemon.wait_for(lambda: nothing_waits(system), what="the toss")
        made = [system.state, system.bases, *system.state.rglob("*"), *system.bases.rglob("*")]
        modes = {path: path.stat().st_mode & 0o777 for path in made if path.suffix != ".data"}
        directories = {path for path in modes if path.is_dir()}
        assert {modes[path] for path in directories} == {0o750}
        assert {mode for path, mode in modes.items() if path not in directories} == {0o640}
        assert (system.secure / ".tosser").stat().st_mode & 0o777 == 0o750
        assert daemon.stop() == DONE
