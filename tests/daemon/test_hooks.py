"""Hooks: what is called for the messages of an area, and what becomes of a call that fails."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import CollectorRegistry
from structlog.testing import capture_logs

from tests.corpus import HUB, message, netmail, packet
from tests.daemon.inside import config_of, parts_of
from tests.peers.daemon import DONE, Node, node
from tests.peers.ports import LOOPBACK, free_port
from tests.peers.receiver import Posted, Receiver, receiver
from tosser.cli.status import gather
from tosser.daemon import calling, hooks, report
from tosser.daemon.metrics import StateCollector
from tosser.errors import StateError
from tosser.events.event import Event
from tosser.state.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AREA, OTHER = "TQW_GEN", "TQW_TECH"
AGAIN = "; its calls are made again, until they are done or given up"
"""What is said of every call that failed."""
LONG = 60.0
"""Seconds that no test takes."""


@pytest.fixture
def server() -> Iterator[Receiver]:
    """A server that takes everything."""
    with receiver() as running:
        yield running


def areas(system: Node, *entries: dict[str, Any]) -> Node:
    """Give a node other areas, all of which the hub is in."""
    document = yaml.safe_load(system.config.read_text("utf-8"))
    document["areas"] = [{"links": [HUB], **entry} for entry in entries]
    system.config.write_text(yaml.safe_dump(document), "utf-8")
    return system


def hooked(root: Path, hook: dict[str, Any], **sections: Any) -> Node:  # noqa: ANN401 - parts of the configuration
    """Configure a node with a hook ``it`` in its one area."""
    system = node(root, areas=[], hooks={"it": hook}, **sections)
    return areas(system, {"tag": AREA, "on_message": ["it"]})


def deliver(system: Node, *numbers: int, area: str = AREA) -> None:
    """Bring messages of these numbers in one packet."""
    system.deliver(packet([message(area, number=number) for number in numbers]), f"{numbers[0]:08x}.pkt")


def toss(system: Node, seconds: float = LONG) -> None:
    """Toss and call hooks, as `tosser toss` does, in this process."""
    with parts_of(system) as parts:
        parts.pipeline.toss()
        asyncio.run(parts.hooks.drain(seconds))


def status(system: Node) -> dict[str, Any]:
    """Tell what `tosser status` tells."""
    return gather(config_of(system), time.time())


def subjects(posted: list[Posted]) -> list[str]:
    """Tell which messages were posted."""
    return [each.event["data"]["subject"] for each in posted]


def waiting(system: Node) -> int:
    """Count the calls that wait."""
    return sum(hook["waiting"] for hook in status(system)["hooks"])


def conditions(system: Node) -> dict[str, str]:
    """Tell what is wrong, by subject."""
    return {each["subject"]: each["text"] for each in status(system)["conditions"]}


def counters(system: Node) -> dict[str, int]:
    """Count calls by how they ended."""
    found: dict[str, int] = status(system)["counters"]
    return {name: count for name, count in found.items() if name.startswith("hook-")}


# --- what is called


def test_a_command_reads_the_event(tmp_path: Path) -> None:
    """`tosser toss` runs it for each message: the event on standard input, the most used of it in variables."""
    script = f'{{ cat; echo; env | grep ^TOSSER_ | sort; pwd; ls; echo "$1"; }} >> {tmp_path}/read'
    system = hooked(tmp_path / "node", {"command": ["sh", "-c", script, "sh", "an $argument"]})
    deliver(system, 1)

    assert system.toss().code == DONE

    text, *rest = (tmp_path / "read").read_text("utf-8").splitlines()
    event = json.loads(text)
    assert (event["type"], event["source"]) == ("tosser.message.v1", "ftn://tqwnet/1337:1/200")
    assert event["data"]["subject"] == "Test 1"
    assert rest == [
        f"TOSSER_AREA={AREA}", f"TOSSER_EVENT={event['id']}", "TOSSER_FROM=" + event["data"]["from"],
        "TOSSER_MSGID=1337:1/300 00000001", "TOSSER_NETWORK=tqwnet", "TOSSER_NUMBER=1", "TOSSER_SUBJECT=Test 1",
        "TOSSER_TO=" + event["data"]["to"], str(system.state / "hooks" / "it" / "work"), "an $argument",
    ]  # fmt: skip
    assert counters(system) == {"hook-done.it": 1}
    assert (waiting(system), conditions(system)) == (0, {})
    assert list((system.state / "hooks").iterdir()) == []


def test_a_webhook_gets_what_the_broker_gets(tmp_path: Path, server: Receiver) -> None:
    """What is posted is the event of the broker, byte by byte, and the order is that of the messages."""
    system = hooked(tmp_path, {"url": server.url()}, mqtt={"url": f"mqtt://{LOOPBACK}:{free_port()}"})
    deliver(system, 1, 2, 3)

    toss(system)

    assert subjects(server.got) == ["Test 1", "Test 2", "Test 3"]
    with parts_of(system) as parts:
        published = [event.payload for event in parts.state.next_events(0, 100) if event.topic.endswith("/message")]
    assert [posted.body for posted in server.got] == published


def test_which_messages_call(tmp_path: Path, server: Receiver) -> None:
    """Areas call what they name, be they passthrough; netmail, bad mail and duplicates call nothing."""
    system = node(
        tmp_path, areas=[], area_defaults={"on_message": ["one"]},
        hooks={"one": {"url": server.url("/1")}, "two": {"url": server.url("/2")}},
    )  # fmt: skip
    areas(
        system, {"tag": AREA}, {"tag": OTHER, "store": "passthrough", "on_message": ["two", "one"]},
        {"tag": "TQW_QUIET", "on_message": []},
    )  # fmt: skip
    letters = [message(area, number=number) for number, area in enumerate((AREA, OTHER, "TQW_QUIET", "TQW_NONE"))]
    system.deliver(packet([*letters, letters[0], netmail()]))

    toss(system)

    found = sorted((posted.target, posted.event["data"]["area"]) for posted in server.got)
    assert found == [("/1", AREA), ("/1", OTHER), ("/2", OTHER)]


def test_no_hook_makes_no_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is called and there is no broker, no event is built at all: the toss pays nothing."""
    built: list[str] = []

    def build(*_: object, **facts: Any) -> Event:  # noqa: ANN401 - whatever the builder takes
        built.append(facts["area"])
        return Event("id", "topic", b"{}")

    monkeypatch.setattr(report, "message_event", build)
    system = node(tmp_path, areas=[], hooks={"it": {"command": ["true"]}})
    areas(system, {"tag": AREA}, {"tag": OTHER, "on_message": ["it"]})
    deliver(system, 1)
    deliver(system, 2, area=OTHER)

    with parts_of(system) as parts:
        assert parts.pipeline.toss().messages == {"accepted": 2}

    assert built == [OTHER]


