from __future__ import annotations

import math

import pytest

from tosser.config.scalars import Scalar, ScalarError, check_unicode, resolve_plain, resolve_tagged

PLAIN: list[tuple[str, Scalar]] = [
    ("1337:1/100", "1337:1/100"),
    ("21:1", "21:1"),
    ("2:30", "2:30"),
    ("190:20:30", "190:20:30"),
    ("no", "no"),
    ("Yes", "Yes"),
    ("on", "on"),
    ("y", "y"),
    ("012", 12),
    ("-7", -7),
    ("+7", 7),
    ("0o17", 15),
    ("0x1F", 31),
    ("0b101", "0b101"),
    ("1_000", "1_000"),
    ("2+", "2+"),
    ("2.2", 2.2),
    (".5", 0.5),
    ("1.", 1.0),
    ("1e3", 1000.0),
    ("3.1.1", "3.1.1"),
    ("-.inf", -math.inf),
    (".INF", math.inf),
    ("2024-01-01", "2024-01-01"),
    ("512KiB", "512KiB"),
    ("true", True),
    ("FALSE", False),
    ("tRUE", "tRUE"),
    ("null", None),
    ("~", None),
    ("", None),
    ("nULL", "nULL"),
    ("-", "-"),
    (".", "."),
    ("٣", "٣"),
]


@pytest.mark.parametrize(("text", "value"), PLAIN)
def test_a_plain_scalar_means_what_yaml_1_2_says(text: str, value: Scalar) -> None:
    """Only the core schema of YAML 1.2 turns text into something else."""
    found = resolve_plain(text)

    assert found == value
    assert type(found) is type(value)


def test_not_a_number_is_a_number() -> None:
    """``.nan`` is a float, which no key accepts."""
    found = resolve_plain(".NaN")

    assert isinstance(found, float)
    assert math.isnan(found)


@pytest.mark.parametrize("text", ["9" * 5000, "0x" + "f" * 50, "1." + "0" * 60])
def test_a_very_long_number_is_refused(text: str) -> None:
    """Python would not read it, or take its time."""
    with pytest.raises(ScalarError, match="too many digits"):
        resolve_plain(text)


@pytest.mark.parametrize(
    ("tag", "text", "value"),
    [
        ("tag:yaml.org,2002:str", "012", "012"),
        ("!", "true", "true"),
        ("tag:yaml.org,2002:int", "12", 12),
        ("tag:yaml.org,2002:float", "12", 12.0),
        ("tag:yaml.org,2002:bool", "true", True),
        ("tag:yaml.org,2002:null", "~", None),
    ],
)
def test_a_core_tag_is_obeyed(tag: str, text: str, value: Scalar) -> None:
    """An explicit tag of the core schema says what the scalar is."""
    found = resolve_tagged(tag, text)

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("tag:yaml.org,2002:int", "abc"),
        ("tag:yaml.org,2002:int", "1.5"),
        ("tag:yaml.org,2002:bool", "yes"),
        ("tag:yaml.org,2002:binary", "aGVsbG8="),
        ("tag:yaml.org,2002:timestamp", "2024-01-01"),
        ("tag:yaml.org,2002:python/object/apply:os.getcwd", ""),
        ("!ENV", "HOME"),
        ("int", "1"),
    ],
)
def test_any_other_tag_is_refused(tag: str, text: str) -> None:
    """A tag that is not of the core schema, or that the value does not fit, is a mistake."""
    with pytest.raises(ScalarError):
        resolve_tagged(tag, text)


def test_text_that_cannot_be_utf_8_is_refused() -> None:
    """A lone surrogate would break whoever writes it later."""
    check_unicode("grün")
    with pytest.raises(ScalarError):
        check_unicode("\ud800")
