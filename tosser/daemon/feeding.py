"""Running a program of the sysop's that reads something on its standard input: robots and hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tosser import disk
from tosser.inbound.work import remove_tree
from tosser.programs import Bounds, find_program, run_program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_FILE_BYTES = 64 * 1024 * 1024
_GIVEN = "given"


def feed(
    role: str,
    command: tuple[str, ...],
    given: bytes,
    directory: Path,
    timeout: float,
    *,
    look: Callable[[], None] = lambda: None,
    variables: Mapping[str, str] | None = None,
) -> None:
    """Run the program to its end, in an empty directory of its own.

    Args:
        role: what it is to us, for messages: ``robot Weather``.
        command: program and arguments.
        given: what it reads.
        directory: a place that nobody else uses; made before, removed after.
        timeout: seconds it may run.
        look: called several times a second while it runs; what it raises ends the program.
        variables: what it finds in its environment.

    Raises:
        ProgramError: it is missing, failed or took too long.
        OSError: the directory cannot be made.
    """
    program = find_program(command[0], role)
    if directory.exists():
        remove_tree(directory)
    work = directory / "work"
    disk.make_directory(work)
    source = directory / _GIVEN
    disk.write_whole(source, [given], sync=False)
    run_program(
        role, [program, *command[1:]], work, Bounds(timeout, _FILE_BYTES), look, source=source,
        variables=variables or {},
    )  # fmt: skip
    remove_tree(directory)
