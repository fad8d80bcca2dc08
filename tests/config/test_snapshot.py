"""A configuration for another process: all of it arrives, and nothing of what checked it is needed there."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import asdict
from pydantic import SecretStr

from tests.config.documents import SYSTEM, load
from tosser.config.model import Config
from tosser.config.section import Section
from tosser.config.snapshot import Secret, restore, take_snapshot
from tosser.config.world import build_rulebook
from tosser.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

EVERYTHING = (
    SYSTEM.replace("state: state", "outbound: out, state: state")
    + """\
networks:
  tqwnet: {addresses: [1337:1/200, 1337:1/0]}
link_defaults: {packet_type: "2.2", pause_age: 60d}
links:
  - address: 1337:1/100
    packet_password: HUSH
    areafix: {password: FIX, forward_requests: true}
  - {address: 1337:1/201, archiver: arj, filebox: box, flavour: hold}
area_defaults: {keep: {days: 30}, on_message: [news], sbadd: [5/10]}
areas:
  - {tag: A, links: [1337:1/100, {address: 1337:1/201, write: false}]}
  - {tag: B, store: passthrough, on_message: []}
netmail:
  here: [1337:1/200.7]
  remap: [{name: Old Friend, to: 1337:1/201.3}]
  copies: [{name: Test Sysop, to: 1337:1/201}]
  routes: [{match: "1337:5/*", via: boss, flavour: crash}, {match: "1337:*", via: 1337:1/100}]
  transit: {allow: ["1337:*"], max_size: 64KiB, requests: strip}
  answers: {bounces: all, quote: 1KiB}
  robots: {PING: ping, Weather: {command: [/usr/local/bin/weather]}}
nodelists: [{path: NODELIST.*, network: tqwnet, kind: pointlist}]
hooks:
  news: {command: [/usr/local/bin/news]}
  site: {url: "https://bbs.example/in?key=1", headers: {Authorization: !env TOKEN}}
archivers:
  arj: {formats: [arj], unpack: [arj, x, "{archive}", "{directory}"], pack: [arj, a, "{archive}", "{packet}"]}
mqtt:
  url: mqtts://broker.example
  username: tosser
  password: !env TOKEN
  tls: {ca: ca.pem}
  commands: {users: [{name: web, token: 0123456789abcdef, areas: [A], authors: [Web User]}]}
toss: {sync: none, batch_delay: 1s}
maintenance: {at: "04:30"}
metrics: {listen: "127.0.0.1:9000"}
log: {level: debug, format: console}
"""
)


def same(one: object, other: object) -> bool:
    """Tell whether a value has arrived."""
    if isinstance(one, Section):
        compared = vars(one).keys() - ({"world", "areas"} if isinstance(one, Config) else set())
        return isinstance(other, SimpleNamespace) and all(
            same(getattr(one, name), getattr(other, name)) for name in compared
        )
    if isinstance(one, SecretStr):
        return isinstance(other, Secret) and one.get_secret_value() == other.get_secret_value()
    if isinstance(one, tuple) and isinstance(other, tuple) and type(one) is type(other):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    return type(one) is type(other) and one == other


def test_all_of_it_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All values but those of areas, the passwords, and the world that is made of it all; and no password is shown."""
    monkeypatch.setenv("TOKEN", "t0ken")
    config = load(tmp_path, EVERYTHING, {"TOKEN": "t0ken"})
    monkeypatch.setenv("PYDANTIC_DISABLE_PLUGINS", "")  # it is set, and put back

    there = restore(take_snapshot(tmp_path / "tosser.yaml"))

    assert same(config, there)
    assert not same(load(tmp_path, EVERYTHING.replace("HUSH", "HUSS"), {"TOKEN": "t0ken"}), there)
    assert asdict(build_rulebook(there)) == asdict(build_rulebook(config))
    assert "HUSH" not in repr(there.links)


def test_mistakes(tmp_path: Path) -> None:
    """What cannot be used is told as it would be here."""
    (tmp_path / "tosser.yaml").write_text(f"{EVERYTHING}nonsense: 1\n".replace("!env TOKEN", "x"), encoding="utf-8")
    with pytest.raises(ConfigError, match="nonsense"):
        take_snapshot(tmp_path / "tosser.yaml")
    with pytest.raises(ConfigError, match="there is no such file"):
        take_snapshot(tmp_path / "nowhere.yaml")


def test_nothing_else_is_needed(tmp_path: Path) -> None:
    """Whoever restores it imports nothing that reads or checks configurations."""
    (tmp_path / "tosser.yaml").write_text(EVERYTHING.replace("!env TOKEN", "x"), encoding="utf-8")
    (tmp_path / "snapshot").write_bytes(take_snapshot(tmp_path / "tosser.yaml"))
    program = (
        "import sys, pathlib; from tosser.config.snapshot import restore;"
        "restore(pathlib.Path('snapshot').read_bytes());"
        "print(sorted({'pydantic', 'yaml', 'tosser.config.model'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
