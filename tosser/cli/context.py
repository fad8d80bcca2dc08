"""What most commands start with: the configuration, and a look at the state."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tosser.config.loading import find_config, load_config
from tosser.state.state import DATABASE_NAME, State

if TYPE_CHECKING:
    import typer

    from tosser.config.model import Config
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
    if not (config.paths.state / DATABASE_NAME).exists():
        return None
    state = State(config.paths.state, read_only=True)
    try:
        return state.overview()
    finally:
        state.close()
