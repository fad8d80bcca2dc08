"""Lists that other programs leave of the areas they wrote to (``echotoss.log``, ``echomail.jam``).

A line begins with the tag of an area, or with the path of its base. A list is taken by renaming it, so that a program
that writes to it meanwhile begins a new one, and is removed when it has been read: what it says is no more than that
there may be something, and every base is looked at when we start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from tosser import disk

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tosser.rules.network import Area

log = structlog.get_logger()

_LARGEST = 1 << 20
"""Bytes of a list that are read."""


class ScanLists:
    """Reads such lists.

    Args:
        lists: where they are.
        areas: those that are looked at.
    """

    def __init__(self, lists: Sequence[Path], areas: Iterable[Area]) -> None:
        self._lists = tuple(lists)
        self._names: dict[str, set[str]] = {}
        for area in areas:
            for name in (area.tag, f"{area.network}/{area.tag}".upper(), area.path):
                self._names.setdefault(name, set()).add(area.path)

    def take(self) -> set[str]:
        """Read the lists that are there, and remove them; gives the paths of the bases they name.

        Raises:
            OSError: one cannot be read or removed.
        """
        return {path for each in self._lists for path in self._take(each)}

    def _take(self, path: Path) -> set[str]:
        ours = path.with_name(f".{path.name}.tosser")
        if not ours.exists():
            try:
                disk.claim(path, ours)
            except FileNotFoundError:
                return set()
        with ours.open("rb") as stream:
            words = [line.split()[0] for line in stream.read(_LARGEST).splitlines() if line.strip()]
        disk.unlink(ours)
        found: set[str] = set()
        unknown: set[str] = set()
        for word in (each.decode("latin-1") for each in words):
            named = self._names.get(word) or self._names.get(word.upper()) or set()
            found |= named
            if not named:
                unknown.add(word)
        if unknown:
            log.warning("list_names_others", list=str(path), names=sorted(unknown)[:10], why="not scanned")
        return found
