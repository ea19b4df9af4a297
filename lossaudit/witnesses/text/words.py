"""What a pair is, and the words that both parts of the grammar share."""

from __future__ import annotations

import re
from typing import NamedTuple

COUNTERS = rb"epoch|step|iteration|iter|itr|batch|episode|update"
NUMBER = rb"""[-+]?(?: (?: \d++(?:\.\d++)?+ | \.\d++ )(?:[eE][-+]?\d++)?+
                      | (?i:nan|inf(?:inity)?+)(?![\w%/]) )"""
"""A number in `re.VERBOSE`, with its sign."""

AVERAGE = re.compile(rb"[ ]*+\([ ]*+(" + NUMBER + rb")[ ]*+\)", re.VERBOSE)
BAR = re.compile(rb"[|%][ ]++(-?\d++)/\d++[ ]\[")
STEPS = frozenset(
    (
        b"step",
        b"global_step",
        b"_step",
        b"iteration",
        b"iter",
        b"itr",
        b"trainer/global_step",
        b"it",
    )
)
MEAN = b" (mean)"


class Pair(NamedTuple):
    """A name and a number in a line.

    Attributes:
        tag: the name, with ` (mean)` after it for the number in parentheses.
        name: offset of the name.
        start: offset of the number.
        end: offset after the number, its unit left out.
    """

    tag: bytes
    name: int
    start: int
    end: int
