"""Netmail that cannot be delivered: who hears of it, once, and how often at most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.corpus import HUB, US, netmail, packed, packet
from tests.packets import messages_in, packets_in
from tests.peers.daemon import DONE, Node, node

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packets import Taken

NOWHERE = "1337:9/9"


def system_at(root: Path, **answers: object) -> Node:
    """Configure a node whose only way leads to the hub, and nowhere else."""
    return node(root, areas=[], link_defaults={"archiver": "none"}, netmail={"answers": answers})


def sent(system: Node) -> list[Taken]:
    """List what the mailer finds."""
    return [each for data in packets_in(sorted(system.outbound.glob("*.pkt"))) for each in messages_in(data)]


def test_what_has_no_way_goes_back_to_its_author(tmp_path: Path) -> None:
    """The hub's undeliverable letter is kept, and the hub gets the reason, by the route to it, once."""
    system = system_at(tmp_path)
    system.deliver(packet([netmail(b"Are you there?\r", addressee=NOWHERE)]))

    assert system.toss().code == DONE
    assert system.toss().code == DONE

    (bounce,) = sent(system)
    assert (bounce.from_name, bounce.to_name) == (b"Netmail Robot", b"Mira Kovale")
    assert b"Reason: no route leads to the system the netmail is for (no-route)\r" in bounce.text
    assert b"\r> Are you there?\r" in bounce.text
    assert bounce.text.startswith(b"\x01INTL 1337:1/100 1337:1/200\r")
    counters = system.status()["counters"]
    assert (counters["answer.bounce"], counters["message.no-route"]) == (1, 1)


def test_a_local_author_finds_the_bounce_here(tmp_path: Path) -> None:
    """Who posts a letter that has no way gets his bounce in the netmail base."""
    system = system_at(tmp_path)
    posted = system.run("post", "--dest", NOWHERE, "--to", "Nobody", "--subject", "Lost", stdin=b"Hello?\n")
    assert posted.code == DONE, posted.stderr

    assert system.toss().code == DONE

    assert sent(system) == []
    counters = system.status()["counters"]
    assert (counters["answer.bounce"], counters["message.no-route"], counters["message.netmail"]) == (1, 1, 1)


def test_a_thousand_forged_letters_provoke_no_storm(tmp_path: Path) -> None:
    """Even where all are answered, 1,000 letters with forged authors get no more bounces than the limits say."""
    system = system_at(tmp_path, bounces="all", per_system=10, total=25)
    letters = [
        netmail(number=number, author=f"1337:1/{1000 + number % 40}.{number % 5}", addressee=NOWHERE)
        for number in range(1, 1001)
    ]
    system.deliver(packet(letters, sender="1337:1/1000"), inbound=system.insecure)

    assert system.toss().code == DONE

    counters = system.status()["counters"]
    assert counters["answer.bounce"] == 25
    assert counters["withheld.total-limit"] + counters.get("withheld.system-limit", 0) == 975
    assert counters["message.insecure-transit"] == 1000


def test_a_bounce_that_cannot_be_delivered_ends(tmp_path: Path) -> None:
    """A forged author without a way: the bounce has none either, and nobody answers that."""
    system = system_at(tmp_path, bounces="all")
    letter = netmail(author="1337:8/8", addressee=NOWHERE)
    system.deliver(packet([letter]))

    for _ in range(3):
        assert system.toss().code == DONE

    counters = system.status()["counters"]
    assert (counters["answer.bounce"], counters["message.no-route"]) == (1, 2)


def test_insecure_mail_is_not_bounced_by_default(tmp_path: Path) -> None:
    """Where nothing proves the author nobody is written to."""
    system = system_at(tmp_path)
    system.deliver(packet([netmail(author=HUB, addressee=NOWHERE)], sender="1337:5/5"), inbound=system.insecure)

    assert system.toss().code == DONE

    assert "answer.bounce" not in system.status()["counters"]


def test_what_waits_for_a_file_is_not_undeliverable(tmp_path: Path) -> None:
    """Mailers send files after the mail: its author hears nothing, and with the file it goes on."""
    downlink = "1337:1/201"
    system = node(tmp_path, areas=[], links={HUB: "", downlink: ""}, link_defaults={"archiver": "none"})
    letter = packed(b"\x01MSGID: 1337:1/100 0000000a\rFor you\r", dest=downlink, subject=b"game.zip", attributes=0x0010)
    system.deliver(packet([letter]))
    assert system.toss().code == DONE
    assert system.status()["counters"]["message.attach-missing"] == 1

    (system.secure / "game.zip").write_bytes(b"a game")
    assert system.toss().code == DONE

    (only,) = sent(system)
    assert (only.from_name, only.subject) == (b"Mira Kovale", b"game.zip")
    assert "answer.bounce" not in system.status()["counters"]


def test_a_trace_is_answered_and_goes_on(tmp_path: Path) -> None:
    """PING that passes through is answered where configured, and sent on with our Via line only."""
    downlink = "1337:1/201"
    system = node(
        tmp_path,
        areas=[],
        links={HUB: "", downlink: ""},
        link_defaults={"archiver": "none"},
        netmail={"answers": {"trace": True}},
    )
    system.deliver(packet([netmail(b"x\r", to_name=b"PING", addressee=downlink)]))

    assert system.toss().code == DONE

    answer, onward = sorted(sent(system), key=lambda each: each.from_name, reverse=True)
    assert (answer.from_name, answer.to_name) == (b"Ping Trace Service", b"Mira Kovale")
    assert b"REPLY: 1337:1/100 00000001" in answer.text
    assert (onward.from_name, onward.to_name) == (b"Mira Kovale", b"PING")
    assert onward.text.count(b"\x01Via ") == 1
    assert f"Via {US}".encode() in onward.text
