"""Corpora of invented, realistic mail, and the one place tests import invented mail from.

All names, systems and texts are made up, and everything follows from the seed: the same arguments give the same bytes
on every machine. Single messages and packets: `tests.mail`. Damaged and refused ones: `tests.bad_mail`.
"""

from __future__ import annotations

import hashlib
import math
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from tests.bad_mail import BadInput, damaged, refused, truncations
from tests.corpus_words import CHARSETS, DESCRIPTIONS, NAMES, ORIGINS, SENTENCES, SUBJECTS, TAGS, Charset
from tests.mail import (
    DOWNLINKS,
    EPOCH,
    HUB,
    TEARLINE,
    US,
    Kind,
    TextParts,
    authored,
    echo_text,
    fido_date,
    lines_2d,
    message,
    netmail,
    packed,
    packet,
    packet_header,
    seen_by_nodes,
    two_d,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "DOWNLINKS",
    "EPOCH",
    "HUB",
    "TEARLINE",
    "US",
    "BadInput",
    "Kind",
    "Letter",
    "Manifest",
    "TextParts",
    "area_description",
    "area_tags",
    "authored",
    "damaged",
    "echo_text",
    "fido_date",
    "lines_2d",
    "make_packets",
    "message",
    "netmail",
    "packed",
    "packet",
    "packet_header",
    "refused",
    "seen_by_nodes",
    "truncations",
    "two_d",
]

_SUBJECT_BYTES = 71
_SEED_BITS = 12
_SERIAL_BITS = 32 - _SEED_BITS
_SHORTEST, _LONGEST = 240, 7800
"""Bounds of a body in bytes, before the tearline and the Origin are added."""
_REPLIES = 0.6
_BLANK_LINES = 0.2
_POOL = 4000


@dataclass(frozen=True, slots=True)
class Letter:
    """What a test may expect of one generated message.

    Attributes:
        area: tag.
        msgid: value of the MSGID line; unique in the corpus.
        reply: MSGID of the message this one answers, or ``None``.
        from_name: the author, as people read it.
        to_name: the addressee, as people read it.
        subject: as people read it, after the cut at 71 bytes.
        date: the 19 characters of the date field.
        utc: the same moment in UTC.
        charset: identifier on the CHRS line, or ``None`` when there is no such line.
        origin: address of the author's system.
        packet: name of the packet file.
        body_size: bytes from after the kludges through the Origin line.
        body_sha256: hexadecimal digest of those bytes, which no tosser may change.
    """

    area: str
    msgid: str
    reply: str | None
    from_name: str
    to_name: str
    subject: str
    date: str
    utc: datetime
    charset: str | None
    origin: str
    packet: str
    body_size: int
    body_sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """A generated corpus: the packet files in order, and their messages in order."""

    packets: tuple[Path, ...]
    letters: tuple[Letter, ...]

    @property
    def msgids(self) -> set[str]:
        """Every MSGID."""
        return {letter.msgid for letter in self.letters}

    def by_area(self) -> dict[str, list[Letter]]:
        """Sort the letters into their areas, in order of arrival."""
        areas: dict[str, list[Letter]] = {}
        for letter in self.letters:
            areas.setdefault(letter.area, []).append(letter)
        return areas


def area_tags(count: int) -> list[str]:
    """Name the first ``count`` areas of the invented network."""
    return [f"TQW_{TAGS[index % len(TAGS)]}{index // len(TAGS) or ''}" for index in range(count)]


def area_description(index: int) -> str:
    """Describe the area of that index, for configurations."""
    return DESCRIPTIONS[index % len(DESCRIPTIONS)]


