from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tosser.config.source import BROKEN, dotted, find_place, plain, read_document

if TYPE_CHECKING:
    from pathlib import Path


INDENTED = "is the line indented like its neighbours, or are quotes missing?"


@pytest.fixture(params=["libyaml", "python"], autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs with the parser in C and with the one in Python."""
    monkeypatch.setattr(yaml, "__with_libyaml__", request.param == "libyaml")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file to write YAML to."""
    return tmp_path / "a.yaml"


def value_of(file: Path, text: str) -> object:
    """Read YAML without mistakes."""
    file.write_text(text, encoding="utf-8")
    document = read_document(file, {})
    assert document.problems == []
    assert document.root is not None
    return plain(document.root)


def problems_of(file: Path, text: str | bytes) -> list[str]:
    """Read YAML with mistakes; list them without the directory."""
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return [str(problem).replace(f"{file.parent}/", "") for problem in read_document(file, {}).problems]


def test_collections_and_scalars_are_read(file: Path) -> None:
    """Block and flow style give the same plain values, and quotes make text."""
    text = "a:\n  - 1337:1/100\n  - 21:1\nb: {c: '1', \"d\": 2, e: [on, true]}\nf: |\n  two\n  lines\n"

    assert value_of(file, text) == {
        "a": ["1337:1/100", "21:1"],
        "b": {"c": "1", "d": 2, "e": ["on", True]},
        "f": "two\nlines\n",
    }


def test_keys_are_always_text(file: Path) -> None:
    """A network may be called by a number."""
    assert value_of(file, "1337: {true: x}\n") == {"1337": {"true": "x"}}


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "--- ~\n", "---\n...\n"])
def test_an_empty_file_is_an_empty_mapping(file: Path, text: str) -> None:
    """A file of which everything is commented out may be included."""
    assert value_of(file, text) == {}


def test_a_byte_order_mark_is_ignored(file: Path) -> None:
    """Editors that write one do no harm."""
    assert value_of(file, "\ufeffa: 1\n") == {"a": 1}


def test_aliases_repeat_what_they_name(file: Path) -> None:
    """An anchor may be used again and again."""
    assert value_of(file, "a: &x [1, {b: 2}]\nc: *x\nd: [*x, *x]\n") == {
        "a": [1, {"b": 2}],
        "c": [1, {"b": 2}],
        "d": [[1, {"b": 2}], [1, {"b": 2}]],
    }


def test_a_key_given_twice_names_both_places(file: Path) -> None:
    """The second one is the mistake, and is told where the first is; numbers and their text are one key."""
    assert problems_of(file, "a: 1\nb:\n  1: x\n  c: 2\n  '1': 3\na: 4\n") == [
        "a.yaml:5:3 b: key '1' was given before, at a.yaml:3:3",
        "a.yaml:6:1: key 'a' was given before, at a.yaml:1:1",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a:\nb: 1\n", "a.yaml:1:3 a: has no value; give one or remove it"),
        ("a: [1, ~]\n", "a.yaml:1:8 a[1]: has no value; give one or remove it"),
        ("a: &x\n", "a.yaml:1:4 a: has no value; give one or remove it"),
        ("<<: {a: 1}\n", "a.yaml:1:1: merge keys (<<) are not YAML 1.2; write the keys out"),
        ("? [a]\n: 1\n", "a.yaml:1:3: a key must be plain text"),
        ("!env X: 1\n", "a.yaml:1:1: a key must be plain text"),
        ("a: &k x\nb: {*k : 1}\n", "a.yaml:2:5 b: a key must be plain text"),
        ("a: !thing 1\n", "a.yaml:1:4 a: unknown tag '!thing'; those for secrets are !env and !file"),
        ("a: !thing [1]\n", "a.yaml:1:4 a: unknown tag '!thing'"),
        ("a: !!set {b: 1}\n", "a.yaml:1:4 a: unknown tag 'tag:yaml.org,2002:set'"),
        (f"a: {'9' * 50}\n", "a.yaml:1:4 a: is a number with too many digits; if it is text, put it in quotes"),
    ],
)
def test_a_wrong_value_is_placed_and_the_rest_is_read(file: Path, text: str, problem: str) -> None:
    """One wrong value is one problem; it is marked as broken and reading goes on."""
    assert problems_of(file, text) == [problem]

    document = read_document(file, {})
    assert document.root is not None
    assert isinstance(plain(document.root), dict)


