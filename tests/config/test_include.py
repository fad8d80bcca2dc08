from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.config.documents import NETWORK, SYSTEM, load, mistakes

if TYPE_CHECKING:
    from pathlib import Path


def write(directory: Path, **files: str) -> None:
    """Write files; ``a__b`` is ``a/b.yaml``."""
    for name, text in files.items():
        path = directory / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def test_included_files_are_merged(tmp_path: Path) -> None:
    """Lists append in the order of the names, mappings merge."""
    write(
        tmp_path,
        d__1_links="links: [{address: 1337:1/101}]\n",
        d__2_areas="areas: [{tag: B, links: [1337:1/101]}]\nlinks: [{address: 1337:1/102}]\n",
        networks="networks: {fsxnet: {addresses: [21:1/200]}}\ntoss: {poll: 1s}\n",
        empty="# nothing yet\n",
    )
    config = load(
        tmp_path,
        NETWORK
        + "include: [d/*.yaml, networks.yaml, empty.yaml, none-*.yaml]\n"
        + "toss: {settle: 1s}\nlinks: [{address: 1337:1/100}]\nareas: [{tag: A, network: tqwnet}]\n",
    )

    assert [str(link.address) for link in config.links] == ["1337:1/100", "1337:1/101", "1337:1/102"]
    assert [area.tag for area in config.areas] == ["A", "B"]
    assert set(config.networks) == {"tqwnet", "fsxnet"}
    assert (config.toss.poll, config.toss.settle) == (1.0, 1.0)


def test_an_included_file_may_include(tmp_path: Path) -> None:
    """Globs are relative to the file that says so, and may be absolute or cover directories of any depth."""
    write(tmp_path, d__a="include: b.yaml\n", d__b="areas: [{tag: B}]\n", e__c="areas: [{tag: C}]\n")
    config = load(tmp_path, NETWORK + f"include: [d/a.yaml, '{tmp_path}/e/**/*.yaml']\n")

    assert [area.tag for area in config.areas] == ["B", "C"]


def test_a_secret_is_relative_to_the_file_that_names_it(tmp_path: Path) -> None:
    """Files with their secrets can be moved together."""
    write(tmp_path, d__a="links: [{address: 1337:1/100, packet_password: !file key}]\n")
    (tmp_path / "d" / "key").write_text("S3CRET")

    assert load(tmp_path, NETWORK + "include: d/a.yaml\n").links[0].packet_password.get_secret_value() == "S3CRET"


def test_paths_are_relative_to_the_main_file(tmp_path: Path) -> None:
    """A path means the same in every file."""
    write(tmp_path, d__a="paths: {outbound: out}\n")

    assert load(tmp_path, NETWORK + "include: d/a.yaml\n").paths.outbound == tmp_path / "out"


def test_the_same_scalar_twice_names_both_places(tmp_path: Path) -> None:
    """Neither file wins, and neither does one kind of value over another."""
    write(tmp_path, a="system: {sysop: Other}\nlinks: {address: 1337:1/100}\nnetworks: [x]\n")

    assert mistakes(tmp_path, NETWORK + "include: a.yaml\nlinks: []\n") == [
        "a.yaml:1:17 system.sysop: was given before, at tosser.yaml:1:33; only lists and mappings add up",
        "a.yaml:2:8 links: was given before, at tosser.yaml:6:8; only lists and mappings add up",
        "a.yaml:3:11 networks: was given before, at tosser.yaml:4:3; only lists and mappings add up",
    ]


@pytest.mark.parametrize(
    ("include", "problem"),
    [
        ("tosser.yaml", "tosser.yaml:5:10 include: tosser.yaml was already read: it is named at the command line"),
        ("'*.yaml'", "tosser.yaml:5:10 include: tosser.yaml was already read: it is named at the command line"),
        ("[a.yaml, ./a.yaml]", "tosser.yaml:5:19 include[1]: a.yaml was already read: it is named at tosser.yaml:5:11"),
        ("loop.yaml", "loop.yaml:1:10 include: tosser.yaml was already read: it is named at the command line"),
        ("link.yaml", "tosser.yaml:5:10 include: link.yaml was already read: it is named at the command line"),
        ("absent.yaml", "tosser.yaml:5:10 include: there is no file absent.yaml"),
        ("5", "tosser.yaml:5:10 include: should be a file name or a glob"),
        ("{a: b}", "tosser.yaml:5:10 include: should be a file name or a glob"),
        ("[a.yaml, 5]", "tosser.yaml:5:19 include[1]: should be a file name or a glob"),
        ("''", "tosser.yaml:5:10 include: should be a file name or a glob"),
        ("!env HOME", "tosser.yaml:5:10 include: should be a file name or a glob"),
        ("!env ABSENT", "tosser.yaml:5:10 include: environment variable ABSENT is not set"),
    ],
)
def test_a_wrong_include_is_a_placed_mistake(tmp_path: Path, include: str, problem: str) -> None:
    """Cycles, files read twice and files that do not exist are told where they are named."""
    write(tmp_path, a="log: {level: info}\n", loop="include: tosser.yaml\n")
    (tmp_path / "link.yaml").symlink_to("tosser.yaml")

    assert problem in mistakes(tmp_path, NETWORK + f"include: {include}\n", {"HOME": "/root"})


def test_a_long_chain_of_includes_is_stopped(tmp_path: Path) -> None:
    """Files that include one another in a row have a bound."""
    for number in range(30):
        write(tmp_path, **{f"n{number}": f"include: n{number + 1}.yaml\n"})

    assert mistakes(tmp_path, NETWORK + "include: n0.yaml\n") == [
        "n15.yaml:1:10 include: includes are nested deeper than 16 files"
    ]


def test_mistakes_of_all_files_are_told_in_the_order_of_reading(tmp_path: Path) -> None:
    """The main file comes first, whatever the files are called."""
    write(tmp_path, a="log: {levle: info}\n", b="toss: {pol: 1s}\n")

    assert mistakes(
        tmp_path, "include: [b.yaml, a.yaml]\nlinks: 5\n" + SYSTEM + "networks: {n: {addresses: [1:1/1]}}\n"
    ) == [
        "tosser.yaml:2:8 links: should be a list",
        "b.yaml:1:8 toss.pol: unknown key 'pol' (did you mean 'poll'?)",
        "a.yaml:1:7 log.levle: unknown key 'levle' (did you mean 'level'?)",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [\n", "a.yaml:2:1: not YAML: a value is missing here, or a [ or { before it is not closed"),
        ("- 1\n", "a.yaml:1:1: the file should be a mapping (key: value)"),
        ("just text\n", "a.yaml:1:1: the file should be a mapping (key: value)"),
    ],
)
def test_an_unreadable_part_is_told_alone(tmp_path: Path, text: str, problem: str) -> None:
    """What would follow from the missing part is not judged."""
    write(tmp_path, a=text)

    assert mistakes(tmp_path, SYSTEM + "include: a.yaml\n") == [problem]
