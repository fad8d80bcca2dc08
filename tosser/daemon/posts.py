"""What was accepted by MQTT on its way from the state database, where it is safe, into the post box.

The decision to post is a row of the database. A pass of the toss drops its packet, and notes that, before it takes
anything out of the box: so a crash between any two of these costs nothing, the next pass of whichever process drops it
again, under the same name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tosser.inbound.postbox import PostBox
    from tosser.state.state import State


class AcceptedPosts:
    """Drops accepted posts.

    Args:
        box: takes them.
        state: has them.
    """

    def __init__(self, box: PostBox, state: State) -> None:
        self._box = box
        self._state = state
        self.due = True
        """Whether there may be some; who accepts one sets it, from any thread."""

    def drop(self) -> None:
        """Put what was accepted into the post box; only in the thread that tosses, and between two batches.

        Raises:
            OSError: the disk failed.
            StateError: the database did; what is not dropped will be.
        """
        if not self.due:
            return
        self.due = False
        try:
            for name, packet in self._state.waiting_commands():
                self._box.drop(name, packet)
                self._state.command_dropped(name)
        except BaseException:
            self.due = True
            raise
