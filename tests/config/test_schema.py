from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
from pydantic import SecretStr

from tests.config.documents import NETWORK
from tosser.config.schema import generated_files, json_schema, main
from tosser.config.source import plain, read_document

ROOT = Path(__file__).parents[2]


def document(path: Path) -> object:
    """Read a configuration as an editor does, secrets as text."""
    root = read_document(path, {}).root
    assert root is not None
    return _without_secrets(plain(root))


def _without_secrets(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_secrets(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_secrets(inner) for inner in value]
    return value.get_secret_value() if isinstance(value, SecretStr) else value


@pytest.mark.parametrize("path", generated_files(), ids=str)
def test_generated_files_are_current(path: Path) -> None:
    """Schema and reference are those of the model; ``python -m tosser.config.schema`` makes them."""
    assert (ROOT / path).read_text(encoding="utf-8") == generated_files()[path]


def test_generated_files_are_written_into_a_checkout(tmp_path: Path) -> None:
    """All of them are written, where they belong."""
    for path in generated_files():
        (tmp_path / path).parent.mkdir()
    main(tmp_path)

    assert {path: (tmp_path / path).read_text(encoding="utf-8") for path in generated_files()} == generated_files()


def test_the_schema_is_one_and_accepts_the_example() -> None:
    """Editors find nothing wrong with the example."""
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)

    jsonschema.Draft202012Validator(schema).validate(document(ROOT / "config" / "tosser.yaml"))


@pytest.mark.parametrize(
    "addition",
    [
        "include: [a.yaml, b.yaml]",
        "include: a.yaml",
        "link_defaults: {packet_type: 2.2, max_packet: 1024}",
        "areas: [{tag: A, max_age: unlimited, links: [1337:1/100, {address: 1337:1/101, write: false}]}]",
        "mqtt: {url: mqtt://a, version: 3.1.1}",
        "netmail: {store: msg, path: /var/lib/netmail}",
        "metrics: {}",
    ],
)
def test_the_schema_accepts_what_is_right(tmp_path: Path, addition: str) -> None:
    """Short and long forms, numbers and text are all known to editors."""
    path = tmp_path / "tosser.yaml"
    path.write_text(f"{NETWORK}{addition}\n")

    jsonschema.Draft202012Validator(json_schema()).validate(document(path))


@pytest.mark.parametrize(
    "addition",
    [
        "sytem: {}",
        "link_defaults: {flavour: fast}",
        "link_defaults: {max_packet: 5MB}",
        "links: [{}]",
        "areas: [{tag: A, links: [{adress: 1337:1/100}]}]",
        "areas: [{tag: A, paused: yes}]",
        "mqtt: {url: http://a}",
        "toss: {poll: 5}",
        "netmail: {store: passthrough}",
        "area_defaults: {store: msg}",
        "archivers: {a: {formats: [zip], unpack: [a, '{archive}']}}",
    ],
)
def test_the_schema_refuses_what_is_wrong(tmp_path: Path, addition: str) -> None:
    """Editors see most mistakes while they are typed."""
    path = tmp_path / "tosser.yaml"
    path.write_text(f"{NETWORK}{addition}\n")

    assert not jsonschema.Draft202012Validator(json_schema()).is_valid(document(path))


def test_the_reference_has_every_key() -> None:
    """Each key of each section stands in the reference, with a meaning."""
    reference = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    schema = json_schema()
    sections = [schema, *schema["$defs"].values(), *schema["$defs"]["AreaLink"]["anyOf"]]
    keys = {key for section in sections for key in section.get("properties", {})}
    rows = [line.split(" | ") for line in reference.splitlines() if line.startswith("| `")]

    assert {row[0].strip("| `") for row in rows} == keys
    assert all(len(row) == 4 and row[3].strip("| ") for row in rows)
