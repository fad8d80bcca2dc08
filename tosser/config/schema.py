"""The model as JSON Schema for editors, and the writing of what is generated from it.

``python -m tosser.config.schema`` writes ``config/tosser.schema.json`` and ``docs/configuration.md``. The schema is
JSON Schema 2020-12; it knows what one value may be, not what fits together (`tosser.config.check`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from tosser.config.model import Config
from tosser.config.reference import build_reference

if TYPE_CHECKING:
    from pydantic_core import core_schema

SCHEMA_FILE = Path("config/tosser.schema.json")
"""Where the schema is kept, from the top of the checkout."""
REFERENCE_FILE = Path("docs/configuration.md")
"""Where the reference is kept, from the top of the checkout."""


class _Generator(GenerateJsonSchema):
    """As pydantic's, without what only Python knows: ``null`` and sections as defaults, titles made from names."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        described = super().default_schema(schema)
        default = described.get("default")
        if default is None or isinstance(default, dict):
            described.pop("default", None)
        return described

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - pydantic asks about each
        return False


def json_schema() -> dict[str, Any]:
    """Describe the configuration file as JSON Schema."""
    schema = Config.model_json_schema(schema_generator=_Generator)
    return {"$schema": _Generator.schema_dialect, **schema, "title": "tosser configuration"}


def generated_files() -> dict[Path, str]:
    """Give the content of every generated file, by its path from the top of the checkout."""
    schema = json_schema()
    return {
        SCHEMA_FILE: json.dumps(schema, indent=2, ensure_ascii=False) + "\n",
        REFERENCE_FILE: build_reference(schema),
    }


def main(top: Path) -> None:
    """Write the generated files into a checkout."""
    for path, content in generated_files().items():
        (top / path).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main(Path(__file__).parents[2])
