"""A configuration that was checked, as bytes: what another process needs of it, and none of what checked it.

pydantic and all that it makes of the sections take a third of the start of a toss. So the helper of a toss reads the
configuration while the process itself imports what tosses, and hands over the values alone.
"""

from __future__ import annotations

import os
import pickle
from io import BytesIO
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

from tosser.discreet import Discreet

if TYPE_CHECKING:
    from pathlib import Path

    from tosser.config.model import Config


class Secret(Discreet, frozen=True):
    """A secret, as pydantic's ``SecretStr`` gives it."""

    HIDDEN: ClassVar = frozenset({"value"})

    value: str

    def get_secret_value(self) -> str:
        """Give it."""
        return self.value


def take_snapshot(named: Path | None) -> bytes:
    """Find, read and check the configuration, as `tosser.config.loading.load_config` does with our environment.

    Args:
        named: the file that the command line names, or ``None``.

    Raises:
        ConfigError: it cannot be used; lists every mistake by file, line and column.
    """
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "1"  # it would look for them in everything that is installed
    from tosser.config.loading import find_config, load_config  # noqa: PLC0415 - who only restores does without

    stream = BytesIO()
    _pickler()(stream, pickle.HIGHEST_PROTOCOL).dump(load_config(find_config(named, os.environ), os.environ))
    return stream.getvalue()


def restore(snapshot: bytes) -> Config:
    """Give the configuration of a snapshot: each section has its values as attributes, and can do nothing else.

    There are no entries of areas, which may be thousands; the rulebook has what they say.
    """
    config: Config = pickle.loads(snapshot)  # noqa: S301 - it comes from a process of ours
    return config


def _pickler() -> type[pickle.Pickler]:
    from pydantic import SecretStr  # noqa: PLC0415 - as above

    from tosser.config.model import Config  # noqa: PLC0415 - as above
    from tosser.config.section import Section  # noqa: PLC0415 - as above
    from tosser.config.world import World  # noqa: PLC0415 - as above

    class Pickler(pickle.Pickler):
        """Leaves out what makes values more than values."""

        def reducer_override(self, value: object) -> Any:  # noqa: ANN401 - as pickle has it
            if isinstance(value, Config):
                return SimpleNamespace, (), {name: each for name, each in vars(value).items() if name != "areas"}
            if isinstance(value, Section):
                return SimpleNamespace, (), vars(value)
            if isinstance(value, World):
                return SimpleNamespace, (), {"rulebook": value.rulebook}
            if isinstance(value, SecretStr):
                return Secret, (value.get_secret_value(),)
            return NotImplemented

    return Pickler
