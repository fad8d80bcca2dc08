"""The right message base for a store kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tosser.rules.network import StoreKind
from tosser.stores.jam import JamBase
from tosser.stores.msg import MsgBase
from tosser.stores.passthrough import PassthroughBase

if TYPE_CHECKING:
    from pathlib import Path

    from tosser.stores.base import MessageBase


def open_base(kind: StoreKind, path: Path) -> MessageBase:
    """Give the base at a path; its files are opened, and where absent created, by the first use that needs them.

    Args:
        kind: how the messages are kept.
        path: base path without suffix, the directory of *.MSG files; may be anything for a passthrough area.
    """
    match kind:
        case StoreKind.JAM:
            return JamBase(path)
        case StoreKind.MSG:
            return MsgBase(path)
        case StoreKind.PASSTHROUGH:
            return PassthroughBase()
