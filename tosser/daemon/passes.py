"""What one pass over the inbounds came to."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from tosser.reason import FileState


class PassReport(Struct):
    """What one pass over the inbounds came to.

    Attributes:
        files: files that reached a final state.
        messages: messages by reason code.
        set_aside: files and bundle members that were kept instead of tossed.
        trouble: why the pass stopped before all was done, as a sentence; empty when it did not.
        sent: packets that were handed to the mailer.
        busy_links: links whose mail waits because another program has locked them.
        stuck: what cannot be carried out because its input is gone.
        held: files that wait for links on hold.
        shortage: why no input is taken: there is too little room; empty when there is enough.
        surprised: whether something failed that should not; the files concerned are tried again by the next pass.
    """

    files: Counter[FileState] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    set_aside: int = 0
    trouble: str = ""
    sent: int = 0
    busy_links: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    held: int = 0
    shortage: str = ""
    surprised: bool = False