def make_packets(
    directory: Path,
    *,
    messages: int = 10_000,
    packets: int = 20,
    areas: int = 50,
    sender: str = HUB,
    dest: str = US,
    password: bytes = b"",
    seed: int = 1,
    kind: Kind = "2+",
    epoch: datetime = EPOCH,
    body_median: int = 1500,
) -> Manifest:
    """Write packets of realistic echomail into a directory; each appears under its final name only when it is whole.

    Different seeds (0..4095) never share a MSGID, so corpora can be added to each other. ``body_median`` is the
    median length of a body in bytes; bodies are between 300 and 8,000 bytes.
    """
    author = _Author(seed, area_tags(areas), (sender, dest), epoch, body_median)
    paths: list[Path] = []
    letters: list[Letter] = []
    for index in range(packets):
        name = f"{seed << _SERIAL_BITS | index:08x}.pkt"
        numbers = range(messages * index // packets, messages * (index + 1) // packets)
        written = [author.write(number, name) for number in numbers]
        letters += [letter for letter, _ in written]
        data = packet((raw for _, raw in written), sender=sender, dest=dest, password=password, kind=kind, when=epoch)
        path = directory / name
        partial = path.with_suffix(".tmp")
        partial.write_bytes(data)
        partial.rename(path)
        paths.append(path)
    return Manifest(tuple(paths), tuple(letters))


class _Author:
    """Writes message after message; holds what later messages need of earlier ones."""

    def __init__(self, seed: int, tags: Sequence[str], way: tuple[str, str], epoch: datetime, body_median: int) -> None:
        assert 0 <= seed < 1 << _SEED_BITS, seed
        self._rng = random.Random(seed)
        self._seed = seed
        self._tags = tags
        self._sender, self._dest = way
        self._epoch = epoch
        self._log_median = math.log(body_median)
        self._threads: dict[str, list[tuple[str, str]]] = {tag: [] for tag in tags}
        systems = (f"1337:{net}/{node}" for net in (1, 2, 3, 5) for node in range(300, 330))
        self._systems = [system for system in systems if system != self._sender]  # twice in PATH would be a loop
        own = [two_d(address) for address in way]
        self._seen_by = {
            tag: [lines_2d("SEEN-BY:", seen_by_nodes(*own, seed=index * 3 + variant)) for variant in range(3)]
            for index, tag in enumerate(tags)
        }

    def write(self, number: int, packet_name: str) -> tuple[Letter, bytes]:
        """Write message ``number`` (from 0) of the corpus."""
        rng = self._rng
        assert number < 1 << _SERIAL_BITS, number
        area, system, charset = rng.choice(self._tags), rng.choice(self._systems), rng.choice(CHARSETS)
        msgid = f"{system} {self._seed << _SERIAL_BITS | number:08x}"
        reply, subject = self._thread(area, msgid, charset)
        from_name = rng.choice(NAMES[charset.language])
        to_name = "All" if reply is None else rng.choice(NAMES[charset.language])
        when = self._epoch + timedelta(seconds=number)
        body = authored(self._body(charset), origin=f"{rng.choice(ORIGINS)} ({system})")
        kludges = (
            ("MSGID", msgid),
            ("REPLY", reply),
            ("PID", "Mystic 1.12 A47"),
            ("CHRS", charset.chrs),
            ("TZUTC", "0000"),
        )
        head = "".join(f"\x01{name}: {value}\r" for name, value in kludges if value is not None)
        relay = f"{rng.choice((2, 3, 5))}/100"
        path = lines_2d("\x01PATH:", (two_d(system), relay, two_d(self._sender)))
        raw = packed(
            b"".join((f"AREA:{area}\r{head}".encode("ascii"), body, rng.choice(self._seen_by[area]), path)),
            sender=self._sender,
            dest=self._dest,
            to_name=to_name.encode(charset.codec),
            from_name=from_name.encode(charset.codec),
            subject=subject.encode(charset.codec),
            date=fido_date(when),
        )
        letter = Letter(
            area=area,
            msgid=msgid,
            reply=reply,
            from_name=from_name,
            to_name=to_name,
            subject=subject,
            date=fido_date(when)[:19].decode("ascii"),
            utc=when,
            charset=None if charset.chrs is None else charset.chrs.split()[0],
            origin=system,
            packet=packet_name,
            body_size=len(body),
            body_sha256=hashlib.sha256(body).hexdigest(),
        )
        return letter, raw

    def _thread(self, area: str, msgid: str, charset: Charset) -> tuple[str | None, str]:
        """Answer one of the area's last messages in the same language, or start a new thread."""
        rng, thread = self._rng, self._threads[area]
        subjects = [_cut(subject, charset.codec) for subject in SUBJECTS[charset.language]]
        recent = [entry for entry in thread[-8:] if entry[1] in subjects]
        if recent and rng.random() < 0.6:
            reply, subject = rng.choice(recent)
            thread.append((msgid, subject))
            return reply, _cut(f"Re: {subject}", charset.codec)
        subject = rng.choice(subjects)
        thread.append((msgid, subject))
        return None, subject

    def _body(self, charset: Charset) -> bytes:
        """Write lines up to a length that is log-normal around the median; the text ends in CR."""
        rng = self._rng
        wanted = min(max(int(rng.lognormvariate(self._log_median, 0.7)), _SHORTEST), _LONGEST)
        pool = _lines(charset)
        lines: list[bytes] = []
        size = 0
        while size < wanted:
            line = rng.choice(pool)
            size += len(line) + 1
            lines.append(line)
            if rng.random() < _BLANK_LINES:
                size += 1
                lines.append(b"")
        return b"\r".join((*lines, b""))


@cache
def _lines(charset: Charset) -> tuple[bytes, ...]:
    """Make a pool of lines: sentences, and mixtures of their words and invented ones, to compress as mail does."""
    rng = random.Random(charset.language)
    sentences = SENTENCES[charset.language]
    words = [word for sentence in sentences for word in sentence.split()]
    syllables = [word[at : at + 2] for word in words if word.isalpha() for at in range(0, len(word) - 1, 2)]
    words += ["".join(rng.choices(syllables, k=rng.choice((1, 2, 2, 3, 4)))) for _ in range(20 * len(words))]
    invented = [" ".join(rng.choices(words, k=rng.randint(4, 11)))[:76] for _ in range(_POOL)]
    return tuple(line.strip().encode(charset.codec) for line in (*sentences * (_POOL // 50), *invented))


def _cut(subject: str, codec: str) -> str:
    """Cut a subject to the 71 bytes the field holds, between characters."""
    return subject.encode(codec)[:_SUBJECT_BYTES].decode(codec, errors="ignore")
