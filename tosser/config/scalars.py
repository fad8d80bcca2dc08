"""What a YAML scalar means: the core schema of YAML 1.2 (section 10.3) and nothing else.

YAML 1.1 as PyYAML reads it turns ``21:1`` into 1261, ``no`` into false and ``012`` into ten; here all three stay what a
sysop sees: text, text, and twelve. Refused with `ScalarError`: a number of unreasonable length, a standard tag whose
value does not fit it, and every tag outside the core schema.
"""

from __future__ import annotations

import re
from functools import lru_cache

_LONGEST_NUMBER = 40
"""Characters a number may have; Python itself refuses to read very long ones."""

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_NUMBER_STARTS = tuple("+-.0123456789")
_BASES = {"0o": 8, "0x": 16}
_CORE = "tag:yaml.org,2002:"
_TYPES: dict[str, type] = {"null": type(None), "bool": bool, "int": int, "float": float}

Scalar = str | int | float | bool | None


class ScalarError(ValueError):
    """A scalar without a meaning in the core schema; the text says why, as a sentence without full stop."""


@lru_cache(maxsize=4096)
def resolve_plain(text: str) -> Scalar:
    """Give the value of a scalar written without quotes and without tag.

    Raises:
        ScalarError: a number longer than 40 characters.
    """
    if text.startswith(_NUMBER_STARTS):
        return _resolve_number(text)
    if text in _NULL:
        return None
    return _BOOL.get(text, text)


def resolve_tagged(tag: str, text: str) -> Scalar:
    """Give the value of a scalar with an explicit tag, such as ``!!str``.

    Raises:
        ScalarError: the tag is not one of the core schema, or the value does not fit it.
    """
    if tag in {"!", _CORE + "str"}:
        return text
    kind = tag.removeprefix(_CORE)
    if tag == kind or kind not in _TYPES:
        raise ScalarError(f"unknown tag {tag!r}; those for secrets are !env and !file")
    value = resolve_plain(text)
    if kind == "float" and type(value) is int:
        return float(value)
    if type(value) is not _TYPES[kind]:
        raise ScalarError(f"is not what its tag !!{kind} says")
    return value


def check_unicode(text: str) -> None:
    """Refuse text that cannot be written as UTF-8 (a lone surrogate, which an escape can make).

    Raises:
        ScalarError: it cannot.
    """
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ScalarError("is not valid Unicode text") from None


def _resolve_number(text: str) -> Scalar:
    integer = _INT.fullmatch(text)
    if integer is None and _FLOAT.fullmatch(text) is None:
        return text
    if len(text) > _LONGEST_NUMBER:
        raise ScalarError("is a number with too many digits; if it is text, put it in quotes")
    if integer is not None:
        return int(text, _BASES.get(text[:2], 10))
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
