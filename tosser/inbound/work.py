"""The work directory inside each inbound: where claimed files lie, and where programs unpack them."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path
from urllib.parse import quote, unquote

WORK_DIRECTORY = ".tosser"
SCRATCH_PREFIX = "scratch-"
LONGEST_PATH = 2048
"""Bytes; what lies deeper in a scratch directory is not looked for, well before paths get too long for the system."""


def scratch_parent(file: Path) -> Path:
    """Give the directory in which scratch may be made for a file: its work directory, or else the system's."""
    for directory in list(file.parents)[:2]:
        if directory.name == WORK_DIRECTORY:
            return directory
    return Path(tempfile.gettempdir())


def encoded(name: str) -> str:
    """Write a name as one of a directory: what is not plain, and a dot in front, is percent-encoded."""
    text = quote(name, safe="")
    return f"%2E{text[1:]}" if text.startswith(".") else text


def decoded(name: str) -> str:
    """Read it back."""
    return unquote(name)


def printable(name: str) -> str:
    """Make a text of a file name: what is no character, or none that can be shown, is escaped; never empty."""
    text = name.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(char if char.isprintable() else escaped(char) for char in text) or "?"


def escaped(char: str) -> str:
    """Write a character as its number in hexadecimal, with as many digits as that takes."""
    code = ord(char)
    if code < 0x100:  # noqa: PLR2004 - what two digits can say
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004 - what four digits can say


def remove_tree(directory: Path) -> None:
    """Remove a scratch directory whatever a program made of it: unreadable or endlessly deep directories."""
    emptied = []
    pending = [str(directory)]
    while pending:
        at = pending.pop()
        emptied.append(at)
        os.chmod(at, 0o700)  # noqa: PTH101 - an entry's path is text
        with os.scandir(at) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.path)  # noqa: PTH108 - as above
                elif len(os.fsencode(entry.path)) <= LONGEST_PATH:
                    pending.append(entry.path)
                else:
                    nearer = str(directory / secrets.token_hex(8))
                    os.rename(entry.path, nearer)  # noqa: PTH104 - as above
                    pending.append(nearer)
    for at in reversed(emptied):
        os.rmdir(at)  # noqa: PTH106 - as above
