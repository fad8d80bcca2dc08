"""Mistakes that could be made in tosser, for a look at whether the crash suite would find them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tosser.daemon import app, oneshot
from tosser.daemon.pipeline import Pipeline
from tosser.outbound.ship import Shipper
from tosser.stores.jam import JamBase
from tosser.stores.jam_files import JamFiles

if TYPE_CHECKING:
    from collections.abc import Callable


def _append_again() -> None:
    """After a crash all messages of the batch are appended, whether they are there or not."""

    def resume(base: JamBase, _since: object, messages: Any, *, wait: float) -> list[int]:  # noqa: ANN401 - as it is called
        return base.append(messages, wait=wait)

    JamBase.resume = resume  # type: ignore[assignment, method-assign]


def _delete_early() -> None:
    """Input is deleted before its messages are stored."""
    carry_out = Pipeline._carry_out

    def early(pipeline: Pipeline, work: Any, claims: Any) -> Any:  # noqa: ANN401 - as it is called
        done = {outcome.claim for outcome in work.plan.decision.outcomes if not outcome.kept and not outcome.reason}
        pipeline._spool.finish(*[file for file in pipeline._spool.claimed() if file.claim in done])
        return carry_out(pipeline, work, claims)

    Pipeline._carry_out = early  # type: ignore[assignment, method-assign]


def _sync_no_bases() -> None:
    """Message bases are not synced before the input is given up."""
    JamFiles.sync = lambda _: None  # type: ignore[assignment, method-assign]


def _sync_no_outbound() -> None:
    """Bundles and their names are not synced before the packets are given up."""
    begin = Shipper.__init__

    def unsynced(*arguments: Any, **options: Any) -> None:  # noqa: ANN401 - as it is called
        begin(*arguments, **options | {"synced": False})

    Shipper.__init__ = unsynced  # type: ignore[method-assign]


def _trust_the_dead() -> None:
    """What a killed process wrote is taken to be on the disk."""
    for module in (app, oneshot):
        module.sync_leftovers = lambda _config, _lock: None  # type: ignore[attr-defined]


SABOTAGE: dict[str, Callable[[], None]] = {
    "append-again": _append_again,
    "delete-early": _delete_early,
    "sync-no-bases": _sync_no_bases,
    "sync-no-outbound": _sync_no_outbound,
    "trust-the-dead": _trust_the_dead,
}
