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
COUNTING = STEPS | frozenset(COUNTERS.split(b"|"))
MEAN = b" (mean)"
OTHER_DATA = rb"""(?: val(?:id\w*+|i)?+ | eval\w*+ | dev | hold-?+out | held[ -]?+out
  | (?P<test>test(?:ing)?+) )
  (?:[ _-]?+(?:set|split|data|loader|clean|other|ood|iid|seen|unseen|step|epoch|phase)
     (?![A-Za-z]))?+\d*+
  (?! [\w\x80-\xff] | [/.-]\w | @[A-Za-z] )"""
"""What says validation or test, in `re.VERBOSE`: `val`, `dev-clean`, `test_ood`, `Val.`."""


_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Pair(NamedTuple):
    """A name and a number in a line.

    Attributes:
        tag: the name, with ` (mean)` after it for the number in parentheses.
        name: offset of the name.
        start: offset of the number.
        end: offset after the number, its unit left out.
        part: `val/` or the like, where the tag has that before the name.
    """

    tag: bytes
    name: int
    start: int
    end: int
    part: bytes = b""


def counts(tag: bytes) -> bool:
    """Whether a name's last word is a counter's: `Step`, `val step`, `validation_step`."""
    last_word = tag[len(tag.rstrip(_LETTERS)) :]
    return tag.lower() in STEPS or last_word.lower() in COUNTING
