"""What the publisher asks of the state: where events come from, and where it is recorded that the broker has them.

Each method is one transaction. The publisher is the only caller and makes one call after the other. If it is cancelled
in one, the transaction may still be made, and the next call comes behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


class OutboxRow(Protocol):
    """One event that waits for the broker."""

    @property
    def seq(self) -> int:
        """Position in the order of events, from 1."""

    @property
    def topic(self) -> str:
        """Full topic."""

    @property
    def payload(self) -> bytes:
        """The CloudEvents document."""

    @property
    def retain(self) -> bool:
        """Whether the broker is to keep it as the last value of its topic."""


class StateRow(Protocol):
    """How something stands that the broker does not know yet; always published retained."""

    @property
    def topic(self) -> str:
        """Full topic; there is at most one row a topic."""

    @property
    def payload(self) -> bytes:
        """The CloudEvents document."""

    @property
    def version(self) -> int:
        """Grows with every change."""


class Outbox(Protocol):
    """The durable side of the publisher."""

    async def next_events(self, after: int, limit: int, skip_topics: Collection[str]) -> Sequence[OutboxRow]:
        """List waiting events in order: those behind ``after``, without those of some topics (there may be thousands).

        Fewer than ``limit`` may be returned to bound memory, but at least one where there is one.
        """

    async def delivered(self, seqs: Sequence[int]) -> None:
        """Forget events: the broker has them. Some may be forgotten already."""

    async def refused(self, seq: int, code: int, name: str) -> None:
        """Note that the broker said no to an event, which stays."""

    async def next_states(self, limit: int, skip_topics: Collection[str]) -> Sequence[StateRow]:
        """List states of which the broker does not have the present version, without those of some topics."""

    async def states_published(self, versions: Sequence[tuple[str, int]]) -> None:
        """Note which version (topic, version) the broker has; a newer one may have come up meanwhile."""

    async def forget_published(self) -> None:
        """Forget which states the broker has: it may have lost them, or be another one."""
