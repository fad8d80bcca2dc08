"""Many messages to many links, by the real command: each link's packets hold each message once, within its limits.

What was sent is taken apart by the field tables (`tests.packets`), by crashmail, and by our own ``packet show``.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.corpus import DOWNLINKS, HUB, US, make_packets, message, packet, two_d
from tests.mail import split_address
from tests.packets import LONGEST_LINE, header_of, messages_in, number, packets_in
from tests.peers.binkd import Domain
from tests.peers.crashmail import Crashmail, CrashmailLink
from tests.peers.daemon import DONE, Node, node
from tests.peers.forks import run_forked
from tests.peers.mailer import Mailer, Station

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.corpus import Manifest

MESSAGES, AREAS = 10_000, 20
LINKS = DOWNLINKS[:50]
MAX_PACKET, MAX_BUNDLE = 128 * 1024, 192 * 1024
_MSGID = re.compile(rb"\x01MSGID: ([^\r]+)\r")
_SUMS = re.compile(r"Imported messages: +(\d+).+?Bad messages: +(\d+) +Duplicate messages: +(\d+)", re.DOTALL)
_PATH = re.compile(rb"\r\x01PATH: [^\r\0]* 1/100 200\r\0")


def settings_of(link: str) -> dict[str, Any]:
    """Give every link other settings: bundles for two of three, and each type of packet."""
    index = LINKS.index(link)
    return {"archiver": "none" if index % 3 == 0 else "zip", "packet_type": ("2", "2+", "2.2")[index % 5 % 3]}


def configured(root: Path, links: Iterable[str], *, tosses: bool = True, **settings: dict[str, Any]) -> Node:
    """Configure a node with an uplink and downlinks, each with settings of its own."""
    environment = {"TZ": f"NOON{time.gmtime().tm_hour - 12:+d}"}  # no day ends while a test runs
    links = list(links)
    system = node(root, areas=AREAS if tosses else ["TQW_GEN"], links=dict.fromkeys([HUB, *links], ""), environment=environment)
    document = yaml.safe_load(system.config.read_text("utf-8"))
    for entry in document["links"]:
        entry.update(settings.get(entry["address"], {}))
    system.config.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    return system
