"""Binkley-style outbound: names of flow files and packets, and the lines in flow files (FTS-5005)."""

from __future__ import annotations

from enum import StrEnum


class Flavour(StrEnum):
    """How urgently the mailer is to send what waits for a link (FTS-5005)."""

    NORMAL = "normal"
    HOLD = "hold"
    DIRECT = "direct"
    CRASH = "crash"
    IMMEDIATE = "immediate"
