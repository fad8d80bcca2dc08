"""Who may send what into which inbound: classes, packet passwords, netmail, and rounds a message must not make."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.accounts import held, ledger_of
from tests.mail import HUB, US, echo_text, fido_date, message, netmail, packed, packet
from tests.observe import nothing_waits
from tests.peers.daemon import DONE, SET_ASIDE, node
from tosser.codec.jam import JamAttribute
from tosser.codec.kludge import find_value
from tosser.reason import FileState, Reason
from tosser.stores.jam_reader import JamReader

if TYPE_CHECKING:
    from pathlib import Path

PROVEN, OPEN, STRANGER = HUB, "1337:1/201", "1337:9/9"
"""A link with a packet password, one without, and a system that is no link."""
AREA = "TQW_GEN"
PASSWORD = b"GEHEIM42"

Outcome = tuple[FileState, Reason | None, dict[str, int]]
"""What the ledger says of a file: state, reason, messages by verdict."""
ACCEPTED: Outcome = (FileState.TOSSED, None, {"accepted": 1})
LETTER: Outcome = (FileState.TOSSED, None, {"netmail": 1})
UNCLAIMED: Outcome = (FileState.UNCLAIMED, Reason.UNKNOWN_SENDER, {})


def quarantined(reason: Reason) -> Outcome:
    """A packet that was refused whole."""
    return FileState.QUARANTINED, reason, {}


ECHOMAIL = [
    ("in.secure", PROVEN, PASSWORD, ACCEPTED),
    ("in.secure", PROVEN, PASSWORD.lower(), ACCEPTED),
    ("in.secure", PROVEN, PASSWORD[:7], quarantined(Reason.WRONG_PASSWORD)),
    ("in.secure", PROVEN, b"WRONG!", quarantined(Reason.WRONG_PASSWORD)),
    ("in.secure", PROVEN, b"", quarantined(Reason.MISSING_PASSWORD)),
    ("in.secure", OPEN, b"", ACCEPTED),
    ("in.secure", OPEN, b"NEEDLESS", ACCEPTED),
    ("in.secure", STRANGER, b"", UNCLAIMED),
    ("in", PROVEN, PASSWORD, ACCEPTED),
    ("in", PROVEN, b"", quarantined(Reason.MISSING_PASSWORD)),
    ("in", PROVEN, b"WRONG!", quarantined(Reason.WRONG_PASSWORD)),
    ("in", OPEN, b"", quarantined(Reason.INSECURE)),
    ("in", OPEN, b"NEEDLESS", quarantined(Reason.INSECURE)),
    ("in", STRANGER, b"", UNCLAIMED),
    ("in.local", PROVEN, b"", ACCEPTED),
    ("in.local", US, b"", ACCEPTED),
    ("in.local", STRANGER, b"", ACCEPTED),
]
LETTERS = [
    ("in.secure", PROVEN, PASSWORD, LETTER),
    ("in.secure", PROVEN, b"", quarantined(Reason.MISSING_PASSWORD)),
    ("in.secure", STRANGER, b"", LETTER),
    ("in", OPEN, b"", LETTER),
    ("in", STRANGER, b"", LETTER),
    ("in", PROVEN, b"WRONG!", quarantined(Reason.WRONG_PASSWORD)),
    ("in.local", US, b"", LETTER),
]


def test_every_class_and_password(tmp_path: Path) -> None:
    """Echomail needs a link, and a secure inbound or the link's password; netmail is taken from anybody but liars."""
    system = node(tmp_path, areas=[AREA], links={PROVEN: PASSWORD.decode(), OPEN: ""})
    expected = {}
    for number, (inbound, sender, password, outcome) in enumerate((*ECHOMAIL, *LETTERS)):
        raw = message(AREA, number=number, author=sender, sender=sender)
        if number >= len(ECHOMAIL):
            raw = netmail(number=number, author=sender)
        data = bytearray(packet([raw], sender=sender))
        data[26:34] = password.ljust(8, b"\0")
        system.deliver(bytes(data), f"{number:08x}.pkt", tmp_path / inbound)
        expected[f"{number:08x}.pkt"] = outcome

    assert system.toss().code == SET_ASIDE

    found = {name: (entry.state, entry.reason, entry.counts) for name, entry in ledger_of(system).items()}
    assert found == expected
    assert held(system, AREA) == sum(outcome == ACCEPTED for outcome in expected.values())
    assert held(system, "netmail") == sum(outcome == LETTER for outcome in expected.values())
    assert nothing_waits(system)


