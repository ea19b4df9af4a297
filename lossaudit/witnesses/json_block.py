"""Whole blocks of JSON lines that differ in nothing but their numbers: the bulk path of JSON lines.

What stands between the numbers of a block's first line is its template. Every other line must have
the same bytes there; then blanks take their place, and the numbers are parsed as those of a table.
"""

from __future__ import annotations

import re

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from lossaudit.model.table import Floats, Ints
from lossaudit.witnesses.json_records import RefusedError, numbers_of, parse_json
from lossaudit.witnesses.number_cells import (
    Cells,
    Span,
    count_decimals_shown,
    find_marks,
    parse_cells,
)

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?')
_MARKS = b",}"

_LONGEST_LINE = 1 << 13
"""Bytes of a line beyond which there are so many tags that it is faster to read line by line."""


class JsonRows(Struct, frozen=True):
    """The numbers of a block of lines, the same tags in each of them.

    Attributes:
        count: how many lines there are.
        columns: by tag, shape (count,) each.
        decimals: by tag, the fewest and the most digits after the point; empty where the writer
            did not choose them.
    """

    count: int
    columns: dict[str, Floats]
    decimals: dict[str, Span] = field(default_factory=dict)


class _Template(Struct, frozen=True):
    """The bytes around the numbers of a line.

    Attributes:
        tags: which number, counted from 0, each tag has.
        pieces: what precedes each number; then what follows the last one, newline included.
        ends: which of the line's commas and braces ends each number.
        marks: how many commas and braces a line has.
    """

    tags: dict[str, int]
    pieces: tuple[bytes, ...]
    ends: tuple[int, ...]
    marks: int


def read_block(text: bytes, formatted: bool = False) -> JsonRows | None:
    """The numbers of a block of lines, or None where some line has other keys, or other values.

    Numbers are correctly rounded, and what JSON does not take for a number is none here.

    Args:
        text: the lines.
        formatted: whether the writer chose the digits, so that they are counted.
    """
    line = text[: text.find(b"\n") + 1]
    if not text.endswith(b"\n") or len(line) > _LONGEST_LINE:
        return None
    template = _learn(line)
    if template is None:
        return None
    raw = np.frombuffer(text, np.uint8)
    marks = np.flatnonzero((raw == _MARKS[0]) | (raw == _MARKS[1]))
    count = len(marks) // template.marks
    if len(marks) != count * template.marks or not count:
        return None
    places = marks.reshape(count, template.marks)
    blanked = _blank(text, template, [places[:, i].copy() for i in template.ends])
    if blanked is None:
        return None
    columns = parse_cells(blanked, count, len(template.ends))
    if columns is None:
        return None
    values = {tag: columns[i].values for tag, i in template.tags.items()}
    return JsonRows(count, values, _shown(blanked, template, columns) if formatted else {})


def _shown(blanked: bytes, template: _Template, columns: list[Cells]) -> dict[str, Span]:
    """Fewest and most decimals by tag."""
    marks = find_marks(blanked, len(columns))
    spans = count_decimals_shown(marks, columns) if marks is not None else None
    return {tag: spans[i] for tag, i in template.tags.items()} if spans is not None else {}


def _learn(line: bytes) -> _Template | None:
    """The template of a line; None where it is no record of plain numbers, each with its tag."""
    found = [m.span() for m in _TOKEN.finditer(line) if not m[0].startswith(b'"')]
    if not found or any(line[end] not in _MARKS for _, end in found):
        return None
    cuts = [0, *(cut for span in found for cut in span), len(line)]
    pieces = tuple(line[cuts[i] : cuts[i + 1]] for i in range(0, len(cuts), 2))
    numbered = b"".join(b"%b%d" % (piece, i) for i, piece in enumerate(pieces[:-1])) + pieces[-1]
    try:
        record = parse_json(numbered.decode("utf-8", "replace"))
        numbers = numbers_of(record)[0] if isinstance(record, dict) else {}
    except RefusedError:
        return None
    if sorted(numbers.values()) != list(range(len(found))):
        return None  # a number in a list, or in a string
    tags = {tag: int(number) for tag, number in numbers.items()}
    inside = [sum(piece.count(mark) for mark in (b",", b"}")) for piece in pieces]
    ends = tuple(np.cumsum(inside[:-1]).tolist())
    return _Template(tags, pieces, ends, sum(inside))


def _blank(text: bytes, template: _Template, ends: list[Ints]) -> bytes | None:
    """The numbers alone, with commas and newlines between; None where a line is not as it should.

    Args:
        text: the lines.
        template: what stands between their numbers.
        ends: where each number ends, if the lines are as they should.
    """
    pieces = template.pieces
    following = ends[-1] + len(pieces[-1])
    if following[-1] != len(text):
        return None
    starts = [np.concatenate([[0], following[:-1]]), *ends]
    buffer = bytearray(text)
    buffer += bytes(2 * max(map(len, pieces)))  # to look at where no line is as it should
    stretches = [(_stretches(buffer, len(p)), p, at) for p, at in zip(pieces, starts, strict=True)]
    if any(view[at].tobytes() != piece * len(at) for view, piece, at in stretches):
        return None
    raw = np.frombuffer(text, np.uint8)
    begins = [places + len(piece) for places, piece in zip(starts[:-1], pieces[:-1], strict=True)]
    if not all(_are_json(raw, begin, end) for begin, end in zip(begins, ends, strict=True)):
        return None
    leads = (b" ", *(b"," for _ in ends[1:]), b"\n")
    for lead, (view, piece, at) in zip(leads, stretches, strict=True):
        view[at] = np.void(lead.ljust(len(piece)))
    blanked = bytes(memoryview(buffer)[: int(ends[-1][-1]) + 1])
    return blanked if _have_json_exponents(blanked) else None


def _stretches(buffer: bytearray, length: int) -> NDArray[np.void]:
    """Every stretch of so many bytes of a buffer, by where it begins; they share its memory."""
    return np.ndarray((len(buffer) - length + 1,), f"V{length}", buffer, strides=(1,))


def _are_json(raw: NDArray[np.uint8], begins: Ints, ends: Ints) -> bool:
    """Whether cells begin and end as JSON's numbers do: `+1`, `.5`, `5.`, `05` and `nan` do not."""
    leading = raw[begins]
    if (negative := leading == ord("-")).any():
        begins = begins + negative
        leading = raw[begins]
    zeros = begins[leading == ord("0")]
    return bool(
        _are_digits(leading).all()
        and _are_digits(raw[ends - 1]).all()
        and not _are_digits(raw[zeros + 1]).any()
    )


def _have_json_exponents(text: bytes) -> bool:
    """Whether digits stand before all exponents of a block of numbers; `5.e3` has none."""
    raw = np.frombuffer(text, np.uint8)
    return all(
        bool(_are_digits(raw[np.flatnonzero(raw == letter) - 1]).all())
        for letter in b"eE"
        if letter in text
    )


def _are_digits(found: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return found - np.uint8(ord("0")) < 10  # what is below "0" wraps around
