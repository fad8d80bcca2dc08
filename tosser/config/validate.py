"""From the raw document to the model, with every mistake placed.

pydantic reports all errors at once but gives no model then. So that cross references can still be judged, what was
refused is taken out and the rest is validated again; what had to go is told by `Gaps`, so that nobody complains about
what only follows from another mistake.
"""

from __future__ import annotations

import re
from types import NoneType
from typing import TYPE_CHECKING, Final, cast, get_args, get_origin

from msgspec import Struct, field
from msgspec.structs import replace
from pydantic import SecretStr, ValidationError

from tosser.config.complaint import Complaint, Gaps, hint_for, nearest
from tosser.config.model import Config
from tosser.config.section import Section
from tosser.config.source import BROKEN, shown
from tosser.config.values import SECRET_ERROR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails

    from tosser.config.source import Location

_ROUNDS = 20
"""How often something is taken out before the rest is given up."""
_STAND_INS: dict[str, object] = {
    "system": {"name": "-", "sysop": "-"},
    "paths": {"state": "/-/state", "bases": "/-/bases", "inbound": {}},
    "networks": {"-": {"addresses": ["1:1/1"]}},
}
"""What a required section counts as when it is missing or unusable and the others are still to be judged."""
_TEXTS = {
    "string_type": "should be text",
    "bool_type": "should be true or false",
    "int_type": "should be a whole number",
    "model_type": "should be a mapping (key: value)",
    "dict_type": "should be a mapping (key: value)",
    "tuple_type": "should be a list",
    "string_pattern_mismatch": "should be one line without control characters",
    "string_too_short": "should not be empty",
    "too_short": "should not be empty",
    "greater_than_equal": "should be at least {ge}",
    "less_than_equal": "should be at most {le}",
}
"""Kinds of pydantic's errors, for people; braces take its context."""
_QUOTED = re.compile(r"'([^']*)'")


class _Dropped:
    """Stands where something was taken out."""

    __slots__ = ()


_DROPPED: Final = _Dropped()


class Outcome(Struct):
    """What became of the raw document.

    Attributes:
        config: the model; of what is readable only, when there are complaints; ``None`` when nothing is.
        complaints: what the model refused.
        gaps: what ``config`` lacks.
        kept: for each list that lost entries, the original indices of those it still has.
    """

    config: Config | None
    complaints: list[Complaint]
    gaps: Gaps = field(default_factory=Gaps)
    kept: dict[Location, list[int]] = field(default_factory=dict)

    def in_document(self, complaint: Complaint) -> Complaint:
        """Translate a complaint about ``config`` into one about the document."""
        other = None if complaint.other is None else _original(complaint.other, self.kept)
        return replace(complaint, location=_original(complaint.location, self.kept), other=other)


def validate(data: dict[str, object], directory: Path) -> Outcome:
    """Validate the document; ``data`` is used up.

    Args:
        data: the plain document.
        directory: where relative paths start.
    """
    context = {"directory": directory}
    try:
        return Outcome(Config.model_validate(data, context=context), [])
    except ValidationError as refused:
        errors = refused.errors(include_url=False)
    complaints = _complaints(errors, data)
    texts: set[str] = set()
    gaps: set[Location] = set()
    kept: dict[Location, list[int]] = {}
    for _ in range(_ROUNDS):
        for error in errors:
            location = _drop(data, _original(error["loc"], kept), error["type"], texts)
            if error["type"] != "extra_forbidden":
                gaps.add(location)
        kept = {}
        rest = _without_dropped(data, (), kept)
        try:
            config = Config.model_validate(rest, context=context)
        except ValidationError as refused:
            errors = refused.errors(include_url=False)
        else:
            return Outcome(config, complaints, Gaps(frozenset(gaps), frozenset(texts)), kept)
    return Outcome(None, complaints)


def _drop(data: dict[str, object], location: Location, kind: str, texts: set[str]) -> Location:
    """Take out what an error is about, or around it what cannot do without it; return the place of what went."""
    if kind == "missing":
        if len(location) == 1:
            data[str(location[0])] = _STAND_INS.get(str(location[0]), _DROPPED)
            return location
        location = location[:-1]
    location = _existing(data, location)
    parent: object = data
    for part in location[:-1]:
        parent = _child(parent, part)
    if location:
        last = location[-1]
        if location[0] == "links":
            texts.update(_texts(_child(parent, last)))
        cast("dict[str | int, object]", parent)[last] = _DROPPED
    return location


