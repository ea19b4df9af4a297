"""The grammar of one line of training text: where its names and its numbers stand.

A pair is `name: number` or `name=number`. The name is what stands after the previous pair or
separator (`, ; | [ ] { } < > # : =`, a tab, two spaces, ` - `, a parenthesis, a block of a progress
bar), without quotes and without a number that leads it; one group in parentheses may end it, as in
`acc (top1)`. It needs a letter. Kept besides:

* `loss: 1.2 (1.4)` is two pairs: `loss` and `loss (mean)`, as torchvision's MetricLogger prints;
* `Step 100/500000`, `[Epoch 3]`: counters need no separator, but must be called `epoch`, `step`,
  `iter`, `iteration`, `itr`, `batch`, `episode` or `update`, in any case; `/500000` is dropped;
* tqdm's `14%|#  | 41/300 [` counts under the name `it`, where the line has other numbers but no
  step of its own: `Epoch 1:` before a bar is no step;
* a unit that follows is dropped: `1491Mb`, `0.5s`, `95.3%`, `31.2 ms`;
* `tensor(0.5`, `np.float32(0.5`, `'0.5'` and `[0.5]` are their number;
* `[val] loss: 1.2` is `val/loss`: see `lossaudit.witnesses.text.parts`;
* `loss 4.2781, time 12.34ms`, in lines that can only be a training's: see
  `lossaudit.witnesses.text.spaced`.

No pair, since its number may be another: `1,600.5`, `7,82`, `1'234`, `1.5k`, `248.9m`, `1.#INF`,
`2.5 x 10^-3`, `1.5 * 2`, `0.5 ± 0.1`, `0.5 0.7`, and `1/3` of what no counter's name says. No pair
either: `10%|` of a progress bar and its speed, clock times and durations (`1:54:27`, `1 day`),
dates, versions and addresses (`1.2.3`), and `file.py:12` or `module:function:12`.

Every decision here depends only on a line's *shape*, in which a run of digits counts as one digit
(see `lossaudit.witnesses.text.shapes`); keep it so. Every pattern is linear: its repeats are
possessive, and no attempt to match reads past the next `:` or `=`.
"""

from __future__ import annotations

import re

from lossaudit.witnesses.text.parts import with_part
from lossaudit.witnesses.text.spaced import find_spaced
from lossaudit.witnesses.text.words import AVERAGE, BAR, COUNTERS, MEAN, NUMBER, STEPS, Pair

_PAIR = re.compile(
    rb"""
    (?: [:=](?P<gap>[ \t]*+)
        (?: ['"] | tensor\( | np\.float\d++\( | (?P<list>\[)[ ]*+ )?+
      | (?<![\w\x80-\xff./-])(?P<counter>(?i:%(counters)s))(?=[ \[(\#])
        [ ]*+\#*+[\[(]?+[ ]*+ )
    (?P<number>%(number)s)
    (?: (?P<total>[ ]*+/[ ]*+-?+\d++(?:\.\d++)?+)
      | %%(?!\||[ ]++-?\d++/\d++[ ]\[)
      | (?:(?![kKMGBTPEmunpfe](?![A-Za-z]))[A-Za-z]++|\xc2\xb5s)(?:/[A-Za-z]++)?+
      | [ ](?:ms|s|sec|MB|GB|MiB|GiB)(?![\w/]) )?+
    (?(list)[ ]*+\])
    (?= [,'](?!\d) | [\s;|()\]}"<>] | \Z | :(?:\s|\Z) | \.(?![\w.\#]) )
    (?!\ days?\b | [ ]*+ (?: \xc2\xb1 | \xc3\x97 | \+/?- | (?:\xc2\xb7|\xe2\x8b\x85)[ ]*+-?+\d++\^
        | [x*^][ ]*+[-+.]?+\d | [eE][-+]\d )
      | [ ]++ [-+]?+\d*+\.\d++(?:[eE][-+]?\d++)?+
        (?= [,;|)\]}] | [ ]*+\Z | [ ]++[\w./-]++[ ]*+[:=] ) )
    """.replace(b"%(counters)s", COUNTERS)
    .replace(b"%(number)s", NUMBER)
    .replace(b"%%", b"%"),
    re.VERBOSE,
)
_SEPARATOR = re.compile(
    rb"[,;|\[\]{}:=<>#\x00-\x1f] | [ ][ ]++ | [ ]-[ ] | \xe2\x96[\x80-\x9f]?", re.VERBOSE
)
_VALUE = re.compile(
    rb"(?:[ ]*+(?:[eE](?=-\d))?+[-+]?+\.?+\d\S*+[ ]++"
    rb"(?:(?:[x*/^]|\xc2[\xb1\xb7]|\xc3\x97|\+/?-)(?=[ ]))?+)*+"
)
_LEADING = re.compile(rb"(?:[ ]++/[ ]++)?+(?:[-+\d.:/%]++[ ]++)*+[-*.>)\s'\"`]*+")
_COUNTED = re.compile(
    rb"(?:%b|it|sample|frame|image|video|file|fold|round|game|task|chunk|shard|rank|phase|stage"
    rb"|cycle|trial|seed|run|example|generation|progress)s?\Z" % COUNTERS,
    re.IGNORECASE,
)
_LETTER = re.compile(rb"[A-Za-z\x80-\xff]")
_WORD_END = re.compile(rb"[\w\x80-\xff]")
_SOURCE_LINE = re.compile(rb"(?:\.py|:-?[\w<>.]++)\Z")

