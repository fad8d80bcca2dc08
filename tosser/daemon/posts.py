"""What was accepted by MQTT on its way from the state database, where it is safe, into the post box.

The decision to post is a row of the database; a pass of the toss drops its packet before it does anything else. So a
crash between the two costs nothing: the next pass, of whichever process, drops what is not known to be dropped, except
what was taken out already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tosser.inbound.postbox import PostBox
    from tosser.inbound.spool import Spool
    from tosser.state.state import State


class AcceptedPosts:
    """Drops accepted posts.

    Args:
        box: takes them.
        spool: tells which were taken out.
        state: has them.
    """

    def __init__(self, box: PostBox, spool: Spool, state: State) -> None:
        self._box = box
        self._spool = spool
        self._state = state
        self._again = True
        self.due = True
        """Whether there may be some; who accepts one sets it."""

    def drop(self) -> None:
        """Put what was accepted into the post box; may be repeated.

        Raises:
            OSError: the disk failed.
            StateError: the database did; what is not dropped will be.
        """
        if not self.due:
            return
        self.due = False
        try:
            waiting = self._state.waiting_commands()
            taken = taken_out(self._box, self._spool, self._state) if waiting and self._again else frozenset()
            for name, packet in waiting:
                if f"{name}.pkt" not in taken:
                    self._box.drop(name, packet)
                self._state.command_dropped(name)
        except BaseException:
            self.due = self._again = True
            raise
        self._again = False


def taken_out(box: PostBox, spool: Spool, state: State) -> frozenset[str]:
    """List the names of all that was ever taken out of the post box."""
    claimed = {file.name for file in spool.claimed() if file.inbound.path == box.path}
    return frozenset(claimed | state.file_names(str(box.path)))
