"""The tags that a text has shown so far, numbered, and bounded in length and number."""

from __future__ import annotations

from collections.abc import Iterable

from lossaudit.model.table import Damage
from lossaudit.witnesses.columns import count_decimals
from lossaudit.witnesses.text.pairs import find_pairs
from lossaudit.witnesses.text.words import Pair

LONGEST_TAG = 200
MOST_TAGS = 10_000


class TagBook:
    """Numbers the tags of one log; drops those that are too long or too many.

    Attributes:
        names: the tags kept; a tag's number is its index.
    """

    def __init__(self, source: str) -> None:
        self.names: list[str] = []
        self._source = source
        self._numbers: dict[str, int] = {}
        self._known: dict[bytes, int] = {}
        self._said: set[str] = set()
        self._damage: list[Damage] = []

    def number(self, tag: bytes, line: int) -> int:
        """The number of a tag, or -1 if it is dropped; `line` is where it stands."""
        known = self._known.get(tag)
        if known is None:
            known = self._enter(tag.decode(errors="replace"), line)
            if known >= 0:
                self._known[tag] = known
        return known

    def damage(self) -> list[Damage]:
        """What was dropped for the first time since the last call."""
        found, self._damage = self._damage, []
        return found

    def _enter(self, name: str, line: int) -> int:
        if len(name) > LONGEST_TAG:
            shown = f"{name[:40]!r}..."
            return self._drop("long", f"tags of over {LONGEST_TAG} characters, as {shown}", line)
        if name not in self._numbers:
            if len(self.names) >= MOST_TAGS:
                message = f"tags beyond the first {MOST_TAGS:,}, as {name!r}"
                return self._drop("many", message, line)
            self._numbers[name] = len(self.names)
            self.names.append(name)
        return self._numbers[name]

    def _drop(self, kind: str, what: str, line: int) -> int:
        if kind not in self._said:
            self._said.add(kind)
            self._damage.append(Damage(f"{what}, are left out", self._source, line))
        return -1


def read_line(line: bytes, book: TagBook, number: int) -> list[tuple[int, float, int | None]]:
    """The numbers of one line: (tag's number, value, decimals or None); a tag's first one counts.

    This is the general path: it serves lines whose shape is rare, and is the bulk path's oracle.

    Args:
        line: one line without its end.
        book: numbers the tags.
        number: the line's number in the file.
    """
    return read_pairs(line, find_pairs(line), book, number)


def read_pairs(
    line: bytes, pairs: Iterable[Pair], book: TagBook, number: int
) -> list[tuple[int, float, int | None]]:
    """The numbers of some pairs of a line, as `read_line` gives them."""
    found: dict[int, tuple[int, float, int | None]] = {}
    for pair in pairs:
        tag = book.number(pair.tag, number)
        if tag >= 0 and tag not in found:
            text = line[pair.start : pair.end].decode()
            found[tag] = tag, float(text), count_decimals(text)
    return list(found.values())
