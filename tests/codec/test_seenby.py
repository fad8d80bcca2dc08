from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tosser.address import Address
from tosser.codec.seenby import Node, circular, format_path, format_seen_by, in_path, parse_nodes

FOURTEEN = [
    (250, 1),
    (261, 38),
    (463, 68),
    (5001, 100),
    (5020, 2),
    (5020, 545),
    (5020, 1042),
    (5030, 1),
    (5030, 49),
    (5053, 58),
    (5075, 35),
    (5083, 444),
    (6035, 3),
    (6035, 5),
]

nodes = st.lists(st.tuples(st.integers(1, 65535), st.integers(0, 65535)), max_size=60)
near_nodes = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 999)), max_size=60)


def values(lines: list[bytes]) -> list[bytes]:
    """What follows the keyword in each line."""
    return [line.partition(b":")[2].strip() for line in lines]


def test_seen_by_both_ways() -> None:
    """Sorted nodes fill lines of at most 78 characters, each line with its first net, and are read from them."""
    lines = [
        b"SEEN-BY: 250/1 261/38 463/68 5001/100 5020/2 545 1042 5030/1 49 5053/58",
        b"SEEN-BY: 5075/35 5083/444 6035/3 5",
    ]
    assert format_seen_by([*reversed(FOURTEEN), (250, 1)]) == lines
    assert parse_nodes(values(lines)) == tuple(FOURTEEN)


def test_path_both_ways() -> None:
    """PATH keeps its order and its repetitions."""
    path = ((5020, 1042), (5020, 1), (250, 1), (5020, 1))
    assert format_path(path) == [b"\x01PATH: 5020/1042 1 250/1 5020/1"]
    assert parse_nodes([b"5020/1042 1 250/1 5020/1"]) == path


def test_no_node_no_line() -> None:
    """Empty lists are not written."""
    assert format_seen_by([]) == []
    assert format_path([]) == []


@given(nodes | near_nodes)
def test_written_lists_come_back(written: list[Node]) -> None:
    """Any list is read as it was written: SEEN-BY sorted and without repetitions, PATH as it was."""
    assert parse_nodes(values(format_seen_by(written))) == tuple(sorted(set(written)))
    assert parse_nodes(values(format_path(written))) == tuple(written)


@given(near_nodes)
def test_lines_are_as_long_as_they_may_be(written: list[Node]) -> None:
    """No line has more than 78 characters, and the first item of the next line would not have fitted."""
    for lines in (format_seen_by(written), format_path(written)):
        assert all(len(line) <= 78 for line in lines)
        for line, following in pairwise(lines):
            last_net = line.rpartition(b"/")[0].rpartition(b" ")[2]
            item = values([following])[0].split()[0]
            net, _, node = item.partition(b"/")
            assert len(line) + 1 + len(node if net == last_net else item) > 78


@pytest.mark.parametrize(
    ("lines", "read"),
    [
        ([b"5001/1 100 5020/2 545 5030/49"], [(5001, 1), (5001, 100), (5020, 2), (5020, 545), (5030, 49)]),
        ([b"1/2  3\t4\r5\xfe6"], [(1, 2), (1, 3), (1, 4), (1, 5), (1, 6)]),
        ([b"2:5020/1 2:5030/2 3"], [(5020, 1), (5030, 2), (5030, 3)]),
        ([b"1/2.7 3.8 4"], [(1, 2), (1, 3), (1, 4)]),
        ([b"1/2", b"3"], [(1, 2), (1, 3)]),
        ([b"3 1/2"], [(1, 2)]),
        ([b"1/2 x 3", b"4/5"], [(1, 2), (4, 5)]),
        ([b"1/2 -1 3"], [(1, 2)]),
        ([b"1/65535 65536 3"], [(1, 65535)]),
        ([b"70000/1 2", b"1/1"], [(1, 1)]),
        ([b"0/1 2 1/3"], [(1, 3)]),
        ([b"1/2 " + b"9" * 5000, b"1/3"], [(1, 2), (1, 3)]),
        ([b"/1 2/ 3"], []),
        ([b""], []),
        ([], []),
    ],
)
def test_tolerance(lines: list[bytes], read: list[Node]) -> None:
    """Odd separators, zones, points and bare nodes are understood; what is no item ends its line."""
    assert parse_nodes(lines) == tuple(read)


@given(st.lists(st.binary(max_size=40)))
def test_any_bytes_are_a_list(lines: list[bytes]) -> None:
    """Arbitrary bytes give a list of nodes that can be written and read again."""
    read = parse_nodes(lines)
    assert parse_nodes(values(format_path(read))) == read


def test_in_path() -> None:
    """A system is in PATH by net and node, a point by those of its boss."""
    path = ((1, 100), (1, 200))
    assert in_path(path, Address(1337, 1, 200))
    assert in_path(path, Address(1337, 1, 200, 5))
    assert not in_path(path, Address(1337, 100, 1))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ([], False),
        ([(1, 1), (1, 2), (1, 3)], False),
        ([(1, 1), (1, 1), (1, 2), (1, 2)], False),
        ([(1, 1), (1, 2), (1, 1)], True),
        ([(1, 3), (1, 1), (1, 2), (1, 2), (1, 1)], True),
    ],
)
def test_circular(path: list[Node], expected: bool) -> None:  # noqa: FBT001 - the expectation
    """A system that stands twice in PATH with others between shows that the message went round."""
    assert circular(path) is expected


@pytest.mark.parametrize("lines", [[b"1/1 " + b"2 " * 100_000], [b"1/1 2 3"] * 100_000])
def test_lists_are_bounded(lines: list[bytes]) -> None:
    """A list that is longer than any network is large is read in part."""
    read = parse_nodes(lines)
    assert 5_000 < len(read) < 20_000
    assert set(read) <= {(1, 1), (1, 2), (1, 3)}