# --- what becomes of a call that fails


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["sh", "-c", "echo no luck; exit 1"], "hook it ended with status 1: 'no luck'"),
        (["false"], "hook it ended with status 1"),
        (["no-such-program-here"], "no-such-program-here, the program of hook it, is not installed"),
        (["sleep", "60"], "hook it did not end within 1 seconds"),
    ],
)
def test_a_command_that_fails_is_run_again(tmp_path: Path, command: list[str], told: str) -> None:
    """A command that fails, is missing or hangs leaves the call waiting, with a condition."""
    system = hooked(tmp_path, {"command": command, "timeout": "1s"})
    deliver(system, 1)

    toss(system)

    assert waiting(system) == 1
    assert conditions(system) == {"hook-it": f"{told}{AGAIN}"}
    assert counters(system) == {"hook-again.it": 1}


def test_a_mistake_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake in the program is a failure like any other, and its traceback is in the log."""

    def surprise(_event: object) -> None:
        raise KeyError

    monkeypatch.setattr(calling, "variables", surprise)
    system = hooked(tmp_path, {"command": ["true"]})
    deliver(system, 1)

    with capture_logs() as lines:
        toss(system)

    assert waiting(system) == 1
    assert "which stands in its log" in conditions(system)["hook-it"]
    assert [line["exc_info"] for line in lines if line["event"] == "hook_surprised"] == [True]


def test_a_hook_that_works_again(tmp_path: Path, server: Receiver) -> None:
    """What waited is called in order, with the same event, later mail behind it; the condition is over."""
    system = hooked(tmp_path, {"url": server.url()})
    server.answers.append((500, {}))
    deliver(system, 1, 2)
    toss(system)
    assert subjects(server.got) == ["Test 1"]
    assert conditions(system) == {"hook-it": f"{LOOPBACK}:{server.port} answers with status 500{AGAIN}"}
    deliver(system, 3)

    toss(system)

    assert subjects(server.got) == ["Test 1", "Test 1", "Test 2", "Test 3"]
    assert server.got[0].body == server.got[1].body
    assert (waiting(system), conditions(system)) == (0, {})


@pytest.mark.parametrize(
    "hook", [{"url": None}, {"command": ["sh", "-c", "test $TOSSER_SUBJECT = 'Test 2' || exit 65"]}]
)
def test_a_call_that_is_refused(tmp_path: Path, server: Receiver, hook: dict[str, Any]) -> None:
    """A refused call is not made again, and not silent: it is counted, and told until the hook takes one well."""
    system = hooked(tmp_path, {"url": server.url()} if "url" in hook else hook)
    server.answers.append((404, {}))
    deliver(system, 1)

    toss(system)

    assert waiting(system) == 0
    assert "it refuses calls, and those are not made again" in conditions(system)["hook-it"]
    assert counters(system) == {"hook-refused.it": 1}
    if "url" in hook:
        deliver(system, 2)
        toss(system)
        assert conditions(system) == {}
        assert counters(system) == {"hook-refused.it": 1, "hook-done.it": 1}


def test_a_hook_that_fails_holds_up_no_other(tmp_path: Path, server: Receiver) -> None:
    """Each hook has a line of its own."""
    system = node(tmp_path, areas=[], hooks={"bad": {"command": ["false"]}, "good": {"url": server.url()}})
    areas(system, {"tag": AREA, "on_message": ["bad", "good"]})
    deliver(system, 1, 2)

    toss(system)

    assert subjects(server.got) == ["Test 1", "Test 2"]
    assert [(hook["hook"], hook["waiting"]) for hook in status(system)["hooks"]] == [("bad", 2)]


def test_giving_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that fails for too long goes; the one behind it is tried at once, and goes its own way."""
    flag = tmp_path / "flag"
    script = f'test "$TOSSER_SUBJECT" = "Test 2" && touch {flag}'
    system = hooked(tmp_path / "node", {"command": ["sh", "-c", script], "give_up": "1s"})
    deliver(system, 1, 2)
    toss(system)
    assert waiting(system) == 2
    later = time.time() + 2
    monkeypatch.setattr(hooks, "NEXT_PAUSE", 0.0)
    monkeypatch.setattr(time, "time", lambda: later)

    toss(system)

    assert flag.exists()
    assert counters(system) == {"hook-again.it": 2, "hook-given-up.it": 1, "hook-done.it": 1}
    assert (waiting(system), conditions(system)) == (0, {})


