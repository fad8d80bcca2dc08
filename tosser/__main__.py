"""``tosser``, and ``python -m tosser``: the command line, imported in the way that takes the least time.

A toss out of a cron job is short, and waits for every import.
"""

from __future__ import annotations

import sys

from tosser.daemon import collector


def main() -> None:
    """Run one command and exit with its code."""
    collector.rest()
    _import_structlog()
    from tosser.cli.main import app_for, execute  # noqa: PLC0415 - after what makes it quick

    words = sys.argv[1:]
    app = app_for(words)
    collector.spare()
    execute(app, words)


def _import_structlog() -> None:
    """Import structlog without rich, a tenth of a start: it wants that for tracebacks of a kind not used here."""
    sys.modules["rich"] = None  # type: ignore[assignment]  # how an import is made to fail
    import structlog.dev  # noqa: F401, PLC0415 - only so that it is loaded, at this moment

    del sys.modules["rich"]


if __name__ == "__main__":
    main()
