"""The mail of the benchmark: packets on the disk, made once a run and always the same.

`tests.corpus` writes the messages: bodies of 300 to 8,000 bytes with a median of 1.5 kB, MSGID, PID, CHRS, TZUTC,
tearline, Origin, 30 SEEN-BYs, PATH; about 2.4 kB each, in 50 areas, 500 to a packet.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.corpus import HUB, area_tags, lines_2d, make_packets, packed, packet_header, seen_by_nodes, two_d

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

AREAS = 50
PER_PACKET = 500
SEEDS = range(1, 1000)
"""Seeds of ordinary mail."""
_DUPES = 2000
"""The seed of mail that comes twice."""
_HEADER, _END = 58, b"\0\0"
_PACKETS_IN_BUNDLE = 5
_PREFILL_PACKET = 2000


@dataclass(frozen=True, slots=True)
class Mail:
    """What is put into an inbound.

    Attributes:
        files: packets or bundles.
        messages: in them, dupes included.
        distinct: what is left without dupes.
    """

    files: tuple[Path, ...]
    messages: int
    distinct: int

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.stat().st_size for file in self.files)


class Post:
    """Makes mail when it is first asked for, and keeps it in a directory.

    Args:
        directory: empty, and nobody else's.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def packets(self, messages: int, *, seed: int = 1, per_packet: int = PER_PACKET) -> Mail:
        """Give distinct messages; mail of different seeds has nothing in common."""
        count = -(-messages // per_packet)

        def write(directory: Path) -> None:
            make_packets(directory, messages=messages, packets=count, areas=AREAS, seed=seed)

        return self._made(f"packets-{messages}-{per_packet}-{seed}", messages, messages, write)

    def half_dupes(self, messages: int) -> Mail:
        """Give packets of which each half is new, and the other half is what another packet has as new."""
        new = self.packets(messages // 2, seed=_DUPES, per_packet=PER_PACKET // 2)
        bodies = [_messages_of(file) for file in new.files]

        def write(directory: Path) -> None:
            for index, body in enumerate(bodies):
                data = packet_header() + body + bodies[index - 1] + _END
                (directory / f"{index:08x}.pkt").write_bytes(data)

        return self._made(f"dupes-{messages}", new.messages * 2, new.messages, write)

    def bundles(self, messages: int) -> Mail:
        """Give the packets of `packets` in ZIP bundles of five."""
        plain = self.packets(messages)

        def write(directory: Path) -> None:
            for index in range(0, len(plain.files), _PACKETS_IN_BUNDLE):
                number = index // _PACKETS_IN_BUNDLE
                name = directory / f"{number // 10:08x}.mo{number % 10}"
                with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED) as bundle:
                    for file in plain.files[index : index + _PACKETS_IN_BUNDLE]:
                        bundle.write(file, file.name)

        return self._made(f"bundles-{messages}", messages, messages, write)

    def one_packet(self, messages: int) -> Mail:
        """Give the messages of `packets` as a single packet."""
        plain = self.packets(messages)

        def write(directory: Path) -> None:
            with (directory / "00000001.pkt").open("wb") as whole:
                whole.write(packet_header())
                for file in plain.files:
                    whole.write(_messages_of(file))
                whole.write(_END)

        return self._made(f"whole-{messages}", messages, messages, write)

    def single_messages(self, count: int) -> Mail:
        """Give packets of one message each."""
        return self.packets(count, per_packet=1)

    def prefill(self, messages: int) -> Mail:
        """Give short messages, alike but for their MSGIDs, to fill bases with: what counts is how many there are."""

        def write(directory: Path) -> None:
            for index, start in enumerate(range(0, messages, _PREFILL_PACKET)):
                numbers = range(start, min(start + _PREFILL_PACKET, messages))
                data = packet_header() + b"".join(_short_messages(numbers)) + _END
                (directory / f"{index:08x}.pkt").write_bytes(data)

        return self._made(f"prefill-{messages}", messages, messages, write)

    def _made(self, name: str, messages: int, distinct: int, write: Callable[[Path], None]) -> Mail:
        directory = self._directory / name
        if not directory.exists():
            directory.mkdir(parents=True)
            write(directory)
        return Mail(tuple(sorted(directory.iterdir())), messages, distinct)


def _messages_of(file: Path) -> bytes:
    """Give the packed messages of a packet that we made, without header and end."""
    return file.read_bytes()[_HEADER : -len(_END)]


def _short_messages(numbers: Iterable[int]) -> Iterable[bytes]:
    tags = area_tags(AREAS)
    trailer = lines_2d("SEEN-BY:", seen_by_nodes(two_d(HUB))) + b"\x01PATH: 1/300 1/100\r"
    for number in numbers:
        head = f"AREA:{tags[number % AREAS]}\r\x01MSGID: 1337:1/999 {number:08x}\r"
        text = b"".join((head.encode("ascii"), b"Short.\r--- invented\r * Origin: Filler (1337:1/999)\r", trailer))
        yield packed(text, subject=b"Filler")