def test_messages_that_are_not_accepted(tmp_path: Path) -> None:
    """Each is kept in the bad area with its reason and its area line, and its packet is tossed all the same."""
    system = node(tmp_path, links={PROVEN: "", OPEN: ""}, areas=["DATED", "NOT_YOURS", "READ_ONLY", "PAUSED"])
    document = yaml.safe_load(system.config.read_text("utf-8"))
    dated, foreign, reading, paused = document["areas"]
    dated |= {"max_age": "100d", "max_future": "1d"}
    foreign["links"] = [OPEN]
    reading["links"] = [{"address": PROVEN, "write": False}, OPEN]
    paused["paused"] = True
    system.config.write_text(yaml.safe_dump(document), "utf-8")
    today, text = datetime.now(UTC), partial(echo_text, "DATED")
    raw = [
        packed(text(msgid=f"{PROVEN} 1"), date=fido_date(today - timedelta(days=101))),
        packed(text(msgid=f"{PROVEN} 2"), date=fido_date(today + timedelta(days=3))),
        packed(text(msgid=f"{PROVEN} 3"), date=fido_date(today - timedelta(days=99))),
        *(message(area, number=number) for number, area in enumerate(("NOT_YOURS", "READ_ONLY", "PAUSED", "NOWHERE"))),
    ]
    system.deliver(packet(raw))
    assert system.toss().code == DONE
    reasons = ["too-old", "too-new", "not-linked", "may-not-write", "area-paused", "unknown-area"]
    found = [
        (find_value(entry.message.kludges, b"TOSSER-REASON"), find_value(entry.message.kludges, b"AREA"))
        for entry in JamReader(system.bases / "badmail.tqw").messages()
    ]
    tags = ["DATED", "DATED", "NOT_YOURS", "READ_ONLY", "PAUSED", "NOWHERE"]
    assert found == [(f"{reason} {PROVEN}".encode(), tag.encode()) for reason, tag in zip(reasons, tags, strict=True)]
    assert held(system, "DATED") == 1
    (entry,) = ledger_of(system).values()
    assert entry.counts == {"accepted": 1} | dict.fromkeys(reasons, 1)
    assert [held(system, tag) for tag in ("NOT_YOURS", "READ_ONLY", "PAUSED")] == [0, 0, 0]


def test_netmail_to_us_and_in_transit(tmp_path: Path) -> None:
    """Letters to us are kept as such; what cannot go on is kept marked in transit, and status counts both."""
    system = node(tmp_path, areas=[AREA], netmail={"answers": {"bounces": "off"}})
    letters = [netmail(number=1), netmail(number=2, addressee="1337:1/300"), netmail(number=3, addressee=f"{US}.7")]
    system.deliver(packet(letters))
    assert system.toss().code == DONE
    found = list(JamReader(system.bases / "netmail").messages())
    assert [bool(entry.header.attribute & JamAttribute.INTRANSIT) for entry in found] == [False, True, True]
    assert [str(entry.message.dest) for entry in found] == [f"{US}@tqwnet", "1337:1/300@tqwnet", f"{US}.7@tqwnet"]
    assert all(entry.header.attribute & JamAttribute.TYPENET for entry in found)
    held = {"no-route": 1, "unknown-point": 1}
    assert system.status()["netmail"] == {"to_us": 1, "sent_on": 0, "in_transit": 2, "held": held}
    told = "netmail     1 to us, 0 sent on, 2 in transit (1 no-route, 1 unknown-point)"
    assert told in system.run("status").stdout


@pytest.mark.parametrize(
    ("path", "reason"),
    [(("1/300", "1/200", "1/100"), Reason.LOOP), (("1/300", "1/100", "1/300"), Reason.CIRCULAR)],
    ids=["own address", "another twice"],
)
def test_rounds(tmp_path: Path, path: tuple[str, ...], reason: Reason) -> None:
    """A message that has made a round is kept in the bad area with the reason, and nowhere else."""
    system = node(tmp_path, areas=[AREA])
    system.deliver(packet([message(AREA, path=path)]))
    assert system.toss().code == DONE
    assert held(system, AREA) == 0
    (entry,) = JamReader(system.bases / "badmail.tqw").messages()
    assert find_value(entry.message.kludges, b"TOSSER-REASON") == f"{reason} {HUB}".encode()
    assert system.status()["counters"] == {"file.tossed": 1, f"message.{reason}": 1}


def test_the_same_text_without_msgid(tmp_path: Path) -> None:
    """Without MSGID the same message is recognised by its text, and a different one is not taken for it."""
    system = node(tmp_path, areas=[AREA])
    same = message(AREA, msgid=None)
    system.deliver(packet([same, message(AREA, msgid=None, body=b"Different.\r"), same]), "00000001.pkt")
    system.deliver(packet([same]), "00000002.pkt")
    assert system.toss().code == DONE
    assert held(system, AREA) == 2
    assert {name: entry.state for name, entry in ledger_of(system).items()} == {
        "00000001.pkt": FileState.TOSSED, "00000002.pkt": FileState.DUPLICATE,
    }  # fmt: skip
    assert system.status()["counters"]["message.duplicate"] == 2
