"""A disk with a cache before it: what may be on it when the power goes, given the steps that were taken.

The model, which is as pessimistic as POSIX allows and no file system for Linux is in all points:

* Names. Making, removing, linking and renaming is on the disk when a directory it is in was synced. What was not
  synced may or may not be there, each change for itself and in any combination; changes of one name happen in their
  order. A rename is one change, within a directory or between two. Syncing a file does not make its name durable.
* Bytes. Writes and truncations are on the disk when the file was synced. Of those that were not, some may be missing,
  the last may be torn at any sector of 512 bytes, and a file may have its new length with zeros in the place of bytes.
* The state database. A transaction is on the disk, whole, when its commit has returned: so SQLite promises for
  ``synchronous = FULL`` in WAL mode, and its own tests hold it to that. Before that it is not there, also where part of
  its frames is in the log: such torn logs are among the states. Where a killed process committed, and another was
  started, the last commit is taken to be in the cache only, since it may have died between the write and the sync.
* Syncing everything has everything on the disk.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING

from tests.crash.seam import COMMIT, DATABASE_FILES

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tests.crash.scenes import Tree
    from tests.crash.seam import Step

SECTOR = 512
DIRECTORY = -1
"""What a name of a directory leads to; other numbers are those of files."""
Database = tuple[tuple[str, bytes], ...]


@dataclass(slots=True)
class Content:
    """The bytes of a file: those that are on the disk, and the writes since, as (offset, bytes or ``None`` to cut)."""

    durable: bytes = b""
    writes: list[tuple[int, bytes | None]] = field(default_factory=list)

    def after(self, writes: Iterable[tuple[int, bytes | None]]) -> bytes:
        """Give the bytes when of the writes only these have reached the disk."""
        data = bytearray(self.durable)
        for offset, piece in writes:
            if piece is None:
                data[:] = data[:offset].ljust(offset, b"\0")
            else:
                _put(data, offset, piece)
        return bytes(data)

    @property
    def live(self) -> bytes:
        """The bytes as everybody sees them."""
        return self.after(self.writes)


@dataclass(frozen=True, slots=True)
class Naming:
    """A change of names: what each of them leads to now, ``None`` for nothing."""

    effects: tuple[tuple[str, int | None], ...]

    @property
    def directories(self) -> set[str]:
        """The directories it changes."""
        return {_parent(path) for path, _ in self.effects}


class Medium:
    """A directory on a disk.

    Args:
        root: its path, as it is in the steps.
        tree: what is on the disk at the beginning.
    """

    def __init__(self, root: str, tree: Tree) -> None:
        self._root = root
        self._files: list[Content] = []
        self._names: dict[str, int] = {}
        self._state = f"{root}/state/"
        self.database: Database = ()
        self._earlier: Database | None = None
        for name, data in tree.items():
            if name.startswith("state/tosser.db"):
                self.database += ((PurePath(name).name, data or b""),)
            else:
                self._names[f"{root}/{name}"] = DIRECTORY if data is None else self._new(data)
        self._live = dict(self._names)
        self._pending: list[Naming] = []

    def _new(self, data: bytes = b"") -> int:
        self._files.append(Content(data))
        return len(self._files) - 1

    # --- steps

    def take(self, step: Step) -> None:
        """Have a step taken."""
        if not step.changed or (step.path and not step.path.startswith(self._root)):
            return
        if step.name in {"write_at", "write_pieces", "truncate"}:
            self._at(step.path).writes.append((step.offset, None if step.name == "truncate" else step.data))
        elif step.name == "sync_file":
            self._sync_content(self._at(step.path))
        elif step.name == "sync_directory":
            self._sync_names(lambda naming: step.path in naming.directories)
        elif step.name == "sync_everything":
            self.sync()
        elif step.name == COMMIT:
            self.database, self._earlier = step.database, None
        elif step.name != "set_mode":
            self._rename(step)

    def sync(self) -> None:
        """Have everything on the disk."""
        self._sync_names(lambda _: True)
        for content in self._files:
            self._sync_content(content)
        self._earlier = None

    def doubt(self, earlier: Database) -> None:
        """Take the last commit to be in the cache only; before it the database was this."""
        self._earlier = earlier

    def _at(self, path: str) -> Content:
        return self._files[self._live[path]]

    def _rename(self, step: Step) -> None:
        """Take a step that changes names."""
        effects: list[tuple[str, int | None]]
        if step.name == "create" and step.path in self._live:
            self._at(step.path).writes.append((0, None))
            return
        if step.name in {"create", "open_or_create"}:
            effects = [(step.path, self._new())]
        elif step.name == "make_one_directory":
            effects = [(step.path, DIRECTORY)]
        elif step.name == "link":
            effects = [(step.target, self._live[step.path])]
        elif step.name == "rename":
            effects = [(step.path, None), (step.target, self._live[step.path])]
        else:
            effects = [(step.path, None)]
        _apply(self._live, effects)
        self._pending.append(Naming(tuple(effects)))

    @staticmethod
    def _sync_content(content: Content) -> None:
        content.durable, content.writes = content.live, []

    def _sync_names(self, due: Callable[[Naming], bool]) -> None:
        """Have changes on the disk, and those before them of the same names."""
        flushed: set[int] = set()
        for at, naming in enumerate(self._pending):
            if due(naming):
                flushed |= self._before(at)
        for at in sorted(flushed):
            _apply(self._names, self._pending[at].effects)
        self._pending = [naming for at, naming in enumerate(self._pending) if at not in flushed]

    def _before(self, at: int) -> set[int]:
        """Give a change, and those that have to be on the disk when it is, by their places."""
        found = {at}
        paths = {path for path, _ in self._pending[at].effects}
        for earlier in range(at - 1, -1, -1):
            touched = {path for path, _ in self._pending[earlier].effects}
            if touched & paths:
                found.add(earlier)
                paths |= touched
        return found

    # --- what may be on the disk now

    def states(self, rng: random.Random, mixtures: int) -> Iterator[tuple[Tree, Database]]:
        """Give states of the disk that a power cut may leave at this moment.

        Nothing that is pending is there; one thing of it alone; all but one thing; and some mixtures.
        """
        names = range(len(self._pending))
        reachable = set(self._live.values()) | {n for p in self._pending for _, n in p.effects if n is not None}
        dirty = [number for number, content in enumerate(self._files) if content.writes and number in reachable]
        yield self._state_of((), {}, rng)
        for chosen in names:
            yield self._state_of((chosen,), {}, rng)
            yield self._state_of([at for at in names if at != chosen], dict.fromkeys(dirty, "all"), rng)
        for number in dirty:
            for how in ("part", "zeros", "none"):
                yield self._state_of(names, dict.fromkeys(dirty, "all") | {number: how}, rng)
            yield self._state_of(names, {number: "all"}, rng)
        for _ in range(mixtures if dirty or names else 0):
            share = rng.choice((0.2, 0.5, 0.8))
            some = [at for at in names if rng.random() < share]
            yield self._state_of(some, {n: rng.choice(("all", "part", "zeros", "none")) for n in dirty}, rng)

    def torn_commits(self, step: Step, rng: random.Random, count: int) -> Iterator[tuple[Tree, Database]]:
        """Give states in which part of a commit's frames is in the log, and nothing else is missing."""
        before, after = dict(self.database), dict(step.database)
        main, log = DATABASE_FILES
        if log not in after or before.get(main) != after.get(main):
            return
        content = Content(before.get(log, b""), [(0, after[log])])
        dirty = {number: "all" for number, file in enumerate(self._files) if file.writes}
        for _ in range(count):
            torn = _torn(content, 1, rng)
            if torn != after[log]:
                tree, _ = self._state_of(range(len(self._pending)), dirty, rng)
                yield tree, ((main, after[main]), (log, torn))

    def _state_of(
        self, namings: Iterable[int], contents: Mapping[int, str], rng: random.Random
    ) -> tuple[Tree, Database]:
        """Build a state: which changes of names are there, and how much of each file that was written to."""
        names = dict(self._names)
        for at in namings:
            _apply(names, self._pending[at].effects)
        data = {
            number: _content(self._files[number], contents.get(number, "none"), rng)
            for number in set(names.values()) - {DIRECTORY}
        }
        tree: Tree = {}
        for path, number in sorted(names.items()):
            parent = _parent(path)
            if parent == self._root or parent[len(self._root) + 1 :] in tree:
                tree[path[len(self._root) + 1 :]] = None if number == DIRECTORY else data[number]
        database = self.database
        if self._earlier is not None and rng.random() < 0.5:
            database = self._earlier
        return tree, database if "state" in tree else ()


