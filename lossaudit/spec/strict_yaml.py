"""YAML text -> nodes with their places; no Python object is ever constructed from it.

PyYAML only splits the text into events. What a scalar means is decided here, because PyYAML reads
`1e-3` as text, `012` as 10, `on` as true and `12:30:45` as 45045, keeps the last of two equal
keys, and expands aliases. Numbers are decimal; only true and false are truth values; everything
else is text. What readers of YAML 1.1 and 1.2 disagree on is refused, as are tags, anchors,
aliases, directives, a second document, and characters that cannot be seen.

A config file (`config=True`) is not ours to be strict with: there anchors, aliases and merges (<<)
work, disputed numbers are text, and tags are ignored.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import yaml

from lossaudit.errors import Problem, SpecError
from lossaudit.spec.yaml_nodes import DISPUTED, Node, is_unseen, meaning, unseen, unseen_problem

LIMIT = 1 << 20
DEPTH = 50
MOST_PROBLEMS = 100
MOST_UNSEEN = 20
MOST_MERGED = 100_000
_WRITE_OUT = "write the value out where it is needed"


def load_yaml(text: str, path: str) -> Node:
    """Read one strict YAML document whose root is a mapping.

    Args:
        text: the file's text.
        path: its name in messages.

    Raises:
        SpecError: with every problem found; a syntax error ends the search.
    """
    root, problems = compose_yaml(text)
    if problems or root is None:
        raise SpecError(path, problems)
    return root


def compose_yaml(text: str, *, config: bool = False) -> tuple[Node | None, list[Problem]]:
    """Read as much as possible of one YAML document.

    Args:
        text: the file's text.
        config: tolerate aliases, merges, tags and disputed numbers.

    Returns:
        The root, a mapping, or None where nothing can be used; and at most 100 problems.
    """
    if len(text.encode(errors="surrogatepass")) > LIMIT:
        expected = f"at most {LIMIT:,} bytes"
        return None, [Problem("the file is too large", 1, 1, expected)]
    if problems := list(islice(unseen(text), MOST_UNSEEN)):
        return None, problems
    composer = _Composer(text, config)
    return composer.document(), composer.problems


class _Full(Exception):  # noqa: N818
    """Nothing more is worth reading."""


class _Composer:
    """Nodes from PyYAML's events; `problems` grows as they are read."""

    def __init__(self, text: str, config: bool) -> None:
        self.events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.SafeLoader)
        self.config = config
        self.problems: list[Problem] = []
        self.anchors: dict[str, Node] = {}
        self.merged = 0

    def complain(self, message: str, at: tuple[int, int], hint: str = "") -> None:
        self.problems.append(Problem(message, *at, hint=hint))
        if len(self.problems) >= MOST_PROBLEMS:
            raise _Full

    def document(self) -> Node | None:
        """The root mapping of the only document, or None; nothing is raised."""
        root = None
        try:
            next(self.events)
            start = next(self.events)
            if isinstance(start, yaml.DocumentStartEvent):
                if start.version or start.tags:
                    self.complain("directives are refused", _at(start), "delete the line")
                root = self.node(next(self.events), 0)
                next(self.events)
                if not isinstance(more := next(self.events), yaml.StreamEndEvent):
                    self.complain("a second document starts here", _at(more), "use a second file")
        except yaml.MarkedYAMLError as error:
            self.problems.append(_syntax_problem(error))
        except _Full:
            pass
        if root and isinstance(root.value, dict):
            return root
        if not self.problems:
            place = root.place() if root else (1, 1)
            message = "the file is no mapping" if root else "the file is empty"
            self.problems.append(Problem(message, *place, expected="lines such as name: value"))
        return None

    def node(self, event: yaml.Event, depth: int) -> Node:
        at = _at(event)
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event.anchor, at)
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)
        broken = self.refuse_decoration(event.anchor, event.tag, at)
        if isinstance(event, yaml.ScalarEvent):
            node = self.scalar(event, broken)
        elif depth >= DEPTH:
            self.complain(f"nested deeper than {DEPTH} levels", at)
            raise _Full
        elif isinstance(event, yaml.SequenceStartEvent):
            items: list[Node] = []
            while not isinstance(inner := next(self.events), yaml.SequenceEndEvent):
                items.append(self.node(inner, depth + 1))
            node = Node(items, *at, broken=broken)
        else:
            node = self.mapping(at, depth, broken)
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def refuse_decoration(self, anchor: str | None, tag: str | None, at: tuple[int, int]) -> bool:
        """Complain about an anchor or a tag; true if the value must not be used."""
        if anchor and not self.config:
            self.complain(f"the anchor '&{anchor}' is refused", at, _WRITE_OUT)
        if tag and not self.config:
            shown = tag.replace("tag:yaml.org,2002:", "!!")
            self.complain(f"the tag {shown!r} is refused", at, "delete it, or quote the text")
        return bool(tag) and not self.config

    def alias(self, anchor: str | None, at: tuple[int, int]) -> Node:
        if self.config and anchor and anchor in self.anchors:
            return self.anchors[anchor]
        fault = "names no complete value before it" if self.config else "is refused"
        self.complain(f"the alias '*{anchor}' {fault}", at, _WRITE_OUT)
        return Node(None, *at, broken=True)

    def scalar(self, event: yaml.ScalarEvent, broken: bool) -> Node:
        text, at, end = event.value, _at(event), event.end_mark
        hidden = (c for c in text if c not in "\n\t" and is_unseen(c))
        if event.style == '"' and (character := next(hidden, "")):
            self.problems.append(unseen_problem(character, at))
            broken = True
        is_plain = event.implicit[0] and not event.tag
        if is_plain and not self.config and DISPUTED.fullmatch(text):
            hint = f'write a decimal number, or text in quotes: "{text}"'
            self.complain(f"YAML readers disagree on what {text} means", at, hint)
            broken = True
        value = meaning(text) if is_plain else text
        quotes = 1 if event.style else 0
        is_verbatim = end and (end.line + 1, end.column + 1 - len(text) - 2 * quotes) == at
        return Node(value, *at, text, at[1] + quotes if is_verbatim else 0, broken=broken)

    def mapping(self, at: tuple[int, int], depth: int, broken: bool) -> Node:
        values: dict[str, Node] = {}
        keys: dict[str, tuple[int, int]] = {}
        merged: list[Node] = []
        while not isinstance(inner := next(self.events), yaml.MappingEndEvent):
            key = self.node(inner, depth + 1)
            value = self.node(next(self.events), depth + 1)
            name = key.text if self.config else key.value
            if self.config and name == "<<":
                merged += value.value if isinstance(value.value, list) else [value]
            elif isinstance(key.value, list | dict) or not isinstance(name, str):
                self.complain("a key must be text", _at(inner), "put it in quotes")
            elif name in keys:
                message = f"the key {name!r} stands here again; it is on line {keys[name][0]} too"
                self.complain(message, _at(inner), "delete one of the two")
            else:
                keys[name], values[name] = _at(inner), value
        for node in merged:
            self.merge(values, node)
        return Node(values, *at, keys=keys, broken=broken)

    def merge(self, values: dict[str, Node], node: Node) -> None:
        """Add those keys of a merged mapping (<<) that the mapping does not have itself."""
        if isinstance(node.value, dict):
            self.merged += len(node.value)
            if self.merged > MOST_MERGED:
                self.complain(f"merges (<<) add more than {MOST_MERGED:,} keys", node.place())
                raise _Full
            values.update({k: v for k, v in node.value.items() if k not in values})


def _at(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _syntax_problem(error: yaml.MarkedYAMLError) -> Problem:
    mark, start = error.problem_mark, error.context_mark
    message = f"not YAML: {error.problem}"
    if error.context and start and "next token" not in error.context:
        message += f", {error.context} from line {start.line + 1}"
    hint = "put the whole formula in quotes" if "'`'" in message else ""
    return Problem(message, mark.line + 1 if mark else 1, mark.column + 1 if mark else 1, hint=hint)
