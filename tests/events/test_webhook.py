"""Posting events over HTTP, to a real server."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from tests.peers.mosquitto import make_certificates
from tests.peers.ports import LOOPBACK, free_port
from tests.peers.receiver import Receiver, receiver
from tosser.events.webhook import Poster
from tosser.rules.hooks import Fate, Outcome, Webhook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVENT = '{"id":"claim/0/0","data":{"subject":"Grüße"}}'.encode()
SECRET = "t0ken"  # noqa: S105 - of a test
SHORT = 0.3
"""Seconds for a call that is not to succeed."""


@pytest.fixture
def server() -> Iterator[Receiver]:
    """A server that takes everything."""
    with receiver() as running:
        yield running


def webhook(port: int, **changes: Any) -> Webhook:  # noqa: ANN401 - its attributes
    """Say where to post to."""
    usual = Webhook(
        LOOPBACK, port, tls=False, target=f"/in?key={SECRET}", headers={"Authorization": f"Bearer {SECRET}"}
    )
    return replace(usual, **changes)


def post(where: Webhook, event: bytes = EVENT, timeout: float = 10.0) -> Outcome:
    """Post once."""

    async def call() -> Outcome:
        return await Poster(where, timeout, threads).call(event)

    with ThreadPoolExecutor(1) as threads:
        return asyncio.run(call())


def test_what_is_posted(server: Receiver) -> None:
    """A CloudEvent in structured mode, whole, with the headers of the configuration."""
    assert post(webhook(server.port)) == Outcome(Fate.DONE)

    (posted,) = server.got
    assert posted.target == f"/in?key={SECRET}"
    assert posted.body == EVENT
    assert posted.headers.pop("user-agent").startswith("tosser/")
    assert posted.headers == {
        "host": f"{LOOPBACK}:{server.port}",
        "content-type": "application/cloudevents+json; charset=utf-8",
        "content-length": str(len(EVENT)),
        "connection": "close",
        "authorization": f"Bearer {SECRET}",
    }


def test_a_large_event(server: Receiver) -> None:
    """What does not fit into one packet of the network arrives whole, too."""
    event = b'{"text":"' + b"x" * 4_000_000 + b'"}'

    assert post(webhook(server.port), event).fate is Fate.DONE
    assert server.got[0].body == event


@pytest.mark.parametrize(
    ("status", "headers", "fate", "asked"),
    [
        (200, {}, Fate.DONE, None),
        (404, {}, Fate.REFUSED, None),
        (500, {}, Fate.AGAIN, None),
        (503, {"Retry-After": "120"}, Fate.AGAIN, 120.0),
        (429, {"RETRY-AFTER": " 7 "}, Fate.AGAIN, 7.0),
    ],
)
def test_answers(server: Receiver, status: int, headers: dict[str, str], fate: Fate, asked: float | None) -> None:
    """The status tells what becomes of the call, and Retry-After how long to wait at least."""
    server.answers.append((status, headers))

    outcome = post(webhook(server.port))

    assert (outcome.fate, outcome.asked) == (fate, asked)
    assert (str(status) in outcome.trouble) == (fate is not Fate.DONE)
    assert SECRET not in outcome.trouble


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(server: Receiver, status: int) -> None:
    """Whoever is named by a redirect hears nothing, least of all our secrets."""
    with receiver() as other:
        server.answers.append((status, {"Location": other.url()}))

        outcome = post(webhook(server.port))

        assert outcome.fate is Fate.AGAIN
        assert other.got == []
    assert len(server.got) == 1


@pytest.mark.parametrize(
    ("pieces", "told"),
    [
        ([b"", b""], "did not answer within"),
        ([b"HTTP/1.1 200 OK\r\n", b"X"], "did not answer within"),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", b""], "did not answer within"),
        ([b"HTTP/1.1 200 OK\r\n", b"X-Endless: 1\r\n" * 300], "headers without end"),
        ([b"HTTP/1.1 103 Early\r\n\r\n" * 300], "headers without end"),
        ([b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000], "unreasonable length"),
    ],
)
def test_slow_and_endless_answers(server: Receiver, pieces: list[bytes], told: str) -> None:
    """A call has one time limit, however often a byte arrives, and a head has bounds."""
    server.slowly(*pieces)

    outcome = post(webhook(server.port), timeout=SHORT)

    assert outcome.fate is Fate.AGAIN
    assert told in outcome.trouble


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"", "hung up without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "hung up without an answer"),
        (b"220 mail.example ESMTP\r\n\r\n", "does not answer in HTTP/1"),
        (b"HTTP/2 200\r\n\r\n", "does not answer in HTTP/1"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "does not answer in HTTP/1"),
        (b"\r\n\r\n", "does not answer in HTTP/1"),
        (b"\0" * 1000 + b"\n", "does not answer in HTTP/1"),
    ],
)
def test_who_does_not_speak_http(server: Receiver, answer: bytes, told: str) -> None:
    """An answer that is none is told as what it is; the call is made again."""
    server.answers.append(answer)

    outcome = post(webhook(server.port))

    assert (outcome.fate, told in outcome.trouble) == (Fate.AGAIN, True)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.0 200\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nless than that",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000,
    ],
)
def test_answers_of_all_kinds(server: Receiver, answer: bytes) -> None:
    """Only the status of the final head counts; of the rest no more is read than fits into a bound."""
    server.answers.append(answer)

    assert post(webhook(server.port)).fate is Fate.DONE


def test_a_body_without_end(server: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has said that it is well is not waited for."""
    monkeypatch.setattr("tosser.events.webhook._REST_SECONDS", 0.05)
    server.slowly(b"HTTP/1.1 200 OK\r\n\r\n", b"x")

    assert post(webhook(server.port)).fate is Fate.DONE


