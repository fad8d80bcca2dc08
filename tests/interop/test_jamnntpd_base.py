"""A JAM base of ours read, and written to, by jamnntpd over NNTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.peers.jamnntpd import Jamnntpd
from tests.peers.programs import require, require_own
from tests.stores.samples import active, ours, sample, samples, subjects
from tosser.codec.jam import JamAttribute
from tosser.stores.jam import JamBase
from tosser.stores.jam_reader import JamReader, Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GROUP = "TQW.TECH"


class Build(NamedTuple):
    """A build of jamnntpd, and which messages of a base it sees: every one, or every second one."""

    program: str
    step: int


@pytest.fixture(params=["amd64", "i386"])
def build(request: pytest.FixtureRequest) -> Build:
    """Debian's build, which takes index records for 16 bytes long, and its i386 build, which is right."""
    if request.param == "amd64":
        return Build(require("jamnntpd", "jamnntpd"), 2)
    return Build(require_own("jamnntpd-i386"), 1)


@pytest.fixture
def base(tmp_path: Path) -> Iterator[JamBase]:
    """A base with 60 messages, appended in groups."""
    opened = JamBase(tmp_path / GROUP)
    for first in range(0, 60, 20):
        opened.append(samples(20, first, size=first), wait=1)
    yield opened
    opened.close()


@pytest.fixture
def server(tmp_path: Path, base: JamBase, build: Build) -> Iterator[Jamnntpd]:
    """A jamnntpd over that base."""
    assert base.position().count == 60
    with Jamnntpd(tmp_path / "news", {GROUP: tmp_path / GROUP}, build.program) as running:
        yield running


def test_every_message_is_read_as_it_was_stored(server: Jamnntpd, build: Build) -> None:
    """Names, addresses, subject, date, control lines and text of every message come out as they went in."""
    with server.session() as news:
        assert news.group(GROUP) == (60 // build.step, 1, 60 // build.step)
        for article in range(1, 60 // build.step + 1):
            number = (article - 1) * build.step
            headers, lines = news.article(article)
            expected = {
                "subject": f"ours {number}",
                "x-jam-from": "Ada Sample <1337:1/100>",
                "x-jam-to": "All",
                "x-jam-msgid": f"1337:1/100 {number:08x}",
                "x-jam-pid": "Sampler 1",
                "x-jam-seenby2d": "1/100 200",
                "x-jam-path2d": "1/100",
                "x-jam-attributes": "TypeEcho",
                "date": "Sat, 9 Mar 2024 14:05:06 GMT",
            }
            assert {name: headers[name] for name in expected} == expected
            assert lines[0].split()[:2] == ["text", str(number)]
            assert "".join(lines).count(".") == number // 20 * 20
            assert lines[-2:] == ["--- x", "  * Origin: here (1337:1/100)"]


def test_messages_that_come_in_while_it_runs(server: Jamnntpd, base: JamBase, build: Build) -> None:
    """What we append while it has the base open is seen by the next reader."""
    with server.session() as news:
        news.group(GROUP)
        base.append(samples(20, 60), wait=5)
        assert news.group(GROUP)[0] == 80 // build.step
        assert news.overview(31, 31)[0][1] == f"ours {30 * build.step}"


def test_a_message_posted_through_it(server: Jamnntpd, base: JamBase, tmp_path: Path) -> None:
    """A reader's posting becomes a local message that we see, count on, and keep readable behind our next ones."""
    post = {"From": "Bob Example <bob@bbs.invalid>", "Newsgroups": GROUP, "Subject": "posted", "Organization": "here"}
    with server.session() as news:
        news.post(post, "Hello\nworld\n")
    assert base.append([sample(60)], wait=5) == [62]
    path = tmp_path / GROUP
    assert subjects(path) == [*ours(60), "posted", "ours 60"]
    assert active(path) == 62
    assert not [record for record in JamReader(path).records() if isinstance(record, Unreadable)]
    found = JamReader(path).message(61)
    assert found.header.attribute == JamAttribute.TYPEECHO | JamAttribute.LOCAL
    assert found.message.sender == b"Bob Example"
    assert found.message.body.startswith(b"Hello\rworld\r")


def test_a_crash_beside_a_posting(server: Jamnntpd, base: JamBase, tmp_path: Path) -> None:
    """A posting that follows an unfinished append of ours is no remains of it, whatever its lengths say."""
    since = base.position()
    post = {"From": "Bob Example <bob@bbs.invalid>", "Newsgroups": GROUP, "Subject": "posted", "Organization": "here"}
    with server.session() as news:
        news.post(post, "Hello\n")
        news.post(post, "Hello again\n")
    assert base.resume(since, samples(2, 60), wait=5) == [63, 64]
    assert subjects(tmp_path / GROUP) == [*ours(60), "posted", "posted", *ours(2, 60)]
