"""The post box: an inbound of our own, for what this system itself has to say (answers, posts, requests).

Whoever wants to write puts a whole packet into it; it is tossed like any packet of a local program. The directory is
below the state directory, so that it needs no configuration, is on the disk that our journal is on, and takes nothing
from outside. A second one takes what other programs wrote into our bases: it is sent on, and not stored again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tosser import disk
from tosser.inbound.spool import Inbound
from tosser.rules.network import InboundClass

if TYPE_CHECKING:
    from pathlib import Path

_DIRECTORY = "posts"
_STORED_DIRECTORY = "scanned"


class PostBox:
    """The post box below a state directory.

    Args:
        state: the state directory.
        stored: whether it is the one for messages that are in the bases of their areas already.

    Attributes:
        path: the directory; it is there once something was dropped, or `prepare` called.
    """

    def __init__(self, state: Path, *, stored: bool = False) -> None:
        self.path = state / (_STORED_DIRECTORY if stored else _DIRECTORY)
        self._stored = stored

    @property
    def inbound(self) -> Inbound:
        """The post box as one of the inbounds."""
        return Inbound(self.path, InboundClass.LOCAL, own=True, stored=self._stored)

    def prepare(self) -> None:
        """Make the directory, if it is not there.

        Raises:
            OSError: it cannot be made.
        """
        disk.make_directory(self.path)

    def drop(self, name: str, packet: bytes) -> Path:
        """Put a whole packet in, durably; one of the same name that was not taken out yet is replaced.

        A step that is repeated after a crash, and gives the same name, does not double what it drops as long as
        nothing was taken out of the box in between.

        Args:
            name: without extension: letters, digits and hyphens, at most 60.
            packet: the packet.

        Returns:
            Where it is.

        Raises:
            OSError: it cannot be written.
        """
        self.prepare()
        path = self.path / f"{name}.pkt"
        disk.write_whole(path, [packet])
        return path