def test_no_call_is_given_up_by_a_wrong_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the clock cannot be trusted all calls stay."""
    system = hooked(tmp_path, {"command": ["false"], "give_up": "1s"})
    deliver(system, 1)
    toss(system)
    later = time.time() + 1e9
    monkeypatch.setattr(time, "time", lambda: later)
    with parts_of(system) as parts:
        monkeypatch.setattr(parts.hooks, "_trusted", lambda: False)
        asyncio.run(parts.hooks.drain(LONG))

    assert waiting(system) == 1


def test_no_more_wait_than_may(tmp_path: Path, server: Receiver) -> None:
    """Beyond `max_waiting` the oldest calls go, counted and told in the log."""
    system = hooked(tmp_path, {"url": server.url(), "max_waiting": 3})
    deliver(system, *range(1, 6))

    with capture_logs() as lines:
        toss(system)

    assert subjects(server.got) == ["Test 3", "Test 4", "Test 5"]
    assert counters(system) == {"hook-dropped.it": 2, "hook-done.it": 3}
    (line,) = [line for line in lines if line["event"] == "hook_calls_dropped"]
    assert (line["hook"], line["calls"], line["log_level"]) == ("it", 2, "error")


def test_a_hook_that_is_taken_out(tmp_path: Path) -> None:
    """What waits for a hook that is no longer in the configuration goes, and so does its condition."""
    system = hooked(tmp_path, {"command": ["false"]})
    deliver(system, 1)
    toss(system)
    document = yaml.safe_load(system.config.read_text("utf-8"))
    del document["hooks"], document["areas"][0]["on_message"]
    system.config.write_text(yaml.safe_dump(document), "utf-8")

    toss(system)

    assert (waiting(system), conditions(system)) == (0, {})
    assert counters(system) == {"hook-again.it": 1, "hook-dropped.it": 1}


def test_status_and_metrics(tmp_path: Path) -> None:
    """What waits is shown to people, and to Prometheus with what was done."""
    system = hooked(tmp_path, {"command": ["false"]})
    deliver(system, 1, 2)
    toss(system)

    (line,) = [line for line in system.run("status").stdout.splitlines() if line.startswith("hook ")]
    assert line.startswith("hook        it: 2 calls wait, the oldest since ")

    registry = CollectorRegistry()
    registry.register(StateCollector(system.state, present=dict, connected=lambda: False, waiting=lambda: 0.0))
    figures = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
        if sample.name.startswith("tosser_hook_")
    }
    assert figures.pop(("tosser_hook_oldest_seconds", "it")) >= 0.0
    assert figures == {("tosser_hook_waiting", "it"): 2.0, ("tosser_hook_calls_total", "it", "again"): 1.0}


# --- the daemon


def test_the_daemon_tries_again(tmp_path: Path, server: Receiver) -> None:
    """A call that failed is made again by itself, with the same event; the log tells of both."""
    system = hooked(tmp_path, {"url": server.url()})
    server.answers.append((503, {"Retry-After": "1"}))
    with system.start() as daemon:
        deliver(system, 1)
        daemon.wait_for(lambda: len(server.got) == 2, what="the second try")
        daemon.wait_for(lambda: "condition_ended" in daemon.log, what="the end of the condition")
        assert daemon.stop() == DONE
    assert server.got[0].body == server.got[1].body
    assert '"hook_failed"' in daemon.log
    assert waiting(system) == 0


def test_a_crash_loses_no_call(tmp_path: Path) -> None:
    """When the daemon is killed between batch and call, the next one makes the call, under the same id."""
    port = free_port()
    system = hooked(tmp_path, {"url": f"http://{LOOPBACK}:{port}/"}, mqtt={"url": f"mqtt://{LOOPBACK}:{free_port()}"})
    with system.start() as daemon:
        deliver(system, 1, 2)
        daemon.wait_for(lambda: '"hook_failed"' in daemon.log, what="a failure")
        daemon.kill()
    assert waiting(system) == 2
    with receiver(port) as server, system.start() as daemon:
        daemon.wait_for(lambda: len(server.got) == 2, what="the calls")
        assert daemon.stop() == DONE
        assert subjects(server.got) == ["Test 1", "Test 2"]
        with parts_of(system) as parts:
            published = [event.id for event in parts.state.next_events(0, 100) if event.topic.endswith("/message")]
        assert [posted.event["id"] for posted in server.got] == published


def test_a_reload_tries_at_once(tmp_path: Path, server: Receiver) -> None:
    """Whoever has mended something need not wait for the next try: a reload makes it."""
    system = hooked(tmp_path, {"url": server.url()})
    server.answers.append((503, {"Retry-After": "36000"}))
    with system.start() as daemon:
        deliver(system, 1)
        daemon.wait_for(lambda: '"hook_failed"' in daemon.log, what="a failure")
        daemon.reload()
        daemon.wait_for(lambda: len(server.got) == 2, what="the second try")
        assert daemon.stop() == DONE


def test_the_daemon_tosses_on_while_a_hook_hangs(tmp_path: Path) -> None:
    """A slow command stops no mail: what arrives meanwhile is tossed before it ends."""
    gate = tmp_path / "gate"
    script = f"while ! test -e {gate}; do sleep 0.05; done"
    system = hooked(tmp_path / "node", {"command": ["sh", "-c", script], "timeout": "1h"})
    with system.start() as daemon:
        deliver(system, 1)
        daemon.wait_for((system.state / "hooks" / "it" / "work").exists, what="the command")
        deliver(system, 2)
        daemon.wait_for(lambda: waiting(system) == 2, what="the second message")
        gate.touch()
        daemon.wait_for(lambda: waiting(system) == 0, what="the calls")
        assert daemon.stop() == DONE


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def stop_when(system: Node, begun: Callable[[], bool]) -> None:
    """Toss, call hooks, and stop once something has begun."""

    async def call(runner: hooks.HookRunner) -> None:
        running = asyncio.create_task(runner.run())
        await asyncio.to_thread(wait_until, begun)
        await runner.finish()
        await running

    with parts_of(system) as parts:
        parts.pipeline.toss()
        asyncio.run(call(parts.hooks))


def test_a_command_under_way_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that hangs when we are to stop gets a moment, and is killed then; the call stays."""
    monkeypatch.setattr(hooks, "GRACE_SECONDS", 0.1)
    number = tmp_path / "pid"
    script = f"echo $$ > {number}.new; mv {number}.new {number}; exec sleep 600"
    system = hooked(tmp_path / "node", {"command": ["sh", "-c", script], "timeout": "1h"})
    deliver(system, 1)

    stop_when(system, number.exists)

    assert not Path("/proc", number.read_text().strip()).exists()
    assert (waiting(system), counters(system)) == (1, {})


