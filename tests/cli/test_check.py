from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.cli.looking import snapshot, tosser
from tests.peers.daemon import BAD_CONFIGURATION, DONE, FAILED, node

if TYPE_CHECKING:
    from tests.peers.daemon import Node

SAMPLE = Path(__file__).parents[2] / "config" / "tosser.yaml"

TEN_MISTAKES = """\
system: {name: Example BBS, sysopp: Jane}
paths:
  state: /tmp/state
  bases: /tmp/bases
  inbound: {secure: [/tmp/state/in]}
networks:
  tqwnet: {addresses: [1337:1/200, 1337:1]}
links:
  - address: 1337:1/100
    packet_password: TOOLONGPASSWORD
    flavour: crsh
areas:
  - tag: TQW_TECH
    links: [1337:1/100, 1337:1/101]
    max_age: 5 fortnights
  - tag: TWO WORDS
  - tag: TQW_TECH
toss: {sync: maybe}
mqtt: {url: http://127.0.0.1}
"""

PLACES = {
    "1:29": "system.sysopp: unknown key 'sysopp'",
    "5:22": "paths.inbound.secure[0]: ",
    "7:36": "networks.tqwnet.addresses[1]: ",
    "10:22": "links[0].packet_password: a packet password has at most 8 characters",
    "11:14": "links[0].flavour: ",
    "14:25": "areas[0].links[1]: ",
    "15:14": "areas[0].max_age: ",
    "16:10": "areas[1].tag: ",
    "17:10": "areas[2].tag: ",
    "18:14": "toss.sync: ",
    "19:13": "mqtt.url: ",
}
"""The mistakes that can be told: where, and how the sentence begins."""


def test_ten_mistakes_are_named_at_once(tmp_path: Path) -> None:
    """Each of many different mistakes is named with file, line and column, in the order of the file."""
    (tmp_path / "tosser.yaml").write_text(TEN_MISTAKES)
    result = tosser(tmp_path, "check")
    assert result.code == BAD_CONFIGURATION
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert [line.split(" ")[0] for line in lines] == [f"tosser.yaml:{place}" for place in PLACES]
    for line, text in zip(lines, PLACES.values(), strict=True):
        assert line.partition(" ")[2].startswith(text)
    assert len(lines) >= 10
    assert "TOOLONGPASSWORD" not in result.stderr


def test_mistakes_for_programs(tmp_path: Path) -> None:
    """With --json the same mistakes are data."""
    (tmp_path / "tosser.yaml").write_text(TEN_MISTAKES)
    result = tosser(tmp_path, "check", "--json")
    assert result.code == BAD_CONFIGURATION
    assert result.json["ok"] is False
    assert [f"{each['line']}:{each['column']}" for each in result.json["problems"]] == list(PLACES)


@pytest.mark.parametrize("command", [("status",), ("toss",), ("run",), ("area", "list"), ("quarantine", "list")])
def test_every_command_refuses_a_bad_configuration(tmp_path: Path, command: tuple[str, ...]) -> None:
    """The same mistakes and the same exit status, whatever was asked for, and nothing is touched."""
    (tmp_path / "tosser.yaml").write_text(TEN_MISTAKES)
    before = snapshot(tmp_path)
    result = tosser(tmp_path, *command)
    assert result.code == BAD_CONFIGURATION
    assert len(result.stderr.splitlines()) == len(PLACES)
    assert snapshot(tmp_path) == before


def test_no_yaml_at_all(tmp_path: Path) -> None:
    """A file that is no YAML is refused with the place where it stops being one."""
    (tmp_path / "tosser.yaml").write_text("system: {name: Example BBS\npaths: [\n")
    result = tosser(tmp_path, "check")
    assert result.code == BAD_CONFIGURATION
    (line,) = result.stderr.splitlines()
    assert line.startswith("tosser.yaml:2:6: ")


