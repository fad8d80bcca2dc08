"""Files made to be costly: the toss takes no more memory for them than for a usual large packet, and ends with them."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.accounts import ledger_of
from tests.inbound.bundles import zip_of
from tests.mail import HUB, US, packed, packet_header
from tests.observe import nothing_waits
from tests.peers.daemon import node
from tosser.reason import FileState, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MEBIBYTE = 1 << 20
MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=False)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""
"""Run a command and print its peak in bytes: a child counts what its parent had at the fork, and ours may have much."""
MOST_MEMORY = 256 * MEBIBYTE
"""What a packet of 240 MB of usual messages may take; nobody may make us take more with other bytes.

A toss of nothing takes some 70 MiB, a batch of texts as long as they may be some 30 more. Where a batch was cut by
messages alone, the long texts below took 392 MiB.
"""
AREA = "TQW_GEN"
LONGEST_TEXT = 4 * MEBIBYTE
"""Default of ``limits.text``."""


@dataclass(frozen=True, slots=True)
class Meal:
    """One file, and what must become of it."""

    name: str
    chunks: Iterator[bytes]
    state: FileState
    reason: Reason | None = None


def _packet(message: bytes, count: int) -> Iterator[bytes]:
    yield packet_header(HUB, US, b"")
    for _ in range(count):
        yield message
    yield b"\0\0"


def _long_texts() -> Meal:
    """Not many messages, so that nothing but bytes can cut the batch."""
    text = f"AREA:{AREA}\r".encode() + (b"x" * 99 + b"\r") * (LONGEST_TEXT // 100)
    return Meal("00000001.pkt", _packet(packed(text[: LONGEST_TEXT - 1] + b"\r"), 40), FileState.TOSSED)


def _many_messages() -> Meal:
    """The smallest messages there are, of which a packet holds more than of any others."""
    smallest = packed(b"", to_name=b"", from_name=b"", subject=b"")
    return Meal("00000001.pkt", _packet(smallest, 40_000), FileState.TOSSED)


def _many_lines() -> Meal:
    """Texts of nothing but lines that are looked at one by one."""
    lines = b"\x01K\r" * 4000 + b"Hi\r * Origin: x\r" + b"SEEN-BY: 1/1 2 3\r" * 4000 + b"\x01PATH: 1/1\r" * 4000
    return Meal("00000001.pkt", _packet(packed(f"AREA:{AREA}\r".encode() + lines), 150), FileState.TOSSED)


def _zip_bomb() -> Meal:
    zeros = bytes(64 * MEBIBYTE)
    data = zip_of(*((f"{number}.pkt", zeros) for number in range(8)))
    return Meal("00000001.mo0", iter([data]), FileState.QUARANTINED, Reason.ARCHIVE_LIMITS)


def _zip_in_zip() -> Meal:
    inner = zip_of(("1.pkt", bytes(64 * MEBIBYTE)))
    data = zip_of(*((f"{number}.mo0", inner) for number in range(50)))
    return Meal("00000001.mo0", iter([data]), FileState.QUARANTINED, Reason.ARCHIVE_NESTED)


def _zip_of_many() -> Meal:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(30_000):
            archive.writestr(f"{number}.pkt", b"")
    return Meal("00000001.mo0", iter([buffer.getvalue()]), FileState.QUARANTINED, Reason.ARCHIVE_LIMITS)


def _gzip_bomb() -> Meal:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed_once = b"".join(packer.compress(bytes(MEBIBYTE)) for _ in range(512)) + packer.flush()
    return Meal("00000001.mo0", iter([gzip.compress(packed_once)]), FileState.QUARANTINED, Reason.ARCHIVE_NESTED)


def _gzip_name() -> Meal:
    """A file name in the header that takes all of the file: read byte by byte it would take minutes."""
    named = [b"\x1f\x8b\x08\x08" + bytes(6), *[b"n" * MEBIBYTE] * 64]
    return Meal("00000001.mo0", iter(named), FileState.QUARANTINED, Reason.ARCHIVE_DAMAGED)


def _tar_of_headers() -> Meal:
    """Headers that announce a member, and no member."""
    header = tarfile.TarInfo("x")
    header.type = tarfile.XGLTYPE
    data = gzip.compress(header.tobuf() * 100_000)
    return Meal("00000001.mo0", iter([data]), FileState.QUARANTINED, Reason.ARCHIVE_LIMITS)


def _tar_of_long_names() -> Meal:
    header = tarfile.TarInfo("x")
    header.type = tarfile.GNUTYPE_LONGNAME
    header.size = 1 << 33
    data = header.tobuf() + b"n" * 10_240
    return Meal("00000001.mo0", iter([data]), FileState.QUARANTINED, Reason.ARCHIVE_DAMAGED)


@pytest.mark.parametrize(
    "make",
    [
        _long_texts, _many_messages, _many_lines, _zip_bomb, _zip_in_zip, _zip_of_many, _gzip_bomb, _gzip_name,
        _tar_of_headers, _tar_of_long_names,
    ],
)  # fmt: skip
def test_memory_is_bounded(tmp_path: Path, make: Callable[[], Meal]) -> None:
    """A costly file ends in its state with no more memory than any other."""
    system = node(
        tmp_path, areas=[AREA], toss={"settle": "0s", "sync": "none"}, limits={"archive": {"members": 10_000}}
    )
    meal = make()
    with (system.secure / meal.name).open("wb") as file:
        file.writelines(meal.chunks)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *system.command("toss")],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True, cwd=system.root,
    )  # fmt: skip
    peak = int(done.stdout)
    assert ledger_of(system)[meal.name].state == meal.state
    assert ledger_of(system)[meal.name].reason == meal.reason
    assert peak <= MOST_MEMORY
    assert nothing_waits(system)