def whole(tree: Tree, database: Database) -> Tree:
    """Put the database into the tree."""
    return tree | {f"state/{name}": data for name, data in database}


def _content(content: Content, how: str, rng: random.Random) -> bytes:
    """Build the bytes of a file of which all, none, or part of what was written is on the disk."""
    if how == "none" or not content.writes:
        return content.durable
    if how == "all":
        return content.live
    if how == "zeros":
        return content.durable.ljust(len(content.live), b"\0")[: len(content.live)]
    if rng.random() < 0.3:
        return content.after([write for write in content.writes if rng.random() < 0.5])
    return _torn(content, rng.randint(1, len(content.writes)), rng)


def _torn(content: Content, count: int, rng: random.Random) -> bytes:
    """Build the bytes after so many writes, of which the last was torn: sectors of it are missing."""
    offset, piece = content.writes[count - 1]
    data = bytearray(content.after(content.writes[: count - 1]))
    if piece is None:
        return bytes(data)
    keep: dict[int, bool] = defaultdict(lambda: rng.random() < 0.5)
    grows = rng.random() < 0.5
    at = offset
    while at < offset + len(piece):
        end = min((at // SECTOR + 1) * SECTOR, offset + len(piece))
        if keep[at]:
            _put(data, at, piece[at - offset : end - offset])
        at = end
    if grows and len(data) < offset + len(piece):
        data.extend(bytes(offset + len(piece) - len(data)))
    return bytes(data)


def _put(data: bytearray, offset: int, piece: bytes) -> None:
    if len(data) < offset:
        data.extend(bytes(offset - len(data)))
    data[offset : offset + len(piece)] = piece


def _apply(names: dict[str, int], effects: Iterable[tuple[str, int | None]]) -> None:
    for path, number in effects:
        if number is None:
            names.pop(path, None)
        else:
            names[path] = number


def _parent(path: str) -> str:
    return path.rpartition("/")[0]
