"""Posting: checked by what other programs would find in the base and in the outbound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.corpus import HUB, US, message, netmail, packet
from tests.packets import messages_in, packets_in
from tests.peers.daemon import DONE, FAILED, Node, node
from tosser.stores.jam_reader import JamReader

if TYPE_CHECKING:
    from pathlib import Path

    from tosser.codec.stored import BaseMessage


def kept(system: Node, base: str) -> list[BaseMessage]:
    """List the messages of a base."""
    with JamReader(system.bases / base) as reader:
        return [record.message for record in reader.messages()]


def post(system: Node, text: str, *arguments: str) -> str:
    """Post a text and give what was printed."""
    done = system.run("post", *arguments, stdin=text.encode())
    assert done.code == DONE, done.stderr
    return done.stdout


def test_an_echomail_reaches_base_and_links(tmp_path: Path) -> None:
    """A post into an area is stored and sent on, complete, with the MSGID that was told."""
    system = node(tmp_path, areas=["TQW_TECH"], link_defaults={"archiver": "none"})

    told = post(system, "Hello,\nworld\n", "--area", "tqw_tech", "--subject", "News")
    assert system.toss().code == DONE

    msgid = told.removeprefix("TQW_TECH: ").strip()
    (found,) = kept(system, "tqw_tech")
    assert (found.sender, found.to, found.subject) == (b"Jane Sysop", b"All", b"News")
    assert f"MSGID: {msgid}".encode() in found.kludges
    assert found.body.startswith(b"Hello,\rworld\r--- tosser ")
    assert found.body.endswith(b" * Origin: Example BBS (1337:1/200)\r")
    (sent,) = [each for data in packets_in(system.outbound.glob("*.pkt")) for each in messages_in(data)]
    assert (sent.area, sent.msgid) == ("TQW_TECH", msgid)
    assert sent.path == ["1/200"]


def test_a_netmail_is_complete(tmp_path: Path) -> None:
    """A netmail to ourselves arrives with addresses, charset and zone."""
    system = node(tmp_path, areas=[])

    post(system, "Grüße\n", "--dest", US, "--to", "Jürgen", "--from", "Mira", "--charset", "utf-8")
    system.toss()

    (found,) = kept(system, "netmail")
    assert (found.to, found.body) == ("Jürgen".encode(), "Grüße\r".encode())
    assert b"CHRS: UTF-8 4" in found.kludges
    assert any(line.startswith(b"TZUTC: ") for line in found.kludges)


def test_a_reply_takes_from_what_it_answers(tmp_path: Path) -> None:
    """Addressee and subject are those of the message answered, REPLY is its MSGID; it must be in the base."""
    system = node(tmp_path, areas=["TQW_TECH"])
    system.deliver(packet([message("TQW_TECH", number=7)]))
    system.toss()

    post(system, "I agree.\n", "--area", "TQW_TECH", "--reply", "1337:1/300 00000007")
    system.toss()

    found = kept(system, "tqw_tech")[1]
    assert (found.to, found.subject) == (b"Mira Kovale", b"Re: Test 7")
    assert b"REPLY: 1337:1/300 00000007" in found.kludges


@pytest.fixture(scope="module")
def answerable(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """A node that has a message in its area."""
    system = node(tmp_path_factory.mktemp("node"), areas=["TQW_TECH"])
    system.deliver(packet([message("TQW_TECH")]))
    system.toss()
    return system


@pytest.mark.parametrize(
    ("arguments", "text", "told"),
    [
        (("--area", "NONE"), "x", "there is no area NONE"),
        (("--area", "TQW_TECH"), " \n", "there is no text"),
        (("--area", "TQW_TECH"), "one\ntwo Ж\n", "text, line 2, column 5: 'Ж' (U+0416) is not in CP437"),
        (("--area", "TQW_TECH", "--subject", "Ж"), "x", "subject, line 1, column 1: 'Ж' (U+0416) is not in CP437"),
        (("--area", "TQW_TECH", "--subject", "x" * 72), "x", "the subject has 72 bytes; 71 are possible"),
        (("--area", "TQW_TECH", "--from", "a\rb"), "x", "the author has a control character"),
        (("--area", "TQW_TECH"), "one\nab\0c\n", "text, line 2, column 3: a text cannot have a NUL character"),
        (("--area", "TQW_TECH", "--charset", "KLINGON"), "x", "'KLINGON' is no character set"),
        (("--area", "TQW_TECH", "--reply", "1:2/3 0"), "x", "no message 1:2/3 0"),
        (("--area", "TQW_TECH", "--split", "10"), "x" * 20, "split takes 1000 bytes or more"),
        (("--dest", US), "x", "a netmail needs an addressee"),
        (("--dest", "9:9/9", "--to", "You"), "x", "9:9/9 belongs to no network of ours"),
        (("--dest", "nine", "--to", "You"), "x", "'nine' is not an FTN address"),
    ],
)
def test_what_cannot_be_posted_is_refused(answerable: Node, arguments: tuple[str, ...], text: str, told: str) -> None:
    """Each mistake is told with its place, and nothing is posted."""
    system = answerable

    done = system.run("post", *arguments, stdin=text.encode())

    assert done.code == FAILED
    assert told in done.stderr
    assert list((system.state / "posts").glob("*.pkt")) == []


def test_text_that_is_not_utf8_is_refused_with_its_place(tmp_path: Path) -> None:
    """The first byte that does not fit is named."""
    system = node(tmp_path, areas=["TQW_TECH"])

    done = system.run("post", "--area", "TQW_TECH", stdin=b"one\nab\xff\n")

    assert done.code == FAILED
    assert "line 2, byte 3 is 0xff" in done.stderr


def test_a_long_text_is_divided_where_asked(tmp_path: Path) -> None:
    """Parts end at line ends, are numbered, each has a MSGID, and together they are the text; not asked, it is one."""
    system = node(tmp_path, areas=["TQW_TECH"])
    text = "".join(f"This is line {number} of a long story.\n" for number in range(100))

    told = post(system, text, "--area", "TQW_TECH", "--subject", "Story", "--split", "1500")
    post(system, text, "--area", "TQW_TECH", "--subject", "Whole")
    system.toss()

    found = kept(system, "tqw_tech")
    parts = [each for each in found if each.subject.startswith(b"Story")]
    assert [each.subject for each in parts] == [b"Story (%d/%d)" % (n, len(parts)) for n in range(1, len(parts) + 1)]
    assert b"".join(each.body.partition(b"--- ")[0] for each in parts) == text.replace("\n", "\r").encode()
    assert len(set(told.split("\n"))) == len(parts) + 1 > 2
    assert [each.body.partition(b"--- ")[0] for each in found if each.subject == b"Whole"] == [
        text.replace("\n", "\r").encode()
    ]


def test_posts_from_a_file_beside_the_daemon(tmp_path: Path) -> None:
    """While the daemon runs a post is tossed at once; serials never come twice."""
    system = node(tmp_path, areas=["TQW_TECH"])
    (tmp_path / "text").write_text("From a file.\n")
    with system.start() as daemon:
        told = {
            system.run("post", "--area", "TQW_TECH", "--file", str(tmp_path / "text"), "--subject", each).stdout
            for each in ("one", "two", "three")
        }
        daemon.wait_for(lambda: (system.bases / "tqw_tech.jhr").exists() and len(kept(system, "tqw_tech")) == 3)
        assert daemon.stop() == DONE

    assert len(told) == 3


def test_a_netmail_is_answered_to_its_author(tmp_path: Path) -> None:
    """A reply to a netmail finds it in the netmail base."""
    system = node(tmp_path, areas=[])
    system.deliver(packet([netmail(number=3)]))
    system.toss()

    post(system, "Thanks.\n", "--dest", US, "--reply", f"{HUB} 00000003")
    system.toss()

    found = kept(system, "netmail")[1]
    assert (found.to, found.subject) == (b"Mira Kovale", b"Re: Letter 3")
