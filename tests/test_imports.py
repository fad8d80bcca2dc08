"""The direction of imports, and the purity of the parts that promise it."""

from __future__ import annotations

import ast
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.peers.programs import require_own

ROOT = Path(__file__).parent.parent
PURE = [*ROOT.glob("tosser/codec/**/*.py"), *ROOT.glob("tosser/rules/**/*.py"), ROOT / "tosser/address.py"]
IMPURE_CALLS = {"open", "print", "input", "now", "utcnow", "today", "localtime", "exec", "eval", "__import__"}
"""What needs no import of its own, or comes with `datetime`: files, the terminal, the clock."""


def lint_imports(directory: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of pyproject.toml on the package in a directory."""
    command = [require_own("lint-imports"), "--no-logo", "--no-cache"]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the package and its contracts, to break."""
    shutil.copytree(ROOT / "tosser", tmp_path / "tosser", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_contracts_hold() -> None:
    """Every contract on imports is kept."""
    done = lint_imports(ROOT)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("codec/packet.py", "import asyncio"),
        ("codec/packet.py", "import os"),
        ("codec/packet.py", "import time"),
        ("codec/packet.py", "from pathlib import Path"),
        ("codec/packet.py", "import tosser.disk"),
        ("codec/packet.py", "import tosser.rules"),
        ("rules/network.py", "import sqlite3"),
        ("rules/network.py", "import structlog"),
        ("rules/network.py", "import tosser.state"),
        ("rules/network.py", "import tosser.config"),
        ("state/__init__.py", "import tosser.stores"),
        ("events/__init__.py", "import tosser.inbound"),
        ("config/__init__.py", "import tosser.disk"),
        ("config/__init__.py", "import tosser.daemon"),
        ("disk.py", "import tosser.address"),
    ],
)
def test_a_wrong_import_is_found(checkout: Path, module: str, statement: str) -> None:
    """An import against the direction, or of I/O into a pure part, breaks a contract."""
    path = checkout / "tosser" / module
    with path.open("a") as source:
        source.write(f"\n{statement}\n")

    done = lint_imports(checkout)

    assert done.returncode == 1, done.stdout
    assert "BROKEN" in done.stdout


def test_a_package_outside_the_layers_is_found(checkout: Path) -> None:
    """A new part must be given its layer."""
    (checkout / "tosser" / "newcomer.py").write_text('"""New."""\n')

    assert lint_imports(checkout).returncode == 1


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(ROOT)))
def test_pure_modules_call_nothing_impure(path: Path) -> None:
    """Codec and rules open nothing, print nothing and do not ask the time."""
    calls = [node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    names = {call.id for call in calls if isinstance(call, ast.Name)}
    names |= {call.attr for call in calls if isinstance(call, ast.Attribute)}

    assert names & IMPURE_CALLS == set()
