"""Files that a command looks into and never touches."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tosser.codec.bundle import is_bundle_name, is_packet_name
from tosser.inbound.work import WORK_DIRECTORY

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def to_be_read(path: Path) -> Iterator[Path]:
    """Give a path under which a file may be unpacked: links followed, and never with scratch beside the file.

    Scratch for a file in a work directory would be made there, where a daemon is at work; such a file is copied.

    Raises:
        OSError: there is no such file, it is not a regular one, or it cannot be copied.
    """
    real = Path(os.path.realpath(path, strict=True))  # Path.resolve raises RuntimeError where links go round
    if not stat.S_ISREG(real.stat().st_mode):
        raise OSError(0, "not a regular file", str(path))
    if WORK_DIRECTORY not in real.parts:
        yield real
        return
    with tempfile.TemporaryDirectory(prefix="tosser-") as directory:
        yield Path(shutil.copyfile(real, Path(directory) / real.name))


def received_name(path: Path) -> str:
    """Give the name to judge a file by; one that no mailer gives, as in the quarantine, is taken for a packet's."""
    name = path.name
    return name if is_packet_name(name) or is_bundle_name(name) else f"{name}.pkt"
