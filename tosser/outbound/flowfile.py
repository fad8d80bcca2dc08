"""The flow files of one system, read and added to under its lock; lines of other programs stay as they are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tosser import disk
from tosser.codec.flow import (
    Directive,
    FlowLine,
    build_flow,
    flow_extension,
    is_flow_name,
    missing_lines,
    parse_flow,
    without_debris,
)
from tosser.errors import FormatError, StoreError
from tosser.outbound.sharing import file_mode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tosser.codec.flow import Flavour


class FlowFiles:
    """All flow files of a system.

    Args:
        directory: where they are.
        stem: how their names begin.
        names: what is in the directory, where the caller knows.
        synced: whether what is added is on the disk before the next step.
    """

    def __init__(self, directory: Path, stem: str, names: Iterable[str] | None = None, *, synced: bool = True) -> None:
        self._directory = directory
        self._stem = stem
        self._synced = synced
        listing = os.listdir(directory) if names is None else names  # noqa: PTH208 - names are all that is wanted
        own = sorted(name for name in listing if is_flow_name(name) and name.lower().startswith(stem))
        self._lines = {name: parse_flow((directory / name).read_bytes()) for name in own}

    def named(self) -> set[bytes]:
        """List the paths in all flow files, those that are struck out too."""
        return {line.path for lines in self._lines.values() for line in lines}

    def waiting(self, flavour: Flavour | None = None) -> list[FlowLine]:
        """List the lines that are not struck out, of one flavour or of all."""
        extension = f".{flow_extension(flavour)}" if flavour else ""
        return [
            line
            for name, lines in self._lines.items()
            if name.lower().endswith(extension)
            for line in lines
            if line.directive is not Directive.DONE
        ]

    def add(self, flavour: Flavour, paths: Sequence[Path]) -> None:
        """Have files sent, and deleted after that, unless a flow file of any flavour names them already.

        A flow file that is there is added to in place: a mailer of another user may own it, and must be able to
        strike out what it has sent.

        Raises:
            StoreError: a path cannot stand in a flow file.
            OSError: it cannot be written.
        """
        named = self.named()
        lines = [FlowLine(Directive.DELETE, os.fsencode(path)) for path in paths if os.fsencode(path) not in named]
        if not lines:
            return
        try:
            build_flow(lines)
        except FormatError as error:
            raise StoreError(self._directory, str(error)) from error
        name = f"{self._stem}.{flow_extension(flavour)}"
        spelt = [found for found in self._lines if found.lower() == name]
        path = self._directory / (name if name in spelt or not spelt else spelt[0])
        if spelt:
            self._append(path, lines)
        else:
            mode = file_mode(self._directory)
            disk.write_whole(path, [build_flow(lines)], mode=mode, sync=self._synced)
        self._lines.setdefault(path.name, []).extend(lines)

    def _append(self, path: Path, lines: Sequence[FlowLine]) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            data = path.read_bytes()
            whole = without_debris(data, lines)
            added = missing_lines(whole, lines)
            disk.write_at(descriptor, added, len(whole))
            if len(whole) + len(added) < len(data):
                disk.truncate(descriptor, len(whole) + len(added))
            if self._synced:
                disk.sync_file(descriptor)
        finally:
            os.close(descriptor)


def absolute_paths(lines: Iterable[FlowLine]) -> list[Path]:
    """Give the files that lines name; a relative path means something else to every program, and is left out."""
    return [Path(os.fsdecode(line.path)) for line in lines if line.path.startswith(b"/")]
