from __future__ import annotations

from typing import TYPE_CHECKING

from tests.config.documents import NETWORK, TWO_NETWORKS, load, mistakes
from tosser.codec.nodelist_lines import ListKind

if TYPE_CHECKING:
    from pathlib import Path


def test_what_a_list_may_say(tmp_path: Path) -> None:
    """Every key has its value, and what is left out its default; paths start at the file."""
    config = load(
        tmp_path,
        NETWORK
        + """\
nodelists:
  - {path: "lists/NODELIST.*"}
  - {path: /lists/points.txt, kind: pointlist, network: tqwnet, zone: 1337, charset: UTF-8, check_crc: false}
""",
    )
    first, second = config.nodelists
    assert first.path == tmp_path / "lists" / "NODELIST.*"
    assert (first.network, first.zone, first.kind, first.charset) == (None, None, ListKind.NODELIST, "CP437")
    assert first.check_crc
    assert (second.network, second.zone, second.kind, second.charset) == ("tqwnet", 1337, ListKind.POINTLIST, "UTF-8")
    assert not second.check_crc


def test_mistakes_about_lists(tmp_path: Path) -> None:
    """An unknown network, the same file twice, and values that cannot be are named with their places."""
    text = """\
nodelists:
  - {path: NODELIST.*, network: tqwnte}
  - {path: nodelist.*, network: fsxnet}
  - {path: nodelist.*, kind: pointlist}
  - {path: other, kind: list, zone: 0, charset: KLINGON}
  - {network: tqwnet}
"""
    assert mistakes(tmp_path, TWO_NETWORKS + text) == [
        "tosser.yaml:10:33 nodelists[0].network: unknown network 'tqwnte' (did you mean 'tqwnet'?)",
        "tosser.yaml:11:12 nodelists[1].path: nodelist.* is given before, at tosser.yaml:10:12",
        "tosser.yaml:13:25 nodelists[3].kind: should be one of nodelist, pointlist (did you mean 'nodelist'?)",
        "tosser.yaml:13:37 nodelists[3].zone: should be at least 1",
        "tosser.yaml:13:49 nodelists[3].charset: should be a character set such as CP437, CP866, LATIN-1 or UTF-8",
        "tosser.yaml:14:5 nodelists[4].path: is required",
    ]


def test_a_network_that_could_not_be_read_is_not_unknown(tmp_path: Path) -> None:
    """A network that is there, and cannot be read, is told alone."""
    text = NETWORK.replace("{addresses: [1337:1/200]}", "none") + "nodelists: [{path: x, network: tqwnet}]\n"
    (only,) = mistakes(tmp_path, text)
    assert only.startswith("tosser.yaml:4:11 networks.tqwnet: ")
