"""Looking at a JAM base for damage, and mending what can be mended without losing a message that can be read.

Looking and mending are one way through the base: each finding is told, and mended if that is asked for. What is written
is one field, or one index record, at a time, so that a repair that is cut off leaves the base readable as far as it
was. A base of a program that writes wrong CRCs throughout (Debian's crashmail for amd64 does) is not touched without
being asked: for that program they are right.
"""

from __future__ import annotations

import fcntl
import os
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct, field

from tosser import disk
from tosser.codec.jam import (
    DELETED_INDEX_RECORD,
    FIXED_HEADER_LENGTH,
    INDEX_RECORD_LENGTH,
    MESSAGE_HEADER_LENGTH,
    NONE,
    HeaderField,
    SubfieldId,
    build_index_record,
    jam_crc,
    parse_subfields,
    subfields_length,
)
from tosser.errors import JamError, StoreError, StoreLocked
from tosser.stores.jam_orphans import MOST_GAP, index_of_all, orphans
from tosser.stores.jam_walk import Headers, count_change, no_progress, places, walk, write_field, write_index

if TYPE_CHECKING:
    from tosser.stores.jam_files import JamFiles
    from tosser.stores.jam_walk import Progress, Sight

ALL_FILES = [".jhr", ".jdt", ".jdx", ".jlr"]
_LAST_READ_LENGTH = 16
_MOST_TEXT = 1 << 26
_FEWEST_CRCS = 3
"""With fewer wrong CRCs than this they are damage, whatever part of the messages they are."""


class Damage(StrEnum):
    """What can be wrong with a base."""

    MISSING_FILE = "missing-file"
    BASE_HEADER = "base-header"
    CUT_INDEX = "cut-index"
    LOST_MESSAGE = "lost-message"
    CUT_TEXT = "cut-text"
    CUT_SUBFIELDS = "cut-subfields"
    SHARED_TEXT = "shared-text"
    WRONG_NUMBER = "wrong-number"
    WRONG_COUNT = "wrong-count"
    WRONG_CRC = "wrong-crc"
    WRONG_LINK = "wrong-link"
    LAST_READ = "last-read"


class Finding(Struct):
    """One thing that is wrong.

    Attributes:
        kind: what sort of damage.
        what: the same as a sentence without full stop.
        number: of the message concerned, if any.
        offset: in ``.jhr``, if that helps.
        mended: whether it is as it should be now.
        lost: whether mending means that something is gone for good, which ``what`` names.
    """

    kind: Damage
    what: str
    number: int | None = None
    offset: int | None = None
    mended: bool = False
    lost: bool = False


def missing_files(files: JamFiles) -> list[str]:
    """List the suffixes of the files that a base lacks."""
    return [suffix for suffix in ALL_FILES if not files.file(suffix).exists()]


def check(files: JamFiles, progress: Progress = no_progress) -> list[Finding]:
    """Look for damage, and change nothing; no lock is needed.

    Raises:
        StoreError: there is no base, or it cannot be read.
    """
    absent = missing_files(files)
    findings = [Finding(Damage.MISSING_FILE, f"{files.file(suffix).name} is missing") for suffix in absent]
    if {".jhr", ".jdt", ".jdx"} & set(absent):
        return findings
    with files.reading():
        return findings + _Inspection(files, progress, mend=False, crcs=False).run()


def restore_files(files: JamFiles) -> list[Finding]:
    """Make files that a base lacks and that can be made from the others; nobody has it open.

    Raises:
        StoreLocked: another program keeps the base locked.
        StoreError: one that is missing cannot be made.
    """
    absent = missing_files(files)
    for suffix in (".jhr", ".jdt"):
        if suffix in absent:
            what = f"{files.file(suffix).name} is missing, and cannot be made from the others: take it from a backup"
            raise StoreError(files.path, what)
    findings = [
        Finding(Damage.MISSING_FILE, f"{files.file(suffix).name} was missing", mended=True) for suffix in absent
    ]
    try:
        if ".jlr" in absent:
            disk.write_whole(files.file(".jlr"), [])
        if ".jdx" in absent:
            _make_index(files)
    except OSError as error:
        raise StoreError(files.path, f"it cannot be repaired: {error.strerror or error}") from error
    return findings


