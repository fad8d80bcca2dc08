from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from tests.cli.looking import tosser
from tests.peers.daemon import DONE
from tosser.cli.main import build_app

PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text("utf-8")


def commands(command: object, *above: str) -> list[tuple[str, ...]]:
    """List the words of every command below one."""
    inner: dict[str, object] | None = getattr(command, "commands", None)
    if inner is None:
        return [above]
    return [words for name, each in inner.items() for words in commands(each, *above, name)]


COMMANDS = [" ".join(words) for words in commands(typer.main.get_command(build_app()))]


def test_every_command_has_its_section() -> None:
    """The page has a section for each command there is, and for no other."""
    assert sorted(re.findall(r"^## tosser (.+)$", PAGE, re.MULTILINE)) == sorted(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_and_an_example_are_in_the_section(tmp_path: Path, command: str) -> None:
    """The section of a command names each of its own options, and shows a call with its output."""
    section = PAGE.split(f"\n## tosser {command}\n")[1].split("\n## ")[0]

    told = tosser(tmp_path, *command.split(), "--help")

    assert told.code == DONE
    for option in set(re.findall(r"--[a-z]+", told.stdout)) - {"--help", "--json"}:
        assert f"`{option}" in section
    assert re.search(rf"^    \$ tosser {command}( \S+)*\n    \S", section, re.MULTILINE)
