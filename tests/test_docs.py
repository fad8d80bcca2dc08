"""The documentation against the program: what it names exists, and what exists is in it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer.main
import yaml

from tosser.cli.main import build_app
from tosser.config.loading import load_config
from tosser.daemon.metrics import StateCollector
from tosser.inbound.quarantine import Note
from tosser.reason import FileState, Reason
from tosser.state.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
WRITTEN_BY_HAND = [page for page in PAGES if page.name != "configuration.md"]
COMMAND = re.compile(r"\btosser((?: [a-z]+)+)")
LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)")


@cache
def text_of(page: Path) -> str:
    """Read a page once."""
    return page.read_text("utf-8")


def name_of(page: Path) -> str:
    """Name a page in a test id."""
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    """Give the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    """Give a page without its fenced and indented blocks."""
    text = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^    .*$", "", text, flags=re.MULTILINE)


def first_column(page: Path, *columns: str) -> list[str]:
    """Give the codes in the first column of every table whose head begins with these columns."""
    found: list[str] = []
    for table in re.findall(
        rf"^\| {re.escape(' | '.join(columns))}.*\n\|[-| ]+\n((?:\|.*\n)+)", text_of(page), re.MULTILINE
    ):
        for row in table.splitlines():
            found += re.findall(r"`([^`]+)`", row.split("|")[1])
    return found


def test_every_reason_is_explained() -> None:
    """The page on the quarantine has each reason once, in a table, and no other."""
    page = DOCS / "quarantine.md"

    assert sorted(first_column(page, "reason")) == sorted(reason.value for reason in Reason)


def test_every_state_is_explained() -> None:
    """The same page has each final state of a file once, and no other."""
    assert first_column(DOCS / "quarantine.md", "state", "means", "what to do") == [state.value for state in FileState]


def test_every_member_of_a_note_is_explained() -> None:
    """The members of a quarantine note are those of the page, in the same order."""
    assert first_column(DOCS / "quarantine.md", "member", "is") == list(Note.__struct_fields__)


def test_every_metric_is_listed(tmp_path: Path) -> None:
    """The page on operations has each metric once, with its labels, and no other."""
    State(tmp_path).close()
    collector = StateCollector(tmp_path, present=dict, connected=lambda: False, waiting=lambda: 0.0)
    served = {
        metric.name + ("_total" if metric.type == "counter" else ""): list(getattr(metric, "_labelnames", ()))
        for metric in collector.collect()
    }
    page = text_of(DOCS / "operations.md")
    rows = re.findall(r"^\| `(tosser_\w+)` \| (.*?) \|", page, re.MULTILINE)

    assert {name: re.findall(r"`(\w+)`", labels) for name, labels in rows} == served


def test_every_log_event_that_is_explained_exists() -> None:
    """The events in the table of the log are written somewhere in the program, and all but details are there."""
    source = "".join(path.read_text("utf-8") for path in (ROOT / "tosser").rglob("*.py"))
    names = first_column(DOCS / "operations.md", "event", "level", "says")
    written = set(re.findall(r'log\.(?:info|warning|error|exception)\(\s*"([a-z_ ]+)"', source))

    assert names
    assert [name for name in names if f'"{name}"' not in source] == []
    assert sorted(written - set(names)) == []


# --- commands


def commands_in(page: Path) -> Iterator[str]:
    """Find what is written as a command of ours: in code spans, shell blocks, and examples after a prompt."""
    spans = re.findall(r"`((?:[a-z]+ -u \w+ -- )?tosser [^`]*)`", prose(page))
    shell = [
        line for block in blocks(page, "sh") for line in block.splitlines() if re.match(r"(?:runuser .*)?tosser ", line)
    ]
    prompts = re.findall(r"^    \$ (tosser .*)$", text_of(page), re.MULTILINE)
    yield from spans + shell + prompts


def resolve(words: list[str]) -> list[str]:
    """Follow words through the command groups; returns those that name a command or group, none if one is unknown."""
    command: Any = typer.main.get_command(build_app())
    known: list[str] = []
    for word in words:
        inner = getattr(command, "commands", None)
        if inner is None:
            break
        if word not in inner:
            return []
        command = inner[word]
        known.append(word)
    return known


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_exists(page: Path) -> None:
    """What the page tells people to type is a command of this program."""
    unknown = []
    for line in commands_in(page):
        match = COMMAND.search(line.replace("--config FILE ", ""))
        if match and not resolve(match[1].split()):
            unknown.append(line)

    assert unknown == []


def test_readme_lists_every_command() -> None:
    """The table of commands in the README has all of them."""
    listed = {" ".join(resolve(re.findall(r"[a-z]+", code)[1:])) for code in first_column(README, "command", "does")}

    def below(command: Any, *above: str) -> Iterator[str]:  # noqa: ANN401 - click's classes are not typer's
        inner = getattr(command, "commands", None)
        if inner is None:
            yield " ".join(above)
            return
        for word, each in inner.items():
            yield from below(each, *above, word)

    assert listed == set(below(typer.main.get_command(build_app())))


# --- links


def anchors(page: Path) -> set[str]:
    """Give the anchors of the headings of a page, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {re.sub(r"[ ]+", "-", heading.strip()) for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_internal_link_leads_somewhere(page: Path) -> None:
    """Links to other pages, and to headings, have a target; those of the site stay within it."""
    broken = []
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        leaves_the_site = page.is_relative_to(DOCS) and not target.is_relative_to(DOCS)
        if not target.exists() or leaves_the_site or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


# --- configuration


def configurations() -> list[tuple[Path, str]]:
    """List every block of YAML in the pages."""
    return [(page, block) for page in WRITTEN_BY_HAND for block in blocks(page, "yaml")]


@pytest.mark.parametrize(
    ("page", "block"), configurations(), ids=[f"{name_of(page)}-{n}" for n, (page, _) in enumerate(configurations())]
)
def test_every_configuration_loads(tmp_path: Path, page: Path, block: str) -> None:
    """A whole configuration is good as it stands; a part of one is good in place of the same part of the README's."""
    whole = yaml.safe_load(blocks(README, "yaml")[0])
    part = yaml.safe_load(block)
    path = tmp_path / "tosser.yaml"
    path.write_text(block if "system" in part else yaml.safe_dump(whole | part), "utf-8")

    config = load_config(path, {})

    assert config.networks, page


def test_there_are_configurations_to_load() -> None:
    """The README and the quick start have a whole configuration each."""
    whole = [page for page, block in configurations() if "system:" in block]

    assert {README, DOCS / "quickstart.md"} <= set(whole)
