"""The section about mail that other programs write into our message bases."""

from pydantic import Field

from tosser.config.section import Section, duration
from tosser.config.values import Count, Duration, Line, PathValue


class Scan(Section):
    """How bases are looked through whose area has `scan: true`."""

    poll: Duration = duration(
        "30s", "How often it is looked whether a base has changed, besides when the system tells of a change."
    )
    limit: Count = Field(
        default=1000,
        description="When more messages than this are found in a base at once, none is sent until a person says so: "
        "see `tosser scan`.",
    )
    echotoss: tuple[PathValue, ...] = Field(
        default=(),
        description="Lists that other programs leave of the areas they wrote to, one tag or base path a line; each "
        "area is looked at, and the list removed.",
    )
    origin: Line = Field(
        default="", description="Origin of messages that have none, without the address; default `system.name`."
    )
