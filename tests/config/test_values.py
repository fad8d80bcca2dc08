from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from tosser.address import Address
from tosser.config import values
from tosser.config.kinds import BrokerUrl, Endpoint
from tosser.config.values import parse_duration, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable


def adapted(kind: Any, value: object) -> object:  # noqa: ANN401 - a type, for which there is no type yet
    """Validate a value as one of our kinds of values; relative paths start at /etc/tosser."""
    adapter: TypeAdapter[object] = TypeAdapter(kind)
    return adapter.validate_python(value, context={"directory": Path("/etc/tosser")})


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (0, 0),
        (512, 512),
        ("512", 512),
        ("512B", 512),
        ("512KiB", 512 * 1024),
        ("2MiB", 2 * 1024**2),
        ("1GiB", 1024**3),
        ("3TiB", 3 * 1024**4),
    ],
)
def test_a_size_is_a_number_of_bytes(text: object, size: int) -> None:
    """Units are binary."""
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "value", [-1, True, 1.5, "1.5MiB", "5 MB", "5MB", "5M", "", "MiB", "-1", None, [], "9" * 15 + "TiB"]
)
def test_other_sizes_are_refused(value: object) -> None:
    """Decimal units, fractions, blanks and the absurd are no sizes."""
    with pytest.raises(PydanticCustomError, match="should be a size"):
        parse_size(value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("50ms", 0.05), ("2s", 2.0), ("0s", 0.0), ("1.5s", 1.5), ("5m", 300.0), ("12h", 43200.0), ("30d", 30 * 86400.0)],
)
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    """The unit is always given."""
    assert parse_duration(text) == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize("value", [5, 1.5, "5", "5 s", "-5s", "5w", "", "s", "1h30m", True, None, "99999999999d"])
def test_other_durations_are_refused(value: object) -> None:
    """A bare number is no duration: nobody could tell seconds from days."""
    with pytest.raises(PydanticCustomError, match="should be"):
        parse_duration(value)


@given(st.text(max_size=20) | st.integers() | st.floats() | st.none() | st.lists(st.integers(), max_size=2))
@pytest.mark.parametrize("parse", [parse_size, parse_duration])
def test_any_value_is_read_or_refused(parse: Callable[[object], float], value: object) -> None:
    """Whatever YAML gives becomes a number that is not negative, or is refused as pydantic wants it."""
    with contextlib.suppress(PydanticCustomError):
        assert parse(value) >= 0