_BAR_COUNT = b"it"


def find_pairs(line: bytes) -> list[Pair]:
    """All pairs of a line, from left to right; a name may come twice.

    Example:
        >>> [p.tag for p in find_pairs(b"Step 100/500, Mel Loss: 0.18, loss: 1.2 (1.4)")]
        [b'Step', b'Mel Loss', b'loss', b'loss (mean)']
    """
    pairs: list[Pair] = []
    read: list[tuple[int, int]] = []
    done = 0
    for match in _PAIR.finditer(line):
        start, end = match.span("number")
        if (word := match["counter"]) is not None:
            pairs.append(Pair(word, match.start("counter"), start, end))
            read.append(match.span())
            done = match.end()
            continue
        before = line[done : match.start()]
        done = match.end()
        tight = not match["gap"] and line[match.start()] == 0x3A
        name, offset = name_before(before)
        at = match.start() - len(before) + offset
        if not name or (tight and _is_place(before, match)):
            continue
        if match["total"] is not None and not _COUNTED.search(name):
            continue
        pairs.append(Pair(name, at, start, end))
        read.append((at, done))
        if match["total"] is None and (mean := AVERAGE.match(line, done)):
            pairs.append(Pair(name + MEAN, at, *mean.span(1)))
    if spaced := find_spaced(line, pairs, read):
        pairs = sorted([*pairs, *spaced], key=lambda p: p.start)
    return with_part(line, _with_bar(pairs, line)) if pairs else pairs


def _with_bar(pairs: list[Pair], line: bytes) -> list[Pair]:
    """The pairs, and where a progress bar stands, if nothing else tells the step."""
    bar = BAR.search(line)
    if bar is None or any(p.tag.lower() in STEPS for p in pairs):
        return pairs
    counter = Pair(_BAR_COUNT, bar.start(), *bar.span(1))
    return sorted([*pairs, counter], key=lambda p: p.start)


def name_before(before: bytes) -> tuple[bytes, int]:
    """The name that ends a stretch of text, and its offset there; empty if there is none."""
    last = _SEPARATOR.split(before)[-1]
    cut = len(before) - len(last)
    if before[cut - 1 : cut] in (b":", b"=") and _LETTER.search(before, 0, cut):
        last = last[_VALUE.match(last).end() :]  # type: ignore[union-attr]  # it may be empty
    last = last.rstrip(b" '\"`*")
    name = last[_group_start(last) :]
    lead = _LEADING.match(name)
    name = name[lead.end() :] if lead else name
    if name.startswith(b"/") or not _LETTER.search(name):
        return b"", 0
    return name, before.rfind(name)


def _group_start(text: bytes) -> int:
    """Where the name begins after parentheses; `acc (top1)` keeps its own."""
    limit = len(text)
    if text.endswith(b")"):
        opening = text.rfind(b"(")
        if opening > 0 and text.find(b")", opening) == limit - 1:
            before = text[:opening].rstrip()
            if before and before[-1:] not in b"()":
                limit = opening
    return max(text.rfind(b"(", 0, limit), text.rfind(b")", 0, limit)) + 1


def _is_place(before: bytes, match: re.Match[bytes]) -> bool:
    """Whether `before:12` is a clock time or a line of source code, not a value."""
    word = before.rstrip(b"0123456789")
    if len(word) < len(before) and not _WORD_END.search(word[-1:]):
        return True
    return match["number"].lstrip(b"-").isdigit() and _SOURCE_LINE.search(before) is not None
