"""Configurations to try, and what is said about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tosser.config.loading import load_config
from tosser.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tosser.config.model import Config

SYSTEM = """\
system: {name: Test BBS, sysop: Test Sysop}
paths: {state: state, bases: bases, inbound: {secure: [in]}}
"""
"""The two sections that every configuration needs and few tests are about; two lines."""

NETWORK = (
    SYSTEM
    + """\
networks:
  tqwnet: {addresses: [1337:1/200]}
"""
)
"""The least that is a configuration; four lines."""

TWO_NETWORKS = (
    SYSTEM
    + """\
networks:
  tqwnet: {addresses: [1337:1/200]}
  fsxnet: {addresses: [21:1/200, 21:2/200]}
links:
  - address: 1337:1/100
  - address: 21:1/100
"""
)
"""Two networks with a link each; eight lines."""


def load(directory: Path, text: str, environ: Mapping[str, str] | None = None) -> Config:
    """Load a configuration that stands in ``tosser.yaml``."""
    path = directory / "tosser.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, environ or {})


def mistakes(directory: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """List what is wrong with a configuration, each mistake as it is printed, without the directory."""
    with pytest.raises(ConfigError) as caught:
        load(directory, text, environ)
    return [str(problem).replace(f"{directory}/", "") for problem in caught.value.problems]
