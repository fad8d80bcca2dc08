"""Texts as subscribers and bases get them: every character set, a very long one, and dates with and without zone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.mail import EPOCH, echo_text, fido_date, message, packed, packet
from tests.peers.daemon import DONE, node
from tests.peers.mosquitto import Mosquitto
from tests.peers.subscriber import Subscriber
from tosser.stores.jam_reader import JamReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from tests.peers.daemon import Node

AREA, CYRILLIC = "TQW_GEN", "TQW_RUS"
"""Areas whose messages are in CP437 and in CP866 where they do not say."""
LONG = b"All work and no play makes the sysop a dull node.\r" * 12_000
GERMAN, RUSSIAN = "Grüße aus dem Süden", "Привет, сеть"


@dataclass(frozen=True, slots=True)
class Wording:
    """A text in one character set, and what it must become.

    Attributes:
        words: in the subject, the names and the body.
        codec: what they are written in.
        chrs: the kludge; ``None`` for none.
        area: where it is posted.
        name: of the character set in the event.
        how: it was decided.
    """

    words: str
    codec: str
    chrs: str | None
    area: str
    name: str
    how: str


WORDINGS = [
    Wording(GERMAN, "utf-8", "UTF-8 4", AREA, "UTF-8", "chrs"),
    Wording(GERMAN, "utf-8", None, AREA, "UTF-8", "detected"),
    Wording(RUSSIAN, "utf-8", "UTF-8 2", CYRILLIC, "UTF-8", "chrs"),
    Wording(RUSSIAN, "utf-8", None, CYRILLIC, "UTF-8", "detected"),
    Wording(GERMAN, "cp437", "CP437 2", AREA, "CP437", "chrs"),
    Wording(GERMAN, "cp437", None, AREA, "CP437", "default"),
    Wording(RUSSIAN, "cp866", "IBMPC 2", CYRILLIC, "CP866", "default"),
    Wording(GERMAN, "latin-1", "LATIN-1 2", AREA, "LATIN-1", "chrs"),
    Wording(RUSSIAN, "cp866", "CP866 2", AREA, "CP866", "chrs"),
    Wording("Plain", "ascii", None, AREA, "ASCII", "ascii"),
    Wording(GERMAN, "cp437", "NO-SUCH-SET 2", AREA, "CP437", "default"),
    Wording(RUSSIAN, "cp866", None, CYRILLIC, "CP866", "default"),
]
"""The last one of each area is in the area's own character set without saying so."""


def written(wording: Wording, number: int) -> bytes:
    """Write one packed message."""
    words = wording.words.encode(wording.codec)
    text = echo_text(wording.area, msgid=f"1337:1/300 {number:08x}", body=words + b".\r", charset=wording.chrs)
    return packed(text, subject=words, from_name=words, to_name=words, date=fido_date(EPOCH))


@dataclass(frozen=True, slots=True)
class Tossed:
    """A node after the toss, and the data of the events by MSGID and of the area states by tag."""

    system: Node
    messages: dict[str, dict[str, Any]]
    states: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def tossed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tossed]:
    """All wordings, a long text and odd dates, tossed and heard."""
    root = tmp_path_factory.mktemp("texts")
    raw = [written(wording, number) for number, wording in enumerate(WORDINGS)]
    raw += [message("LONG", number=100, body=LONG)]
    raw += [
        packed(echo_text("DATES", msgid=f"1337:1/300 {200 + number:08x}", tzutc=zone), date=date)
        for number, (zone, date) in enumerate(
            [("0100", fido_date(EPOCH)), (None, fido_date(EPOCH)), ("0100", b"99 Xyz 99  99:99:99\0"),
             ("not a zone", fido_date(EPOCH)), ("-0800", b"Sun  1 Nov 26 08:00\0")]
        )
    ]  # fmt: skip
    with Mosquitto(root / "broker") as broker, Subscriber(broker.port, "ftn/#") as subscriber:
        system = node(root / "node", areas=[AREA, CYRILLIC, "LONG", "DATES"], mqtt_url=broker.url)
        text = system.config.read_text("utf-8")
        system.config.write_text(
            text.replace(f"- tag: {CYRILLIC}\n", f"- tag: {CYRILLIC}\n  charset: CP866\n"), "utf-8"
        )
        system.deliver(packet(raw))
        assert system.toss().code == DONE
        received = subscriber.wait_until(
            lambda all_: (
                sum(event.topic.endswith("/message") for event in all_) == len(raw)
                and sum("/area/" in event.topic and event.topic.endswith("/state") for event in all_)
                == len(system.areas)
            )
        )
        data = [(event.topic, event.json["data"]) for event in received]
        yield Tossed(
            system,
            {each["msgid"]: each for topic, each in data if topic.endswith("/message")},
            {each["area"]: each for topic, each in data if "/area/" in topic and topic.endswith("/state")},
        )


@pytest.mark.parametrize("number", range(len(WORDINGS)), ids=lambda number: f"{WORDINGS[number]}")
def test_every_character_set_is_read(tossed: Tossed, number: int) -> None:
    """Names, subject and text come out in Unicode, with the set they were in and how it was found out."""
    wording = WORDINGS[number]
    told = tossed.messages[f"1337:1/300 {number:08x}"]
    assert told["charset"] == {"name": wording.name, "how": wording.how}
    assert (told["subject"], told["from"], told["to"]) == (wording.words,) * 3
    assert told["text"].startswith(f"{wording.words}.\n---")


def test_the_last_message_of_an_area_is_read_likewise(tossed: Tossed) -> None:
    """The area's own character set counts for its state, too."""
    assert tossed.states[AREA]["last"]["subject"] == GERMAN
    assert tossed.states[CYRILLIC]["last"]["subject"] == RUSSIAN
    assert tossed.states[CYRILLIC]["last"]["from"] == RUSSIAN


def test_bases_keep_the_bytes(tossed: Tossed) -> None:
    """What is decoded for subscribers is stored as it came."""
    found = [
        (entry.message.subject, entry.message.sender, entry.text.partition(b".\r")[0])
        for tag in (AREA, CYRILLIC)
        for entry in JamReader(tossed.system.bases / tag.lower()).messages()
    ]
    words = [each.words.encode(each.codec) for tag in (AREA, CYRILLIC) for each in WORDINGS if each.area == tag]
    assert found == [(each,) * 3 for each in words]


def test_a_text_of_600_kb_is_whole(tossed: Tossed) -> None:
    """A message of 600,000 bytes is complete in the base and in its event."""
    (entry,) = JamReader(tossed.system.bases / "long").messages()
    assert entry.text.startswith(LONG)
    assert hashlib.sha256(entry.text[: len(LONG)]).digest() == hashlib.sha256(LONG).digest()
    told = tossed.messages["1337:1/300 00000064"]
    assert told["text"].startswith(LONG.decode().replace("\r", "\n") + "---")
    assert told["size"] > len(LONG)


def test_dates(tossed: Tossed) -> None:
    """The date is told as it stands, as the author's clock showed it, and in UTC where his zone is known."""
    dates = [tossed.messages[f"1337:1/300 {200 + number:08x}"]["date"] for number in range(5)]
    local = "2026-11-01T08:00:00"
    assert [(date["local"], date["utc"]) for date in dates] == [
        (local, "2026-11-01T07:00:00.000Z"),
        (local, None),
        (None, None),
        (local, None),
        (local, "2026-11-01T16:00:00.000Z"),
    ]
    assert dates[2]["raw"] == "99 Xyz 99  99:99:99"
