"""Is this machine ready for the configuration: directories, permissions, programs, certificates.

Nothing is changed or created to find out. The work directory of each inbound lies inside it, as ``.tosser``, so that
claiming a file never crosses a file system.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, cast

from msgspec import Struct
from pydantic import SecretStr

from tosser.config.section import Section
from tosser.config.world import build_rulebook
from tosser.rules.network import StoreKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tosser.config.model import Config
    from tosser.config.source import Node

WORK_DIRECTORY = ".tosser"
"""Name of the directory in each inbound where claimed files are worked on."""


class Finding(Struct, frozen=True):
    """Something about this machine that a sysop should know.

    Attributes:
        error: whether tossing cannot work like this; otherwise it is a warning.
        what: what it is, as a sentence without full stop.
    """

    error: bool
    what: str


def check_environment(config: Config) -> list[Finding]:
    """Look at everything outside the configuration that it needs; an empty list means that all is well."""
    return [
        *_check_own_directories(config),
        *_check_inbounds(config),
        *_check_outbound(config),
        *_check_programs(config),
        *_check_certificates(config),
    ]


def check_secrets(config: Config, root: Node) -> list[Finding]:
    """Look for files that anybody on this machine may read and that passwords stand in.

    Args:
        config: the configuration.
        root: the tree it was made of.
    """
    first: dict[str, int] = {}
    for node in _secrets_in(config, root):
        first.setdefault(node.file, node.mark.line + 1)
    return [
        Finding(error=False, what=f"{file} can be read by everybody, and there is a password in line {line}")
        for file, line in first.items()
        if Path(file).stat().st_mode & stat.S_IROTH
    ]


def _secrets_in(value: object, node: Node) -> Iterator[Node]:
    """Find secrets that are written out where they are used."""
    written = node.value
    if isinstance(value, SecretStr):
        if isinstance(written, str) and written:
            yield node
    elif isinstance(written, dict):
        inner = vars(value) if isinstance(value, Section) else cast("dict[str, object]", value)
        for key, entry in written.items():
            yield from _secrets_in(inner.get(key), entry.node)
    elif isinstance(written, list):
        for each, element in zip(cast("tuple[object, ...]", value), written, strict=False):
            yield from _secrets_in(each, element)


def _check_own_directories(config: Config) -> Iterator[Finding]:
    """Check the directories that we make ourselves where they are missing."""
    rules = build_rulebook(config)
    bases = {area.path for area in rules.areas.values() if area.path}
    bases |= {network.bad_path for network in rules.networks.values()} | {rules.netmail.path}
    yield from _check_own("paths.state", config.paths.state)
    for directory in sorted({config.paths.bases} | {Path(base).parent for base in bases}):
        yield from _check_own("directory of message bases", directory)
    if rules.netmail.store is StoreKind.MSG:
        yield from _check_own("netmail.path", Path(rules.netmail.path))


def _check_own(what: str, path: Path) -> Iterator[Finding]:
    existing = next(parent for parent in (path, *path.parents) if _status(parent))
    if not _is_directory(existing):
        yield Finding(error=True, what=f"{what}: {existing} is not a directory")
    elif not _accessible(existing):
        verb = "written to" if existing == path else f"made: {existing} cannot be written to"
        yield Finding(error=True, what=f"{what}: {path} cannot be {verb}")


def _check_inbounds(config: Config) -> Iterator[Finding]:
    inbound = config.paths.inbound
    for path in (*inbound.secure, *inbound.insecure, *inbound.local):
        status = _status(path)
        if status is None:
            what = f"inbound {path} is not there, or cannot be reached, until the mailer or the sysop makes it"
            yield Finding(error=False, what=what)
        elif not stat.S_ISDIR(status.st_mode):
            yield Finding(error=True, what=f"inbound {path} is not a directory")
        else:
            yield from _check_inbound(path, status)


def _check_inbound(path: Path, status: os.stat_result) -> Iterator[Finding]:
    if status.st_mode & stat.S_IWOTH:
        yield Finding(error=True, what=f"inbound {path} is world-writable: anybody on this machine can put mail there")
    if not _accessible(path):
        yield Finding(error=True, what=f"inbound {path} cannot be read and written to")
        return
    work = path / WORK_DIRECTORY
    there = _status(work)
    if there is None:
        return
    if work.is_symlink() or not stat.S_ISDIR(there.st_mode) or not _accessible(work):
        yield Finding(error=True, what=f"{work} is not a directory that can be written to")
    elif there.st_dev != status.st_dev:
        yield Finding(error=True, what=f"{work} is on another file system than {path}")


def _check_outbound(config: Config) -> Iterator[Finding]:
    if config.paths.outbound is not None:
        outbound = config.paths.outbound
        troubles = list(_check_own("paths.outbound", outbound))
        if config.links and not troubles and _status(outbound) is None:
            what = f"paths.outbound: {outbound} is not there and will be made; it has to be where the mailer looks"
            troubles = [Finding(error=False, what=what)]
        yield from troubles
    elif config.links:
        yield Finding(error=False, what="there are links and no paths.outbound: nothing can be sent to them")


def _check_programs(config: Config) -> Iterator[Finding]:
    commands = [
        (f"archiver {name}", command)
        for name, archiver in config.archivers.items()
        for command in (archiver.unpack, archiver.pack or ())
    ]
    commands += [(f"robot {name}", robot.command) for name, robot in config.netmail.robots.items()]
    commands += [(f"hook {name}", hook.command) for name, hook in config.hooks.items()]
    for role, command in commands:
        if command and shutil.which(command[0]) is None:
            yield Finding(error=False, what=f"{role}: there is no program {command[0]}")


def _check_certificates(config: Config) -> Iterator[Finding]:
    tls = config.mqtt.tls if config.mqtt else None
    files = [("mqtt.tls.ca", tls.ca), ("mqtt.tls.cert", tls.cert), ("mqtt.tls.key", tls.key)] if tls else []
    files += [(f"hooks.{name}.ca", hook.ca) for name, hook in config.hooks.items()]
    for name, path in files:
        if path is not None and not os.access(path, os.R_OK, effective_ids=True):
            yield Finding(error=True, what=f"{name}: {path} cannot be read")


def _status(path: Path) -> os.stat_result | None:
    """Look at what a path leads to; ``None`` when it does not exist or is out of our reach."""
    try:
        return path.stat()
    except OSError:
        return None


def _is_directory(path: Path) -> bool:
    status = _status(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def _accessible(directory: Path) -> bool:
    """Tell whether we may list a directory and make and remove names in it."""
    return os.access(directory, os.R_OK | os.W_OK | os.X_OK, effective_ids=True)
