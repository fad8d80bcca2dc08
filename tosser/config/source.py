"""One YAML file as a tree that knows where everything stands.

Scalars follow YAML 1.2 (`tosser.config.scalars`). Refused, each with its place: duplicate keys, keys that are not text,
merge keys, a key without value, undefined or self-containing aliases, more than one document, nesting deeper than 64,
aliases that expand to more than a million values, and files larger than 16 MiB. Positions are only looked up when a
problem needs one, so a good file costs one pass.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Final, Protocol, cast

import yaml
from msgspec import Struct, field
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)
from yaml.reader import Reader

from tosser.config.scalars import Scalar, ScalarError, check_unicode, resolve_plain, resolve_tagged
from tosser.config.secret import read_secret
from tosser.config.syntax import explain_syntax
from tosser.errors import ConfigProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pydantic import SecretStr
    from yaml.error import Mark

_LARGEST_FILE = 16 * 1024 * 1024
_DEEPEST = 64
_LONGEST_SHOWN = 64
"""Characters of a key that are repeated in a problem."""
_MOST_ALIASED = 1_000_000
_SECRET_TAGS = frozenset({"!env", "!file"})
_BYTE_ORDER_MARK = "\ufeff"
_TOO_DEEP = f"nested deeper than {_DEEPEST} levels"
_COLLECTION_TAGS = frozenset({None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})

Location = tuple[str | int, ...]
"""Where a value stands in the document: keys and list indices from the top."""


class _Broken:
    """Stands in for a value that was refused here, so that nothing later complains about it again."""

    __slots__ = ()


BROKEN: Final = _Broken()
"""The one `_Broken`; compare with ``is``."""


class Node(Struct):
    """One value of the document. Shared where an alias repeats it, hence never changed once built."""

    value: dict[str, Entry] | list[Node] | Scalar | SecretStr | _Broken
    mark: Mark
    file: str

    @property
    def place(self) -> str:
        """``file:line:column``, as problems write it."""
        return f"{self.file}:{self.mark.line + 1}:{self.mark.column + 1}"


class Entry(Struct):
    """The value under one key of a mapping, and where the key stands."""

    key_mark: Mark
    node: Node


class Document(Struct):
    """What one file held.

    Attributes:
        root: the top value, or ``None`` when the file cannot be read or is not YAML.
        problems: what was refused while reading it.
    """

    root: Node | None
    problems: list[ConfigProblem] = field(default_factory=list)


def read_document(path: Path, environ: Mapping[str, str]) -> Document:
    """Read one file; whatever is wrong with it is in the problems of the result, nothing is raised."""
    document = Document(None)
    try:
        text = _read_text(path)
    except ScalarError as error:
        document.problems.append(ConfigProblem(str(path), 0, 0, "", str(error)))
        return document
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        what = f"not UTF-8: byte 0x{error.object[error.start]:02x}; save the file in UTF-8"
        document.problems.append(ConfigProblem(str(path), line, column, "", what))
        return document
    strange = Reader.NON_PRINTABLE.search(text)
    at = strange.start() if strange else text.find(_BYTE_ORDER_MARK)
    if at >= 0:
        line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
        what = f"not YAML: the character U+{ord(text[at]):04X} is not allowed"
        document.problems.append(ConfigProblem(str(path), line, column, "", what))
        return document
    try:
        document.root = _Builder(path, text, environ, document.problems).build()
    except yaml.MarkedYAMLError as error:
        line, column, what = explain_syntax(error, text)
        document.problems.append(ConfigProblem(str(path), line, column, "", f"not YAML: {what}"))
    except (ValueError, OverflowError) as error:
        # PyYAML's own parser, which stands in for libyaml, lets these escape for numbers in escapes and directives.
        document.problems.append(ConfigProblem(str(path), 0, 0, "", f"not YAML: {error}"))
    return document


def plain(node: Node) -> object:
    """Give the value without positions: dicts, lists, scalars, secrets, and `BROKEN` where something was refused."""
    value = node.value
    if type(value) is dict:
        return {key: plain(entry.node) for key, entry in value.items()}
    if type(value) is list:
        return [plain(item) for item in value]
    return value


def find_place(root: Node, location: Location, *, key: bool = False) -> tuple[str, int, int]:
    """Find file, line and column of a location, or of the nearest thing around it that the document has.

    Args:
        root: top of the tree.
        location: keys and indices from the top.
        key: point at the key instead of at its value.
    """
    node, mark = root, root.mark
    for depth, part in enumerate(location):
        value = node.value
        if isinstance(value, dict) and part in value:
            entry = value[str(part)]
            node = entry.node
            mark = entry.key_mark if key and depth == len(location) - 1 else node.mark
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            node = value[part]
            mark = node.mark
        else:
            break
    return node.file, mark.line + 1, mark.column + 1


def dotted(location: Location) -> str:
    """Write a location as people do: ``links[2].packet_password``; odd keys are escaped, long ones cut."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{shown(part)}" for part in location)
    return text.removeprefix(".")


def shown(key: str) -> str:
    """Write a key from the file on one line of bounded length."""
    text = key if key.isprintable() else repr(key)[1:-1]
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _read_text(path: Path) -> str:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ScalarError("is no regular file")
        if status.st_size > _LARGEST_FILE:
            raise ScalarError(f"is larger than {_LARGEST_FILE} bytes")
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ScalarError(f"cannot be read: {error.strerror}") from None


