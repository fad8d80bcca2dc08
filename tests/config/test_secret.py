from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.config.documents import NETWORK, load, mistakes
from tosser.config.scalars import ScalarError
from tosser.config.secret import read_secret
from tosser.config.world import build_rulebook

if TYPE_CHECKING:
    from pathlib import Path

LINK = NETWORK + "links:\n  - address: 1337:1/100\n    packet_password: "
"""Followed by a password in line 7, column 22."""


def password_of(directory: Path, secret: str, environ: dict[str, str]) -> str:
    """Load a configuration with one link; give the link's packet password."""
    return load(directory, LINK + secret + "\n", environ).links[0].packet_password.get_secret_value()


def test_a_secret_may_stand_in_the_environment(tmp_path: Path) -> None:
    """``!env`` takes the variable as it is."""
    assert password_of(tmp_path, "!env HUB", {"HUB": "S3CRET"}) == "S3CRET"


def test_a_secret_may_stand_in_a_file_beside_the_configuration(tmp_path: Path) -> None:
    """``!file`` is relative to the file that says so, and the last line end does not count."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "hub").write_text("S3CRET\r\n")
    (tmp_path / "hub").write_text("OTHER\n")

    assert password_of(tmp_path, "!file keys/hub", {}) == "S3CRET"
    assert password_of(tmp_path, "!file hub", {}) == "OTHER"
    assert password_of(tmp_path, f"!file {tmp_path}/keys/hub", {}) == "S3CRET"


def test_a_bare_name_is_a_systemd_credential(tmp_path: Path) -> None:
    """With ``$CREDENTIALS_DIRECTORY`` set, a name without slash is looked for there, and only there."""
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "hub").write_text("S3CRET")
    (tmp_path / "hub").write_text("OTHER")
    (tmp_path / "fix").write_text("OTHER")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}

    assert password_of(tmp_path, "!file hub", environ) == "S3CRET"
    assert password_of(tmp_path, "!file ./hub", environ) == "OTHER"
    assert mistakes(tmp_path, LINK + "!file fix\n", environ) == [
        "tosser.yaml:7:22 links[0].packet_password: secret file credentials/fix does not exist or is no regular file"
    ]


@pytest.mark.parametrize(
    ("secret", "what"),
    [
        ("!env ABSENT", "environment variable ABSENT is not set"),
        ("!env EMPTY", "environment variable EMPTY is empty"),
        ("!env", "!env needs a name behind it"),
        ('!file "a\\0b"', "!file needs a name behind it"),
        ("!file absent", "secret file absent does not exist or is no regular file"),
        ("!file directory", "secret file directory does not exist or is no regular file"),
        ("!file empty", "secret file empty is empty"),
        ("!file latin", "secret file latin is not UTF-8 text"),
        ("!file long", "secret file long is longer than 4096 bytes"),
    ],
)
def test_a_missing_secret_is_a_placed_mistake(tmp_path: Path, secret: str, what: str) -> None:
    """What cannot be a secret is told with its place in the configuration."""
    (tmp_path / "directory").mkdir()
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "latin").write_bytes(b"gr\xfcn")
    (tmp_path / "long").write_text("x" * 4097)

    assert mistakes(tmp_path, LINK + secret + "\n", {"EMPTY": ""}) == [
        f"tosser.yaml:7:22 links[0].packet_password: {what}"
    ]


def test_an_unreadable_file_is_told(tmp_path: Path) -> None:
    """An error of the system is named in its words."""
    with pytest.raises(ScalarError, match="File name too long"):
        read_secret("!file", "x" * 300 + "/y", tmp_path, {})


def test_no_error_and_no_representation_shows_a_secret(tmp_path: Path) -> None:
    """Whatever is wrong with a secret or around it, it is never repeated."""
    text = NETWORK + (
        "links:\n"
        "  - {address: 1337:1/100, packet_password: !env LONG, areafix: {password: !env LONG}}\n"
        "  - {address: !env LONG, packet_password: !env UMLAUT, flavour: !env LONG, max_packet: !env LONG}\n"
        "  - {address: 1337:1/101, packet_password: hunter2hunter2}\n"
        "  - {address: 1337:1/102, packet_password: [hunter2]}\n"
        "mqtt: {url: 'mqtt://user:hunter2@host', password: !env LONG}\n"
        "!env LONG: x\n"
    )
    environ = {"LONG": "hunter2-" * 3, "UMLAUT": "hünter2"}
    found = "\n".join(mistakes(tmp_path, text, environ))

    assert len(found.splitlines()) == 9
    assert "hunter2" not in found
    assert "hünter2" not in found
    assert "a secret (!env, !file) cannot stand here" in found

    config = load(tmp_path, LINK + "!env SHORT\n", {"SHORT": "hunter2"})
    assert "hunter2" not in repr(config)
    assert "HUNTER2" not in repr(build_rulebook(config))
    assert config.links[0].packet_password.get_secret_value() == "hunter2"
