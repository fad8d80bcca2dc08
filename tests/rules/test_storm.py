from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.rules.world import NOW
from tosser.address import Address
from tosser.reason import Reason
from tosser.rules.decision import Decision, PieceDecision
from tosser.rules.network import Link
from tosser.rules.shipping import LinkKey
from tosser.rules.storm import Intake, intake_of, limited, storm
from tosser.rules.verdict import Verdict

LINK = Link(Address(1337, 1, 100, domain="tqwnet"), "tqwnet", "Hub", "Una", b"", Address(1337, 1, 200, domain="tqwnet"))
HUB, OTHER = LinkKey("tqwnet", "1337:1/100"), LinkKey("tqwnet", "1337:1/101")


@pytest.mark.parametrize(
    ("messages", "dupes", "hour", "why"),
    [
        (None, None, Intake(10**9, 10**9), ""),
        (100, None, Intake(100, 100), ""),
        (100, None, Intake(101, 0), "it sent 101 messages within an hour, and the limit is 100"),
        (None, 10, Intake(1000, 10), ""),
        (None, 10, Intake(11, 11), "it sent 11 duplicates within an hour, and the limit is 10"),
        (100, 10, Intake(101, 11), "it sent 101 messages within an hour, and the limit is 100"),
    ],
)
def test_what_is_a_storm(messages: int | None, dupes: int | None, hour: Intake, why: str) -> None:
    """More than the limit is; the limit itself is not; without a limit nothing is."""
    link = replace(LINK, max_messages_per_hour=messages, max_dupes_per_hour=dupes)
    assert storm(link, hour) == why
    assert limited(link) == (messages is not None or dupes is not None)


def test_what_is_counted() -> None:
    """All messages of packets from links that are counted, and how many were duplicates; nobody else's."""
    verdicts = [Verdict(reason, None) for reason in (Reason.ACCEPTED, Reason.DUPLICATE, Reason.TOO_OLD)]
    pieces = [
        PieceDecision("a", 0, 0, [0, 1, 1, 2], "1337:1/100", link=True, network="tqwnet"),
        PieceDecision("a", 1, 0, [1], "1337:1/100", link=True, network="tqwnet"),
        PieceDecision("b", 0, 0, [0], "1337:1/100", link=False, network="tqwnet"),
        PieceDecision("c", 0, 0, [0], "1337:1/100", link=True, network="fidonet"),
        PieceDecision("d", 0, 0, [0], "1337:1/101", link=True, network="tqwnet"),
    ]
    decision = Decision(NOW, [], verdicts=verdicts, pieces=pieces)
    assert intake_of(decision, {HUB}) == {HUB: Intake(5, 3)}
    assert intake_of(decision, {HUB, OTHER}) == {HUB: Intake(5, 3), OTHER: Intake(1, 0)}
    assert intake_of(decision, set()) == {}
