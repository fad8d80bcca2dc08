"""All that is fuzzed, by name."""

from __future__ import annotations

from tests.fuzz import codec_targets, file_targets, way_targets

TARGETS = {target.name: target for each in (codec_targets, file_targets, way_targets) for target in each.TARGETS}
