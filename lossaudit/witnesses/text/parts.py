"""The part of the data that a line is about, where it says validation or test.

`[val] step: 9 loss: 0.5`, `Validation step 9: loss: 0.5`, `val: loss=0.5`, `Epoch(val) [1][5] loss:
0.5` and `step: 9, split: val, loss: 0.5` have the names of the training, but may follow another
formula. As in other formats their tags are `val/loss`; `test/loss` where the word is of a test, and
`split: valid` (or `mode`, `phase`, `stage`) keeps its own word.

The word must stand before the line's first name that is no counter's, and not be part of another
word, a path, or a setting (`eval: False`, `name: test,`); a later `train` outdoes it. Names that
say their part themselves (`val_loss`) stay as they are, and so does a line with one of training.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence

from lossaudit.witnesses.text.words import OTHER_DATA, Pair, counts

_KEYED = re.compile(
    rb"""(?<![\w\x80-\xff./-])(?i:mode|split|phase|stage)['"]?+[ ]*+[:=][ ]*+['"]?+
    (?P<part>(?i:val|valid|validation|test|testing|eval|evaluation|dev))(?![\w\x80-\xff./-])""",
    re.VERBOSE,
)
_LABEL = re.compile(
    rb"""(?<![\w\x80-\xff/.@+&=\\-])(?<!=['"]) (?:
      (?P<training>train(?:ing)?+)(?![\w\x80-\xff])
    | (?P<setting>(?<=:)|(?<=:[ ])|(?<=:['"])|(?<=:[ ]['"]))?+
      OTHER_DATA (?!['"]?+[ ]*+(?:=|:[ ]*+(?:True|False|None|true|false|null|['"])))
      (?(setting)(?!['"]?+[ ]*+[,;}])) )""".replace(b"OTHER_DATA", OTHER_DATA),
    re.VERBOSE | re.IGNORECASE,
)
_OWN = re.compile(
    rb"(?:(?P<training>train)|val|eval|test|dev)(?:id|ing|idation|uation)?+[\W_]", re.IGNORECASE
)


def with_part(line: bytes, pairs: list[Pair]) -> list[Pair]:
    """The pairs, their tags with the part of the data before them if that is not training.

    Example:
        >>> line = b"[val] step: 9 loss: 0.5"
        >>> [p.tag for p in with_part(line, [Pair(b"step", 6, 12, 13), Pair(b"loss", 14, 20, 23)])]
        [b'val/step', b'val/loss']
    """
    part = _part(line, pairs)
    owned = [_OWN.match(p.tag) for p in pairs]
    rest = [p for p, own in zip(pairs, owned, strict=True) if not own and not counts(p.tag)]
    if not part or not rest or any(own and own["training"] for own in owned):
        return pairs
    return [
        p if own else p._replace(tag=part + p.tag, part=part)
        for p, own in zip(pairs, owned, strict=True)
    ]


def _part(line: bytes, pairs: Sequence[Pair]) -> bytes:
    """The part with a slash after it; empty for training, and where nothing but counters stands."""
    end = next((p.name for p in pairs if not counts(p.tag)), -1)
    if end < 0:
        return b""
    if keyed := _KEYED.search(line):
        return keyed["part"] + b"/"
    labels = deque(_LABEL.finditer(line, 0, end), maxlen=1)
    if not labels or labels[0]["training"]:
        return b""
    return b"test/" if labels[0]["test"] else b"val/"
