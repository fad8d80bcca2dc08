"""Finding the configuration file and making a `Config` of it, or one `ConfigError` with every mistake in it."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tosser.config.check import check
from tosser.config.include import read_tree
from tosser.config.source import dotted, find_place, plain
from tosser.config.validate import validate
from tosser.errors import ConfigError, ConfigProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tosser.config.complaint import Complaint
    from tosser.config.model import Config
    from tosser.config.source import Node

VARIABLE = "TOSSER_CONFIG"
"""Environment variable that names the configuration file."""
PLACES = (Path("tosser.yaml"), Path("/etc/tosser/tosser.yaml"))
"""Where the configuration file is looked for when nothing names it."""


def find_config(explicit: Path | None, environ: Mapping[str, str]) -> Path:
    """Find the configuration file: the one named, ``$TOSSER_CONFIG``, ``./tosser.yaml``, ``/etc/tosser/tosser.yaml``.

    A file that is named has to exist; nothing else is tried instead.

    Args:
        explicit: what the command line names, or ``None``.
        environ: the environment.

    Raises:
        ConfigError: there is none; says where it was looked for.
    """
    named = explicit or (Path(environ[VARIABLE]) if environ.get(VARIABLE) else None)
    for path in (named,) if named else PLACES:
        if path.exists():
            return path
    if named is None:
        what = f"no configuration file; looked for {' and '.join(map(str, PLACES))}; ${VARIABLE} is not set"
        raise ConfigError([ConfigProblem("tosser", 0, 0, "", what)])
    by = "--config" if explicit else f"${VARIABLE}"
    raise ConfigError([ConfigProblem(str(named), 0, 0, "", f"there is no such file; {by} names it")])


def load_config(path: Path, environ: Mapping[str, str]) -> Config:
    """Read, validate and check a configuration file with all it includes.

    Args:
        path: the main file.
        environ: the environment, for ``!env`` and ``$CREDENTIALS_DIRECTORY``.

    Raises:
        ConfigError: it cannot be used; lists every mistake by file, line and column.
    """
    with _collector_paused():
        return _load(path, environ)


def _load(path: Path, environ: Mapping[str, str]) -> Config:
    tree = read_tree(path, environ)
    if tree.root is None:
        raise _error(tree.problems, tree.files)
    # read_tree lets nothing but a mapping be the root.
    document = cast("dict[str, object]", plain(tree.root))
    outcome = validate(document, path.parent.absolute())
    complaints = list(outcome.complaints)
    if outcome.config is not None:
        complaints += map(outcome.in_document, check(outcome.config, outcome.gaps))
    problems = [*tree.problems, *(_placed(complaint, tree.root) for complaint in complaints)]
    if problems or outcome.config is None:
        raise _error(problems, tree.files)
    return outcome.config


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Spare the garbage collector a third of the loading time: what is made here lives on, there is nothing to find."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _placed(complaint: Complaint, root: Node) -> ConfigProblem:
    file, line, column = find_place(root, complaint.location, key=complaint.key)
    what = complaint.what
    if complaint.other is not None:
        what += ", at {}:{}:{}".format(*find_place(root, complaint.other))
    return ConfigProblem(file, line, column, dotted(complaint.location), what, complaint.hint)


def _error(problems: Sequence[ConfigProblem], files: Sequence[str]) -> ConfigError:
    """Put the problems in the order in which a person meets them: by file as read, line and column."""
    order = {file: index for index, file in enumerate(files)}
    return ConfigError(sorted(problems, key=lambda problem: (order[problem.path], problem.line, problem.column)))
