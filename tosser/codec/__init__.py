"""FTN formats as pure functions between bytes and values; no I/O, no clock, no asyncio."""
