"""``tosser base``: what it says, what it does, what it ends with; alone, beside a daemon, beside other programs."""

from __future__ import annotations

import io
import os
import pty
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.daemon.test_bases_in_trouble import locked, mail
from tests.mail import HUB, message, packet
from tests.peers import jam_writer
from tests.peers.daemon import DONE, FAILED, USAGE, Result, node
from tests.stores.samples import samples
from tests.stores.upkeep import stored
from tosser.cli.main import main
from tosser.stores import jam_files
from tosser.stores.jam import JamBase
from tosser.stores.jam_files import shared_files
from tosser.stores.jam_reader import JamReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.peers.daemon import Node

AREA, OTHER = "TQW_TECH", "TQW_GEN"
QUICK = {"lock_wait": "50ms", "poll": "200ms"}


def run(system: Node, *arguments: str) -> Result:
    """Run a command in this process, which takes a tenth of the time."""
    out, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(errors), pytest.raises(SystemExit) as ended:
        main(["--config", str(system.config), *arguments])
    shared_files(base_of(system)).close()
    assert isinstance(ended.value.code, int)
    return Result(int(ended.value.code), out.getvalue(), errors.getvalue())


def toss_an_answer(system: Node) -> None:
    """Toss a message and an answer to it."""
    first, second = f"{HUB} 00000001", f"{HUB} 00000002"
    system.deliver(packet([message(AREA, msgid=first), message(AREA, number=2, msgid=second, reply=first)]))
    assert system.toss().code == DONE


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Node]:
    """A node whose first area has six messages, of which the first two were deleted, and whose other area has one."""
    made = node(tmp_path, areas=[AREA, OTHER], toss=QUICK)
    JamBase(base_of(made)).append(samples(6, 1), wait=1)
    JamBase(base_of(made, OTHER)).append(samples(1, 1), wait=1)
    for position in (0, 1):
        jam_writer.delete(base_of(made), position)
    yield made
    for files in jam_files._shared.values():
        files.close()
    jam_files._shared.clear()


def base_of(system: Node, area: str = AREA) -> Path:
    """Name the base of an area."""
    return system.bases / area.lower()


def configure(system: Node, **sections: object) -> None:
    """Change sections of the configuration."""
    document = yaml.safe_load(system.config.read_text("utf-8"))
    system.config.write_text(yaml.safe_dump(document | sections), "utf-8")


def test_list(system: Node) -> None:
    """Each base is listed with what is in it and how much of it is unused, those without files too."""
    rows = {row["base"]: row for row in run(system, "base", "list", "--json").json}
    assert list(rows) == ["BADMAIL.TQW", OTHER, AREA, "netmail"]
    row = rows[AREA]
    files = [base_of(system).with_suffix(suffix) for suffix in (".jhr", ".jdt", ".jdx")]
    assert row["bytes"] == sum(file.stat().st_size for file in files)
    assert (row["messages"], row["first"], row["next"]) == (4, 1, 7)
    assert 0 < row["unused"] < row["bytes"]
    assert (rows["netmail"]["messages"], rows["netmail"]["network"]) == (0, None)
    lines = [line.split() for line in run(system, "base", "list", AREA).stdout.splitlines()]
    assert lines[1][:3] == ["tqwnet", AREA, "4"]
    assert lines[1][5] == "all"


def test_pack(system: Node) -> None:
    """The room of deleted messages is given back; numbers and messages stay."""
    before = stored(base_of(system))
    done = run(system, "base", "pack", AREA)
    assert done.code == DONE
    assert done.stdout.startswith(f"{AREA}: 4 messages, ")
    assert stored(base_of(system)) == before
    (row,) = run(system, "base", "list", AREA, "--json").json
    assert row["unused"] == 0
    every = run(system, "base", "pack", "--json").json
    assert [row.get("skipped") for row in every] == ["there is no base yet", None, None, "there is no base yet"]


def test_purge(system: Node) -> None:
    """Areas are purged by their own rules, else by those for all; the command line may ask otherwise for some."""
    document = yaml.safe_load(system.config.read_text("utf-8"))
    areas = [area | ({"keep": {"messages": 3}} if area["tag"] == AREA else {}) for area in document["areas"]]
    configure(system, areas=areas)
    told = run(system, "base", "purge", "--dry", AREA, OTHER)
    assert told.stdout == f"{AREA}: 1 messages would be deleted, 3 kept\n{OTHER}: 0 messages would be deleted, 1 kept\n"
    assert len(stored(base_of(system))) == 4
    assert run(system, "base", "purge").code == DONE
    assert sorted(stored(base_of(system))) == [4, 5, 6]
    assert sorted(stored(base_of(system, OTHER))) == [1]
    assert run(system, "base", "purge", "--messages", "1", f"tqwnet/{AREA.lower()}").code == DONE
    assert sorted(stored(base_of(system))) == [6]
    assert run(system, "base", "purge", "--days", "1").code == USAGE
    (row,) = run(system, "base", "list", "--json", AREA).json
    assert row["keep"] == {"days": None, "messages": 3}