def test_a_good_configuration(system: Node) -> None:
    """What is good is said to be so, and nothing is changed by looking."""
    assert system.toss().code == DONE
    before = snapshot(system.root)
    result = system.run("check")
    assert result.code == DONE, result.stdout + result.stderr
    assert result.stdout.splitlines()[-1] == f"{system.config}: 1 network, 1 link, 5 areas: good"
    found = system.run("check", "--json").json
    assert (found["path"], found["ok"], found["process"]) == (str(system.config), True, None)
    assert [finding for finding in found["findings"] if finding["error"]] == []
    assert snapshot(system.root) == before


def test_a_machine_that_is_not_ready(system: Node) -> None:
    """A good file on a machine where an inbound is no directory ends with 1, and says what is wrong."""
    system.secure.rmdir()
    assert system.run("check").stdout.startswith(f"warning: inbound {system.secure}")
    system.secure.write_text("")
    result = system.run("check")
    assert result.code == FAILED
    assert [line for line in result.stdout.splitlines() if line.startswith("error: ") and str(system.secure) in line]
    assert result.stdout.splitlines()[-1].endswith(": not ready")
    found = system.run("check", "--json")
    assert (found.code, found.json["ok"]) == (FAILED, False)


def test_beside_a_daemon(system: Node) -> None:
    """A check may be made while a daemon runs, and says so."""
    with system.start() as daemon:
        result = system.run("check")
        assert result.code == DONE
        assert f"(process {daemon.process.pid})" in result.stdout
        assert system.run("check", "--json").json["process"] == daemon.process.pid


def test_the_sample_has_no_mistakes(tmp_path: Path) -> None:
    """The commented sample passes as it stands; only the machine may be found wanting."""
    result = tosser(tmp_path, "--config", str(SAMPLE), "check")
    assert result.code in {DONE, FAILED}
    assert result.stderr == ""
    assert result.stdout.splitlines()[-1].startswith(f"{SAMPLE}: 1 network, 2 links, 3 areas: ")


def test_where_the_configuration_is_looked_for(tmp_path: Path) -> None:
    """--config comes before $TOSSER_CONFIG, that before ./tosser.yaml; what is named must be there."""
    names = {}
    for place in ("option", "variable", "here"):
        system = node(tmp_path / place, areas=[f"AREA_{place.upper()}"])
        names[place] = str(system.config)
    here = tmp_path / "here"

    def areas(*arguments: str, environment: dict[str, str] | None = None) -> list[str]:
        result = tosser(here, *arguments, "area", "list", "--json", environment=environment)
        assert result.code == DONE, result.stderr
        return [area["tag"] for area in result.json]

    variable = {"TOSSER_CONFIG": names["variable"]}
    assert areas("--config", names["option"], environment=variable) == ["AREA_OPTION"]
    assert areas("-c", names["option"]) == ["AREA_OPTION"]
    assert areas(environment=variable) == ["AREA_VARIABLE"]
    assert areas(environment={"TOSSER_CONFIG": ""}) == ["AREA_HERE"]
    assert areas() == ["AREA_HERE"]

    missing = str(tmp_path / "missing.yaml")
    for arguments, environment, told in (
        (("--config", missing), variable, f"{missing}: there is no such file; --config names it\n"),
        ((), {"TOSSER_CONFIG": missing}, f"{missing}: there is no such file; $TOSSER_CONFIG names it\n"),
    ):
        result = tosser(here, *arguments, "check", environment=environment)
        assert (result.code, result.stderr) == (BAD_CONFIGURATION, told)


def test_secrets_from_elsewhere(tmp_path: Path) -> None:
    """A password may stand in the environment or in a file; one that is missing is a mistake with a place."""
    system = node(tmp_path, areas=["TQW_GEN"])
    document = yaml.safe_load(system.config.read_text("utf-8"))
    document["links"][0]["packet_password"] = "PLACE"  # noqa: S105 - replaced by a tag
    text = yaml.safe_dump(document, sort_keys=False)
    system.config.write_text(text.replace("PLACE", "!env HUB_PASSWORD"))
    assert tosser(tmp_path, "check", environment={"HUB_PASSWORD": "GEHEIM42"}).code == DONE
    result = tosser(tmp_path, "check")
    assert result.code == BAD_CONFIGURATION
    assert "HUB_PASSWORD" in result.stderr
    assert result.stderr.startswith("tosser.yaml:")
