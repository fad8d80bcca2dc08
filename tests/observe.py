"""What a finished run has left behind, read with our own JAM reader: which messages are where, and how often."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from typing import TYPE_CHECKING

from tosser.codec.jam import FIXED_HEADER_LENGTH
from tosser.codec.kludge import find_value
from tosser.stores.jam_reader import JamReader

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.corpus import Letter
    from tests.peers.daemon import Node
    from tests.peers.subscriber import Subscriber


def stored(base: Path) -> Counter[tuple[str, str]]:
    """Count the messages of a base by MSGID and digest of the text."""
    headers = base.with_name(base.name + ".jhr")
    if not headers.exists() or headers.stat().st_size < FIXED_HEADER_LENGTH:  # it is being made at this moment
        return Counter()
    found: Counter[tuple[str, str]] = Counter()
    for entry in JamReader(base).messages():
        msgid = find_value(entry.message.kludges, b"MSGID") or b""
        found[msgid.decode("ascii"), hashlib.sha256(entry.text).hexdigest()] += 1
    return found


def assert_all_stored_once(node: Node, letters: Iterable[Letter]) -> None:
    """Check that the area bases hold these messages, each once, byte for byte, and nothing else."""
    expected: dict[str, Counter[tuple[str, str]]] = {tag: Counter() for tag in node.areas}
    for letter in letters:
        expected[letter.area][letter.msgid, letter.body_sha256] += 1
    for tag in node.areas:
        found = stored(node.bases / tag.lower())
        assert found == expected[tag], f"{tag}: {found - expected[tag]} too many, {expected[tag] - found} missing"


class Heard:
    """The events of accepted messages that a subscriber has collected, each looked at once."""

    def __init__(self, subscriber: Subscriber) -> None:
        """Take the subscriber to listen to."""
        self._subscriber = subscriber
        self._seen = 0
        self._ids: dict[str, set[str]] = {}
        self.events = 0

    @property
    def ids(self) -> dict[str, set[str]]:
        """The event ids by MSGID, up to now."""
        received = self._subscriber.received
        for event in received[self._seen :]:
            if event.topic.endswith("/message"):
                document = event.json
                self._ids.setdefault(document["data"]["msgid"], set()).add(document["id"])
                self.events += 1
        self._seen = len(received)
        return self._ids

    def wait(self, messages: int, seconds: float = 90.0) -> dict[str, set[str]]:
        """Wait until that many different messages were told of, and give their event ids.

        Raises:
            AssertionError: they were not, in that time.
        """
        deadline = time.monotonic() + seconds
        while len(self.ids) < messages:
            assert time.monotonic() < deadline, f"{len(self._ids)} of {messages} messages after {seconds} s"
            time.sleep(0.05)
        return self._ids


def nothing_waits(node: Node) -> bool:
    """Tell whether inbounds and work directories are empty."""
    for inbound in (node.secure, node.insecure, node.local):
        for path in inbound.rglob("*"):
            if path.is_file():
                return False
    return True