def test_nobody_there() -> None:
    """A port that nobody listens on."""
    outcome = post(webhook(free_port()))

    assert outcome.fate is Fate.AGAIN
    assert "nothing listens there" in outcome.trouble


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Have every name resolve to these, or not at all."""

    def found(_host: str, port: int, *_: object) -> list[tuple[object, ...]]:
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", found)


def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that nobody knows."""
    resolving(monkeypatch)

    outcome = post(webhook(80, host="hooks.example"))

    assert outcome == Outcome(Fate.AGAIN, "hooks.example:80 has a name that does not resolve")


def test_every_address_is_tried(server: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with several addresses is reached by any of them."""
    resolving(monkeypatch, "127.0.0.2", LOOPBACK)

    assert post(webhook(server.port, host="hooks.example")).fate is Fate.DONE
    assert server.got[0].headers["host"] == f"hooks.example:{server.port}"


def test_certificates_are_verified(tmp_path: Path) -> None:
    """TLS with an authority that is trusted works; one that is not trusted hears no word of ours."""
    certificates = make_certificates(tmp_path)
    with receiver(certificates=certificates) as secured:
        refused = post(webhook(secured.port, tls=True))
        assert refused.fate is Fate.AGAIN
        assert "does not verify" in refused.trouble
        assert secured.got == []

        assert post(webhook(secured.port, tls=True, ca=str(certificates.authority))) == Outcome(Fate.DONE)
        assert len(secured.got) == 1


def test_the_name_in_a_certificate_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate of somebody else is refused, whoever has signed it."""
    certificates = make_certificates(tmp_path)
    resolving(monkeypatch, LOOPBACK)
    with receiver(certificates=certificates) as secured:
        outcome = post(webhook(secured.port, host="hooks.example", tls=True, ca=str(certificates.authority)))

        assert outcome.fate is Fate.AGAIN
        assert secured.got == []


def test_an_authority_that_is_not_there(server: Receiver, tmp_path: Path) -> None:
    """A file of authorities that cannot be read is a failure like any other."""
    outcome = post(webhook(server.port, tls=True, ca=str(tmp_path / "none.pem")))

    assert outcome.fate is Fate.AGAIN
    assert "No such file" in outcome.trouble


def test_no_tls_there(server: Receiver) -> None:
    """A server that speaks no TLS where it should."""
    outcome = post(webhook(server.port, tls=True), timeout=5.0)

    assert outcome.fate is Fate.AGAIN
    assert server.got == []
