"""Ids on a command line: those of a listing, or ``all``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tosser.cli.output import Exit, complain

if TYPE_CHECKING:
    from collections.abc import Sequence

Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids as `list` shows them, or `all`.")]


def chosen(known: Sequence[str], ids: Sequence[str], state: str) -> list[str]:
    """Take ``all`` literally, and refuse the whole call when one id is wrong, before anything is touched.

    Args:
        known: the ids there are.
        ids: what was asked for.
        state: what something with an id is, for people: ``set aside``.

    Raises:
        typer.Exit: an id is wrong.
    """
    if list(ids) == ["all"]:
        return list(known)
    unknown = [each for each in ids if each not in known]
    for each in unknown:
        complain(f"tosser: {each}: nothing of that id is {state}")
    if unknown:
        raise typer.Exit(Exit.FAILED)
    return list(dict.fromkeys(ids))
