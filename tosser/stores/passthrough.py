"""The base of an area that is passed on but not kept here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tosser.stores.base import BasePosition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tosser.codec.stored import BaseMessage
    from tosser.stores.base import Storable


class PassthroughBase:
    """A `tosser.stores.base.MessageBase` that stores nothing; every message gets the number 0."""

    def position(self) -> BasePosition:
        """There is nothing, so it ends where it begins."""
        return BasePosition()

    def append(self, messages: Sequence[Storable], *, wait: float) -> list[int]:  # noqa: ARG002 - nobody to wait for
        """Store nothing."""
        return [0] * len(messages)

    def resume(self, since: BasePosition, messages: Sequence[Storable], *, wait: float) -> list[int]:
        """Store nothing again."""
        del since
        return self.append(messages, wait=wait)

    def mark_sent(self, messages: Sequence[BaseMessage], *, wait: float) -> int:  # noqa: ARG002 - as append
        """There is nothing to be marked."""
        return 0

    def sync(self) -> None:
        """Nothing was written."""

    def close(self) -> None:
        """Nothing is open."""
