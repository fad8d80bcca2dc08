"""The command line: one small module a command group; `main` is the entry point.

Nothing heavy is imported until the command that needs it runs, so that ``tosser check`` starts quickly and needs no
broker library.
"""

from __future__ import annotations

from tosser.cli.main import main

__all__ = ["main"]
