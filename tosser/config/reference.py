"""The reference for sysops, ``docs/configuration.md``, made from the JSON Schema: every key and what it means."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_INTRODUCTION = """\
# Configuration

<!-- Made by `python -m tosser.config.schema` from the model in `tosser/config`; edit there. -->

One YAML file, looked for in this order: `--config FILE`, `$TOSSER_CONFIG`, `./tosser.yaml`, `/etc/tosser/tosser.yaml`.
A file that is named has to exist. `tosser check` lists every mistake at once, each as `file:line:column where: what`,
with what may have been meant; it ends with 3 when the file is wrong, and otherwise looks whether the machine is ready
for it. `config/tosser.yaml` is an example to start from.

**YAML.** Values are read by the rules of YAML 1.2: `21:1` and `no` are text, `012` is twelve, only `true` and `false`
are switches. A key given twice, an unknown key and a key without value are mistakes. Anchors and aliases work; merge
keys (`<<`) do not: use `link_defaults` and `area_defaults`.

**Sizes** are bytes, or have a unit: `B`, `KiB`, `MiB`, `GiB`, `TiB`. **Durations** always have one: `ms`, `s`, `m`,
`h`, `d`. **Paths** that are relative start where the main configuration file is; base paths of areas start at
`paths.bases`.

**Secrets** need not stand in the file. `!env NAME` takes a password from the environment, `!file PATH` from a file
(without its last line end), relative to the file that says so. A `PATH` without a slash is a systemd credential when
`$CREDENTIALS_DIRECTORY` is set. No password is ever shown in a log, an event or an error message.

**Several files.** `include:` takes a glob or a list of globs, relative to the file that says so. Lists append, mappings
merge; the same scalar in two files is a mistake, and so is reading a file twice.

**Editors** that speak the YAML language server check and complete while you type, thanks to the first line of the
example. Tell them of the two tags: `"yaml.customTags": ["!env scalar", "!file scalar"]`.
"""


def build_reference(schema: dict[str, Any]) -> str:
    """Write the reference in Markdown.

    Args:
        schema: as `tosser.config.schema.json_schema` gives it.
    """
    return "\n".join([_INTRODUCTION, *_section("", schema, schema["$defs"])])


def _section(path: str, schema: dict[str, Any], definitions: dict[str, Any]) -> Iterator[str]:
    """Describe one section, then those inside it."""
    yield f"## `{path}`\n" if path else "## All sections\n"
    yield f"{schema['description']}\n"
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    required = schema.get("required", [])
    inner: list[tuple[str, dict[str, Any]]] = []
    for key, value in schema["properties"].items():
        suffix, definition = _definition(value, definitions)
        if definition is not None:
            inner.append((f"{path}.{key}{suffix}".removeprefix("."), definition))
        kind = "section" if definition is not None and not suffix else _kind(value, definitions)
        default = "**required**" if key in required else _default(value, definition)
        meaning = value.get("description") or _resolved(value, definitions)["description"]
        yield f"| `{key}` | {kind} | {default} | {meaning} |"
    yield ""
    for name, definition in inner:
        yield from _section(name, definition, definitions)


def _definition(value: dict[str, Any], definitions: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """Find the section that a key leads to, and how its path goes on: ``[]`` in a list, ``.<name>`` in a mapping."""
    if "items" in value:
        suffix, found = _definition(value["items"], definitions)
        return f"[]{suffix}", found
    if "additionalProperties" in value and "properties" not in value:
        suffix, found = _definition(value["additionalProperties"], definitions)
        return f".<name>{suffix}", found
    resolved = _resolved(value, definitions)
    for choice in resolved.get("anyOf", [resolved]):
        if "properties" in choice:
            return "", choice
    return "", None


def _resolved(value: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    reference = value.get("$ref")
    found: dict[str, Any] = definitions[reference.rpartition("/")[2]] if reference else value
    return found


def _kind(value: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Say what may stand under a key."""
    match _resolved(value, definitions):
        case {"properties": _}:
            kind = "section"
        case {"enum": choices}:
            kind = ", ".join(f"`{choice}`" for choice in choices if isinstance(choice, str))
        case {"type": "array", "items": items}:
            kind = f"list: {_kind(items, definitions)}"
        case {"title": str(kind)}:
            pass
        case {"type": "object"}:
            kind = "sections by name"
        case {"format": "password"}:
            kind = "secret"
        case {"anyOf": choices}:
            kind = " or ".join(_kind(choice, definitions) for choice in choices)
        case other:
            kind = {"string": "text", "integer": "number", "boolean": "`true`, `false`"}[other["type"]]
    return kind


def _default(value: dict[str, Any], definition: dict[str, Any] | None) -> str:
    default = value.get("default")
    if default in (None, "", [], {}) or definition is not None:
        return ""
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"
