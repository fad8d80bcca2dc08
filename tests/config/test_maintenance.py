"""When bases are cared for, and what is not a time of day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.config.documents import NETWORK, load, mistakes

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_done_without_being_told(tmp_path: Path) -> None:
    """New messages are linked; nothing is purged or packed."""
    maintenance = load(tmp_path, NETWORK).maintenance

    assert (maintenance.link, maintenance.at, maintenance.pack) == (True, None, True)


@pytest.mark.parametrize("text", ["04:00", "'04:00'", "23:59", "00:00"])
def test_times_of_day(tmp_path: Path, text: str) -> None:
    """Hours and minutes, with or without quotes."""
    assert load(tmp_path, NETWORK + f"maintenance: {{at: {text}}}\n").maintenance.at == text.strip("'")


@pytest.mark.parametrize("text", ["24:00", "4:00", "04:60", "4", "'04:00:00'", "daily", "true"])
def test_what_is_no_time_of_day(tmp_path: Path, text: str) -> None:
    """Anything else is told with its place."""
    assert mistakes(tmp_path, NETWORK + f"maintenance: {{at: {text}}}\n") == [
        "tosser.yaml:5:19 maintenance.at: should be a time of day such as 04:00"
    ]


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "all"])
def test_what_cannot_be_kept(tmp_path: Path, text: str) -> None:
    """Days and messages are whole numbers from 1; to keep nothing an area is passed through."""
    (mistake,) = mistakes(tmp_path, NETWORK + f"area_defaults: {{keep: {{days: {text}}}}}\n")
    assert mistake.startswith("tosser.yaml:5:30 area_defaults.keep.days: ")
