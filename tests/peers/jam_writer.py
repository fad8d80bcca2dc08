"""Another JAM program: appends, packs and locks as JAM-001 says, sharing no code with what is tested.

Run as a program it works beside us in a process of its own::

    python jam_writer.py BASE append TAG COUNT [FIRST]   one lock, one message, COUNT times, numbered from FIRST or 0
    python jam_writer.py BASE hold                       say "locked" and keep the lock until standard input ends
"""

from __future__ import annotations

import calendar
import fcntl
import struct
import sys
import time
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from io import BufferedRandom

LOCAL, SENT, HOLD, TYPEECHO, LOCKED = 0x00000001, 0x00000010, 0x00000080, 0x01000000, 0x40000000
"""Bits of the attribute."""
MSGID = 4
"""A kind of subfield."""
_CREATED = 1_709_993_106


def _crc(text: bytes) -> int:
    return zlib.crc32(text.lower()) ^ 0xFFFFFFFF


def _file(base: Path, suffix: str) -> Path:
    return base.with_name(base.name + suffix)


@contextmanager
def _locked(base: Path) -> Iterator[BufferedRandom]:
    """Open the headers and take the lock, saying so once when it has to wait."""
    _file(base, ".jhr").touch()
    waiting = False
    with _file(base, ".jhr").open("r+b") as headers:
        while True:
            try:
                fcntl.lockf(headers, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
            except BlockingIOError:
                if not waiting:
                    sys.stdout.write("waiting\n")
                    sys.stdout.flush()
                waiting = True
                time.sleep(0.0005)
            else:
                break
        yield headers
        headers.flush()


def append(
    base: Path,
    to: bytes,
    subject: bytes,
    text: bytes,
    *,
    sender: bytes = b"Foreign Writer",
    attribute: int = LOCAL | TYPEECHO,
    written: int = _CREATED,
    processed: int = _CREATED,
    reply_to: int = 0,
    fields: Sequence[tuple[int, bytes]] = (),
) -> int:
    """Append one message, creating the base if it is not there, and give its number."""
    with _locked(base) as headers:
        if not headers.seek(0, 2):
            for suffix in (".jdt", ".jdx", ".jlr"):
                _file(base, suffix).touch()
            headers.write(struct.pack("<4s5I1000x", b"JAM\0", _CREATED, 0, 0, 0xFFFFFFFF, 1))
        headers.seek(8)
        changes, active = struct.unpack("<II", headers.read(8))
        headers.seek(20)
        (first,) = struct.unpack("<I", headers.read(4))
        with _file(base, ".jdt").open("ab") as texts:
            text_offset = texts.seek(0, 2)
            texts.write(text)
        with _file(base, ".jdx").open("ab") as index:
            number = first + index.seek(0, 2) // 8
            subfields = b"".join(
                struct.pack("<HHI", kind, 0, len(data)) + data
                for kind, data in ((2, sender), (3, to), (6, subject), *fields)
            )
            msgid_crc = next((_crc(data) for kind, data in fields if kind == MSGID), 0xFFFFFFFF)
            header_offset = headers.seek(0, 2)
            headers.write(struct.pack("<4sHH", b"JAM\0", 1, 0))
            headers.write(struct.pack("<7I", len(subfields), 0, msgid_crc, 0xFFFFFFFF, reply_to, 0, 0))
            headers.write(struct.pack("<5I", written, 0, processed, number, attribute))
            headers.write(struct.pack("<5I", 0, text_offset, len(text), 0xFFFFFFFF, 0))
            headers.write(subfields)
            index.write(struct.pack("<II", _crc(to), header_offset))
        headers.seek(8)
        headers.write(struct.pack("<II", (changes + 1) & 0xFFFFFFFF, active + 1))
    return int(number)


def set_attribute(base: Path, position: int, attribute: int) -> None:
    """Change the attribute of the message at a position of the index."""
    with _locked(base) as headers:
        with _file(base, ".jdx").open("rb") as index:
            index.seek(position * 8 + 4)
            (offset,) = struct.unpack("<I", index.read(4))
        headers.seek(offset + 52)
        headers.write(struct.pack("<I", attribute))


def now() -> int:
    """What the local clock shows, as JAM has it: seconds as if it were UTC."""
    return calendar.timegm(time.localtime())


def delete(base: Path, position: int) -> None:
    """Delete the message at a position of the index: header marked, index record blanked, one message fewer."""
    with _locked(base) as headers:
        with _file(base, ".jdx").open("r+b") as index:
            index.seek(position * 8 + 4)
            (offset,) = struct.unpack("<I", index.read(4))
            index.seek(position * 8)
            index.write(b"\xff" * 8)
        headers.seek(offset + 52)
        (attribute,) = struct.unpack("<I", headers.read(4))
        headers.seek(offset + 52)
        headers.write(struct.pack("<I", attribute | 0x80000000))
        headers.seek(8)
        changes, active = struct.unpack("<II", headers.read(8))
        headers.seek(8)
        headers.write(struct.pack("<II", changes + 1, active - 1))


def pack(base: Path, *, renumber: bool = False, replace: bool = False) -> None:
    """Drop deleted messages and unused bytes.

    Args:
        base: base path without suffix.
        renumber: start again with number 1; else the first number that is left stays as it was.
        replace: put new files in place of the old ones, else rewrite the old ones.
    """
    with _locked(base) as headers:
        old = headers.read()
        texts, index = _file(base, ".jdt").read_bytes(), _file(base, ".jdx").read_bytes()
        first = struct.unpack_from("<I", old, 20)[0]
        kept = [at for at in range(0, len(index), 8) if index[at : at + 8] != b"\xff" * 8]
        first = 1 if renumber else first + (kept[0] // 8 if kept else 0)
        fresh = bytearray(old[:1024])
        struct.pack_into("<I", fresh, 12, len(kept))
        struct.pack_into("<I", fresh, 20, first)
        new_texts, new_index = b"", b""
        for place, at in enumerate(kept):
            crc, offset = struct.unpack_from("<II", index, at)
            header = bytearray(old[offset : offset + 76 + struct.unpack_from("<I", old, offset + 8)[0]])
            text_offset, text_length = struct.unpack_from("<II", header, 60)
            struct.pack_into("<I", header, 48, first + place)
            struct.pack_into("<I", header, 60, len(new_texts))
            new_texts += texts[text_offset : text_offset + text_length]
            new_index += struct.pack("<II", crc, len(fresh))
            fresh += header
        for suffix, data in ((".jdt", new_texts), (".jdx", new_index), (".jhr", bytes(fresh))):
            if replace:
                _file(base, ".new").write_bytes(data)
                _file(base, ".new").rename(_file(base, suffix))
            else:
                _file(base, suffix).write_bytes(data)


def main() -> None:
    """Do what the command line says."""
    base = Path(sys.argv[1])
    if sys.argv[2] == "append":
        tag, count = sys.argv[3].encode(), int(sys.argv[4])
        first = int(sys.argv[5]) if sys.argv[5:] else 0
        for number in range(first, first + count):
            append(base, b"All", b"%s %d" % (tag, number), b"%s text %d\r" % (tag, number))
    else:
        with _locked(base):
            sys.stdout.write("locked\n")
            sys.stdout.flush()
            sys.stdin.read()


if __name__ == "__main__":
    main()
