"""Posting by MQTT, from outside: a real broker, the real daemon, and a client that knows nothing of tosser."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.peers.asker import Asker
from tests.peers.daemon import DONE, Node, node
from tests.peers.mosquitto import Mosquitto
from tests.peers.programs import require
from tests.peers.subscriber import Subscriber
from tosser.stores.jam_reader import JamReader

if TYPE_CHECKING:
    from tests.peers.daemon import Daemon

PAGE = (Path(__file__).parents[2] / "docs" / "mqtt-commands.md").read_text("utf-8")
TOKEN = "correct horse battery"  # noqa: S105 - made up
BOT = {"name": "bot", "token": TOKEN, "areas": ["TQW_*"], "authors": ["Weather Bot"], "max_per_hour": 5}
MESSAGES = "ftn/tqwnet/area/TQW_TECH/message"


def posting(root: Path, broker: Mosquitto, *users: dict[str, Any], **mqtt: Any) -> Node:  # noqa: ANN401 - any option
    """Configure a node where these may post."""
    section = {"url": broker.url, "commands": {"users": list(users) or [BOT]}} | mqtt
    return node(root, areas=["TQW_TECH", "PRIVATE"], mqtt=section)


def wish(id: str, text: str, **more: Any) -> dict[str, Any]:  # noqa: A002, ANN401 - the name of the member; any JSON
    """Write a request of the bot."""
    return {"id": id, "user": "bot", "token": TOKEN, "area": "TQW_TECH", "text": text} | more


def bodies(system: Node, base: str = "tqw_tech") -> list[bytes]:
    """List the texts in a base, without the lines below them."""
    if not (system.bases / f"{base}.jhr").exists():
        return []
    with JamReader(system.bases / base) as reader:
        return [record.message.body.partition(b"\r--- ")[0] for record in reader.messages()]


def wait_open(daemon: Daemon, times: int = 1) -> None:
    """Wait until requests are listened for, over all lives of the node."""
    daemon.wait_for(lambda: daemon.log.count('"commands_open"') >= times, what="commands")


def test_a_client_posts_and_sees_its_message(tmp_path: Path, broker: Mosquitto) -> None:
    """The answer has the correlation data and the MSGID of the event that follows; a repetition posts nothing more."""
    system = posting(tmp_path / "node", broker)
    with Subscriber(broker.port, MESSAGES) as events, Asker(broker.port) as bot, system.start() as daemon:
        wait_open(daemon)
        request = wish("one", "Grüße\nin two lines\n", subject="Weather", charset="UTF-8")
        first = bot.post(**request)
        (event,) = events.wait_for(1)
        assert first == {"id": "one", "status": "accepted", "msgids": [event.json["data"]["msgid"]]}
        data = event.json["data"]
        assert (data["from"], data["to"], data["subject"]) == ("Weather Bot", "All", "Weather")
        assert data["text"].startswith("Grüße\nin two lines\n--- ")

        assert bot.post(**request) == first
        reused = bot.post(**wish("one", "another text"))
        assert (reused["status"], reused["reason"]) == ("refused", "id-reused")

        refused = bot.post(**wish("two", "x", area="PRIVATE"))
        assert refused["message"] == "bot may not write to area PRIVATE"
        assert {name: refused[name] for name in ("id", "status", "reason")} == {
            "id": "two", "status": "refused", "reason": "may-not-write",
        }  # fmt: skip
        assert bot.post(**wish("three", "x", token="wrong"))["reason"] == "not-authorised"  # noqa: S106 - made up
        assert bot.ask(b'{"id": "four"')["reason"] == "malformed"
        assert daemon.stop() == DONE
        assert TOKEN not in daemon.log
        assert '"event": "command_refused"' in daemon.log

    assert bodies(system) == ["Grüße\rin two lines".encode()]
    assert bodies(system, "private") == []
    assert {name: count for name, count in system.status()["counters"].items() if name.startswith("command.")} == {
        "command.accepted": 1, "command.repeated": 1, "command.id-reused": 1, "command.may-not-write": 1,
        "command.not-authorised": 1, "command.malformed": 1,
    }  # fmt: skip


def test_requests_wait_and_are_known_after_a_restart(tmp_path: Path, broker: Mosquitto) -> None:
    """What is sent while the tosser is down is carried out later, and what it did before it was killed is known.

    The limit of an hour holds over restarts as well.
    """
    system = posting(tmp_path / "node", broker)
    with Asker(broker.port) as bot:
        with system.start() as daemon:
            wait_open(daemon)
            first = bot.post(**wish("one", "first"))
            daemon.kill()
        again = [bot.send(json.dumps(wish("one", "first")).encode()) for _ in range(2)]
        later = bot.send(json.dumps(wish("two", "second")).encode())
        with system.start() as daemon:
            assert [bot.wait_for(each) for each in again] == [first, first]
            assert bot.wait_for(later)["status"] == "accepted"
            texts = [f"{number}" for number in range(4)]
            answers = [bot.post(**wish(f"more-{text}", text)) for text in texts]
            assert [each["status"] for each in answers] == ["accepted"] * 3 + ["refused"]
            assert answers[3]["reason"] == "rate-limit"
            daemon.wait_for(lambda: len(bodies(system)) == 5, what="the posts")
            assert daemon.stop() == DONE

    assert sorted(bodies(system)) == [b"0", b"1", b"2", b"first", b"second"]


def test_what_nobody_may_hear_is_carried_out(tmp_path: Path) -> None:
    """No answer topic, one of our own, or one that the broker denies us: posted all the same, and told in the log.

    Neither such answers nor requests at QoS 0, nor large ones, keep others from being served.
    """
    directory = tmp_path / "broker"
    directory.mkdir()
    acl = "user tosser\ntopic readwrite ftn/#\n\nuser bot\ntopic readwrite #\n"
    users = {"tosser": "tosser-pw", "bot": "bot-pw"}
    with Mosquitto(directory, acl=acl, users=users) as broker:
        bot_user = BOT | {"max_per_hour": 50}
        system = posting(tmp_path / "node", broker, bot_user, username="tosser", password=users["tosser"])
        with Asker(broker.port, user=("bot", "bot-pw")) as bot, system.start() as daemon:
            wait_open(daemon)
            topics = ["", "ftn/tqwnet/area/TQW_TECH/message", "ftn/cmd/post", "denied/topic", "denied/topic"]
            for number, topic in enumerate(topics):
                bot.send(json.dumps(wish(f"silent-{number}", f"silent {number}")).encode(), answers=topic)
            bot.send(b"x" * 2_000_000)
            assert bot.ask(b"x" * 400_000)["reason"] == "request-too-large"
            careless = bot.send(json.dumps(wish("careless", "careless")).encode(), qos=0)
            assert bot.wait_for(careless)["status"] == "accepted"
            daemon.wait_for(lambda: len(bodies(system)) == 6, what="the posts")
            assert daemon.stop() == DONE
            log = [json.loads(line) for line in daemon.log.splitlines()]
    silent = {json.loads(line["answer"])["id"] for line in log if line["event"] == "command_not_answered"}
    assert silent == {f"silent-{number}" for number in range(5)}
    assert sorted(bodies(system)) == [b"careless", *(f"silent {number}".encode() for number in range(5))]


def test_the_page_for_integrators_works(tmp_path: Path) -> None:
    """Its configuration, its ACL and its command line post a message; who may only write requests reads none."""
    (section,) = re.findall(r"```yaml\n(.+?)```", PAGE, re.DOTALL)
    (acl,) = re.findall(r"```\n(user tosser.+?)```", PAGE, re.DOTALL)
    (line,) = re.findall(r"```sh\n(mosquitto_rr.+?)```", PAGE, re.DOTALL)
    directory = tmp_path / "broker"
    directory.mkdir()
    with Mosquitto(directory, acl=acl, users={"tosser": "one", "weather": "two"}) as broker:
        access = {"url": broker.url, "username": "tosser", "password": "one"}
        system = node(tmp_path / "node", areas=["TQW_WEATHER"], mqtt=yaml.safe_load(section)["mqtt"] | access)
        program, *arguments = shlex.split(line)
        reader = ("weather", "two")
        with Subscriber(broker.port, "ftn/#", user=reader) as nosy, system.start() as daemon:
            wait_open(daemon)
            command = [require(program, "mosquitto-clients"), "-p", str(broker.port), "-u", "weather", "-P", "two"]
            done = subprocess.run([*command, *arguments, "-W", "30"], capture_output=True, check=True, timeout=60)
            answer = json.loads(done.stdout)
            assert (answer["id"], answer["status"]) == ("forecast-2026-11-13", "accepted")
            daemon.wait_for(lambda: bool(bodies(system, "tqw_weather")), what="the forecast")
            assert daemon.stop() == DONE
            (heard,) = nosy.received
        assert (heard.topic, heard.json) == ("ftn/cmd/answer/weather", answer)
    assert bodies(system, "tqw_weather") == [b"Rain.\rMore rain later."]
