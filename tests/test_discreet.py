"""Records with secrets."""

from __future__ import annotations

from typing import ClassVar

import pytest

from tosser.discreet import Discreet
from tosser.events.settings import MqttSettings


class Door(Discreet, frozen=True):
    """Something with a secret."""

    HIDDEN: ClassVar = frozenset({"key"})

    place: str
    key: str = "sesame"


def test_what_is_hidden_is_not_shown() -> None:
    """The representation has the fields that may be seen, by name, and nothing of the others."""
    assert repr(Door("cave")) == "Door(place='cave')"
    assert "sesame" not in repr([MqttSettings("broker", 1883, "hub", "hub", "sesame")])


def test_what_is_hidden_is_a_field_like_any_other() -> None:
    """It counts when two are compared, and may not be changed."""
    assert Door("cave") != Door("cave", "open")
    with pytest.raises(AttributeError):
        Door("cave").key = "open"  # type: ignore[misc]  # that is the point
