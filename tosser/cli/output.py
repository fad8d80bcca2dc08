"""How commands talk: tables for people, JSON for programs, exit codes for scripts."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from tosser.errors import ConfigError, TosserError
from tosser.inbound.work import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class Exit(IntEnum):
    """What a command ends with."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    CONFIG = 3
    SET_ASIDE = 4


def say(text: str = "") -> None:
    """Print a line to standard output; what the terminal cannot show is escaped, control characters always."""
    encoding = sys.stdout.encoding or "utf-8"
    with _until_nobody_reads():
        sys.stdout.write(printable(text).encode(encoding, "backslashreplace").decode(encoding) + "\n")


@contextmanager
def _until_nobody_reads() -> Iterator[None]:
    """End without a word when standard output is a pipe that is closed, as ``head`` does."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # what is still buffered is written when the interpreter ends
        raise SystemExit(Exit.FAILED) from None


def complain(text: str) -> None:
    """Print a line to standard error."""
    encoding = sys.stderr.encoding or "utf-8"
    sys.stderr.write(printable(text).encode(encoding, "backslashreplace").decode(encoding) + "\n")


@contextmanager
def errors_told() -> Iterator[None]:
    """Turn errors into sentences and exit codes."""
    try:
        yield
    except ConfigError as error:
        for problem in error.problems:
            complain(str(problem))
        raise SystemExit(Exit.CONFIG) from None
    except TosserError as error:
        complain(f"tosser: {error}")
        raise SystemExit(Exit.FAILED) from None
    except OSError as error:
        complain(f"tosser: {error.filename or ''}: {error.strerror or error}".replace(": :", ":"))
        raise SystemExit(Exit.FAILED) from None


def printable(text: str) -> str:
    """Escape control characters other than line feeds and tabs: mail is hostile, and terminals obey."""
    return "".join(char if char in "\n\t" or char.isprintable() else escaped(char) for char in text)


def say_json(value: Any) -> None:  # noqa: ANN401 - whatever json takes
    """Print a value as JSON."""
    with _until_nobody_reads():
        json.dump(value, sys.stdout, indent=2, ensure_ascii=True)
        sys.stdout.write("\n")


def say_table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """Print rows under their column names, as wide as they are; or a sentence when there are none."""
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        say(empty)
        return
    widths = [max(len(line[index]) for line in (columns, *cells)) for index in range(len(columns))]
    for line in (columns, *cells):
        say("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    return "-" if value is None or value == "" else printable(str(value)).replace("\n", " ")


def utc(moment: float | None) -> str | None:
    """Write Unix seconds as RFC 3339 in UTC, or nothing for nothing."""
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def ago(moment: float | None, now: float) -> str | None:
    """Write how long ago a moment was, in the largest fitting unit."""
    if moment is None:
        return None
    seconds = max(0, int(now - moment))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
