"""Sections about the care of message bases: what they keep, and when they are purged and packed."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from tosser.config.section import Section
from tosser.config.values import Count, Flag, refuse
from tosser.rules.network import Keep

_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def _check_time(value: object) -> str:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise refuse("should be a time of day such as 04:00")
    return value


TimeOfDay = Annotated[str, BeforeValidator(_check_time), WithJsonSchema({"type": "string", "pattern": _TIME.pattern})]
"""Hours and minutes of the local clock."""


class KeepEntry(Section):
    """What a message base has to keep. A message goes when either rule says so; without any, all are kept."""

    days: Count | None = Field(default=None, description="Messages that came in longer ago are purged.")
    messages: Count | None = Field(default=None, description="All but so many of the latest are purged.")

    @property
    def rule(self) -> Keep:
        """The same as a rule."""
        return Keep(self.days, self.messages)


class Maintenance(Section):
    """The care of message bases by the daemon. `tosser base` does the same by hand."""

    link: Flag = Field(default=True, description="Whether new messages are linked to those they answer, after a toss.")
    at: TimeOfDay | None = Field(
        default=None,
        description="Time of day, by the local clock, at which bases are purged as `keep` says and packed; without it, "
        "never.",
    )
    pack: Flag = Field(default=True, description="Whether a base of which a quarter or more is unused is packed then.")
