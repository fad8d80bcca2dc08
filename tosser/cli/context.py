"""What most commands start with: the configuration, and a look at the state."""

from __future__ import annotations

import os
import pwd
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tosser.cli.output import utc
from tosser.config.world import build_rulebook
from tosser.daemon.intake import build_spool
from tosser.disk import make_directory
from tosser.errors import StateError
from tosser.state.state import DATABASE_NAME, State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import typer

    from tosser.config.model import Config
    from tosser.rules.network import Rulebook
    from tosser.rules.shipping import LinkKey
    from tosser.state.holds import Hold
    from tosser.state.state import Overview


def load(context: typer.Context) -> Config:
    """Load the configuration that the global options name.

    Raises:
        ConfigError: there is none, or it has mistakes.
    """
    from tosser.config.loading import find_config, load_config  # noqa: PLC0415 - slow to import

    return load_config(find_config(context.find_root().obj, os.environ), os.environ)


def load_to_change(context: typer.Context) -> Config:
    """Load the configuration for a command that makes or changes files.

    Raises:
        ConfigError: there is none, or it has mistakes.
        StateError: the state belongs to somebody else, who could not use what we make, or lets us make nothing.
    """
    config = load(context)
    refuse_strangers(config.paths.state)
    return config


def refuse_strangers(state: Path) -> None:
    """Refuse to work on a state directory that is somebody else's.

    Raises:
        StateError: who it is of could not use what we make, or lets us make nothing.
    """
    owner = other_owner(state)
    if owner is not None and os.geteuid() == 0:
        what = f"belongs to {owner}, who could not use what root makes"
        raise StateError(f"{state} {what}: runuser -u {owner} -- tosser ...")
    if owner is not None and not os.access(state, os.W_OK | os.X_OK, effective_ids=True):
        raise StateError(f"{state} belongs to {owner}, and you may not write there: sudo -u {owner} tosser ...")


def other_owner(directory: Path) -> str | None:
    """Tell whose a directory is; ``None`` where it is ours, or not there."""
    try:
        owner = directory.stat().st_uid
    except OSError:
        return None
    if owner == os.geteuid():
        return None
    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        return f"#{owner}"


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
    return build_rulebook(config).with_paused(links_paused(config).keys())


def links_paused(config: Config) -> dict[LinkKey, dict[str, Any]]:
    """Tell which links are paused but for those of the configuration, since when, by whom and why, as plain values.

    Raises:
        StateError: the database cannot be read.
    """
    with reading_state(config) as state:
        pauses = state.paused_links() if state is not None else []
    return {pause.link: {"since": utc(pause.since), "who": pause.who, "why": pause.why} for pause in pauses}


def links_on_hold(config: Config) -> dict[LinkKey, dict[str, Any]]:
    """Tell which links are on hold, by whom, why, and what of theirs waits, as plain values.

    Raises:
        StateError: the database cannot be read.
        OSError: an inbound cannot be read.
    """
    with reading_state(config) as state:
        holds = state.held_links() if state is not None else []
    found = {entry.link: _hold_facts(entry) for entry in holds}
    for held in build_spool(config).held() if found else ():
        if held.link in found:
            found[held.link]["files"] += 1
            found[held.link]["bytes"] += held.file.size
    return found


def _hold_facts(entry: Hold) -> dict[str, Any]:
    return {
        "network": entry.link.network,
        "address": entry.link.address,
        "since": utc(entry.since),
        "who": entry.who,
        "why": entry.why,
        "files": 0,
        "bytes": 0,
    }


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
