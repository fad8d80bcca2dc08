from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tosser.address import Address
from tosser.codec.flow import (
    Directive,
    Flavour,
    FlowLine,
    boss_numbers,
    bso_stem,
    build_flow,
    flow_extension,
    is_flavoured_packet_name,
    is_flow_name,
    missing_lines,
    parse_flow,
    point_directory,
    system_numbers,
    zone_extension,
)
from tosser.errors import FormatError

DELETE, TRUNCATE, KEEP, DONE = Directive.DELETE, Directive.TRUNCATE, Directive.KEEP, Directive.DONE
PATHS = st.binary(max_size=40).map(lambda tail: b"/" + tail.translate(None, b"\n\0").rstrip(b" \t\v\f\r"))
LINES = st.lists(st.builds(FlowLine, st.sampled_from(Directive), PATHS), max_size=8)


@pytest.mark.parametrize(
    ("address", "directory", "stem"),
    [
        ("2:5020/1042", "", "139c0412"),
        ("2:5020/1042.45", "139c0412.pnt", "0000002d"),
        ("1337:1/301", "", "0001012d"),
        ("1337:1/200.9", "000100c8.pnt", "00000009"),
        ("2:5020/-1", "", "139cffff"),
        ("1:32767/0", "", "7fff0000"),
    ],
)
def test_names_of_systems(address: str, directory: str, stem: str) -> None:
    """A node's files carry net and node in hex; a point's its number, in a directory of its boss."""
    assert point_directory(Address.parse(address)) == directory
    assert bso_stem(Address.parse(address)) == stem


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("139c0412.flo", (5020, 1042)),
        ("0001012D.HLO", (1, 301)),
        ("0001012d.cut", (1, 301)),
        ("0000002d.dlo", (0, 45)),
        ("139c0412.bsy", None),
        ("139c0412.mo0", None),
        ("139c412.flo", None),
        ("139c0412.pnt", None),
    ],
)
def test_whose_a_file_is(name: str, numbers: tuple[int, int] | None) -> None:
    """Flow files and flavoured packets of any case tell whose they are; nothing else does."""
    assert system_numbers(name) == numbers


@pytest.mark.parametrize(("name", "numbers"), [("139C0412.pnt", (5020, 1042)), ("139c0412.flo", None), ("x.pnt", None)])
def test_whose_points_a_directory_is_for(name: str, numbers: tuple[int, int] | None) -> None:
    """A directory of points tells their boss."""
    assert boss_numbers(name) == numbers


@pytest.mark.parametrize(("zone", "extension"), [(1, ".001"), (21, ".015"), (1337, ".539"), (4096, ".1000")])
def test_zone_extensions(zone: int, extension: str) -> None:
    """A zone has three hex digits, above 4095 four."""
    assert zone_extension(zone) == extension


def test_flow_extensions() -> None:
    """Every flavour has its flow file."""
    found = {flavour: flow_extension(flavour) for flavour in Flavour}
    assert found == {
        Flavour.NORMAL: "flo",
        Flavour.HOLD: "hlo",
        Flavour.DIRECT: "dlo",
        Flavour.CRASH: "clo",
        Flavour.IMMEDIATE: "ilo",
    }
    assert all(is_flow_name(f"139c0412.{extension}") for extension in found.values())


@pytest.mark.parametrize("name", ["139c0412.flo", "139C0412.FLO", "0000002d.Ilo", "139c0412.nlo"])
def test_flow_names(name: str) -> None:
    """Flow files are recognised in any case, also by the obsolete extension."""
    assert is_flow_name(name)
    assert not is_flavoured_packet_name(name)


@pytest.mark.parametrize("name", ["139c0412.out", "139C0412.CUT", "0000002d.iut", "0000002d.dut", "0000002d.hut"])
def test_packet_names(name: str) -> None:
    """So are packets that need no flow file."""
    assert is_flavoured_packet_name(name)
    assert not is_flow_name(name)


