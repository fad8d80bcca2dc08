"""Every change of the disk that matters goes through `tosser.disk`, and the suite stops at every one of them."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import tosser
from tests.crash.seam import STEPS
from tosser import disk

CHANGING = {
    "chmod", "copyfile", "fchmod", "fdatasync", "fsync", "ftruncate", "hardlink_to", "link", "mkdir", "mkdtemp",
    "mkstemp", "move", "pwrite", "pwritev", "remove", "removedirs", "rename", "replace", "rmdir", "rmtree",
    "symlink_to", "sync", "truncate", "unlink", "utime", "write_bytes", "write_text", "NamedTemporaryFile",
    "TemporaryDirectory", "TemporaryFile",
}  # fmt: skip
"""Names of what changes files, wherever it comes from."""
ELSEWHERE = {
    "inbound/work.py": "clears scratch directories",
    "inbound/external.py": "scratch: what a program unpacks of a bundle that is kept",
    "inbound/unpack.py": "scratch: a decoded copy of a bundle that is kept",
    "outbound/program.py": "scratch: what a program packs of packets that are kept; what it made is placed by disk",
    "outbound/staging.py": "makes and clears that scratch",
    "state/lock.py": "the lock file, which holds a number for people",
    "config/schema.py": "writes a page of the documentation",
    "cli/demo.py": "a network for show",
    "demo/stage.py": "as above",
    "cli/files.py": "a copy to look into",
}
"""Modules that change files themselves, and what."""
SOURCE = Path(tosser.__file__).parent


def changes(tree: ast.AST) -> set[str]:
    """Find the calls that change files; of ``str.replace`` and the like only those of `os` and `shutil` are meant."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGING:
            owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
            ours = owner in {"disk", "base"} or (node.func.attr in {"replace", "remove", "sync"} and owner != "os")
            if not ours:
                found.add(node.func.attr)
    return found


def test_one_place_for_changes() -> None:
    """Outside of it only scratch, the lock file, SQLite's and what is for show is written."""
    direct = {
        str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if changes(ast.parse(path.read_text("utf-8")))
    }
    assert direct - {"disk.py"} == ELSEWHERE.keys()


def test_every_step_is_known() -> None:
    """In that place, each system call that changes something is in a function that the suite stops at."""
    module = ast.parse(inspect.getsource(disk))
    direct = {node.name for node in module.body if isinstance(node, ast.FunctionDef) and changes(node)}
    opening = {"create", "open_or_create"}
    assert direct | opening == set(STEPS)
