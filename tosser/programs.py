"""External programs, run as if they were hostile: without a shell, within limits of time, memory and file size.

A program gets an argument list of the sysop's, no input or one file of it, a bare environment and a session of its own;
whatever of its process group is left when it ends, or when its time is over, is killed. The last of what it printed is
told when it fails.
"""

from __future__ import annotations

import io
import math
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.errors import ProgramError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LAUNCHER = Path(__file__).with_name("limited.py")
_MEMORY = 4 * 1024 * 1024 * 1024
"""Bytes of address space; most programs need far less, those that run in a Java machine reserve nearly as much."""
_LOOK_INTERVAL = 0.2
"""Seconds between looks at how much room a running program has taken."""
_OUTPUT_KEPT = 400
"""Bytes of a program's output that are told when it fails, the last ones."""
_CHUNK = 64 * 1024
_NOTHING = Path(os.devnull)
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


class Bounds(Struct, frozen=True):
    """What a program may take.

    Attributes:
        timeout: seconds until it is killed; as much time of the processor.
        file_bytes: bytes of the largest file it may write.
    """

    timeout: float
    file_bytes: int


def find_program(name: str, role: str) -> str:
    """Find a program by its name, as a shell would.

    Raises:
        ProgramError: it is not installed.
    """
    program = shutil.which(name)
    if program is None:
        raise ProgramError(f"{name}, the program of {role}, is not installed")
    return program


def fill_in(arguments: tuple[str, ...], values: Mapping[str, str]) -> list[str]:
    """Put values in the place of ``{name}``; braces around anything else stay."""
    return [_PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text) for text in arguments]


def run_program(
    role: str,
    command: list[str],
    directory: Path,
    bounds: Bounds,
    look: Callable[[], None] = lambda: None,
    *,
    source: Path = _NOTHING,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Run a program to its end, and see to it that nothing of it goes on.

    Args:
        role: what it is to us, for messages: ``archiver arj``.
        command: its path and its arguments.
        directory: where it runs.
        bounds: what it may take.
        look: called several times a second while it runs; what it raises ends the program.
        source: a file that it gets as its standard input.
        variables: what it finds in its environment besides the little that all get.

    Raises:
        ProgramError: it failed or took too long.
        OSError: ``source`` cannot be read.
    """
    limits = (math.ceil(bounds.timeout) + 1, bounds.file_bytes, _MEMORY)
    with (
        source.open("rb") as given,
        subprocess.Popen(  # noqa: S603 - the sysop's own command, an argument list without shell
            [sys.executable, "-I", "-S", str(_LAUNCHER), *map(str, limits), *command],
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env={**variables, "PATH": os.environ.get("PATH", os.defpath), "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"},
            start_new_session=True,
            bufsize=0,
        ) as process,
    ):
        try:
            output = _watch(process, role, bounds.timeout, look)
        finally:
            # Not reaped yet, so the number of the group cannot have become anybody else's.
            os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        told = output.decode("utf-8", "replace").strip()
        how = f"status {process.returncode}" if process.returncode > 0 else f"signal {-process.returncode}"
        raise ProgramError(f"{role} ended with {how}" + (f": {told!r}" if told else ""), process.returncode)


def _watch(process: subprocess.Popen[bytes], role: str, timeout: float, look: Callable[[], None]) -> bytes:
    """Wait until the program ends, and give the end of its output; its children may still hold the pipe then."""
    deadline = time.monotonic() + timeout
    next_look = time.monotonic() + _LOOK_INTERVAL
    output = b""
    with ExitStack() as stack:
        pipe = stack.enter_context(process.stdout or io.BytesIO())
        os.set_blocking(pipe.fileno(), False)
        ended = os.pidfd_open(process.pid)
        stack.callback(os.close, ended)
        selector = stack.enter_context(selectors.DefaultSelector())
        selector.register(ended, selectors.EVENT_READ)
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select(max(0.0, min(next_look, deadline) - time.monotonic()))}
            chunk = pipe.read(_CHUNK)
            if chunk == b"" and pipe.fileno() in ready:
                selector.unregister(pipe)
            output = (output + (chunk or b""))[-_OUTPUT_KEPT:]
            if ended in ready:
                return output
            if time.monotonic() >= deadline:
                raise ProgramError(f"{role} did not end within {timeout:g} seconds")
            if time.monotonic() >= next_look:
                look()
                next_look = time.monotonic() + _LOOK_INTERVAL
