"""Answers of the system itself, from a packet in an inbound to the message in the base."""

from __future__ import annotations

import os
import pkgutil
import signal
from typing import TYPE_CHECKING

import pytest

from tests.corpus import HUB, US, netmail, packed, packet
from tests.daemon.inside import parts_of
from tests.packets import messages_in, packets_in
from tests.peers.daemon import DONE, Node, node
from tosser.inbound.postbox import PostBox
from tosser.stores.jam_reader import JamReader

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packets import Taken
    from tosser.codec.stored import BaseMessage


def system_at(root: Path, **netmail_keys: object) -> Node:
    """Configure a node that sends all netmail to others by the hub, in bare packets."""
    routes = [{"match": "1337:*", "via": HUB}]
    return node(root, areas=[], link_defaults={"archiver": "none"}, netmail={"routes": routes, **netmail_keys})


def letters(system: Node) -> list[BaseMessage]:
    """List the netmail base, in order."""
    with JamReader(system.bases / "netmail") as reader:
        return [record.message for record in reader.messages()]


def answers(system: Node) -> list[Taken]:
    """List what went out to the hub: nothing but answers in these tests."""
    return [each for data in packets_in(sorted(system.outbound.glob("*.pkt"))) for each in messages_in(data)]


def ping(number: int = 1, author: str = HUB, body: bytes = b"") -> bytes:
    """Write a netmail to PING."""
    return netmail(body, number=number, author=author, to_name=b"Ping")


def test_a_ping_is_answered_with_its_via_lines(tmp_path: Path) -> None:
    """PING to one of our AKAs is answered from that AKA, to the author, with the Via lines as they came."""
    aka = "1337:7/7"
    system = node(
        tmp_path,
        areas=[],
        networks={"tqwnet": {"addresses": [US, aka]}},
        link_defaults={"archiver": "none"},
        netmail={"routes": [{"match": "1337:*", "via": HUB}]},
    )
    via = b"\x01Via 1337:1/100 @20261101.080000.UTC prog 1\r\x01Via odd one 1337:2/3, Sun Nov 01\r"
    letter = netmail(b"Hello?\r" + via, author="1337:1/300.4", addressee=aka, to_name=b"PiNG")
    system.deliver(packet([letter]))

    assert system.toss().code == DONE

    (answer,) = answers(system)
    assert (answer.from_name, answer.to_name, answer.subject) == (b"Ping Robot", b"Mira Kovale", b"Pong: Letter 1")
    assert answer.text.startswith(b"\x01INTL 1337:1/300 1337:7/7\r\x01TOPT 4\r\x01MSGID: 1337:7/7@tqwnet ")
    assert b"  @Via 1337:1/100 @20261101.080000.UTC prog 1\r  @Via odd one 1337:2/3, Sun Nov 01\r" in answer.text
    assert b"\x01REPLY: 1337:1/300.4 00000001\r" in answer.text


def test_the_same_ping_is_answered_once(tmp_path: Path) -> None:
    """A PING that comes again by another way, in another run, is delivered and not answered again."""
    system = system_at(tmp_path)
    for name, via in (("00000001.pkt", b"1337:1/100"), ("00000002.pkt", b"1337:1/101")):
        system.deliver(packet([ping(body=b"\x01Via %s @20261101.080000.UTC p 1\r" % via)]), name)
        system.toss()

    assert (len(letters(system)), len(answers(system))) == (2, 1)
    assert system.status()["counters"]["withheld.repeated"] == 1


@pytest.mark.parametrize("author", [b"Ping", b"PING robot", b"AreaFix", b"Mailer-Daemon", b""])
def test_robots_get_no_answer(tmp_path: Path, author: bytes) -> None:
    """What a program wrote is delivered and not answered, so that no two robots talk without end."""
    system = system_at(tmp_path)
    letter = ping().replace(b"Mira Kovale\0", author + b"\0")
    system.deliver(packet([letter]))
    system.toss()

    assert (len(letters(system)), answers(system)) == (1, [])


def test_an_answer_is_never_answered(tmp_path: Path) -> None:
    """A pong that is sent to PING of another tosser of this kind ends there."""
    system = system_at(tmp_path)
    system.deliver(packet([ping(body=b"\x01TOSSER-ANSWER: pong\r")]))
    system.toss()

    assert answers(system) == []


