"""What all sections of the configuration have in common."""

from pydantic import BaseModel, ConfigDict, Field

from tosser.config.values import parse_duration, parse_size


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values never change, no error shows what was typed."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, revalidate_instances="never")


def size(default: str, description: str) -> int:
    """Declare a size in bytes whose default is written as in the configuration."""
    value: int = Field(default=parse_size(default), description=description, json_schema_extra={"default": default})
    return value


def duration(default: str, description: str) -> float:
    """Declare a duration in seconds whose default is written as in the configuration."""
    value: float = Field(
        default=parse_duration(default), description=description, json_schema_extra={"default": default}
    )
    return value
