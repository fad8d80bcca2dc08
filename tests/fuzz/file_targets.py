"""What is read from files: archives, message bases, the configuration, locks, notes; and the whole way of a file."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pydantic_core import PydanticCustomError

from tests.corpus import HUB, US, damaged, message, netmail, packet, refused
from tests.fuzz.target import Target
from tests.inbound.bundles import LIMITS, PACKET, contents, tar_of, zip_of
from tests.stores.samples import samples
from tosser.config.loading import load_config
from tosser.config.scalars import ScalarError, resolve_plain
from tosser.config.values import parse_duration, parse_size
from tosser.errors import ArchiveError, ConfigError, FormatError, StoreError
from tosser.events.topics import Topic
from tosser.inbound.completeness import looks_complete
from tosser.inbound.quarantine import _parse_note
from tosser.outbound.busy import _describe, _first_line, _is_stale
from tosser.stores.jam import JamBase
from tosser.stores.jam_reader import JamMessage, JamReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fuzz.target import Check

SUFFIXES = (".jhr", ".jdt", ".jdx")
_CONFIG = b"""\
system: {name: X, sysop: Y}
paths: {state: /s, bases: /b, inbound: {secure: [/i]}, outbound: /o}
networks: {net: {addresses: [1:2/3]}}
links: [{address: 1:2/4, packet_password: "x", flavour: hold}]
areas:
  - &a {tag: T, links: [1:2/4]}
limits: {file: 1MiB, archive: {time: 5s}}
"""


def make_archive(directory: Path) -> Check:
    """Archives give members within the limits, or are refused by our own error; no name in them becomes a path."""
    path = directory / "0000ffff.mo0"

    def check(data: bytes) -> None:
        path.write_bytes(data)
        looks_complete(path)
        with suppress(ArchiveError):
            members = contents(path)
            assert len(members) <= LIMITS.members
            assert sum(len(content) for _, _, content in members) <= max(LIMITS.total_bytes, len(data))
        assert [path] == list(directory.iterdir())

    return check


def make_jam_base(directory: Path) -> Check:
    """A broken base is read as far as it can be; it is added to without harm, or refused by our own error."""
    path = directory / "area"

    def check(data: bytes) -> None:
        for suffix, part in zip(SUFFIXES, _three(data), strict=True):
            path.with_suffix(suffix).write_bytes(part)
        base = JamBase(path)
        with suppress(StoreError):
            before = [each for each in JamReader(path).records() if isinstance(each, JamMessage)]
            assert all(each.message.body is not None for each in before)
            (number,) = base.append(samples(1), wait=0)
            base.resume(base.position(), samples(1, 1), wait=0)
            assert JamReader(path).message(number).text == samples(1)[0].body
        base.close()

    return check


def _three(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Three files of one input: how long the first two are stands in front."""
    first, second = int.from_bytes(data[:2], "little"), int.from_bytes(data[2:4], "little")
    rest = data[4:]
    return rest[:first], rest[first : first + second], rest[first + second :]


def make_config(directory: Path) -> Check:
    """A configuration is read, or refused with placed mistakes; a value means something, or is refused."""
    path = directory / "tosser.yaml"

    def check(data: bytes) -> None:
        path.write_bytes(data)
        try:
            load_config(path, {})
        except ConfigError as error:
            assert error.problems
            assert str(error)
        with suppress(UnicodeDecodeError, ScalarError):
            value = resolve_plain(data[:60].decode("utf-8"))
            for parse in (parse_size, parse_duration):
                with suppress(PydanticCustomError):
                    assert parse(value) >= 0

    return check


def make_small_file(directory: Path) -> Check:
    """What others write into locks, notes and topics is read, or refused as their readers expect."""
    path = directory / "00010064.bsy"

    def check(data: bytes) -> None:
        path.write_bytes(data)
        _is_stale(_first_line(path), 0.0, 86400.0)
        assert _describe(path)
        with suppress(ValueError, LookupError, TypeError):
            _parse_note(data)
        with suppress(FormatError):
            topic = Topic.parse(data.decode("utf-8", "replace"), "ftn")
            assert Topic.parse(topic.build("ftn"), "ftn") == topic

    return check


def archives() -> Iterator[bytes]:
    """Good archives, and hostile ones."""
    files = ("1.pkt", PACKET), ("dir/2.pkt", PACKET * 2)
    yield zip_of(*files)
    yield zip_of(*files, method=zipfile.ZIP_STORED)
    yield _zip64()
    yield zip_of(("../1.pkt", PACKET))
    yield zip_of(("1.pkt", bytes(300_000)))
    yield zip_of(("1.zip", zip_of(*files)), ("1.pkt", PACKET), ("1.pkt", PACKET))
    yield tar_of(*files)
    yield tar_of(*files, form=tarfile.PAX_FORMAT)
    yield tar_of(("x" * 120 + "/1.pkt", PACKET), form=tarfile.USTAR_FORMAT)
    yield gzip.compress(tar_of(*files))
    yield gzip.compress(PACKET) + gzip.compress(b"")


def _zip64() -> bytes:
    """A ZIP file with 64-bit sizes, which stand behind the data."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, archive.open("1.pkt", "w", force_zip64=True) as member:
        member.write(PACKET)
    return buffer.getvalue()


def inputs() -> Iterator[bytes]:
    """Files for an inbound: packets and bundles, good, damaged and refused."""
    yield packet([message("TQW_GEN", number=1), netmail(number=2), message("NO_SUCH", number=3)])
    yield packet([message("TQW_TECH", number=number) for number in range(4, 9)], password=b"SECRET")
    for case in (*damaged(), *refused(sender=HUB, dest=US)):
        if len(case.data) < 3000:  # short ones are changed sooner in the place that matters
            yield case.data
    yield from archives()


def _bases() -> Iterator[bytes]:
    """A base of four messages as one input."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "area"
        JamBase(path).append(samples(4, size=2), wait=1)
        jhr, jdt, jdx = (path.with_suffix(suffix).read_bytes() for suffix in SUFFIXES)
        JamBase(path).close()
    yield len(jhr).to_bytes(2, "little") + len(jdt).to_bytes(2, "little") + jhr + jdt + jdx


def _small_files() -> Iterator[bytes]:
    yield b"12345 tosser 0123456789ab\n"
    yield b"ftn/tqwnet/area/TQW_GEN/message"
    yield b"ftn/tqwnet/link/p5.f100.n1.z1337/state"
    yield json.dumps({"id": "x", "state": "quarantined", "reason": "damaged", "size": 1, "offset": None}).encode()


TARGETS = (
    Target("archive", make_archive, archives, 12_000),
    Target("jam-base", make_jam_base, _bases, 4096),
    Target("config", make_config, lambda: [_CONFIG]),
    Target("small-file", make_small_file, _small_files, 300),
)
