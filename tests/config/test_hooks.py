"""The section on hooks, and what areas say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.config.documents import NETWORK, load, mistakes
from tosser.config.derived import hooks_of
from tosser.config.environment import check_environment
from tosser.config.kinds import Url
from tosser.rules.hooks import Hook, Webhook

if TYPE_CHECKING:
    from pathlib import Path

HOOKS = (
    NETWORK
    + """\
hooks:
  news:
    command: [/usr/local/bin/news, --brief]
  site:
    url: https://bbs.example/in?key=1
    headers: {Authorization: !env TOKEN}
    ca: ca.pem
    timeout: 5s
    give_up: 2h
    max_waiting: 50
area_defaults: {on_message: [news]}
areas:
  - tag: A
  - {tag: B, on_message: [site, news]}
  - {tag: C, on_message: []}
"""
)


def test_what_is_called(tmp_path: Path) -> None:
    """A command and a webhook, with all their settings and with none."""
    config = load(tmp_path, HOOKS, {"TOKEN": "t0ken"})

    assert hooks_of(config.hooks) == [
        Hook("news", ("/usr/local/bin/news", "--brief"), 30.0, 86400.0, 10_000),
        Hook(
            "site",
            Webhook(
                "bbs.example", 443, tls=True, target="/in?key=1", headers={"Authorization": "t0ken"},
                ca=str(tmp_path / "ca.pem"),
            ),
            5.0, 7200.0, 50,
        ),
    ]  # fmt: skip


def test_areas(tmp_path: Path) -> None:
    """An area calls the hooks it names, those of all areas, or none."""
    rules = load(tmp_path, HOOKS, {"TOKEN": "t0ken"}).world.rulebook

    assert {tag: area.on_message for (_, tag), area in rules.areas.items()} == {
        "A": ("news",), "B": ("site", "news"), "C": (),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://bbs.example", Url("bbs.example", 80, tls=False, target="/")),
        ("https://bbs.example?x=1", Url("bbs.example", 443, tls=True, target="/?x=1")),
        ("https://bbs.example:8443/a/b", Url("bbs.example", 8443, tls=True, target="/a/b")),
        ("http://[::1]/a", Url("::1", 80, tls=False, target="/a")),
        ("http://[::1]:81/a@b", Url("::1", 81, tls=False, target="/a@b")),
    ],
)
def test_urls(tmp_path: Path, url: str, parts: Url) -> None:
    """A URL is taken apart, from the file or from outside."""
    for text in (url, "!env WHERE"):
        config = load(tmp_path, f"{NETWORK}hooks:\n  a:\n    url: {text}\n", {"WHERE": url})

        assert config.hooks["a"].url == parts


@pytest.mark.parametrize(
    ("hook", "told"),
    [
        ("{}", "should have either a `command` or a `url`"),
        ("{command: [a], url: http://b}", "should have either a `command` or a `url`"),
        ("{command: [a], headers: {X: y}}", "`headers` and `ca` need a `url`"),
        ("{url: ftp://t0ken}", "should be https://host/path"),
        ("{url: http://t0ken@host/}", "user name and password go into `headers`"),
        ("{url: http://t0ken#part}", "should be https://host/path"),
        ('{url: "http://host/a t0ken"}', "should be https://host/path"),
        ("{url: http://t0ken:99999/}", "should be host:port"),
        ("{url: !env TOKEN}", "should be https://host/path"),
        ("{url: http://a, headers: {'X Y': t0ken}}", "should be the name of a header"),
        ("{url: http://a, headers: {Content-Length: t0ken}}", "Content-Length is written by tosser itself"),
        ('{url: http://a, headers: {X: "a\\r\\nY: t0ken"}}', "one line of printable ASCII"),
        ("{command: [a], timeout: 10ms}", "should be at least 1s"),
        ("{command: [a], give_up: never}", "should be a duration"),
        ("{command: [a], max_waiting: 0}", "should be at least 1"),
        ("{command: a}", "should be a list"),
        ("{comand: [a]}", "did you mean 'command'?"),
    ],
)
def test_mistakes_in_a_hook(tmp_path: Path, hook: str, told: str) -> None:
    """Each mistake is told at its line, and nothing that may be a secret is repeated."""
    found = mistakes(tmp_path, f"{NETWORK}hooks:\n  a: {hook}\n", {"TOKEN": "t0ken"})

    assert any(told in mistake for mistake in found), found
    assert all(mistake.startswith("tosser.yaml:6:") for mistake in found)
    assert all("t0ken" not in mistake for mistake in found)


def test_names(tmp_path: Path) -> None:
    """A hook's name is part of a directory's name and of a topic."""
    (mistake,) = mistakes(tmp_path, f"{NETWORK}hooks:\n  ../a: {{command: [a]}}\n")

    assert "a hook's name is up to 31 letters" in mistake


def test_hooks_that_there_are_not(tmp_path: Path) -> None:
    """An area may name only hooks that there are, and each once."""
    found = mistakes(
        tmp_path,
        f"{NETWORK}hooks:\n  news: {{command: [a]}}\narea_defaults: {{on_message: [other]}}\n"
        "areas:\n  - {tag: A, on_message: [new, news]}\n  - {tag: B, on_message: [news, news]}\n",
    )

    assert [mistake.partition(" ")[2] for mistake in found] == [
        "area_defaults.on_message[0]: unknown hook 'other'",
        "areas[0].on_message[0]: unknown hook 'new' (did you mean 'news'?)",
        "areas[1].on_message[1]: hook news is given before, at tosser.yaml:10:27",
    ]


def test_a_broken_hook_is_not_unknown(tmp_path: Path) -> None:
    """Of a hook that cannot be read only that is told, and not that areas name it."""
    found = mistakes(tmp_path, f"{NETWORK}hooks:\n  news: {{}}\nareas:\n  - {{tag: A, on_message: [news]}}\n")

    assert len(found) == 1


def test_the_machine_is_looked_at(tmp_path: Path) -> None:
    """A program that is not installed is worth a warning, authorities that cannot be read are a mistake."""
    findings = check_environment(load(tmp_path, HOOKS, {"TOKEN": "t0ken"}))

    said = {finding.what: finding.error for finding in findings}
    assert said["hook news: there is no program /usr/local/bin/news"] is False
    assert said[f"hooks.site.ca: {tmp_path}/ca.pem cannot be read"] is True
