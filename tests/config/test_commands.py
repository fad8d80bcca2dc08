"""The section on commands by MQTT."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.config.documents import NETWORK, load, mistakes
from tosser.config.derived import command_rules
from tosser.rules.commands import CommandUser

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "0123456789abcdef"  # noqa: S105 - made up
AREAS = NETWORK + "areas: [{tag: TQW_TECH}]\n"
"""One area; five lines."""


def with_commands(section: str, version: str = "5") -> str:
    """Write a configuration with this section, which begins on line nine."""
    lines = "".join(f"    {line}\n" for line in section.splitlines())
    return f"{AREAS}mqtt:\n  url: mqtt://127.0.0.1\n  version: {version}\n  commands:\n{lines}"


def test_nobody_may_post_unless_configured(tmp_path: Path) -> None:
    """A broker alone takes no commands."""
    config = load(tmp_path, AREAS + "mqtt: {url: mqtt://127.0.0.1}\n")

    assert config.mqtt is not None
    assert config.mqtt.commands is None


def test_users_and_their_rights(tmp_path: Path) -> None:
    """What is configured reaches the rules; tokens come from files, too, and are never shown."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    text = with_commands(
        "max_request: 64KiB\n"
        "users:\n"
        "  - {name: bot, token: !file token, areas: [tqw_*], authors: [' Weather Bot ']}\n"
        "  - {name: web, token: abcdefghijklmnop, netmail: true, authors: ['*'], max_size: 2KiB, max_per_hour: 7}\n"
    )
    config = load(tmp_path, text)
    assert config.mqtt is not None
    assert config.mqtt.commands is not None
    rules = command_rules(config.mqtt.commands)

    assert rules.max_request == 65536
    assert rules.users == {
        "bot": CommandUser("bot", TOKEN, ("TQW_*",), authors=("Weather Bot",)),
        "web": CommandUser("web", "abcdefghijklmnop", (), netmail=True, authors=("*",), max_size=2048, max_per_hour=7),
    }
    assert TOKEN not in repr(config) + repr(rules)


@pytest.mark.parametrize(
    ("section", "version", "problem"),
    [
        (
            f"users: [{{name: bot, token: {TOKEN}, authors: [Bot]}}]",
            "3.1.1",
            "8:12 mqtt.version: mqtt.commands needs version 5: 3.1.1 knows no answers",
        ),
        (
            f"users:\n- {{name: bot, token: {TOKEN}, authors: [Bot]}}\n- {{name: bot, token: {TOKEN}, authors: [Bot]}}",
            "5",
            "12:14 mqtt.commands.users[1].name: user 'bot' is given before, at tosser.yaml:11:14",
        ),
        (
            f"users:\n- {{name: bot, token: {TOKEN}, authors: [Bot], areas: [TQW_TEHC]}}",
            "5",
            "11:68 mqtt.commands.users[0].areas[0]: unknown area TQW_TEHC (did you mean 'TQW_TECH'?)",
        ),
        (
            "users: [{name: bot, token: short, authors: [Bot]}]",
            "5",
            "10:32 mqtt.commands.users[0].token: a token has at least 16 characters",
        ),
        (
            f"users: [{{name: bot, token: {TOKEN}}}]",
            "5",
            "10:13 mqtt.commands.users[0].authors: is required",
        ),
        ("users: []", "5", "10:12 mqtt.commands.users: should not be empty"),
        (
            f"users: [{{name: bot, token: {TOKEN}, authors: [Bot], areas: ['']}}]",
            "5",
            "10:74 mqtt.commands.users[0].areas[0]: should be the tag of an area, or a pattern such as TQW_*",
        ),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Path, section: str, version: str, problem: str) -> None:
    """Each is told where it stands, with what to write instead."""
    assert mistakes(tmp_path, with_commands(section, version)) == [f"tosser.yaml:{problem}"]