def test_a_thousand_forged_pings_get_a_bounded_number_of_answers(tmp_path: Path) -> None:
    """One system gets no more than its share, and all together no more than the total."""
    system = system_at(tmp_path, answers={"per_system": 3, "total": 20})
    forged = [ping(number, f"1337:{number % 50 + 10}/{number % 7 + 1}.{number % 3}") for number in range(1, 1001)]
    system.deliver(packet(forged), inbound=system.insecure)

    assert system.toss().code == DONE

    found = answers(system)
    systems = [each.text.split(b" ")[1] for each in found]
    assert len(found) == 20
    assert max(systems.count(each) for each in systems) <= 3
    counters = system.status()["counters"]
    assert counters["withheld.total-limit"] + counters.get("withheld.system-limit", 0) == 980


def test_ping_can_be_turned_off(tmp_path: Path) -> None:
    """Without a robot of that name, mail to PING is mail."""
    system = system_at(tmp_path)
    system.config.write_text(system.config.read_text().replace("path: netmail", "path: netmail\n  robots: {}"))
    system.deliver(packet([ping()]))
    system.toss()

    assert (len(letters(system)), answers(system)) == (1, [])


def test_receipts_are_given_where_configured(tmp_path: Path) -> None:
    """RRQ and FLAGS CFM are answered on delivery, a receipt never is."""
    system = system_at(tmp_path, answers={"receipts": True})
    plain = netmail(number=1)
    asked = packed(b"\x01INTL 1337:1/200 1337:1/100\rHello\r", subject=b"Bit", attributes=0x1001)
    flagged = packed(b"\x01INTL 1337:1/200 1337:1/100\r\x01FLAGS PVT CFM\rHello\r", subject=b"Flag", attributes=1)
    receipt = packed(b"\x01INTL 1337:1/200 1337:1/100\rHello\r", subject=b"Both", attributes=0x3001)
    system.deliver(packet([plain, asked, flagged, receipt]))
    system.toss()

    assert [each.subject for each in answers(system)] == [b"Receipt: Bit", b"Receipt: Flag"]
    assert all(int.from_bytes(each.fixed["attributes"], "little") & 0x2000 for each in answers(system))


def test_receipts_are_off_by_default(tmp_path: Path) -> None:
    """Nobody learns when mail arrived who was not meant to."""
    system = system_at(tmp_path)
    system.deliver(packet([packed(b"\x01INTL 1337:1/200 1337:1/100\rHello\r", attributes=0x1001)]))
    system.toss()

    assert answers(system) == []


STEPS = ("tosser.inbound.postbox.PostBox.drop", "tosser.state.state.State.applied", "tosser.inbound.spool.Spool.finish")


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_killed_around_every_step_there_is_one_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, *, after: bool
) -> None:
    """Killed before or after an answer is dropped, recorded, or its question given up: there is exactly one answer."""
    system = system_at(tmp_path)
    system.deliver(packet([ping()]))
    child = os.fork()
    if child == 0:
        try:
            _toss_and_die(system, monkeypatch, step, after=after)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL

    assert system.toss().code == DONE

    assert (len(answers(system)), len(letters(system))) == (1, 1)


def _toss_and_die(system: Node, monkeypatch: pytest.MonkeyPatch, step: str, *, after: bool) -> None:
    module, name, method = step.rsplit(".", 2)
    cls = getattr(pkgutil.resolve_name(module), name)
    real = getattr(cls, method)

    def fatal(*args: object, **kwargs: object) -> None:
        if after:
            real(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(cls, method, fatal)
    with parts_of(system) as parts:
        parts.pipeline.toss()


def test_an_answer_that_was_taken_out_is_not_dropped_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where recording failed after the drop, and the answer was taken meanwhile, repeating the step doubles nothing."""
    system = system_at(tmp_path)
    system.deliver(packet([ping()]))
    with parts_of(system) as parts:
        real = type(parts.state).applied

        def failing(*_: object) -> None:
            monkeypatch.setattr(type(parts.state), "applied", real)
            raise OSError(5, "made up")

        monkeypatch.setattr(type(parts.state), "applied", failing)
        assert parts.pipeline.toss().trouble
        box = PostBox(system.state)
        (answer,) = box.path.glob("*.pkt")
        (claimed,) = parts.spool.take(10)
        assert claimed.name == answer.name
        parts.pipeline.toss()

    assert len(answers(system)) == 1


def test_the_log_tells_no_text(tmp_path: Path) -> None:
    """What is written in netmail and its answer stands in no log, at no level."""
    secret = b"Xyzzy-plugh"
    system = system_at(tmp_path, answers={"receipts": True})
    system.config.write_text(system.config.read_text().replace("level: info", "level: debug"))
    letter = ping(body=secret + b"\r").replace(b"Letter 1\0", secret + b"\0")
    system.deliver(packet([letter, packed(b"\x01INTL 1337:1/200 1337:1/100\r" + secret, attributes=0x1001)]))

    done = system.toss()

    assert len(answers(system)) == 2
    assert secret.decode() not in done.stdout + done.stderr
