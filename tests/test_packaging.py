"""What is shipped: the wheel, its metadata, and the files a sysop gets with the source."""

from __future__ import annotations

import re
import subprocess
import zipfile
from email import message_from_bytes
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import tosser
from tests.peers.programs import require_own

if TYPE_CHECKING:
    from email.message import Message

ROOT = Path(__file__).parent.parent
LEFT_OUT = {"__pycache__"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built without a network."""
    directory = tmp_path_factory.mktemp("wheel")
    command = [require_own("hatchling"), "build", "--target", "wheel", "--directory", str(directory)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (path,) = directory.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    """The wheel's METADATA."""
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return message_from_bytes(wheel.read(name))


def test_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    """Every file of the package is in the wheel (migrations and the type marker too), and no test or document is."""
    package = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "tosser").rglob("*")
        if path.is_file() and not LEFT_OUT.intersection(path.parts)
    }

    assert {name for name in wheel.namelist() if ".dist-info/" not in name} == package
    assert "tosser/py.typed" in package


def test_version_is_the_same_everywhere(metadata: Message) -> None:
    """The wheel, the module and the changelog agree on the version."""
    assert metadata["Version"] == tosser.__version__
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    headings = re.findall(r"^## \[(.+?)\]", changelog, re.MULTILINE)
    assert tosser.__version__ in headings


def test_metadata_says_what_it_needs(metadata: Message) -> None:
    """The Python version, the licence and the extras are stated."""
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"
    assert set(metadata.get_all("Provides-Extra", [])) == {"demo", "fast"}


def test_wheel_has_the_command(wheel: zipfile.ZipFile) -> None:
    """Installing the wheel gives the command ``tosser``."""
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt")]

    assert "tosser = tosser.__main__:main" in wheel.read(name).decode("ascii").splitlines()


def test_the_command_starts() -> None:
    """The installed command knows its version."""
    done = subprocess.run([require_own("tosser"), "--version"], capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 0, done.stderr
    assert tosser.__version__ in done.stdout


@pytest.mark.parametrize(
    "name", ["README.md", "CHANGELOG.md", "LICENSE", "config/tosser.yaml", "systemd/tosser.service"]
)
def test_files_for_sysops_are_there(name: str) -> None:
    """What the documentation points to exists and says something."""
    assert (ROOT / name).stat().st_size > 0


def test_every_page_is_in_the_navigation() -> None:
    """The documentation's table of contents names each page once, and no page that is not there."""
    text = (ROOT / "mkdocs.yml").read_text("utf-8")
    named = re.findall(r"^ +- .*?([\w./-]+\.md)$", text, re.MULTILINE)

    assert sorted(named) == sorted(str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md"))


def test_make_help_lists_every_target() -> None:
    """Each target a person may ask for is explained by ``make help``."""
    text = (ROOT / "Makefile").read_text("utf-8")
    done = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )

    wanted = {"demo", "test", "lint", "format", "bench", "clean", "help"}
    assert wanted <= {line.split()[0] for line in done.stdout.splitlines()}
    assert wanted <= set(re.findall(r"^(\w+):", text, re.MULTILINE))