@pytest.mark.parametrize(
    "name",
    ["139c0412.bsy", "139c0412.req", "139c041.flo", "139c04123.flo", "139c041g.flo", "139c0412.fut", "139c0412.flo~",
     "139c0412.olo", ".139c0412.flo", "139c0412.pkt", "139c0412.flo\n", "\N{ARABIC-INDIC DIGIT ONE}39c0412.flo"],
)  # fmt: skip
def test_other_names(name: str) -> None:
    """Nothing else is."""
    assert not is_flow_name(name)
    assert not is_flavoured_packet_name(name)


@pytest.mark.parametrize(
    ("line", "data"),
    [
        (FlowLine(DELETE, b"/out/ffedfc52.mo0"), b"^/out/ffedfc52.mo0\n"),
        (FlowLine(TRUNCATE, b"/out/ffedfc52.mo0"), b"#/out/ffedfc52.mo0\n"),
        (FlowLine(KEEP, b"/files/NODEDIFF.A12"), b"/files/NODEDIFF.A12\n"),
        (FlowLine(DONE, b"/out/ffedfc52.mo0"), b"~/out/ffedfc52.mo0\n"),
        (FlowLine(KEEP, b"/a file/~#^ \xff.zip"), b"/a file/~#^ \xff.zip\n"),
    ],
)
def test_lines(line: FlowLine, data: bytes) -> None:
    """Each directive is one character, or none, before the path."""
    assert parse_flow(data) == [line]
    assert build_flow([line]) == data


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n\r\n \n^\n~ \n", []),
        (b"^/a\r\n#/b  \n/c", [FlowLine(DELETE, b"/a"), FlowLine(TRUNCATE, b"/b"), FlowLine(KEEP, b"/c")]),
        (b"-/a\n@/b\n!/c\n$/d\n", [FlowLine(DELETE, b"/a"), FlowLine(KEEP, b"/b"), FlowLine(DONE, b"/c"),
                                     FlowLine(DONE, b"/d")]),
        (b"^relative.pkt\n", [FlowLine(DELETE, b"relative.pkt")]),
    ],
)  # fmt: skip
def test_what_others_write(data: bytes, lines: list[FlowLine]) -> None:
    """Other line ends, blanks, optional directives and a last line without end are read."""
    assert parse_flow(data) == lines


@pytest.mark.parametrize("path", [b"", b"out/x.pkt", b"~/x", b"/x\n/y", b"/x\0", b"/x ", b"/x\r", b"\n/x", b"/x\n"])
def test_unwritable_paths(path: bytes) -> None:
    """A path that would not come back as it is is refused."""
    with pytest.raises(FormatError, match="cannot stand in a flow file"):
        build_flow([FlowLine(DELETE, path)])


@given(LINES)
def test_there_and_back(lines: list[FlowLine]) -> None:
    """What is written is read."""
    assert parse_flow(build_flow(lines)) == lines


@given(st.binary(max_size=200))
def test_everything_is_read(data: bytes) -> None:
    """No file is refused, and no path of one has a line end or a trailing blank."""
    for line in parse_flow(data):
        assert line.path
        assert b"\n" not in line.path
        assert line.path.rstrip(b" \t\v\f\r") == line.path


@pytest.mark.parametrize(
    ("data", "added"),
    [
        (b"", b"^/new\n"),
        (b"^/old\n", b"^/new\n"),
        (b"^/old", b"\n^/new\n"),
        (b"^/old\r\n", b"^/new\n"),
        (b"^/new\n", b""),
        (b"#/new\r\n", b""),
        (b"/new", b""),
        (b"~/new\n", b""),
        (b"^/new/er\n%odd\n", b"^/new\n"),
    ],
)
def test_adding_a_line(data: bytes, added: bytes) -> None:
    """A path is added on a line of its own, unless a line names it, be it struck out."""
    assert missing_lines(data, [FlowLine(DELETE, b"/new")]) == added


@given(st.binary(max_size=200), LINES)
def test_adding_lines(data: bytes, lines: list[FlowLine]) -> None:
    """What was there stays, and every path is named then; adding again adds nothing."""
    whole = data + missing_lines(data, lines)
    before, after = parse_flow(data), parse_flow(whole)
    assert after[: len(before)] == before
    assert {line.path for line in after} == {line.path for line in (*before, *lines)}
    assert missing_lines(whole, lines) == b""
