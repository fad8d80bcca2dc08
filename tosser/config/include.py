"""Several files read as one document: ``include:`` takes a glob or a list of globs, relative to the file that says so.

Lists append, mappings merge, and the same scalar in two files is an error that names both places. A file is read once:
including it again, by a cycle or by two globs, is an error. A name without wildcards must exist; a glob may match
nothing.
"""

from __future__ import annotations

import glob
import os
from typing import TYPE_CHECKING

from msgspec import Struct, field

from tosser.config.source import BROKEN, Entry, Node, dotted, read_document
from tosser.errors import ConfigProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tosser.config.source import Location

_DEEPEST = 16
"""Files that may include one another in a row."""


class Tree(Struct):
    """The whole configuration as read.

    Attributes:
        root: top of the merged document; ``None`` when a file could not be read at all.
        files: every file in the order it was read, the main one first.
        problems: what was refused while reading.
    """

    root: Node | None
    files: tuple[str, ...]
    problems: list[ConfigProblem]


def read_tree(path: Path, environ: Mapping[str, str]) -> Tree:
    """Read a file and all it includes; nothing is raised, problems are collected."""
    reader = _Reader(environ)
    root = reader.read(path, None)
    return Tree(None if reader.unreadable else root, tuple(reader.files), reader.problems)


class _Reader(Struct):
    environ: Mapping[str, str]
    files: list[str] = field(default_factory=list)
    problems: list[ConfigProblem] = field(default_factory=list)
    unreadable: bool = False
    _seen: dict[str, str] = field(default_factory=dict)
    _depth: int = 0

    def read(self, path: Path, named_at: Node | None) -> Node | None:
        """Read one file and what it includes, merged; ``None`` when it cannot be used."""
        self._seen[os.path.realpath(path)] = named_at.place if named_at else "the command line"
        self.files.append(str(path))
        document = read_document(path, self.environ)
        self.problems += document.problems
        root = document.root
        if root is None:
            self.unreadable = True
            return None
        if not isinstance(root.value, dict):
            self._complain(root, (), "the file should be a mapping (key: value)")
            self.unreadable = True
            return None
        return self._with_included(root, root.value.get("include"), path.parent)

    def _with_included(self, root: Node, include: Entry | None, directory: Path) -> Node:
        merged = root
        self._depth += 1
        for location, pattern in _patterns(include):
            for path in self._expand(pattern, location, directory):
                included = self.read(path, pattern)
                if included is not None:
                    merged = self._merge(merged, included, ())
        self._depth -= 1
        return merged

    def _expand(self, pattern: Node, location: Location, directory: Path) -> list[Path]:
        """Find the files a pattern names that may be read here."""
        text = pattern.value
        if not isinstance(text, str) or not text or "\0" in text:
            if pattern.value is not BROKEN:
                self._complain(pattern, location, "should be a file name or a glob")
            return []
        if self._depth > _DEEPEST:
            self._complain(pattern, location, f"includes are nested deeper than {_DEEPEST} files")
            return []
        names = sorted(glob.glob(text, root_dir=directory, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
        if not names and not glob.has_magic(text):
            self._complain(pattern, location, f"there is no file {directory / text}")
        return [path for name in names if self._may_read(path := directory / name, pattern, location)]

    def _may_read(self, path: Path, pattern: Node, location: Location) -> bool:
        before = self._seen.get(os.path.realpath(path))
        if before is not None:
            self._complain(pattern, location, f"{path} was already read: it is named at {before}")
        return before is None

    def _merge(self, into: Node, new: Node, location: Location) -> Node:
        old, value = into.value, new.value
        if old is BROKEN or value is BROKEN:
            return new if old is BROKEN else into
        if isinstance(old, dict) and isinstance(value, dict):
            entries = dict(old)
            for key, entry in value.items():
                if not location and key == "include":
                    continue
                here = (*location, key)
                entries[key] = (
                    Entry(entries[key].key_mark, self._merge(entries[key].node, entry.node, here))
                    if key in entries
                    else entry
                )
            return Node(entries, into.mark, into.file)
        if isinstance(old, list) and isinstance(value, list):
            return Node(old + value, into.mark, into.file)
        self._complain(new, location, f"was given before, at {into.place}; only lists and mappings add up")
        return into

    def _complain(self, node: Node, location: Location, what: str) -> None:
        mark = node.mark
        self.problems.append(ConfigProblem(node.file, mark.line + 1, mark.column + 1, dotted(location), what))


def _patterns(entry: Entry | None) -> Iterator[tuple[Location, Node]]:
    if entry is None:
        return
    if isinstance(entry.node.value, list):
        for index, item in enumerate(entry.node.value):
            yield ("include", index), item
    else:
        yield ("include",), entry.node
