"""What most commands start with: the configuration, and a look at the state."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tosser.config.loading import find_config, load_config
from tosser.config.world import build_rulebook
from tosser.disk import make_directory
from tosser.state.state import DATABASE_NAME, State

if TYPE_CHECKING:
    from collections.abc import Iterator

    import typer

    from tosser.config.model import Config
    from tosser.rules.network import Rulebook
    from tosser.state.state import Overview


def load(context: typer.Context) -> Config:
    """Load the configuration that the global options name.

    Raises:
        ConfigError: there is none, or it has mistakes.
    """
    return load_config(find_config(context.find_root().obj, os.environ), os.environ)


def look_at_state(config: Config) -> Overview | None:
    """Read all totals, beside a running daemon if there is one; ``None`` when nothing was ever tossed.

    Raises:
        StateError: the database cannot be read.
    """
    with reading_state(config) as state:
        return state.overview() if state is not None else None


def present_rules(config: Config) -> Rulebook:
    """Build the rulebook with the links that are paused at this moment.

    Raises:
        StateError: the database cannot be read.
    """
    with reading_state(config) as state:
        paused = {pause.link for pause in state.paused_links()} if state is not None else set()
    return build_rulebook(config).with_paused(paused)


@contextmanager
def changing_state(config: Config) -> Iterator[State]:
    """Open the state for one change, beside a running daemon if there is one.

    Raises:
        StateError: the database cannot be used.
    """
    make_directory(config.paths.state)
    state = State(config.paths.state)
    try:
        yield state
    finally:
        state.close()


@contextmanager
def reading_state(config: Config) -> Iterator[State | None]:
    """Open the state for looking only, beside a running daemon if there is one; ``None`` before the first toss.

    Raises:
        StateError: the database cannot be read.
    """
    if not (config.paths.state / DATABASE_NAME).exists():
        yield None
        return
    state = State(config.paths.state, read_only=True)
    try:
        yield state
    finally:
        state.close()
