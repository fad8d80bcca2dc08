"""A publisher in a process of its own, to be killed: ``python -m tests.events.lonely_publisher PORT``."""

from __future__ import annotations

import asyncio
import sys

from tests.events.memory import MemoryOutbox, publisher_for, settings_for

if __name__ == "__main__":
    asyncio.run(publisher_for(settings_for(int(sys.argv[1])), MemoryOutbox()).run())