def _existing(data: dict[str, object], location: Location) -> Location:
    """Cut a location after the last part that the document has; pydantic's go on into what we made of a short form."""
    value: object = data
    for depth, part in enumerate(location):
        value = _child(value, part)
        if value is None:
            return location[:depth]
    return location


def _child(value: object, part: str | int) -> object:
    """Give the value under a key or index, or ``None``; the document itself has no ``None``."""
    if isinstance(value, dict):
        return value.get(part)
    if isinstance(value, list) and isinstance(part, int):
        return value[part]
    return None


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


def _without_dropped(value: object, place: Location, kept: dict[Location, list[int]]) -> object:
    if isinstance(value, dict):
        return {
            key: _without_dropped(inner, (*place, key), kept) for key, inner in value.items() if inner is not _DROPPED
        }
    if isinstance(value, list):
        indices = [index for index, inner in enumerate(value) if inner is not _DROPPED]
        if len(indices) != len(value):
            kept[place] = indices
        return [_without_dropped(value[index], (*place, index), kept) for index in indices]
    return value


def _original(location: Location, kept: dict[Location, list[int]]) -> Location:
    place: Location = ()
    for part in location:
        indices = kept.get(place)
        place = (*place, indices[part] if indices is not None and isinstance(part, int) else part)
    return place


def _complaints(errors: Sequence[ErrorDetails], data: dict[str, object]) -> list[Complaint]:
    """Say in our words what pydantic refused, leaving out what only follows from another mistake."""
    found = []
    misspelt = set()
    for error in errors:
        if error["type"] == "extra_forbidden":
            location = error["loc"]
            meant = nearest(str(location[-1]), _keys_at(location[:-1]))
            misspelt.add((*location[:-1], meant))
            found.append(Complaint(location, f"unknown key '{shown(str(location[-1]))}'", hint_for(meant), key=True))
    for error in errors:
        location, kind = error["loc"], error["type"]
        if kind == "missing" and location not in misspelt:
            found.append(Complaint(location, "is required"))
        elif kind == "too_short" and any(
            location == other["loc"][: len(location)] for other in errors if other is not error
        ):
            continue  # its entries are wrong, and are not counted
        elif kind not in {"missing", "extra_forbidden"} and error["input"] is not BROKEN:
            what, hint = _describe(error)
            found.append(Complaint(_existing(data, location), what, hint, key=location[-1] == "[key]"))
    return found


def _describe(error: ErrorDetails) -> tuple[str, str]:
    """Say what is wrong with a value, and what may have been meant."""
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if isinstance(value, SecretStr) and kind != SECRET_ERROR:
        return "a secret (!env, !file) cannot stand here; they are for passwords", ""
    if kind in {"enum", "literal_error"}:
        known = _QUOTED.findall(context["expected"])
        return f"should be one of {', '.join(known)}", hint_for(nearest(value, known)) if isinstance(value, str) else ""
    if kind == "string_type" and isinstance(value, int | float):
        return "should be text; put it in quotes", ""
    return _TEXTS[kind].format_map(context) if kind in _TEXTS else error["msg"], ""


def _keys_at(location: Location) -> tuple[str, ...]:
    """List the keys that the section at a location may have."""
    annotation: object = Config
    for part in location:
        annotation = _annotation_below(annotation, part)
    section = _section_of(annotation)
    return tuple(section.model_fields) if section else ()


def _annotation_below(annotation: object, part: str | int) -> object:
    section = _section_of(annotation)
    if section is not None:
        known = section.model_fields.get(str(part))
        return known.annotation if known else None
    inner = [argument for argument in get_args(annotation) if argument not in {NoneType, Ellipsis}]
    if get_origin(annotation) is dict:
        return inner[1]
    return inner[0] if inner else None


def _section_of(annotation: object) -> type[Section] | None:
    """Find the section in a type such as ``Mqtt | None``."""
    members = (annotation,) if get_origin(annotation) in {tuple, dict} else (annotation, *get_args(annotation))
    for candidate in members:
        if isinstance(candidate, type) and issubclass(candidate, Section):
            return candidate
    return None
