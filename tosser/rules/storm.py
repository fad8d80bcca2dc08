"""Storm breakers: when a link that sends too much in an hour is put on hold, so that nothing more is tossed from it.

Only packets that prove their sender count (`tosser.rules.policy`), so nobody can have a link held in its name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.reason import Reason
from tosser.rules.shipping import LinkKey

if TYPE_CHECKING:
    from collections.abc import Collection

    from tosser.rules.decision import Decision
    from tosser.rules.network import Link

HOUR = 3600.0
"""Seconds over which messages and duplicates are counted."""


class Intake(Struct, frozen=True):
    """What came from a link.

    Attributes:
        messages: how many messages, duplicates included.
        duplicates: how many of them were duplicates.
    """

    messages: int = 0
    duplicates: int = 0

    def __add__(self, other: Intake) -> Intake:
        """Put two together."""
        return Intake(self.messages + other.messages, self.duplicates + other.duplicates)


def limited(link: Link) -> bool:
    """Tell whether what comes from a link has to be counted."""
    return link.max_messages_per_hour is not None or link.max_dupes_per_hour is not None


def intake_of(decision: Decision, counted: Collection[LinkKey]) -> dict[LinkKey, Intake]:
    """Count what a batch brought from those of the links that are counted."""
    duplicates = {i for i, verdict in enumerate(decision.verdicts) if verdict.reason is Reason.DUPLICATE}
    found: dict[LinkKey, Intake] = {}
    for piece in decision.pieces:
        key = LinkKey(piece.network, piece.sender)
        if piece.link and key in counted:
            more = Intake(len(piece.verdicts), sum(verdict in duplicates for verdict in piece.verdicts))
            found[key] = found.get(key, Intake()) + more
    return found


def storm(link: Link, hour: Intake) -> str:
    """Say why a link is to be put on hold, by what came from it in the last hour; empty when it is not."""
    if link.max_messages_per_hour is not None and hour.messages > link.max_messages_per_hour:
        return f"it sent {hour.messages} messages within an hour, and the limit is {link.max_messages_per_hour}"
    if link.max_dupes_per_hour is not None and hour.duplicates > link.max_dupes_per_hour:
        return f"it sent {hour.duplicates} duplicates within an hour, and the limit is {link.max_dupes_per_hour}"
    return ""
