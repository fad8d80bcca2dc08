"""Where files lie that were not tossed: each whole, with a note beside it that says why, until a person decides.

Three directories, one for each state a file can be set aside in: ``quarantine``, ``unclaimed``, ``ntu``. An entry is
``<id>.data``, the bytes as they came, and ``<id>.json``, the note; the id follows from the claim, so setting the same
thing aside twice gives one entry. There is an entry if and only if there are its bytes: they come last and go first.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from tosser import disk
from tosser.codec.bundle import is_bundle_name, is_packet_name
from tosser.errors import QuarantineError
from tosser.inbound.spool import leave_work, place
from tosser.inbound.survey import Survey
from tosser.inbound.work import WORK_DIRECTORY, printable
from tosser.reason import FileState, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tosser.inbound.spool import ClaimedFile

_DIRECTORIES = {
    FileState.QUARANTINED: "quarantine",
    FileState.UNCLAIMED: "unclaimed",
    FileState.NTU: "ntu",
}
_ID = re.compile(r"[0-9a-f]{14}-[0-9a-f]{6}(?:-m\d{5,9})?")
_MOVED = ".moved"
"""Suffix of the mark that the data have been copied to another file system; it says where to."""
_LONGEST_NAME = 255
_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "int | None": (int, type(None)),
    "str | None": (str, type(None)),
    "FileState": (str,),
    "Reason": (str,),
}
"""What stands in the JSON for each type of a field of `Note`."""


class Note(Struct, frozen=True):
    """Why something was set aside, and all that is known of it.

    Attributes:
        id: of the entry.
        state: quarantined, unclaimed or not to us.
        reason: the code.
        offset: where in the data, in bytes; ``None`` where that means nothing.
        what: the reason in a sentence.
        name: of the file as the mailer named it.
        member: of the bundle's member, if it is one; else empty. For people only.
        inbound: directory the file came in.
        inbound_class: class of that inbound.
        sender: as the packet states it; ``None`` when not even that could be read.
        size: bytes of the data.
        digest: SHA-256 of the data, hexadecimal.
        excerpt: lines of offset, hexadecimal and ASCII around the offset, or of the start.
        arrived: modification time of the file in the inbound, Unix seconds.
        set_aside: Unix seconds.
        attempts: how often tossing it was begun.
    """

    id: str
    state: FileState
    reason: Reason
    offset: int | None
    what: str
    name: str
    member: str
    inbound: str
    inbound_class: str
    sender: str | None
    size: int
    digest: str
    excerpt: str
    arrived: float
    set_aside: float
    attempts: int


class Cause(Struct, frozen=True):
    """Why something is to be set aside; the attributes are those of `Note`."""

    state: FileState
    reason: Reason
    what: str
    offset: int | None = None
    sender: str | None = None
    attempts: int = 0


class Quarantine:
    """The three directories below one root.

    Every step can be repeated after a crash at any moment, and then leaves one entry, or one file in the inbound.

    Args:
        root: existing directory; those of the states are made when they are needed.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def keep(self, file: ClaimedFile, cause: Cause) -> Note:
        """Move a claimed file here; it needs no finishing then.

        Raises:
            FileNotFoundError: it is neither in its work directory nor here.
            OSError: the disk failed.
        """
        try:
            with file.path.open("rb") as stream:
                survey = Survey(cause.offset)
                for _ in survey.through(stream):
                    pass
        except FileNotFoundError:
            if self._find(file.claim) is None:
                raise
            return self.get(file.claim)
        note = _note(file, file.claim, "", cause, survey)
        data = self._begin(note)
        disk.move(file.path, data)
        leave_work(file)
        return note

    def keep_member(self, file: ClaimedFile, index: int, name: str, stream: BinaryIO, cause: Cause) -> Note:
        """Copy a member of a bundle here.

        Args:
            file: the bundle.
            index: which of its members; always the same for the same one.
            name: of the member, for people.
            stream: its bytes; read to its end, not closed.
            cause: why.

        Raises:
            OSError: the disk failed.
        """
        entry = f"{file.claim}-m{index:05d}"
        survey = Survey(cause.offset)
        copy = self._directory(cause.state) / f"{entry}.part"
        disk.write_whole(copy, survey.through(stream))
        note = _note(file, entry, printable(name), cause, survey)
        data = self._begin(note)
        disk.rename(copy, data)
        disk.sync_directory(data.parent)
        return note

    def entries(self) -> list[Note]:
        """List what is here, in the order in which it was set aside; an entry whose note is lost is among them."""
        found = []
        for state, name in _DIRECTORIES.items():
            for data in _listing(self._root / name):
                try:
                    found.append(_read_note(data, state))
                except FileNotFoundError:
                    continue
        return sorted(found, key=lambda note: (note.set_aside, note.id))

    def get(self, entry: str) -> Note:
        """Read one note.

        Raises:
            QuarantineError: there is no such entry.
        """
        data = self.path(entry)
        return _read_note(data, next(state for state, name in _DIRECTORIES.items() if name == data.parent.name))

    def path(self, entry: str) -> Path:
        """Tell where the bytes of an entry are.

        Raises:
            QuarantineError: there is no such entry.
        """
        data = self._find(entry)
        if data is None:
            raise QuarantineError(f"{entry}: nothing of that id is set aside")
        return data

    def retry(self, entry: str, inbound: Path | None = None) -> Path:
        """Put an entry back into an inbound as a file of its own, to be tossed again.

        A file gets its name again if no other file there has it; a member of a bundle becomes a packet file.

        Args:
            entry: the id.
            inbound: directory to put it in; by default the one it came in.

        Returns:
            Where it was put. A running daemon may have taken it from there by then.

        Raises:
            QuarantineError: there is no such entry, or no such inbound.
            OSError: the disk failed.
        """
        data = self.path(entry)
        note = self.get(entry)
        directory = inbound or Path(note.inbound)
        if not (inbound or note.inbound) or not directory.is_dir():
            raise QuarantineError(f"{entry}: its inbound {note.inbound!r} is no directory; name another")
        name = note.name if not note.member and _is_mail_name(note.name) else f"{secrets.token_hex(4)}.pkt"
        try:
            path = place(data, directory, name)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            path = _carry(data, directory, name)
        disk.sync_directory(path.parent)
        self._forget(data)
        return path

    def drop(self, entry: str) -> None:
        """Delete an entry for good.

        Raises:
            QuarantineError: there is no such entry.
            OSError: the disk failed.
        """
        data = self.path(entry)
        staged = _staged(data)
        if staged is not None:
            disk.unlink(staged)
        self._forget(data)

    def _begin(self, note: Note) -> Path:
        """Write the note, and tell where the data is to go; what an earlier attempt left elsewhere is removed."""
        directory = self._directory(note.state)
        for other in set(_DIRECTORIES.values()) - {directory.name}:
            for path in _belonging(self._root / other, note.id):
                disk.unlink(path)
        text = json.dumps(to_builtins(note), indent=1)
        disk.write_whole(directory / f"{note.id}.json", [text.encode("ascii"), b"\n"])
        return directory / f"{note.id}.data"

    def _directory(self, state: FileState) -> Path:
        directory = self._root / _DIRECTORIES[state]
        disk.make_directory(directory)
        return directory

    def _find(self, entry: str) -> Path | None:
        if _ID.fullmatch(entry) is None:
            return None
        paths = (self._root / name / f"{entry}.data" for name in _DIRECTORIES.values())
        return next((path for path in paths if path.exists()), None)

    def _forget(self, data: Path) -> None:
        """Remove what is left of an entry, the data first; without them the rest means nothing."""
        disk.unlink(data)
        disk.sync_directory(data.parent)
        for path in _belonging(data.parent, data.stem):
            disk.unlink(path)
        disk.sync_directory(data.parent)


