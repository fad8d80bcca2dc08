"""Archives good, bad and hostile, unpacked by the real command with the programs of the sample configuration."""

from __future__ import annotations

import gzip
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.accounts import about, held, kept, ledger_of, log_of, notes_of
from tests.inbound.bundles import tar_of, zip_of
from tests.mail import HUB, US, message, packet
from tests.observe import nothing_waits
from tests.peers.daemon import SET_ASIDE, node
from tests.peers.mosquitto import Mosquitto
from tests.peers.programs import require
from tests.peers.subscriber import Subscriber
from tosser.reason import FileState, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.accounts import LogLine, Note
    from tests.peers.daemon import Node, Result
    from tests.peers.subscriber import Received
    from tosser.state.ledger import LedgerEntry

ARCHIVERS = yaml.safe_load((Path(__file__).parents[2] / "config" / "tosser.yaml").read_text("utf-8"))["archivers"]
PACKERS = {
    "arj": ("arj", "arj", "a", "-y", "../out.arj"),
    "lzh": ("jlha-utils", "jlha", "aq", "../out.lzh"),
    "arc": ("arc", "arc", "a", "../out.arc"),
    "7z": ("p7zip-full", "7z", "a", "-bd", "../out.7z"),
    "encrypted": ("zip", "zip", "-q", "-P", "unknown", "../out.zip"),
}
"""For each format the Debian package, the program and its arguments."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """One archive and what must become of it.

    Attributes:
        name: of the file; the area of its messages is called so, too.
        data: the archive.
        state: of the file.
        reason: why it, or a member of it, is kept.
        messages: how many messages are accepted.
        members: the members that are kept, with the reasons; empty when the archive is kept whole or not at all.
    """

    name: str
    data: bytes
    state: FileState = FileState.QUARANTINED
    reason: Reason | None = None
    messages: int = 0
    members: tuple[tuple[str, bytes, Reason], ...] = ()

    @property
    def whole(self) -> bool:
        """Whether the archive itself is kept."""
        return self.reason is not None and not self.members


class Writer:
    """Gives each bundle a name, an area of that name, and packets for it."""

    def __init__(self, directory: Path) -> None:
        """Take a directory for the packers to work in."""
        self._directory = directory
        self._count = 0
        self.name = ""

    def begin(self) -> None:
        """Start the next bundle."""
        self._count += 1
        self.name = f"{self._count:08x}.mo0"

    @property
    def tag(self) -> str:
        """The area of the present bundle."""
        return f"AREA_{self.name[:8]}"

    def packet(self, *numbers: int, sender: str = HUB, dest: str = US) -> bytes:
        """Write a packet of messages for the area of the present bundle."""
        return packet([message(self.tag, number=number) for number in numbers], sender=sender, dest=dest)

    def pack(self, kind: str, names: Sequence[str], *contents: bytes) -> bytes:
        """Have a real packer pack files."""
        package, program, *arguments = PACKERS[kind]
        scratch = self._directory / self.name / "files"
        scratch.mkdir(parents=True)
        for name, data in zip(names, contents, strict=True):
            (scratch / name).write_bytes(data)
        command = [require(program, package), *arguments, *names]
        subprocess.run(command, cwd=scratch, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
        (out,) = scratch.parent.glob("out.*")
        return out.read_bytes()


def good_bundles(writer: Writer) -> Iterator[Bundle]:
    """Make archives that hold nothing but good packets, in every format."""
    for kind in ("zip", "stored", "tar", "tar.gz", "gz", "none", "arj", "lzh", "arc", "7z"):
        writer.begin()
        members = ("1.pkt", writer.packet(1, 2)), ("2.pkt", writer.packet(3))
        match kind:
            case "zip":
                data = zip_of(*members)
            case "stored":
                data = zip_of(*members, method=zipfile.ZIP_STORED)
            case "tar":
                data = tar_of(*members)
            case "tar.gz":
                data = gzip.compress(tar_of(*members))
            case "gz":
                data = gzip.compress(writer.packet(1, 2, 3))
            case "none":
                data = writer.packet(1, 2, 3)
            case _:
                data = writer.pack(kind, ("1.pkt", "2.pkt"), *(content for _, content in members))
        yield Bundle(writer.name, data, FileState.TOSSED, messages=3)
    writer.begin()
    yield Bundle(writer.name, zip_of(), FileState.EMPTY)


def refused_bundles(writer: Writer) -> Iterator[Bundle]:
    """Make archives that are refused whole, each with good packets in it."""

    def refused(data: bytes, reason: Reason) -> Bundle:
        return Bundle(writer.name, data, reason=reason)

    writer.begin()
    yield refused(zip_of(("1.pkt", writer.packet(1)), ("2.pkt", bytes(64 << 20))), Reason.ARCHIVE_LIMITS)
    writer.begin()
    many = [(f"{number}.pkt", b"") for number in range(2, 103)]
    yield refused(zip_of(("1.pkt", writer.packet(1)), *many), Reason.ARCHIVE_LIMITS)
    for name in ("../../etc/1.pkt", "/1.pkt", "C:\\1.pkt", "..\\1.pkt"):
        writer.begin()
        yield refused(zip_of(("1.pkt", writer.packet(1)), (name, writer.packet(2))), Reason.ARCHIVE_UNSAFE)
    writer.begin()
    yield refused(writer.pack("encrypted", ["1.pkt"], writer.packet(1)), Reason.ARCHIVE_ENCRYPTED)
    writer.begin()
    whole = zip_of(("1.pkt", writer.packet(1)), ("2.pkt", writer.packet(2)))
    yield refused(whole[:-30], Reason.ARCHIVE_DAMAGED)
    writer.begin()
    members = ("1.pkt", writer.packet(1, 2)), ("2.pkt", writer.packet(3))
    stored = zip_of(*members, method=zipfile.ZIP_STORED)
    yield refused(stored.replace(b"this is a test", b"this is a tent", 1), Reason.ARCHIVE_DAMAGED)
    writer.begin()
    packed_arj = bytearray(writer.pack("arj", ["1.pkt"], writer.packet(1)))
    packed_arj[-40:-32] = bytes(byte ^ 0xFF for byte in packed_arj[-40:-32])
    yield refused(bytes(packed_arj), Reason.ARCHIVE_TOOL)
    writer.begin()
    yield refused(gzip.compress(tar_of(("1.pkt", writer.packet(1))))[:-20], Reason.ARCHIVE_DAMAGED)
    writer.begin()
    yield refused(b"Rar!\x1a\x07\0" + bytes(100), Reason.ARCHIVE_UNKNOWN)
    writer.begin()
    yield refused(b"Nothing that anybody ever packed anything into.\r\n" * 8, Reason.ARCHIVE_UNKNOWN)


def mixed_bundles(writer: Writer) -> Iterator[Bundle]:
    """Make archives in which good packets lie beside something else."""

    def beside(name: str, data: bytes, reason: Reason) -> Bundle:
        archive = zip_of(("1.pkt", writer.packet(1)), (name, data), ("3.pkt", writer.packet(3)))
        return Bundle(writer.name, archive, FileState.TOSSED, reason, 2, ((name, data, reason),))

    writer.begin()
    yield beside("2.pkt", writer.packet(2)[:-20], Reason.TRUNCATED)
    writer.begin()
    yield beside("0000ffff.tu1", zip_of(("inner.pkt", writer.packet(2))), Reason.ARCHIVE_NESTED)
    writer.begin()
    yield beside("readme.txt", b"Greetings from the hub\r\n", Reason.NOT_A_PACKET)
    writer.begin()
    yield beside("2.pkt", writer.packet(2, dest="1337:9/8"), Reason.NOT_FOR_US)
    writer.begin()
    yield beside("2.pkt", writer.packet(2, sender="1337:9/9"), Reason.UNKNOWN_SENDER)
    writer.begin()
    nested = zip_of(("inner.pkt", writer.packet(1)))
    alone = ("0000ffff.tu1", nested, Reason.ARCHIVE_NESTED)
    yield Bundle(writer.name, zip_of(alone[:2]), reason=Reason.ARCHIVE_NESTED, members=(alone,))
    writer.begin()
    cut = ("1.pkt", writer.packet(1)[:-9], Reason.TRUNCATED), ("2.pkt", writer.packet(2)[:70], Reason.TRUNCATED)
    archive = zip_of(*(each[:2] for each in cut))
    yield Bundle(writer.name, archive, reason=Reason.TRUNCATED, members=cut)


@dataclass(frozen=True, slots=True)
class Tossed:
    """What one run over all bundles left behind."""

    system: Node
    result: Result
    bundles: dict[str, Bundle]
    ledger: dict[str, LedgerEntry]
    notes: list[Note]
    log: list[LogLine]
    events: list[Received]


@pytest.fixture(scope="module")
def tossed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tossed]:
    """All bundles in the inbound at once, tossed by one command, with a subscriber listening."""
    root = tmp_path_factory.mktemp("bundles")
    writer = Writer(root / "packers")
    made = [bundle for make in (good_bundles, refused_bundles, mixed_bundles) for bundle in make(writer)]
    bundles = {bundle.name: bundle for bundle in made}
    with Mosquitto(root / "broker") as broker, Subscriber(broker.port, "ftn/#") as subscriber:
        system = node(
            root / "node",
            areas=[f"AREA_{name[:8]}" for name in bundles],
            mqtt_url=broker.url,
            toss={"settle": "100ms"},
            limits={"archive": {"members": 100}},
            archivers={name: entry for name, entry in ARCHIVERS.items() if name != "unar"},
        )
        for bundle in made:
            system.deliver(bundle.data, bundle.name)
        result = system.toss()
        members = sum(len(bundle.members) for bundle in made)
        subscriber.wait_until(lambda received: sum("/inbound/" in e.topic for e in received) >= len(made) + members)
        log = log_of(result.stderr)
        yield Tossed(system, result, bundles, ledger_of(system), notes_of(system), log, subscriber.received)


def test_every_bundle_ends_in_its_state(tossed: Tossed) -> None:
    """Ledger, event and log agree on the state of each archive, on the reason, and on what was accepted of it."""
    found = {name: (entry.state, entry.reason) for name, entry in tossed.ledger.items()}
    assert found == {name: (bundle.state, bundle.reason) for name, bundle in tossed.bundles.items()}
    for name, bundle in tossed.bundles.items():
        assert tossed.ledger[name].counts.get(Reason.ACCEPTED, 0) == bundle.messages, bundle
        (event,) = [e for e in tossed.events if "/inbound/" in e.topic and e.json["data"]["name"] == name]
        assert event.topic == f"ftn/inbound/{bundle.state}"
        assert event.json["data"]["reason"] == bundle.reason
        assert len(about(tossed.log, "file_done", file=name, state=bundle.state)) == 1


def test_nothing_of_a_refused_archive_is_imported(tossed: Tossed) -> None:
    """Each area holds exactly what was accepted: all good packets of a sound archive, none of one that is refused."""
    stored = {name: held(tossed.system, f"AREA_{name[:8]}") for name in tossed.bundles}
    assert stored == {name: bundle.messages for name, bundle in tossed.bundles.items()}


def test_what_is_refused_is_kept_unchanged(tossed: Tossed) -> None:
    """An archive that is refused is kept whole; of others the members that are no good packets, and only those."""
    found = {(note["name"], note["member"]): (note["reason"], kept(tossed.system, note)) for note in tossed.notes}
    expected: dict[tuple[str, str], tuple[str, bytes]] = {}
    for name, bundle in tossed.bundles.items():
        if bundle.whole:
            expected[name, ""] = (str(bundle.reason), bundle.data)
        expected |= {(name, member): (reason, data) for member, data, reason in bundle.members}
    assert found == expected


def test_members_are_told_of(tossed: Tossed) -> None:
    """A member that is set aside has an event and a line in the log of its own."""
    for name, bundle in tossed.bundles.items():
        for member, data, reason in bundle.members:
            (event,) = [e for e in tossed.events if "/inbound/" in e.topic and f"{name}: {member}" in e.json["subject"]]
            told = event.json["data"]
            assert (told["name"], told["reason"], told["size"]) == (f"{name}: {member}", reason, len(data))
            assert len(about(tossed.log, "packet_set_aside", file=name, packet=member, reason=reason)) == 1


def test_nothing_is_left_behind(tossed: Tossed) -> None:
    """The command ends with 4; inbounds and work directories are empty, and no name from an archive became a path."""
    assert tossed.result.code == SET_ASIDE
    assert nothing_waits(tossed.system)
    assert list(tossed.system.root.rglob("etc")) == []
    assert [path for path in tossed.system.root.rglob("*.pkt") if path.is_file()] == []
    status = tossed.system.status()
    assert status["quarantine"]["entries"] == len(tossed.notes)
    assert status["links"][0]["address"] == HUB


def test_no_program_is_started_on_what_anyone_may_have_sent(tmp_path: Path) -> None:
    """In an insecure inbound ZIP is read in process, and an archive that takes a program is refused."""
    writer = Writer(tmp_path / "packers")
    system = node(tmp_path / "node", areas=["AREA_00000001", "AREA_00000002"], links={HUB: "GEHEIM42"},
                  toss={"settle": "100ms"}, archivers=ARCHIVERS)  # fmt: skip
    writer.begin()
    data = packet([message(writer.tag)], password=b"GEHEIM42")
    system.deliver(zip_of(("1.pkt", data)), writer.name, system.insecure)
    writer.begin()
    data = packet([message(writer.tag)], password=b"GEHEIM42")
    system.deliver(writer.pack("arj", ["1.pkt"], data), writer.name, system.insecure)
    assert system.toss().code == SET_ASIDE
    states = {name: (entry.state, entry.reason) for name, entry in ledger_of(system).items()}
    assert states == {
        "00000001.mo0": (FileState.TOSSED, None),
        "00000002.mo0": (FileState.QUARANTINED, Reason.ARCHIVE_UNKNOWN),
    }
