"""What this system answers by itself, and how much of it: frozen values, built by `tosser.config`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping


class Bounces(StrEnum):
    """Whose netmail is answered when it cannot be delivered."""

    OFF = "off"
    SECURE = "secure"
    """Mail of our own programs, from secure inbounds, and from links that a packet password proves."""
    ALL = "all"


class Robot(Struct, frozen=True):
    """Who takes netmail that is addressed to a name here.

    Attributes:
        name: as in the configuration.
        command: program and arguments; empty for the built-in ping.
        timeout: seconds the program may run.
        insecure: whether the program also gets mail that nothing proves.
    """

    name: str
    command: tuple[str, ...] = ()
    timeout: float = 30.0
    insecure: bool = False


class AnswerRules(Struct, frozen=True):
    """What is answered.

    Attributes:
        bounces: whose undeliverable netmail is.
        trace: whether a PING that passes through is.
        receipts: whether requests for receipts and audits are.
        per_system: answers of one kind that one system gets in a period.
        total: answers of one kind that all systems get in a period.
        period: seconds.
        quote: bytes of the original text that go back with a bounce.
        signature: name and place of this system.
        robots: by name, in lower case.
    """

    bounces: Bounces = Bounces.OFF
    trace: bool = False
    receipts: bool = False
    per_system: int = 10
    total: int = 100
    period: float = 86400.0
    quote: int = 4096
    signature: str = ""
    robots: Mapping[str, Robot] = field(default_factory=dict)
