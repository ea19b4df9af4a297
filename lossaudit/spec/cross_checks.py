"""What no single value of a spec file can show: names that nothing uses, rivals, shadowing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial

from lossaudit.errors import Problem
from lossaudit.spec.file_layout import SpecFile
from lossaudit.spec.hints import did_you_mean, one_of
from lossaudit.spec.tree import FUNCTIONS, RESERVED, Expr, Family, families, names, term_names
from lossaudit.spec.yaml_nodes import Node


def cross_checks(file: SpecFile, root: Node, trees: Mapping[str, Expr]) -> Iterable[Problem]:
    """What no single value can show; nothing where a formula could not be parsed."""
    if len(trees) < 1 + len(file.rivals):
        return
    groups = [family for tree in trees.values() for family in families(tree)]
    used = dict.fromkeys(term_names(trees.values()))
    is_used = partial(_is_used, used, groups)
    yield from _reserved(root)
    yield from _unused(file, root, used, is_used)
    yield from _wrong_aggregates(file, root, used, groups)
    yield from _shadowing(file, root)
    yield from _rival_problems(file, root, trees)


def _is_used(used: Collection[str], groups: Sequence[Family], name: str) -> bool:
    return name in used or any(
        any(fnmatchcase(name, glob) for glob in group.globs if glob[0] != "!")
        and not any(fnmatchcase(name, glob[1:]) for glob in group.globs if glob[0] == "!")
        for group in groups
    )


def _keys(root: Node, *path: str) -> Mapping[str, tuple[int, int]]:
    """Every key of a mapping of the file, with its line and column."""
    node = root.find(*path)
    return node.keys if node else {}


_OF_TERMS = [("terms",), ("log", "terms"), ("log", "unlogged")]


def _reserved(root: Node) -> Iterable[Problem]:
    for path in [*_OF_TERMS, ("parameters",)]:
        for name, place in _keys(root, *path).items():
            if name in RESERVED | FUNCTIONS:
                message = f"{'.'.join(path)}.{name}: formulas give {name!r} a meaning of their own"
                yield Problem(message, *place, hint="choose another name")


def _unused(
    file: SpecFile, root: Node, used: Iterable[str], is_used: Callable[[str], bool]
) -> Iterable[Problem]:
    terms = [name for name in used if name not in file.parameters]
    for path in [*_OF_TERMS, ("parameters",)]:
        known = used if path == ("parameters",) else terms
        for name, place in _keys(root, *path).items():
            is_total = path == ("log", "unlogged") and name in ("total", *file.log.total)
            if not is_used(name) and not is_total and name not in RESERVED | FUNCTIONS:
                message = f"{'.'.join(path)}.{name}: neither the formula nor a rival uses this name"
                yield Problem(message, *place, one_of(known), did_you_mean(name, known))


def _wrong_aggregates(
    file: SpecFile, root: Node, used: Iterable[str], groups: Sequence[Family]
) -> Iterable[Problem]:
    """A key is "total", a term, a tag, or a glob over tags; families may match any tag."""
    tags = (tag for tags in file.log.terms.values() for tag in tags)
    known = dict.fromkeys(["total", *used, *file.log.total, *tags])
    for name, place in _keys(root, "log", "aggregate").items():
        is_glob = any(sign in name for sign in "*?[")
        if name in known or (is_glob and (groups or any(fnmatchcase(t, name) for t in known))):
            continue
        if not _is_used((), groups, name):
            message = f"log.aggregate.{name}: this is no term, no tag and not the total"
            yield Problem(message, *place, one_of(known), did_you_mean(name, known))


def _shadowing(file: SpecFile, root: Node) -> Iterable[Problem]:
    tags = {tag: term for term, tags in file.log.terms.items() for tag in (*tags, term)}
    for name, place in _keys(root, "parameters").items():
        if name in tags or name in file.terms:
            message = f"parameters.{name}: this is a tag of the term {tags.get(name, name)!r} too"
            hint = "delete it here if the log has the weight, else there"
            yield Problem(message, *place, hint=hint)


def _rival_problems(file: SpecFile, root: Node, trees: Mapping[str, Expr]) -> Iterable[Problem]:
    declared = {*names(trees["formula"]), *file.terms, *file.log.terms, *file.log.unlogged}
    known = declared | file.parameters.keys() | RESERVED
    for rival in file.rivals:
        node, tree = root.find("rivals", rival), trees[f"rivals.{rival}"]
        assert node is not None
        if tree == trees["formula"]:
            yield Problem(f"rivals.{rival} is the formula itself", *node.place())
        for name in term_names([tree]):
            if name not in known:
                place = node.place(max(0, node.text.find(name)))
                message = f"rivals.{rival}: {name!r} is in no other part of the spec"
                hint = did_you_mean(name, known) or f"add it to log.terms: {{{name}: TAG}}"
                yield Problem(message, *place, hint=hint)
