from __future__ import annotations

import subprocess
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.cli.looking import snapshot, tosser
from tests.corpus import HUB, US, Kind, damaged, message, netmail, packed, packet
from tests.peers.daemon import BAD_CONFIGURATION, DONE, FAILED
from tests.peers.programs import require

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.daemon import Node


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    """Write a bundle."""
    with zipfile.ZipFile(path, "w") as bundle:
        for name, data in members.items():
            bundle.writestr(name, data)
    return path


@pytest.mark.parametrize("kind", ["2", "2+", "2.2"])
def test_every_type_of_packet_is_shown(tmp_path: Path, kind: Kind) -> None:
    """The header of any type is decoded; of its password only that it is there."""
    (tmp_path / "a.pkt").write_bytes(packet([message("TQW_GEN")], password=b"geheim", kind=kind))

    told = tosser(tmp_path, "packet", "show", "--json", "a.pkt")
    shown = tosser(tmp_path, "packet", "show", "--raw", "a.pkt")

    assert (told.code, shown.code) == (DONE, DONE)
    (header,) = (found["header"] for found in told.json[0]["packets"])
    assert (header["type"], header["password"]) == (kind, True)
    domain = "@tqwnet" if kind == "2.2" else ""
    assert (header["from"], header["to"]) == (f"{HUB}{domain}", f"{US}{domain}")
    assert "password    set" in shown.stdout
    for text in (told.stdout, shown.stdout):
        assert "geheim" not in text.lower()
        assert b"GEHEIM".hex() not in text.replace(" ", "")


def test_messages_are_shown_with_all_they_hold(tmp_path: Path) -> None:
    """Fields, date, character set, kludges, text, SEEN-BY and PATH of a message are told as values."""
    raw = message(
        "TQW_GEN",
        body="Grüße\r".encode("cp437"),
        reply="1337:1/5 0badcafe",
        seen_by=["1/100", "1/200", "2/5"],
        path=["1/300", "1/100"],
    )
    data = packet([raw], password=b"")
    (tmp_path / "a.pkt").write_bytes(data)

    (found,) = tosser(tmp_path, "packet", "show", "--json", "a.pkt").json[0]["packets"][0]["messages"]

    parts = found.pop("parts")
    assert found == {
        "number": 1,
        "offset": 58,
        "from_node": "1/100",
        "to_node": "1/200",
        "attributes": {"value": "0000", "names": []},
        "cost": 0,
        "date": {
            "raw": "01 Nov 26  08:00:01",
            "local": "2026-11-01T08:00:01",
            "utc": "2026-11-01T07:00:01.000Z",
            "flaws": [],
        },
        "from": "Mira Kovale",
        "to": "All",
        "subject": "Test 1",
        "cut": False,
        "charset": {"name": "CP437", "how": "chrs"},
        "area": "TQW_GEN",
        "seen_by": ["1/100", "1/200", "2/5"],
        "path": ["1/300", "1/100"],
    }
    assert [part["kind"] for part in parts] == [
        "area", *["kludge"] * 5, "body", "tearline", "origin", "seen-by", "path",
    ]  # fmt: skip
    assert parts[2]["meaning"] == {"address": "1337:1/5", "serial": "0badcafe"}
    assert parts[6]["text"] == "Grüße"


def test_attributes_and_flaws_are_named(tmp_path: Path) -> None:
    """Attribute bits and what is remarkable about a date have names."""
    raw = packed(b"Hello\r", attributes=0x4011, date=b"Sun  1 Nov 126 8:00\0")
    (tmp_path / "a.pkt").write_bytes(packet([raw]))

    shown = tosser(tmp_path, "packet", "show", "a.pkt").stdout

    assert "  attributes  4011, private, file attached, audit request\n" in shown
    assert '  date        "Sun  1 Nov 126 8:00": 2026-11-01T08:00:00 (flawed, seadog)\n' in shown