def test_check_and_repair(system: Node) -> None:
    """Damage is told with its place and ends with 1; it is mended, and told again; then all is good."""
    path = base_of(system).with_suffix(".jhr")
    data = bytearray(path.read_bytes())
    data[12:16] = b"\x09\0\0\0"
    path.write_bytes(data)
    sentence = f"{AREA}: the base header counts 9 messages, there are 4"
    told = run(system, "base", "check")
    assert told.code == FAILED
    assert told.stdout.splitlines() == [
        "BADMAIL.TQW: there is no base yet",
        f"{OTHER}: good",
        sentence,
        "netmail: there is no base yet",
    ]
    assert run(system, "base", "repair", AREA).stdout == f"{sentence} (mended)\n"
    assert run(system, "base", "check", AREA).code == DONE
    findings = run(system, "base", "repair", AREA, "--json").json[0]["findings"]
    assert findings == []


def test_repair_that_needs_to_be_asked(system: Node) -> None:
    """A base whose CRCs are all wrong is with what would be needed, until that is given."""
    path = base_of(system).with_suffix(".jdx")
    data = bytearray(path.read_bytes())
    for at in range(16, len(data), 8):
        data[at : at + 4] = b"\1\2\3\4"
    path.write_bytes(data)
    refused = run(system, "base", "repair", AREA)
    assert refused.code == FAILED
    assert "only if you say so, with --crc" in refused.stderr
    assert path.read_bytes() == data
    assert run(system, "base", "repair", "--crc", AREA).code == DONE
    assert run(system, "base", "check", AREA).code == DONE


def test_link(tmp_path: Path) -> None:
    """A toss links answers to what they answer, unless the configuration says no; by hand all are linked."""
    system = node(tmp_path, areas=[AREA], maintenance={"link": False})
    toss_an_answer(system)
    assert JamReader(base_of(system)).message(2).header.reply_to == 0
    assert run(system, "base", "link", AREA).stdout == f"{AREA}: 1 messages linked\n"
    assert JamReader(base_of(system)).message(2).header.reply_to == 1
    assert run(system, "base", "link", "--all", "--json", AREA).json[0]["linked"] == 0


@pytest.mark.parametrize("command", ["repair", "pack", "purge", "link"])
def test_a_locked_base(system: Node, command: str) -> None:
    """A base that another program has locked is left alone and told of; the others are done, and it ends with 1."""
    with locked(base_of(system)):
        done = run(system, "base", command)
    assert done.code == FAILED
    assert done.stderr == f"tosser: {base_of(system)}: another program keeps the base locked\n"
    assert f"{AREA}: another program keeps the base locked\n" in done.stdout
    assert run(system, "base", command).code == DONE


def test_mail_that_is_decided_on(system: Node) -> None:
    """A base that waits for mail of a batch is left alone until that is tossed; linking is not in its way."""
    commands = ("repair", "pack", "purge")
    with locked(base_of(system)):
        system.deliver(mail((AREA, 7)), "00000002.pkt")
        assert system.toss().code == FAILED
    before = {file: file.read_bytes() for file in system.bases.iterdir()}
    for command in commands:
        done = run(system, "base", command, AREA)
        assert done.code == FAILED
        assert "mail that is decided on waits to be written to the base; toss it first" in done.stderr
    assert {file: file.read_bytes() for file in system.bases.iterdir()} == before
    assert run(system, "base", "link", AREA).code == DONE
    assert system.toss().code == DONE
    for command in commands:
        assert run(system, "base", command, AREA).code == DONE
    assert sorted(stored(base_of(system))) == [3, 4, 5, 6, 7]


def test_mail_that_waits_for_a_repair(system: Node) -> None:
    """A base that is so broken that mail waits for its repair is repaired, and then takes the mail, once."""
    with locked(base_of(system)):
        system.deliver(mail((AREA, 7)), "00000002.pkt")
        assert system.toss().code == FAILED
    base_of(system).with_suffix(".jdx").unlink()
    assert system.toss().code == FAILED
    assert run(system, "base", "pack", AREA).code == FAILED
    done = run(system, "base", "repair", AREA)
    assert (done.code, done.stdout) == (DONE, f"{AREA}: tqw_tech.jdx was missing (mended)\n")
    assert system.toss().code == DONE
    assert sorted(stored(base_of(system))) == [3, 4, 5, 6, 7]


def test_unknown_area(system: Node) -> None:
    """An area that has no base ends the command before anything is touched."""
    done = run(system, "base", "pack", AREA, "NOWHERE")
    assert done.code == USAGE
    assert done.stderr == "tosser: NOWHERE is no area with a message base here\n"


def test_progress_is_for_terminals(system: Node) -> None:
    """On a terminal standard error shows how far it is, and is clean afterwards; standard output is the same."""
    ours, theirs = pty.openpty()
    try:
        command = system.command("base", "pack", AREA)
        environment = {**system._env(), "TERM": "xterm"}
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=theirs, stdin=subprocess.DEVNULL, check=True, timeout=60,
            env=environment, cwd=system.root,
        )  # fmt: skip
        shown = os.read(ours, 65536).decode()
    finally:
        os.close(theirs)
        os.close(ours)
    assert AREA in shown
    assert done.stdout.decode().startswith(f"{AREA}: 4 messages, ")
