"""Which way netmail goes, as ``tosser route`` and ``tosser explain --netmail`` tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.corpus import HUB, US
from tests.mail import packet
from tests.netmail import letter
from tests.peers.daemon import DONE, FAILED, USAGE, node

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.daemon import Node

DOWN = "1337:1/201"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """A node with a hub, a downlink, and a table."""
    routes = [{"match": "1337:8/*", "via": "hub"}, {"match": "1337:*", "via": HUB, "flavour": "crash"}]
    return node(tmp_path_factory.mktemp("node"), areas=1, links={HUB: "HUBWARD", DOWN: ""}, netmail={"routes": routes})


def test_by_a_line(system: Node) -> None:
    """People are told the line that counts, those that lead nowhere, the link and its flavour."""
    result = system.run("route", "1337:8/9.1")
    assert result.code == DONE
    assert result.stdout.splitlines() == [
        "netmail to 1337:8/9.1 from our own programs: routed (netmail to another system, sent on to a link)",
        "  passed over: line 1, 1337:8/* via hub, leads to no link of ours",
        "  because: line 2 of netmail.routes: 1337:* via 1337:1/100",
        "  sent on to 1337:1/100 (System 1337:1/100), crash",
    ]


def test_as_json(system: Node) -> None:
    """Programs are told the same."""
    facts = system.run("route", "1337:8/9.1", "--json").json
    assert (facts["verdict"], facts["line"], len(facts["passed_over"])) == ("routed", 2, 1)
    (link,) = facts["links"]
    assert (link["link"], link["network"], link["flavour"], link["direct"]) == (HUB, "tqwnet", "crash", False)


@pytest.mark.parametrize(
    ("words", "code", "verdict"),
    [
        ((US,), DONE, "netmail"),
        ((f"{US}.9",), FAILED, "unknown-point"),
        ((f"{DOWN}.9",), DONE, "routed"),
        ((f"{DOWN}.9", "--files"), DONE, "routed"),
        (("1337:2/2", "--files"), FAILED, "attach-no-route"),
        (("2:2/2",), FAILED, "no-route"),
    ],
)
def test_ways(system: Node, words: tuple[str, ...], code: int, verdict: str) -> None:
    """The exit code says whether there is a way."""
    result = system.run("route", *words, "--json")
    assert (result.code, result.json["verdict"]) == (code, verdict)


@pytest.mark.parametrize(
    ("sender", "inbound", "bounced"),
    [(HUB, "secure", True), (HUB, "insecure", True), (DOWN, "insecure", False), (DOWN, "secure", True)],
)
def test_bounces(system: Node, sender: str, inbound: str, *, bounced: bool) -> None:
    """Whether its author hears of netmail that cannot go on is told, and hangs on what proves its sender."""
    words = ("explain", "--netmail", "2:2/2", "--from", sender, "--inbound", inbound)
    assert system.run(*words, "--json").json["bounced"] is bounced
    assert ("  held here, and its author gets a bounce\n" in system.run(*words).stdout) is bounced
    assert system.run("explain", "--netmail", US, "--from", sender, "--json").json["bounced"] is False


@pytest.mark.parametrize(
    "words",
    [("--netmail", US, "--inbound", "insecure"), ("some.pkt", "--from", DOWN), ("some.pkt", "--netmail", US), ()],
)
def test_what_does_not_go_together(system: Node, words: tuple[str, ...]) -> None:
    """What would be left out of account is refused: explain is asked about files or about a netmail."""
    assert system.run("explain", *words).code == USAGE


def test_no_address(system: Node) -> None:
    """What is no address is told, with the exit code of wrong usage."""
    result = system.run("route", "nowhere")
    assert result.code == USAGE
    assert "'nowhere' is not an FTN address" in result.stderr


@pytest.mark.parametrize(
    ("sender", "inbound", "verdict"),
    [
        (DOWN, "secure", "routed"),
        (DOWN, "insecure", "insecure-transit"),
        (HUB, "secure", "route-back"),
        ("1337:1/999", "secure", "routed"),
        ("1337:1/999", "insecure", "insecure-transit"),
    ],
)
def test_from_a_system(system: Node, sender: str, inbound: str, verdict: str) -> None:
    """It matters from where a netmail comes, and how; links give the password they have."""
    result = system.run("explain", "--netmail", "1337:2/2", "--from", sender, "--inbound", inbound, "--json")
    assert (result.code, result.json["verdict"]) == (DONE, verdict)
    assert f"{sender}, {inbound} inbound: {verdict} (" in system.run(
        "explain", "--netmail", "1337:2/2", "--from", sender, "--inbound", inbound
    ).stdout  # fmt: skip


def test_explain_a_packet(system: Node, tmp_path: Path) -> None:
    """Of netmail in a packet it is told who gets it, and how urgently."""
    path = tmp_path / "letters.pkt"
    path.write_bytes(packet([letter(addressee="1337:2/2", author=DOWN)], sender=DOWN))
    result = system.run("explain", str(path))
    assert result.code == DONE
    assert "netmail: routed (netmail to another system, sent on to a link)" in result.stdout
    assert "      not kept here\n      sent on to 1337:1/100, crash\n" in result.stdout
