from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.mail import message, packet
from tests.peers.daemon import FAILED
from tests.peers.programs import require_own
from tosser.cli.output import ago, complain, printable, say, say_json, say_table, utc

if TYPE_CHECKING:
    from tests.peers.daemon import Node


def test_control_characters_are_escaped() -> None:
    """What a terminal would obey is shown instead; line feeds, tabs and letters of any script stay."""
    assert printable("\x1b[2J\x07\x7f\x9b ok\n\tЩи, Süden") == "\\x1b[2J\\x07\\x7f\\x9b ok\n\tЩи, Süden"


def test_characters_that_show_nothing_are_escaped() -> None:
    """What hides text or turns it round is shown by its number, with as many digits as that takes."""
    assert printable("a\u200bb\u202ec\U000e0001") == "a\\u200bb\\u202ec\\U000e0001"


@pytest.mark.parametrize("speak", [say, complain])
def test_what_the_terminal_cannot_show(speak: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal without Unicode the rest is escaped, and nothing fails."""
    assert callable(speak)
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="ascii", write_through=True)
    monkeypatch.setattr(sys, "stdout" if speak is say else "stderr", stream)
    speak("Grüße, \udcff, мир")
    assert written.getvalue() == b"Gr\\xfc\\xdfe, \\udcff, \\u043c\\u0438\\u0440\n"


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_reader_that_leaves(tmp_path: Path, options: tuple[str, ...]) -> None:
    """When nobody reads what a command tells, as behind ``head``, it ends without a word about that."""
    path = tmp_path / "a.pkt"
    path.write_bytes(packet([message("TQW_GEN")]))
    reading, writing = os.pipe()
    os.close(reading)
    command = [require_own("tosser"), "packet", "show", *options, str(path)]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(writing)

    assert (done.returncode, done.stderr) == (FAILED, b"")


def test_tables(capsys: pytest.CaptureFixture[str]) -> None:
    """Columns are as wide as their widest cell, what is unknown is a dash, and no cell breaks its row."""
    say_table(("A", "LONGER"), [(1, None), ("wide\nword", ""), ("\x1b", "x")], "nothing")
    assert capsys.readouterr().out == "A          LONGER\n1          -\nwide word  -\n\\x1b       x\n"
    say_table(("A",), [], "nothing")
    assert capsys.readouterr().out == "nothing\n"


def test_json_is_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the terminal's encoding, JSON arrives whole."""
    say_json({"name": "Süden \udcff"})
    assert capsys.readouterr().out == '{\n  "name": "S\\u00fcden \\udcff"\n}\n'


def test_moments() -> None:
    """Moments are RFC 3339 in UTC, or how long ago they were in the largest unit of which there are two."""
    assert utc(1_794_571_200.4) == "2026-11-13T12:00:00Z"
    assert utc(None) is None
    ages = (0, 119, 120, 7199, 7200, 172_799, 172_800, -5)
    assert [ago(1000.0, 1000.0 + age) for age in ages] == ["0s", "119s", "2m", "119m", "2h", "47h", "2d", "0s"]
    assert ago(None, 1000.0) is None


def test_an_output_that_is_full(system: Node) -> None:
    """When the output cannot be written the command says so and ends with 1."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            system.command("quarantine", "reasons"), stdout=full, stderr=subprocess.PIPE, check=False, cwd=system.root
        )
    assert (done.returncode, done.stderr) == (FAILED, b"tosser: No space left on device\n")