def repair(files: JamFiles, progress: Progress = no_progress, *, crcs: bool = False) -> list[Finding]:
    """Look for damage, and mend what can be mended; the base is locked by the caller.

    Args:
        files: the base.
        progress: told how far it is.
        crcs: mend CRCs too, also where all of them are wrong.

    Raises:
        StoreError: it must not be touched without ``crcs``; nothing was changed.
    """
    findings = _Inspection(files, progress, mend=True, crcs=crcs).run()
    files.sync()
    return findings


def _make_index(files: JamFiles) -> None:
    """Make an index from the headers; it appears whole or not at all."""
    files.close()
    descriptor = os.open(files.file(".jhr"), os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
        disk.write_whole(files.file(".jdx"), [index_of_all(descriptor)])
    except (BlockingIOError, PermissionError):
        raise StoreLocked(files.path, "another program keeps the base locked") from None
    except JamError as error:
        raise StoreError(files.path, f"its header is broken as well: {error}") from error
    finally:
        os.close(descriptor)


class _Inspection(Struct):
    """One way through a base."""

    files: JamFiles
    progress: Progress
    mend: bool
    crcs: bool
    findings: list[Finding] = field(default_factory=list)
    _index: dict[int, bytes] = field(default_factory=dict)
    """Index records to be changed at the end."""
    _living: int = 0
    _texts: list[tuple[int, int, int]] = field(default_factory=list)
    _broken: list[tuple[int, str]] = field(default_factory=list)
    _offsets: set[int] = field(default_factory=set)
    _base_number: int = 1
    _wrong_crcs: int = 0

    def run(self) -> list[Finding]:
        """Look at everything, in the order in which mending makes sense."""
        if not self._look_at_header():
            return self.findings
        self._look_at_crcs()
        self._look_at_index_length()
        headers = Headers(self.files.jhr)
        total = places(self.files)
        for sight in walk(self.files, headers):
            self._offsets.add(sight.offset)
            self._look_at(sight, headers)
            self.progress(sight.position, total)
        self._look_at_texts()
        self._look_for_lost()
        self._look_at_count()
        self._look_at_last_read()
        return self.findings

    def _note(self, finding: Finding, *, mended: bool = True) -> bool:
        """Tell of something; says whether it is to be mended now."""
        finding.mended = self.mend and mended
        self.findings.append(finding)
        return finding.mended

    # --- the base as a whole

    def _look_at_header(self) -> bool:
        size = self.files.sizes().jhr
        try:
            self._base_number = self.files.fixed_header().base_number
        except JamError as error:
            what = (
                f"the base header is broken ({error.what}), and cannot be made from the others: take it from a backup"
            )
            self._note(Finding(Damage.BASE_HEADER, what, offset=0), mended=False)
            return False
        if size < FIXED_HEADER_LENGTH:
            empty = not self.files.sizes().jdx
            finding = Finding(Damage.BASE_HEADER, f"the base header is cut to {size} of {FIXED_HEADER_LENGTH} bytes")
            if self._note(finding, mended=empty):
                self.files.write(jhr=(size, bytes(FIXED_HEADER_LENGTH - size)))
            return empty
        return True

    def _look_at_crcs(self) -> None:
        """Find out whether the CRCs of the base are wrong throughout, before anything is changed."""
        headers = Headers(self.files.jhr)
        right = wrong = 0
        for sight in walk(self.files, headers):
            if sight.header is not None and not sight.deleted and not sight.problem:
                if sight.user_crc == _crc_of(sight, headers, SubfieldId.RECEIVERNAME):
                    right += 1
                else:
                    wrong += 1
        if wrong <= right or wrong < _FEWEST_CRCS:
            return
        self._wrong_crcs = wrong
        what = f"the CRCs of {wrong} of {wrong + right} messages are wrong, as Debian's crashmail for amd64 writes them"
        if self.mend and not self.crcs:
            raise StoreError(self.files.path, f"{what}; such a base is repaired only if you say so, with --crc")
        self._note(Finding(Damage.WRONG_CRC, what))

    def _look_at_index_length(self) -> None:
        sizes = self.files.sizes()
        odd = sizes.jdx % INDEX_RECORD_LENGTH
        if odd and self._note(Finding(Damage.CUT_INDEX, f"the index of {sizes.jdx} bytes ends inside a record")):
            self.files.cut_back(sizes._replace(jdx=sizes.jdx - odd))

    def _look_at_count(self) -> None:
        counted = self.files.fixed_header().active
        if counted != self._living:
            what = f"the base header counts {counted} messages, there are {self._living}"
            self._note(Finding(Damage.WRONG_COUNT, what, offset=0))
        if self.mend and self.findings:
            write_index(self.files, self._index)
            count_change(self.files, self._living)

    def _look_at_last_read(self) -> None:
        path = self.files.file(".jlr")
        size = path.stat().st_size if path.exists() else 0
        odd = size % _LAST_READ_LENGTH
        if odd and self._note(Finding(Damage.LAST_READ, f"{path.name} of {size} bytes ends inside a record")):
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                disk.truncate(descriptor, size - odd)
            finally:
                os.close(descriptor)

    # --- message by message

    def _look_at(self, sight: Sight, headers: Headers) -> None:
        if sight.header is None:
            self._broken.append((sight.position, sight.problem))
            return
        if sight.deleted:
            return
        self._living += 1
        number = self._base_number + sight.position
        if sight.header.number != number:
            what = f"message {number} says that it is number {sight.header.number}"
            self._field(Damage.WRONG_NUMBER, what, sight, HeaderField.NUMBER, number)
        self._look_at_subfields(sight, headers, number)
        self._look_at_text(sight, number)
        self._look_at_links(sight, number)
        if not self._wrong_crcs or self.crcs:
            self._look_at_crcs_of(sight, headers, number)

    def _field(
        self, kind: Damage, what: str, sight: Sight, which: HeaderField, value: int, *, lost: bool = False
    ) -> None:
        """Tell of a field of a header that is wrong."""
        number = self._base_number + sight.position
        if self._note(Finding(kind, what, number, sight.offset, lost=lost)):
            write_field(self.files, sight.offset, which, value)

    def _look_at_subfields(self, sight: Sight, headers: Headers, number: int) -> None:
        """The last message may state too many bytes, if what is there ends with the file: others write it so."""
        header = sight.header
        if header is None:
            return
        there = sight.length - MESSAGE_HEADER_LENGTH
        readable = subfields_length(parse_subfields(headers.read(sight.offset, sight.length)[MESSAGE_HEADER_LENGTH:]))
        if header.subfield_length > there != readable or "subfields" in sight.problem:
            what = f"message {number}: of {header.subfield_length} bytes of subfields {readable} can be read"
            self._field(Damage.CUT_SUBFIELDS, what, sight, HeaderField.SUBFIELD_LENGTH, readable, lost=True)

    def _look_at_text(self, sight: Sight, number: int) -> None:
        header, texts = sight.header, self.files.sizes().jdt
        if header is None or not header.text_length:
            return
        end = header.text_offset + header.text_length
        if end > texts or header.text_length > _MOST_TEXT:
            there = max(texts - header.text_offset, 0)
            there = 0 if header.text_length > _MOST_TEXT else there
            what = f"message {number}: of {header.text_length} bytes of text {there} are there"
            self._field(Damage.CUT_TEXT, what, sight, HeaderField.TEXT_LENGTH, there, lost=True)
            end = header.text_offset + there
        self._texts.append((header.text_offset, end, number))

    def _look_at_links(self, sight: Sight, number: int) -> None:
        header = sight.header
        if header is None:
            return
        last = self._base_number + places(self.files) - 1
        for name, which, value in (
            ("ReplyTo", HeaderField.REPLY_TO, header.reply_to),
            ("Reply1st", HeaderField.REPLY_FIRST, header.reply_first),
            ("ReplyNext", HeaderField.REPLY_NEXT, header.reply_next),
        ):
            if value == number or (value and not self._base_number <= value <= last):
                what = f"message {number}: {name} leads to {value}"
                self._field(Damage.WRONG_LINK, what, sight, which, 0)

    def _look_at_crcs_of(self, sight: Sight, headers: Headers, number: int) -> None:
        header = sight.header
        if header is None:
            return
        for name, which, identifier, value in (
            ("MSGID", HeaderField.MSGID_CRC, SubfieldId.MSGID, header.msgid_crc),
            ("REPLY", HeaderField.REPLY_CRC, SubfieldId.REPLYID, header.reply_crc),
        ):
            right = _crc_of(sight, headers, identifier)
            if value != right:
                finding = Finding(
                    Damage.WRONG_CRC, f"message {number}: the CRC of {name} is wrong", number, sight.offset
                )
                if self._note(finding, mended=self.crcs):
                    write_field(self.files, sight.offset, which, right)
        right = _crc_of(sight, headers, SubfieldId.RECEIVERNAME)
        if sight.user_crc != right:
            what = f"message {number}: the CRC of the addressee in the index is wrong"
            if self._note(Finding(Damage.WRONG_CRC, what, number, sight.offset), mended=self.crcs):
                self._index[sight.position] = build_index_record(right, sight.offset)

    def _look_at_texts(self) -> None:
        reach, owner = 0, 0
        for begin, end, number in sorted(self._texts):
            if begin < reach:
                what = f"messages {owner} and {number} share a piece of text; one of them is not what was written"
                self._note(Finding(Damage.SHARED_TEXT, what, number), mended=False)
            if end > reach:
                reach, owner = end, number

    # --- messages the index does not lead to

    def _look_for_lost(self) -> None:
        """Find messages whose index record is gone; those that an append was cut off before are no messages yet."""
        behind = self.files.fixed_header().active > self._living + len(self._broken)
        if not self._broken and not behind:
            return
        end = places(self.files)
        found = orphans(Headers(self.files.jhr), self._offsets, self._base_number)
        for position, problem in self._broken:
            number = self._base_number + position
            if position in found:
                what = f"message {number}: {problem}; its header is at offset {found[position].offset}"
                self._restore(Finding(Damage.LOST_MESSAGE, what, number, found[position].offset), found[position])
            elif self._note(Finding(Damage.LOST_MESSAGE, f"message {number}: {problem}", number, lost=True)):
                self._index[position] = DELETED_INDEX_RECORD
        for position in sorted(found) if behind else ():
            if end <= position < end + MOST_GAP:
                number = self._base_number + position
                what = f"message {number} at offset {found[position].offset} is not in the index"
                self._restore(Finding(Damage.LOST_MESSAGE, what, number, found[position].offset), found[position])
        for position in range(end, max(self._index, default=0)):
            self._index.setdefault(position, DELETED_INDEX_RECORD)

    def _restore(self, finding: Finding, found: Sight) -> None:
        """Let the index lead to a message that was found."""
        if self._note(finding):
            self._index[found.position] = build_index_record(found.user_crc, found.offset)
            self._living += 1


def _crc_of(sight: Sight, headers: Headers, identifier: SubfieldId) -> int:
    """The CRC that a subfield should have; that of nothing where there is none, which is `NONE` as well."""
    values = [data for each, data in sight.subfields(headers) if each == identifier]
    return jam_crc(values[0]) if values else NONE
