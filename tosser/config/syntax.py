"""What is wrong with a file that is not YAML, in the words of somebody who writes one.

The parser's words are those of its grammar, and it often notices a mistake only lines later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from yaml import MarkedYAMLError
    from yaml.error import Mark


_INDENTED = "is the line indented like its neighbours, or are quotes missing?"
_BEGUN = {
    "could not find expected ':'": "should be `key: value`, with a blank after the colon",
    "cannot start any token": "a value that begins with {char} needs quotes",
    "alphabetic or numeric character": "a value that begins with {char} needs quotes",
    "unexpected end of stream": "the quotes are not closed",
}
"""What a parser says of something that is best corrected where it begins, and what people are told."""
_NOTICED = {
    "mapping values are not allowed": f"a colon where no key can be; {_INDENTED}",
    "expected ',' or": "the {char} of line {line} is not closed, or a comma is missing",
    "while parsing a flow node": "a value is missing here, or a [ or {{ before it is not closed",
    "while parsing a block collection": f"does not go on with what begins in line {{line}}; {_INDENTED}",
    "while parsing a block mapping": f"does not go on with what begins in line {{line}}; {_INDENTED}",
}
"""The same of what is corrected where it is noticed."""


class SyntaxMistake(NamedTuple):
    """What it is, and where: line and column from 1, 0 where that is not known."""

    line: int
    column: int
    what: str


def explain_syntax(error: MarkedYAMLError, text: str) -> SyntaxMistake:
    """Explain what a parser says, libyaml or PyYAML's own; what is not known here is told in its words."""
    mark, begun = error.problem_mark or error.context_mark, error.context_mark or error.problem_mark
    said = " ".join(filter(None, (error.context, error.problem)))
    if mark is None or begun is None:
        return SyntaxMistake(0, 0, said)
    char = _char(text, begun)
    if "\t" in {char, _char(text, mark)}:
        return _at(mark, "a tab; indent with blanks")
    for place, known in ((begun, _BEGUN), (mark, _NOTICED)):
        for words, what in known.items():
            if words in said:
                return _at(place, what.format(char=char, line=begun.line + 1))
    return _at(mark, said)


def _at(mark: Mark, what: str) -> SyntaxMistake:
    return SyntaxMistake(mark.line + 1, mark.column + 1, what)


def _char(text: str, mark: Mark) -> str:
    lines = text.split("\n", mark.line + 1)
    line = lines[mark.line] if mark.line < len(lines) else ""
    return line[mark.column : mark.column + 1]