def test_a_post_under_way_is_ended(tmp_path: Path, server: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with a server that hangs."""
    monkeypatch.setattr(hooks, "GRACE_SECONDS", 0.1)
    server.slowly(b"")
    system = hooked(tmp_path, {"url": server.url(), "timeout": "1h"})
    deliver(system, 1)

    stop_when(system, lambda: bool(server.got))

    assert (waiting(system), counters(system)) == (1, {})


def test_a_call_under_way_may_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What needs only a moment gets it, and the call is done; the next one is not begun."""
    monkeypatch.setattr(hooks, "GRACE_SECONDS", LONG)
    begun = tmp_path / "begun"
    system = hooked(tmp_path / "node", {"command": ["sh", "-c", f"touch {begun}; sleep 0.3"]})
    deliver(system, 1, 2)

    stop_when(system, begun.exists)

    assert (waiting(system), counters(system)) == (1, {"hook-done.it": 1})


def test_calls_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls of several hooks are under way together only up to a bound; one that waits is not begun at the end."""
    monkeypatch.setattr(hooks, "CALLS", 1)
    monkeypatch.setattr(hooks, "GRACE_SECONDS", LONG)
    log = tmp_path / "log"
    command = {"command": ["sh", "-c", f"echo begins >> {log}; sleep 0.1; echo ends >> {log}"]}
    system = node(tmp_path / "node", areas=[], hooks={"one": command, "two": command})
    areas(system, {"tag": AREA, "on_message": ["one", "two"]})
    deliver(system, 1)
    stop_when(system, log.exists)
    assert (log.read_text("ascii").split(), waiting(system)) == (["begins", "ends"], 1)
    deliver(system, 2)

    toss(system)

    assert log.read_text("ascii").split() == ["begins", "ends"] * 4


def test_no_place_for_a_command(tmp_path: Path) -> None:
    """A directory that cannot be made is a failure like any other."""
    system = hooked(tmp_path, {"command": ["true"]})
    deliver(system, 1)
    system.state.mkdir()
    (system.state / "hooks").write_text("")

    toss(system)

    assert waiting(system) == 1
    assert f"{system.state / 'hooks'}" in conditions(system)["hook-it"]


def test_one_toss_has_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tosser toss` does not wait for a hook without end; what it has not called is left to the next run."""
    monkeypatch.setattr(hooks, "GRACE_SECONDS", 0.1)
    system = hooked(tmp_path, {"command": ["sleep", "600"], "timeout": "1h"})
    deliver(system, 1)

    toss(system, 0.1)

    assert (waiting(system), counters(system)) == (1, {})


@pytest.mark.parametrize(("method", "posts"), [("forget_other_hooks", 1), ("next_hook_call", 1), ("end_hook_call", 2)])
def test_a_database_in_trouble(
    tmp_path: Path, server: Receiver, method: str, posts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the database cannot be used calls wait; one whose end could not be recorded is made again."""
    monkeypatch.setattr(hooks, "LOOK_SECONDS", 0.01)
    usual, failures = getattr(State, method), ["database is locked"]

    def flaky(state: State, *arguments: object) -> object:
        if failures:
            raise StateError(failures.pop())
        return usual(state, *arguments)

    system = hooked(tmp_path, {"url": server.url()})
    deliver(system, 1)
    with capture_logs() as lines:
        monkeypatch.setattr(State, method, flaky)
        stop_when(system, lambda: len(server.got) == posts)

    assert [line["error"] for line in lines if line["event"] == "hooks_unusable"] == ["database is locked"]
    assert len({posted.event["id"] for posted in server.got}) == 1
    assert (waiting(system), counters(system)) == (0, {"hook-done.it": 1})