class _Event(Protocol):
    """What is used of PyYAML's events; which of these an event really has depends on its class."""

    start_mark: Mark
    anchor: str | None
    tag: str | None
    implicit: tuple[bool, bool]
    value: str


class _Builder:
    """Builds the tree of one file from parser events; PyYAML's own composer recurses without bound in C."""

    def __init__(self, path: Path, text: str, environ: Mapping[str, str], problems: list[ConfigProblem]) -> None:
        self._file = str(path)
        self._directory = path.parent
        self._environ = environ
        self._problems = problems
        loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
        self._next = cast("Callable[[], _Event]", loader(text).get_event)
        self._anchors: dict[str, Node] = {}
        self._location: list[str | int] = []
        self._aliased = 0

    def build(self) -> Node:
        """Build the only document of the stream; an empty one is an empty mapping."""
        start = self._next()
        event = self._next()
        if _kind(event) is StreamEndEvent:
            return Node({}, start.start_mark, self._file)
        root = self._node(self._next())
        self._next()
        event = self._next()
        if _kind(event) is not StreamEndEvent:
            raise _stop("a second document begins here; one file is one document", event.start_mark)
        return Node({}, root.mark, self._file) if root.value is None else root

    def _node(self, event: _Event) -> Node:
        kind = _kind(event)
        if kind is ScalarEvent:
            node = Node(self._scalar(event), event.start_mark, self._file)
        elif kind is AliasEvent:
            return self._alias(event)
        else:
            node = self._collection(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _value(self, event: _Event) -> Node:
        node = self._node(event)
        if node.value is None:
            self._complain(event.start_mark, "has no value; give one or remove it")
            node.value = BROKEN
        return node

    def _scalar(self, event: _Event) -> Scalar | SecretStr | _Broken:
        text = event.value
        try:
            check_unicode(text)
            if event.tag in _SECRET_TAGS:
                return read_secret(event.tag, text, self._directory, self._environ)
            if event.tag is not None:
                return resolve_tagged(event.tag, text)
            return resolve_plain(text) if event.implicit[0] else text
        except ScalarError as error:
            self._complain(event.start_mark, str(error))
            return BROKEN

    def _collection(self, event: _Event) -> Node:
        if len(self._location) >= _DEEPEST:
            raise _stop(_TOO_DEEP, event.start_mark)
        if event.tag not in _COLLECTION_TAGS:
            self._complain(event.start_mark, f"unknown tag {event.tag!r}")
        value = self._mapping() if _kind(event) is MappingStartEvent else self._sequence()
        return Node(value, event.start_mark, self._file)

    def _sequence(self) -> list[Node]:
        items: list[Node] = []
        while _kind(event := self._next()) is not SequenceEndEvent:
            self._location.append(len(items))
            items.append(self._value(event))
            self._location.pop()
        return items

    def _mapping(self) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        while _kind(event := self._next()) is not MappingEndEvent:
            key = self._key(event)
            self._location.append(key or "?")
            node = self._value(self._next())
            self._location.pop()
            if key is None:
                continue
            if key in entries:
                first = entries[key]
                place = f"{self._file}:{first.key_mark.line + 1}:{first.key_mark.column + 1}"
                self._complain(event.start_mark, f"key '{shown(key)}' was given before, at {place}")
            else:
                entries[key] = Entry(event.start_mark, node)
        return entries

    def _key(self, event: _Event) -> str | None:
        if _kind(event) is not ScalarEvent or event.tag is not None:
            self._complain(event.start_mark, "a key must be plain text")
            if _kind(event) is not ScalarEvent:
                self._node(event)
            return None
        key = event.value
        try:
            check_unicode(key)
        except ScalarError as error:
            self._complain(event.start_mark, str(error))
            return None
        if key == "<<":
            self._complain(event.start_mark, "merge keys (<<) are not YAML 1.2; write the keys out")
            return None
        return str(key)

    def _alias(self, event: _Event) -> Node:
        node = self._anchors.get(event.anchor or "")
        if node is None:
            raise _stop(f"alias *{event.anchor} comes before the end of its anchor, or has none", event.start_mark)
        self._measure(node, len(self._location), event)
        return node

    def _measure(self, node: Node, depth: int, alias: _Event) -> None:
        """Count what an alias repeats, and stop before it becomes an alias bomb."""
        self._aliased += 1
        if self._aliased > _MOST_ALIASED:
            raise _stop(f"aliases repeat more than {_MOST_ALIASED} values", alias.start_mark)
        if depth > _DEEPEST:
            raise _stop(_TOO_DEEP, alias.start_mark)
        if isinstance(node.value, dict):
            for entry in node.value.values():
                self._measure(entry.node, depth + 1, alias)
        elif isinstance(node.value, list):
            for item in node.value:
                self._measure(item, depth + 1, alias)

    def _complain(self, mark: Mark, what: str) -> None:
        where = dotted(tuple(self._location))
        self._problems.append(ConfigProblem(self._file, mark.line + 1, mark.column + 1, where, what))


def _kind(event: _Event) -> type[object]:
    """Give the event's class without narrowing to it; the classes are unrelated to our protocol."""
    return type(event)


def _stop(what: str, mark: Mark) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=what, problem_mark=mark)
