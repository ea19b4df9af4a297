"""The pairs of a line whose name and number only blanks separate: `loss 4.2781`, `nll_loss 2.5`.

Prose has words before numbers too, so only that is read which can hardly be anything else:

* What `, ; : |`, a tab, ` - `, a bracket or a parenthesis cuts off must consist *wholly* of
  `NAME NUMBER` pairs: `loss 0.1 kl 0.02`. Where it does not, pieces that two or more blanks cut off
  are tried one by one, unless one of them is a bare number.
* A name has one to four words, none of them an everyday one as `in`, `from`, `took`.
* Some number of the line is no integer, and the line has a counter or a progress bar, as in
  `iter 0: loss 4.2`; or else two such pairs, one of which has `loss` in its name.
* No name comes twice in the line, and the line does not say that it is about a validation or test
  (`| valid | epoch 3 | loss 4.1`): its names would be mixed with those of the training.

As with other pairs, a unit is dropped and `loss 0.5 (0.6)` is `loss` and `loss (mean)`. Numbers
that may be others are none: `1,600.5`, `0,5`, `12 000`, `1.5k`, `4x`, `0.5 0.6`, `0.5 -> 0.4`.

As in `lossaudit.witnesses.text.pairs`, only the shape of a line decides, in linear time.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from lossaudit.witnesses.text.words import (
    AVERAGE,
    BAR,
    COUNTING,
    MEAN,
    NUMBER,
    OTHER_DATA,
    Pair,
    counts,
)

_EVERYDAY = frozenset(
    rb"""about above after an and are around as at be been before below between but by decreased
    did do does done down dropped each equal equals every exceeded exceeds for found from got had
    has have if in increased into is loaded loading more no nor not now of off on only or out over
    reached reduced saved saving since so than that the then this to took until up using versus vs
    was were when where which while will with within without""".split()
)
_MONTH = re.compile(rb"(?:jan|feb|mar|apr|may|ju[nl]|aug|sep|oct|nov|dec)[a-z]*+\Z", re.IGNORECASE)
_WORD = rb"(?!(?i:nan|inf(?:inity)?+)(?![\w/.@+-]))[A-Za-z_][\w/.@+-]*+(?<![/.@+-])"
_UNIT = rb"""(?: %(?!\|)
              | (?:[mun]?s|secs?|min|h|hrs?|[KMG]i?[Bb]|it|tok)(?:/[A-Za-z]++)?+(?![\w/])
              | [ ](?:[mun]?s|secs?|[KMG]i?B|[A-Za-z]++/s(?:ec)?)(?![\w/])(?![ ]*+[-+.\d]) )?+"""
_SPACED = re.compile(
    rb"(?P<name>(?:WORD)(?:[ ](?:WORD)){0,3}+) [ ]++"
    rb"(?: (?P<clock>\d++(?::\d++)++(?:\.\d++)?+) | (?P<number>NUMBER)UNIT )"
    rb"(?: (?=[ ]) | \.?+[ ]*+\Z )".replace(b"WORD", _WORD)
    .replace(b"NUMBER", NUMBER)
    .replace(b"UNIT", _UNIT),
    re.VERBOSE,
)
_BARE = re.compile(
    rb"[ ]*+ NUMBER(?=[%\sA-Za-z]) UNIT (?:[ ][A-Za-z]\S*+)*+ [ ]*+ \Z".replace(
        b"NUMBER", NUMBER
    ).replace(b"UNIT", _UNIT),
    re.VERBOSE,
)
_NUMBER_FIRST = re.compile(rb"[ ]*+[-+.]*+\d")
_CUT = re.compile(
    rb"[;|()\[\]\t] | ,(?![ ]*+[-+.]?+\d) | :(?=[ A-Za-z]|\Z) | [ ](?:-|\xe2\x80[\x93\x94]"
    rb"|\xc2\xb7)[ ] | \xe2\x96[\x80-\x9f]?+",
    re.VERBOSE,
)
_WIDE = re.compile(rb"[ ][ ]++")
_LEAD = re.compile(rb"[ ]*+(?:[=>*\#~+-]++[ ]++)?+")
_TOTAL = re.compile(rb"[ ]*+/[ ]*+\d++(?=[ ]|\Z)")
_LOSS = re.compile(rb"loss", re.IGNORECASE)
_OTHER_DATA = re.compile(rb"(?<![\w/.@-])" + OTHER_DATA, re.VERBOSE | re.IGNORECASE)
_DIGIT = re.compile(rb"\d")
_WHOLE = re.compile(rb"[-+]?\d++\Z")


def find_spaced(line: bytes, others: Sequence[Pair], read: Iterable[tuple[int, int]]) -> list[Pair]:
    """The pairs that only blanks separate, from left to right.

    Args:
        line: without its end.
        others: the pairs with a separator, and counters, from left to right.
        read: where these stand, from the name to the end.

    Example:
        >>> [p.tag for p in find_spaced(b"loss 4.25, kl 0.5 in 12 s, lr 1e-3", [], [])]
        [b'loss', b'lr']
    """
    counted = any(p.tag.lower() in COUNTING for p in others) or BAR.search(line) is not None
    if not counted and not _LOSS.search(line):
        return []
    found = [pair for start, end in _gaps(read, len(line)) for pair in _in_gap(line, start, end)]
    names = [p.tag for p in found if not _DIGIT.search(p.tag)]
    if (
        all(_WHOLE.match(line, p.start, p.end) for p in found)
        or len({*names} - {p.tag for p in others}) < len(names)
        or is_of_other_data(line, [*others, *found])
    ):
        return []
    counted = counted or any(p.tag.lower() in COUNTING for p in found)
    firsts = [p for p in found if not p.tag.endswith(MEAN)]
    return (
        found if counted or (len(firsts) > 1 and any(_LOSS.search(p.tag) for p in firsts)) else []
    )


def _gaps(read: Iterable[tuple[int, int]], end: int) -> Iterator[tuple[int, int]]:
    at = 0
    for start, stop in read:
        yield at, start
        at = stop
    yield at, end


def _in_gap(line: bytes, start: int, end: int) -> Iterator[Pair]:
    """The pairs between two of those that are read otherwise."""
    if total := _TOTAL.match(line, start, end):
        start = total.end()
    for cut in chain(_CUT.finditer(line, start, end), (None,)):
        stop = end if cut is None else cut.start()
        pairs = _whole(line, start, stop)
        yield from _in_pieces(line, start, stop) if pairs is None else pairs
        start = stop if cut is None else cut.end()


def _in_pieces(line: bytes, start: int, end: int) -> list[Pair]:
    """The pairs of pieces that two or more blanks cut off; none if there is a bare number."""
    found: list[Pair] = []
    for cut in chain(_WIDE.finditer(line, start, end), (None,)):
        stop = end if cut is None else cut.start()
        pairs = _whole(line, start, stop)
        number = _NUMBER_FIRST.match(line, start, stop)
        if pairs is None and number and not _BARE.match(line, start, stop):
            return []
        found += pairs or ()
        start = stop if cut is None else cut.end()
    return found


def _whole(line: bytes, start: int, end: int) -> list[Pair] | None:
    """The pairs of a stretch that has nothing else, or None."""
    lead = _LEAD.match(line, start, end)
    at = start if lead is None else lead.end()
    pairs: list[Pair] = []
    while at < end:
        match = _SPACED.match(line, at, end)
        if match is None or not _is_name(match):
            return None
        if match["number"] is not None:
            pairs.append(Pair(match["name"], at, *match.span("number")))
        at = match.end()
        while line[at : at + 1] == b" " and at < end:
            at += 1
    if pairs and line[at : at + 1] == b"(" and (mean := AVERAGE.match(line, at)):
        pairs.append(Pair(pairs[-1].tag + MEAN, pairs[-1].name, *mean.span(1)))
    return pairs


def _is_name(match: re.Match[bytes]) -> bool:
    """Whether the name of a match can be one: no everyday word, and no date as `Nov 27`."""
    words = match["name"].lower().split(b" ")
    is_date = _MONTH.match(words[-1]) and _WHOLE.match(match["number"] or b"")
    return not is_date and _EVERYDAY.isdisjoint(words)


def is_of_other_data(line: bytes, pairs: Iterable[Pair]) -> bool:
    """Whether a word outside names, or one that counts (`Test: [3/9]`), says so."""
    spans = sorted(
        (p.name, p.name + len(p.tag))
        for p in pairs
        if not line[max(p.start - 2, 0) : p.start].rstrip().endswith(b"[")
        and not (counts(p.tag) and _OTHER_DATA.match(p.tag))
    )
    for word in _OTHER_DATA.finditer(line):
        at = bisect_right(spans, (word.start(), len(line))) - 1
        if at < 0 or spans[at][1] < word.end():
            return True
    return False
