"""The log, as people and as machines read it."""

from __future__ import annotations

import json

import pytest
import structlog

from tosser.daemon import logs


def test_people_are_told_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    """What has no value is left out for people; machines find the same names in every line."""
    for form in ("console", "json"):
        logs.configure("info", form)
        structlog.get_logger().info("packet_set_aside", file="a.pkt", offset=None, size=0)
    for_people, for_machines = capsys.readouterr().err.splitlines()

    assert "file=a.pkt" in for_people
    assert "size=0" in for_people
    assert "offset" not in for_people
    assert json.loads(for_machines)["offset"] is None


def test_a_traceback_is_shown_to_people(capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake of ours comes with where it happened."""
    logs.configure("info", "console")
    try:
        int("a mistake")
    except ValueError:
        structlog.get_logger().exception("toss_failed", input="kept")
    told = capsys.readouterr().err

    assert "toss_failed" in told
    assert "ValueError: invalid literal" in told
    assert __name__.rpartition(".")[2] in told


@pytest.mark.parametrize("level", ["warning", "error"])
def test_levels(level: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is less important than the level is not told."""
    logs.configure(level, "json")
    structlog.get_logger().info("batch_taken_up_again")
    structlog.get_logger().error("toss_stopped")

    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["toss_stopped"]