def test_what_was_refused_is_marked(file: Path) -> None:
    """Later checks can tell a refused value from a given one."""
    file.write_text("a: !env NOT_SET\nb: 1\n")
    document = read_document(file, {})

    assert document.root is not None
    assert plain(document.root) == {"a": BROKEN, "b": 1}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: [1\nb: 2\n", "a.yaml:2:"),
        ("a: 'x\n", "a.yaml:"),
        ("a: 1\n--- \nb: 2\n", "a.yaml:2:1: not YAML: a second document begins here"),
        ("a: *nowhere\n", "a.yaml:1:4: not YAML: alias *nowhere comes before the end of its anchor, or has none"),
        ("a: &x [*x]\n", "a.yaml:1:8: not YAML: alias *x comes before the end of its anchor, or has none"),
        ("[" * 900, "a.yaml:1:65: not YAML: nested deeper than 64 levels"),
        ("[" * 100_000, "a.yaml:1:"),  # libyaml has a limit of its own, and reads ahead as far as that
        ("a: &x " + "[" * 40 + "]" * 40 + "\nb: " + "[" * 40 + "*x" + "]" * 40, "a.yaml:2:44: not YAML: nested deeper"),
        ("a: 1\nb\x07: 2\n", "a.yaml:2:2: not YAML: the character U+0007 is not allowed"),
        (b"a: 1\nb: Gr\xfc\xdfe\n", "a.yaml:2:6: not UTF-8: byte 0xfc; save the file in UTF-8"),
        ('a: "\\U00110000"\n', "a.yaml"),
        ('a: "\\UFFFFFFFF"\n', "a.yaml"),
        ("%YAML 1.1\n%YAML 1.2\n---\na: 1\n", "a.yaml:2:1: not YAML"),
    ],
)
def test_what_is_not_yaml_ends_the_reading(file: Path, text: str | bytes, place: str) -> None:
    """A syntax error stands alone, with its place."""
    found = problems_of(file, text)

    assert len(found) == 1
    assert found[0].startswith(place)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a:\n\tb: 1\n", "2:1: not YAML: a tab; indent with blanks"),
        ("a:\n  b: 1\n\tc: 2\n", "3:1: not YAML: a tab; indent with blanks"),
        (
            "l:\n  - a: 1\n    b: 2\n   c: 3\n",
            f"4:4: not YAML: does not go on with what begins in line 2; {INDENTED}",
        ),
        (
            "l:\n  - a: 1\n      b: 2\n",
            f"3:8: not YAML: a colon where no key can be; {INDENTED}",
        ),
        (
            "a: b: c\n",
            f"1:5: not YAML: a colon where no key can be; {INDENTED}",
        ),
        ("- a: 1\n  b:2\n  c: 3\n", "2:3: not YAML: should be `key: value`, with a blank after the colon"),
        ("a: [1,\n  2\nb: 3\n", "3:2: not YAML: the [ of line 1 is not closed, or a comma is missing"),
        ("a: {b: 1\nc: 3\n", "2:2: not YAML: the { of line 1 is not closed, or a comma is missing"),
        ("a: 'x\nb: 1\n", "1:4: not YAML: the quotes are not closed"),
        ("a: @x\n", "1:4: not YAML: a value that begins with @ needs quotes"),
        ("a: {match: *, via: 1}\n", "1:12: not YAML: a value that begins with * needs quotes"),
    ],
)
def test_what_is_not_yaml_is_explained(file: Path, text: str, problem: str) -> None:
    """The mistakes that people make are told in their words and at the place to correct."""
    assert problems_of(file, text) == [f"a.yaml:{problem}"]


@pytest.mark.parametrize("text", ['a: "\\ud800"\n', '"\\ud800": 1\n'])
def test_text_that_is_no_unicode_is_refused(file: Path, text: str) -> None:
    """A lone surrogate is refused by either parser or by us, as a value and as a key."""
    found = problems_of(file, text)

    assert len(found) == 1
    assert found[0].startswith("a.yaml:1:")


def test_an_alias_bomb_is_stopped(file: Path) -> None:
    """Aliases of aliases multiply; there is a bound on what they may repeat."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    found = problems_of(file, "\n".join(lines))

    assert len(found) == 1
    assert "not YAML: aliases repeat more than 1000000 values" in found[0]


def test_a_file_that_is_too_large_is_refused(file: Path) -> None:
    """Nothing is read of a file beyond the bound."""
    with file.open("wb") as stream:
        stream.truncate(16 * 1024 * 1024 + 1)

    assert [str(problem) for problem in read_document(file, {}).problems] == [f"{file}: is larger than 16777216 bytes"]


@pytest.mark.parametrize(
    ("name", "what"), [("absent.yaml", "cannot be read: No such file or directory"), (".", "is no regular file")]
)
def test_what_is_no_file_is_refused(tmp_path: Path, name: str, what: str) -> None:
    """A missing file and a directory are named as such."""
    path = tmp_path / name

    assert [str(problem) for problem in read_document(path, {}).problems] == [f"{path}: {what}"]


def test_places_are_those_of_values_and_keys(file: Path) -> None:
    """A location leads to its line and column; one that does not exist, to what is nearest."""
    file.write_text("a:\n  - b: 1\n    c: [x, y]\n")
    root = read_document(file, {}).root
    assert root is not None

    assert find_place(root, ("a", 0, "c", 1)) == (str(file), 3, 12)
    assert find_place(root, ("a", 0, "c"), key=True) == (str(file), 3, 5)
    assert find_place(root, ("a", 0, "missing")) == (str(file), 2, 5)
    assert find_place(root, ("a", 7)) == (str(file), 2, 3)
    assert find_place(root, ()) == (str(file), 1, 1)


def test_a_location_is_written_as_people_do() -> None:
    """Indices in brackets, keys with dots."""
    assert dotted(("links", 2, "areafix", "password")) == "links[2].areafix.password"
    assert dotted(()) == ""
    assert dotted(("a\nb", "ü" * 65)) == "a\\nb." + "ü" * 64 + "…"


@given(st.binary(max_size=60) | st.text(alphabet="ab:-[]{}&*!'\"|>#%,? \n\t\\ud8", max_size=60).map(str.encode))
def test_any_file_gives_a_tree_or_problems(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """No content makes the reader raise; without a tree there is a problem that says why."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content)
    document = read_document(path, {})

    assert document.root is not None or len(document.problems) > 0
