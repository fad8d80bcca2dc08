"""Mail of a BBS, of a news server and of crashwrite, entered at one node, arrives at another through real binkd."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from tests.peers import jam_writer
from tests.peers.crashmail import crashwrite
from tests.peers.hubs import GEN, Hubs, Wire
from tests.peers.jamnntpd import Jamnntpd
from tests.peers.programs import require
from tosser.codec.jam import JamAttribute
from tosser.codec.kludge import find_value, parse_msgid
from tosser.stores.jam_files import shared_files
from tosser.stores.jam_reader import JamReader
from tosser.stores.jam_repair import check

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.peers.daemon import Daemon
    from tosser.codec.stored import BaseMessage

SECONDS = 45
ONE, TWO = "1337:1/100@tqwnet", "1337:1/200@tqwnet"
TRAILER = re.compile(rb"\r---(?: [^\r]+)?\r \* Origin: [^\r]* \(1337:1/100(?:\.0)?\)\r\Z")


def mail_at(hubs: Hubs, name: str) -> list[BaseMessage]:
    """List the messages of the area at a node."""
    base = hubs.nodes[name].bases / GEN.base
    return [each.message for each in JamReader(base).messages()] if base.with_suffix(".jhr").exists() else []


def settle(hubs: Hubs, daemons: Mapping[str, Daemon], count: int) -> None:
    """Wait until so many messages are at the second node, and nothing is under way."""
    deadline = time.monotonic() + SECONDS
    while len(mail_at(hubs, "two")) < count or hubs.left():
        assert time.monotonic() < deadline, "\n".join(
            [str(hubs.left()), *(f"{n}\n{d.log}" for n, d in daemons.items())]
        )
        time.sleep(0.1)


def assert_complete(mail: BaseMessage) -> None:
    """Check a message by FTS-0004 and FTS-0009."""
    assert parse_msgid(find_value(mail.kludges, b"MSGID") or b"").serial
    assert str(mail.origin and mail.origin.without_domain) == "1337:1/100"
    assert TRAILER.search(mail.body), mail.body
    assert b" ".join(mail.seen_by).split() == [b"1/100", b"200"]
    assert b" ".join(mail.path).split() == [b"1/100"]


def test_from_a_board_a_news_server_and_crashwrite(tmp_path: Path) -> None:
    """Each arrives once and complete; in our base what the board and the news server wrote is marked as sent."""
    hubs = Hubs(tmp_path, {"one": [ONE], "two": [TWO]}, [Wire(ONE, TWO)], area_defaults={"scan": True})
    one = hubs.nodes["one"]
    base, aka = one.bases / GEN.base, "1337:1/100"
    with hubs.daemons() as daemons, hubs.binkds() as mailers:
        crashwrite(one.local, "From crashwrite.\n", subject="written", author=aka, sender=aka, dest=aka)
        settle(hubs, daemons, 1)
        jam_writer.append(base, b"All", b"boarded", b"From the board.\r", written=jam_writer.now() + 1, processed=0)
        with (
            Jamnntpd(tmp_path / "news", {GEN.tag: base}, require("jamnntpd", "jamnntpd"), address=aka) as news,
            news.session() as reader,
        ):
            headers = {"From": "Bob Example <bob@bbs.invalid>", "Newsgroups": GEN.tag, "Subject": "posted"}
            reader.post(headers, "From the newsreader.\n")
            settle(hubs, daemons, 3)  # it says that it has posted before it has written all
        assert [daemon.stop() for daemon in daemons.values()] == [0, 0]
        for mailer in mailers.values():
            mailer.stop()

    arrived = {mail.subject: mail for mail in mail_at(hubs, "two")}
    assert sorted(mail.subject for mail in mail_at(hubs, "two")) == [b"boarded", b"posted", b"written"]
    for mail in arrived.values():
        assert_complete(mail)
    assert arrived[b"boarded"].body.startswith(b"From the board.\r--- ")
    assert arrived[b"posted"].body == b"From the newsreader.\r\r---\r * Origin:  (1337:1/100)\r"
    there = list(JamReader(base).messages())
    assert [each.header.number for each in there] == [each.number for each in there] == [1, 2, 3]
    for each in there[1:]:
        assert (
            each.header.attribute & (JamAttribute.LOCAL | JamAttribute.SENT) == JamAttribute.LOCAL | JamAttribute.SENT
        )
        assert find_value(each.message.kludges, b"MSGID") == find_value(arrived[each.message.subject].kludges, b"MSGID")
    assert check(shared_files(base)) == []
