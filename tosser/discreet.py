"""Records with something in them that must not be seen: passwords, tokens, other people's mail."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct


class Discreet(Struct, frozen=True):
    """A record that keeps some of its fields out of its representation, which logs and tracebacks may show.

    Attributes:
        HIDDEN: the names of these fields.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset()

    def __repr__(self) -> str:
        """Show the other fields."""
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in self.HIDDEN)
        return f"{type(self).__name__}({', '.join(shown)})"
