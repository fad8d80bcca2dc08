"""The fixed inputs of the crash suite: a node with five downlinks, and mail of every kind that a toss has to deal with.

Two scenes. In ``first`` the node has never tossed: everything it writes to is made. In ``later`` it has tossed before,
and the mailer has not fetched what came of it: bases are appended to, and bundles that wait are added to.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from tests.corpus import HUB, message, packet
from tests.crash.lives import live
from tests.inbound.bundles import zip_of
from tests.peers.daemon import DONE, Node, node
from tests.peers.ports import LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path

AREAS = ("TQW_GEN", "TQW_TECH", "TQW_RETRO")
LINKS = {
    "1337:1/201": {},
    "1337:1/202": {"max_bundle": 1200, "flavour": "hold"},
    "1337:1/203": {"archiver": "none"},
    "1337:1/204": {"filebox": "box"},
    "1338:1/205": {"flavour": "crash"},
}
"""Bundles; small bundles, several at a time; packets on their own; a file box; bundles in another zone's directory."""
BATCH = 6
"""Messages a batch, so that files end in the middle of batches and batches in the middle of files."""
ODD_NAME = "odd name.pkt"
_OLD = 1_790_000_000
"""When the files came, Unix seconds: long enough ago for those that do not look complete."""
_NOBODY = 1
"""A port nobody listens on: events are made, and wait; so do calls of hooks."""

Tree = dict[str, bytes | None]
"""What is below a directory, by relative path: the bytes of a file, ``None`` for a directory."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A node as it is before the toss that is disturbed.

    Attributes:
        name: of the scene.
        node: the node; its directory need not exist at this moment.
        tree: everything in it.
    """

    name: str
    node: Node
    tree: Tree

    def set_up(self) -> None:
        """Put the node's directory into that state, whatever it was in."""
        write_tree(self.node.root, self.tree)


SCENES = ("first", "later")


def prepare(name: str, home: Path) -> Scene:
    """Prepare a scene below a directory.

    Raises:
        AssertionError: the toss before it failed.
    """
    system = configure(home / name)
    if name == "later":
        deliver_first(system)
        code = live(system, "toss")
        assert code == DONE, code
    deliver_second(system)
    return Scene(name, system, read_tree(system.root))


def configure(root: Path) -> Node:
    """Configure the node of all scenes."""
    system = node(
        root,
        areas=AREAS,
        links={HUB: "", **dict.fromkeys(LINKS, "")},
        mqtt_url=f"mqtt://{LOOPBACK}:{_NOBODY}",
        toss={"batch_messages": BATCH, "settle": "0s"},
        log={"level": "warning", "format": "json"},
        hooks={name: {"url": f"http://{LOOPBACK}:{_NOBODY}/{name}"} for name in ("one", "two")},
        area_defaults={"on_message": ["one"]},
    )
    document = yaml.safe_load(system.config.read_text("utf-8"))
    document["networks"]["tqwnet"]["zones"] = [1337, 1338]
    document["areas"][0]["on_message"] = ["one", "two"]
    for link in document["links"]:
        link.update(LINKS.get(link["address"], {}))
        if "filebox" in link:
            link["filebox"] = str(root / link["filebox"])
    system.config.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    return system


def deliver_first(system: Node) -> None:
    """Deliver some mail, two packets and nothing special."""
    system.deliver(packet([message(tag, number=number) for number, tag in enumerate(AREAS * 2, 100)]), "000000a1.pkt")
    system.deliver(packet([message("TQW_GEN", number=number) for number in range(110, 113)]), "000000a2.pkt")


def deliver_second(system: Node) -> None:
    """Deliver some of everything.

    A packet, another with dupes, a bundle with a broken member, a broken packet, a packet with a name that is not used
    in the work directory, mail for an area nobody knows. What is a dupe does not depend on the order of the files,
    which a power cut may change.
    """
    one = [message(tag, number=number, body=_body(number)) for number, tag in enumerate(AREAS * 2, 1)]
    system.deliver(packet(one), "00000001.pkt")
    two = [message("TQW_GEN", number=number, body=_body(number)) for number in (7, 8)]
    earlier = [message(tag, number=number) for number, tag in enumerate(AREAS, 100)]
    system.deliver(packet([*two, *two, *earlier]), "00000002.pkt")
    members = [packet([message(tag, number=start + at) for at, tag in enumerate(AREAS)]) for start in (11, 21, 31)]
    bundle = zip_of(("0000000a.pkt", members[0]), ("0000000b.pkt", members[1][:-40]), ("0000000c.pkt", members[2]))
    system.deliver(bundle, "ffff0001.mo0")
    system.deliver(packet([message("TQW_TECH", number=40)])[:-30], "00000003.pkt")
    system.deliver(packet([message("TQW_RETRO", number=50), message("TQW_NOWHERE", number=51)]), ODD_NAME)


def _body(number: int) -> bytes:
    return b"Hello,\r\r" + b"this goes everywhere.\r" * (number * 5)


def read_tree(root: Path) -> Tree:
    """Read everything below a directory."""
    tree: Tree = {}
    for path in sorted(root.rglob("*")):
        tree[str(path.relative_to(root))] = None if path.is_dir() else path.read_bytes()
    return tree


def write_tree(root: Path, tree: Tree) -> None:
    """Make a directory hold this and nothing else; inbound files are as old as they were."""
    remove_tree(root)
    root.mkdir(parents=True)
    for name in sorted(tree):
        path, data = root / name, tree[name]
        if data is None:
            path.mkdir(parents=True)
        else:
            path.write_bytes(data)
            if path.parts[len(root.parts)].startswith("in"):
                os.utime(path, (_OLD, _OLD))


def remove_tree(root: Path) -> None:
    """Remove a directory, if it is there."""
    if root.is_dir():
        for entry in os.scandir(root):
            if entry.is_dir(follow_symlinks=False):
                remove_tree(root / entry.name)
            else:
                os.unlink(entry.path)  # noqa: PTH108 - an entry's path is text
        root.rmdir()