def test_the_bytes_are_shown_on_demand(tmp_path: Path) -> None:
    """With --raw each byte of the packet is there, in order, with what it is."""
    data = packet([message("TQW_GEN"), netmail()], password=b"geheim")
    (tmp_path / "a.pkt").write_bytes(data)

    told = tosser(tmp_path, "packet", "show", "--raw", "--json", "a.pkt").json[0]["packets"][0]["raw"]
    shown = tosser(tmp_path, "packet", "show", "--raw", "a.pkt").stdout

    masked = data[:26].hex() + "**" * 8 + data[34:].hex()
    assert "".join(span["hex"] for span in told) == masked
    assert "\n\npacket header, 58 bytes\n00000000  64 00 c8 00" in shown
    assert "\n\nmessage 2, to, 11 bytes\n" in shown
    assert "  4a 61 6e 65 20 53 79 73 6f 70 00                 Jane Sysop.\n" in shown


def test_damaged_packets_are_shown_as_far_as_they_go(tmp_path: Path) -> None:
    """Every kind of damage is told with the reason code that a toss would give."""
    cases = damaged()
    for number, case in enumerate(cases):
        (tmp_path / f"{number:04}.pkt").write_bytes(case.data)

    result = tosser(tmp_path, "packet", "show", "--json", *(f"{number:04}.pkt" for number in range(len(cases))))

    assert result.code == FAILED
    expected = {
        case.name: None if case.expected in {"tolerated", "empty", "trailing-junk"} else case.expected for case in cases
    }
    found = {
        case.name: next((each["error"]["reason"] for each in told["packets"] if each["error"]), None)
        for case, told in zip(cases, result.json, strict=True)
    }
    assert found == expected


def test_the_damage_is_pointed_at(tmp_path: Path) -> None:
    """People see the whole messages, then reason, offset and the bytes around it, and the exit code says no."""
    (tmp_path / "a.pkt").write_bytes(packet([message("TQW_GEN")])[:-2] + b"NO CARRIER")

    result = tosser(tmp_path, "packet", "show", "a.pkt")

    assert result.code == FAILED
    assert "message 1 at offset 58\n" in result.stdout
    end = len(packet([message("TQW_GEN")])) - 2
    assert f"ERROR damaged at offset {end}: 4e 4f stands where" in result.stdout
    assert "..NO CARRI\n" in result.stdout


def test_warnings_are_shown(tmp_path: Path) -> None:
    """What was tolerated is told, and is no failure."""
    (tmp_path / "a.pkt").write_bytes(packet([message("TQW_GEN")], end=b""))

    result = tosser(tmp_path, "packet", "show", "a.pkt")

    assert result.code == DONE
    assert "  warning     the packet ends without a terminator (no-terminator, at offset " in result.stdout


def test_bundles_are_opened(tmp_path: Path) -> None:
    """Every packet of a bundle is shown under its name, and what is none is told."""
    data = packet([message("TQW_GEN")])
    zipped(tmp_path / "0000ffff.mo0", {"a.pkt": data, "b.pkt": data, "note.txt": b"Hello\n"})

    result = tosser(tmp_path, "packet", "show", "--json", "0000ffff.mo0")

    assert result.code == FAILED
    found = [(each["member"], len(each["messages"]), each["error"]) for each in result.json[0]["packets"]]
    assert [(name, count) for name, count, _ in found] == [("a.pkt", 1), ("b.pkt", 1), ("note.txt", 0)]
    assert [error and error["reason"] for _, _, error in found] == [None, None, "not-a-packet"]


def test_archivers_come_from_the_configuration(system: Node) -> None:
    """A bundle of a foreign format takes a program, which only the configuration can name."""
    (system.root / "a.pkt").write_bytes(packet([message("TQW_GEN")]))
    program = bundle_with_7z(system.root)
    document = system.config.read_text("utf-8")
    entry = f"archivers:\n  seven: {{formats: [7z], unpack: [{program}, x, -y, '{{archive}}']}}\n"

    without = tosser(system.root.parent, "packet", "show", "node/0000ffff.mo0")
    system.config.write_text(document + entry, "utf-8")
    within = system.run("packet", "show", "0000ffff.mo0")

    assert without.code == FAILED
    assert "no program is configured for files of type 7z" in without.stderr
    assert within.code == DONE, within.stderr
    assert "packet a.pkt, " in within.stdout