ACCEPTED: list[tuple[object, object, object]] = [
    (values.Age, "365d", 365 * 86400.0),
    (values.Age, "unlimited", math.inf),
    (values.AddressValue, "1337:1/100.5@TQWnet", Address(1337, 1, 100, 5, "tqwnet")),
    (values.AddressValue, "1337:1/-1", Address(1337, 1, 65535)),
    (values.NodeValue, "5020/1042", Address(0, 5020, 1042)),
    (values.NodeValue, "2:5020/0", Address(2, 5020, 0)),
    (values.PathValue, "state", Path("/etc/tosser/state")),
    (values.PathValue, "../x/./y/", Path("/etc/x/y")),
    (values.PathValue, "/var/lib", Path("/var/lib")),
    (values.BasePath, "a/b", Path("a/b")),
    (values.Tag, "tqw_tech", "TQW_TECH"),
    (values.Tag, "R50.SYSOP", "R50.SYSOP"),
    (values.Tag, "A" * 79, "A" * 79),
    (values.NetworkName, "fsxNet", "fsxNet"),
    (values.Domain, "FSXnet", "fsxnet"),
    (values.CharsetName, "utf-8", "UTF-8"),
    (values.CharsetName, "CP866", "CP866"),
    (values.TopicPrefix, "ftn/my bbs", "ftn/my bbs"),
    (values.ForeignFormat, "lzh", "lzh"),
    (values.PacketTypeValue, 2, "2"),
    (values.PacketTypeValue, 2.2, "2.2"),
    (values.PacketTypeValue, "2+", "2+"),
    (values.MqttVersionValue, 5, "5"),
    (values.MqttVersionValue, "3.1.1", "3.1.1"),
    (values.EndpointValue, "127.0.0.1:9464", Endpoint("127.0.0.1", 9464)),
    (values.EndpointValue, "[::1]:9464", Endpoint("::1", 9464)),
    (values.BrokerValue, "mqtt://broker", BrokerUrl("broker", 1883, tls=False)),
    (values.BrokerValue, "mqtts://broker/", BrokerUrl("broker", 8883, tls=True)),
    (values.BrokerValue, "mqtts://[::1]:8884", BrokerUrl("::1", 8884, tls=True)),
    (values.BrokerValue, "mqtt://[fe80::1]", BrokerUrl("fe80::1", 1883, tls=False)),
    (values.Line, "Grün", "Grün"),
    (values.Flag, True, True),
    (values.Zone, 32767, 32767),
]
REFUSED: list[tuple[object, object]] = [
    *(
        (values.AddressValue, value)
        for value in ("2:5020", "70000:1/1", "0:1/1", "2:0/1", "a:b/c", "5020/1", 21, "1:1/1@a@b")
    ),
    *(
        (values.NodeValue, value)
        for value in ("5020", "5020/1.2", "5020/1@fidonet", "2:5020", "0/1", "0:1/1", "40000/1", "5020/-1", "", 5020.1)
    ),
    *((values.PatternValue, value) for value in ("all", "2:5020", "5020/*", "", 2)),
    *((values.PathValue, value) for value in ("", "a\0b", 5, ["a"], "~", "~/a")),
    *((values.BasePath, value) for value in ("", "a/", "a/..", "..", "a\0", 5, "a.JHR", "~/a")),
    *((values.Tag, value) for value in ("", "A B", "+A", "-A", "GRÜN", "A" * 80, 5, "A\r", "{\x7f}")),
    *((values.NetworkName, value) for value in ("", "a.b", "a/b", "a" * 32, "grün")),
    *((values.Domain, value) for value in ("", "fidonet.org", "a b", 5)),
    *((values.CharsetName, value) for value in ("", "KLINGON", 437)),
    *((values.TopicPrefix, value) for value in ("", "/a", "a/", "a//b", "a/+", "#", "$SYS", "$SYS/a", "a\0", 5)),
    *((values.ForeignFormat, value) for value in ("zip", "packet", "tar", "gzip", "exe", 7)),
    *((values.PacketTypeValue, value) for value in (3, "2e", True, None)),
    *(
        (values.EndpointValue, value)
        for value in ("9464", ":9464", "a:0", "a:70000", "::1:9464", "[::1]", "a b:1", 9464)
    ),
    *(
        (values.BrokerValue, value)
        for value in ("http://a", "mqtt://", "mqtt://a:0", "mqtt://a:x", "mqtt://a/b", "a", 5)
    ),
    *((values.BrokerValue, value) for value in ("mqtt://u:p@a", "mqtt://[::1", "mqtt://a b")),
    *((values.PacketPassword, value) for value in ("123456789", "a b", "grün", 1234)),
    *((values.Line, value) for value in ("a\nb", "a\x00", 5, True)),
    *((values.Flag, value) for value in ("yes", "true", 1, 0)),
    *((values.Count, value) for value in (0, -1, 1.0, "5", True)),
    *((values.Zone, value) for value in (0, 32768, "5")),
]


@pytest.mark.parametrize(("kind", "given", "value"), ACCEPTED)
def test_a_value_is_read(kind: object, given: object, value: object) -> None:
    """Each kind of value becomes what the program works with."""
    assert adapted(kind, given) == value


@pytest.mark.parametrize(("kind", "value"), REFUSED)
def test_a_wrong_value_is_refused(kind: object, value: object) -> None:
    """What the standards or the system could not bear is refused as one error."""
    with pytest.raises(ValidationError) as caught:
        adapted(kind, value)

    assert caught.value.error_count() == 1