def _note(file: ClaimedFile, entry: str, member: str, cause: Cause, survey: Survey) -> Note:
    return Note(
        id=entry,
        state=cause.state,
        reason=cause.reason,
        offset=cause.offset,
        what=cause.what,
        name=printable(file.name),
        member=member,
        inbound=printable(str(file.inbound.path)),
        inbound_class=file.inbound.cls,
        sender=cause.sender,
        size=survey.size,
        digest=survey.digest,
        excerpt=survey.excerpt,
        arrived=file.mtime,
        set_aside=time.time(),
        attempts=cause.attempts,
    )


def _read_note(data: Path, state: FileState) -> Note:
    """Read the note of an entry, or make one of what the data tell.

    Raises:
        FileNotFoundError: the entry is gone.
    """
    status = data.stat()
    try:
        note = _parse_note(data.with_suffix(".json").read_bytes())
        return replace(note, id=data.stem, state=state)
    except (FileNotFoundError, ValueError, LookupError, TypeError):
        return Note(
            data.stem, state, Reason.NOTE_LOST, None, "the note is missing or cannot be read", "", "", "", "", None,
            status.st_size, "", "", status.st_mtime, status.st_mtime, 0,
        )  # fmt: skip


def _parse_note(text: bytes) -> Note:
    """Parse the JSON of a note.

    Raises:
        ValueError: it is no JSON, or a code is not known.
        LookupError: a field is missing.
        TypeError: a field has another type, or it is no object.
    """
    try:
        raw: Any = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
    values = {}
    for name, annotation in Note.__annotations__.items():
        values[name] = raw[name]
        if not isinstance(values[name], _JSON_TYPES[annotation]):
            raise TypeError(f"{name} is {values[name]!r}")
    return Note(**values | {"state": FileState(values["state"]), "reason": Reason(values["reason"])})


def _is_mail_name(name: str) -> bool:
    """Tell whether a file may be called so in an inbound and be taken from there."""
    return (is_packet_name(name) or is_bundle_name(name)) and len(os.fsencode(name)) <= _LONGEST_NAME


def _carry(data: Path, directory: Path, name: str) -> Path:
    """Put an entry into an inbound on another file system, where it has to be copied.

    The copy is complete before it is marked as such, and marked before it is renamed into the inbound: so an attempt
    that finds the mark but no copy knows that the rename was made, and does not make a second file.
    """
    staged = _staged(data)
    if staged is None:
        disk.make_directory(directory / WORK_DIRECTORY)
        staged = directory / WORK_DIRECTORY / f"retry-{data.stem}"
        with data.open("rb") as stream:
            disk.write_whole(staged, Survey(None).through(stream))
        disk.write_whole(data.with_suffix(_MOVED), [os.fsencode(staged)])
    directory = staged.parent.parent
    try:
        return place(staged, directory, name)
    except FileNotFoundError:
        if not staged.parent.is_dir():
            raise
        return directory / name


def _staged(data: Path) -> Path | None:
    """Tell where the complete copy of an entry is, or was, that an interrupted retry made; ``None`` if none did."""
    mark = data.with_suffix(_MOVED)
    return Path(os.fsdecode(mark.read_bytes())) if mark.exists() else None


def _belonging(directory: Path, entry: str) -> list[Path]:
    """Find all files of one entry in a directory, half-written ones too."""
    return [path for path in directory.glob(f"*{entry}.*") if path.name.startswith((entry, f".{entry}"))]


def _listing(directory: Path) -> Iterator[Path]:
    """Find the data of all entries in one directory."""
    if directory.is_dir():
        yield from (path for path in directory.iterdir() if path.suffix == ".data" and _ID.fullmatch(path.stem))
