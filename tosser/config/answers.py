"""Sections about what the system answers by itself: bounces, PING and TRACE, receipts, and robots that are programs."""

from typing import Annotated

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from tosser.config.section import Section, duration, size
from tosser.config.values import Count, Duration, Flag, Line, Size, at_least, refuse
from tosser.rules.answer_rules import Bounces

PING_BUILT_IN = "ping"


class AnswersSection(Section):
    """What is answered by the system itself, and how much of it."""

    bounces: Bounces = Field(
        default=Bounces.SECURE,
        description="Whose undeliverable netmail is answered with the reason: `secure`, that of our own programs, from "
        "secure inbounds, and from links whose packet password proves them; `all`; or `off`. Authors are easily "
        "forged where nothing is proven.",
    )
    trace: Flag = Field(
        default=False, description="Whether a PING that passes through is answered, too (FTS-5001 calls that TRACE)."
    )
    receipts: Flag = Field(
        default=False,
        description="Whether requests for receipts (RRQ, CFM) are answered on delivery, and requests for audits (ARQ) "
        "in passing.",
    )
    per_system: Count = Field(
        default=10, description="Answers of one kind that one system, with its points, gets in a period."
    )
    total: Count = Field(default=100, description="Answers of one kind that all systems together get in a period.")
    period: Annotated[Duration, at_least("1m")] = duration("24h", "The period that the two limits above are for.")
    quote: Size = size("4KiB", "Bytes of the original text that go back with a bounce; `0` for none.")


class RobotEntry(Section):
    """Who takes netmail that is addressed to a name here; just `ping` means the built-in one."""

    builtin: Annotated[str, Field(pattern="^ping$")] | None = Field(
        default=None, description="`ping`, which answers with the Via lines (FTS-5001)."
    )
    command: tuple[Line, ...] = Field(
        default=(),
        description="Program and arguments. It runs without a shell, and reads the packed message as it came "
        "(FTS-0001) on standard input.",
    )
    timeout: Annotated[Duration, at_least("1s")] = duration("30s", "How long the program may run.")
    insecure: Flag = Field(
        default=False, description="Whether the program also gets mail from systems that nothing proves."
    )

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: object) -> object:
        if isinstance(value, str) and value != PING_BUILT_IN:
            raise refuse("should be `ping`, or a mapping with a `command`")
        return {"builtin": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_of_both(self) -> "RobotEntry":
        if (self.builtin is None) == (not self.command):
            raise refuse("should be `ping`, or have a `command`")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe both ways to write it."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        return {"anyOf": [{"enum": [PING_BUILT_IN]}, schema]}
