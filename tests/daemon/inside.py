"""The parts of a node put together in this process, for what cannot be reached from outside."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tosser.config.loading import load_config
from tosser.daemon.parts import build_parts, make_directories
from tosser.state.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.peers.daemon import Node
    from tosser.config.model import Config
    from tosser.daemon.parts import Parts


def config_of(system: Node) -> Config:
    """Load the configuration of a node."""
    return load_config(system.config, os.environ)


@contextmanager
def parts_of(system: Node) -> Iterator[Parts]:
    """Put the parts of a node together, and close them again."""
    config = config_of(system)
    make_directories(config)
    state = State(system.state)
    try:
        parts = build_parts(config, state)
        try:
            yield parts
        finally:
            parts.close()
    finally:
        state.close()