def bundle_with_7z(directory: Path) -> str:
    """Bundle ``a.pkt`` with 7z; gives the program."""
    program = require("7z", "p7zip-full")
    subprocess.run([program, "a", "0000ffff.7z", "a.pkt"], cwd=directory, check=True, capture_output=True)
    (directory / "0000ffff.7z").rename(directory / "0000ffff.mo0")
    return program


def test_terminals_are_safe(tmp_path: Path) -> None:
    """No control character of a packet reaches the terminal, wherever it stands."""
    evil = b"\x1b]0;owned\x07\x9b2J\x7f"
    raw = packed(
        b"AREA:TQW" + evil + b"\r\x01MSGID: " + evil + b"\r\x01X" + evil + b"\r" + evil + b"\nmore\r"
        b"--- " + evil + b"\r * Origin: " + evil + b"\rSEEN-BY: 1/1\r" + evil + b"\r",
        to_name=evil, from_name=b"a\r\nb" + evil, subject=evil, date=evil.ljust(19, b"\x1b") + b"\0",
    )  # fmt: skip
    (tmp_path / "a.pkt").write_bytes(packet([raw]))
    zipped(tmp_path / "0000ffff.mo0", {"\x1b[2J.txt": b"Hello\n", "b\x07.pkt": packet([raw])[:-20]})

    for options in ([], ["--raw"]):
        result = tosser(tmp_path, "packet", "show", *options, "a.pkt", "0000ffff.mo0")
        assert {char for char in result.stdout + result.stderr if not char.isprintable()} == {"\n"}


def test_nothing_is_touched(tmp_path: Path, system: Node) -> None:
    """Looking writes nothing, neither beside the file nor where a daemon works, and leaves no scratch behind."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    work = system.secure / ".tosser"
    work.mkdir()
    bundle = zipped(work / "0660f77c8a1b2c-abcdef.0000ffff.mo0", {"a.pkt": packet([message("TQW_GEN")])})
    zipped(system.root / "0000ffff.mo0", {"a.pkt": packet([message("TQW_GEN")])})
    before = snapshot(system.root)

    environment = {"TMPDIR": str(scratch)}
    result = tosser(system.root, "packet", "show", "0000ffff.mo0", str(bundle), environment=environment)

    assert result.code == DONE, result.stderr
    assert result.stdout.count("packet a.pkt, ") == 2
    assert snapshot(system.root) == before
    assert list(scratch.iterdir()) == []


def test_files_of_the_quarantine_are_shown(system: Node) -> None:
    """What lies in the quarantine has another name, and is read as the packet it was."""
    system.deliver(b"Dear sysop, this is no packet at all, but long enough to be one.\r\n")
    system.toss()
    (data,) = (system.state / "quarantine").glob("*.data")

    result = system.run("packet", "show", str(data))

    assert result.code == FAILED
    assert "ERROR packet-type at offset 18" in result.stdout


def test_files_that_cannot_be_read_do_not_stop_the_others(tmp_path: Path) -> None:
    """A missing file is complained of, and the next one is shown."""
    (tmp_path / "a.pkt").write_bytes(packet([]))
    (tmp_path / "dir.pkt").mkdir()

    result = tosser(tmp_path, "packet", "show", "none.pkt", "dir.pkt", "a.pkt")

    assert result.code == FAILED
    assert result.stderr == "tosser: none.pkt: No such file or directory\ntosser: dir.pkt: not a regular file\n"
    assert "a.pkt\n\npacket, 60 bytes\n" in result.stdout


def test_a_configuration_that_was_named_must_be_good(tmp_path: Path) -> None:
    """A bad configuration that lies about is no matter, one that was asked for is."""
    (tmp_path / "a.pkt").write_bytes(packet([]))
    (tmp_path / "tosser.yaml").write_text("nonsense: true\n")

    assert tosser(tmp_path, "packet", "show", "a.pkt").code == DONE
    assert tosser(tmp_path, "--config", "tosser.yaml", "packet", "show", "a.pkt").code == BAD_CONFIGURATION
