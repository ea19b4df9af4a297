"""Weights, and counts of ranks and accumulation steps, that stand in a YAML or JSON config file.

A weight may stand in a config file: `{file: ../configs/stage2.yaml, key: loss_params.vgg_loss}`.
The path is relative to the spec's folder and may lead out of it with `..`, because specs lie beside
the configs of a training run; absolute paths, drives and backslashes are refused, so that a spec
means the same on every machine. Only the number is read; the file is never executed, and a message
shows no more of it than the value at the key or the names near to it.
"""

from __future__ import annotations

import json
import math
import re
from functools import partial
from pathlib import Path
from typing import Any

from lossaudit.errors import LossauditError, Problem, UsageError
from lossaudit.spec.file_layout import ConfigKey, SpecFile
from lossaudit.spec.hints import did_you_mean
from lossaudit.spec.strict_yaml import LIMIT, compose_yaml
from lossaudit.spec.yaml_nodes import Node


def read_bytes(path: Path, what: str) -> bytes:
    """The first MiB of a file, and one byte more where there is one."""
    try:
        with path.open("rb") as stream:
            return stream.read(LIMIT + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{what} {str(path)!r} cannot be read: {reason}") from None


def config_files(path: Path) -> list[Path]:
    """The config files that a spec file names, each once; none where it cannot be read.

    Args:
        path: of a spec file that has been loaded.
    """
    root, _ = compose_yaml(read_bytes(path, "the spec").decode("utf-8-sig", "replace"))
    found: list[Path] = []
    for section in ("parameters", "training"):
        node = root.find(section) if root is not None else None
        inner = node.value if node is not None else None
        for entry in inner.values() if isinstance(inner, dict) else ():
            file = entry.find("file")
            if file is not None and path.parent / file.text not in found:
                found.append(path.parent / file.text)
    return found


def read_weights(
    file: SpecFile, root: Node, folder: Path, problems: list[Problem]
) -> dict[str, float]:
    """Every parameter's number; what cannot be read is a problem."""
    found = ((n, _number(("parameters", n), w, root, folder, problems))
             for n, w in file.parameters.items())  # fmt: skip
    return {name: number for name, number in found if number is not None}


def read_count(
    name: str, file: SpecFile, root: Node, folder: Path, problems: list[Problem]
) -> float | None:
    """`training.accumulation_steps` or `training.ranks`, or None where it is not declared."""
    number = _number(("training", name), getattr(file.training, name), root, folder, problems)
    if number is None or (number >= 1 and number.is_integer()):
        return number
    if number:
        node = root.find("training", name)
        message = f"training.{name} is {number:g}"
        place = node.place() if node else (1, 1)
        problems.append(Problem(message, *place, expected="a whole number from 1 on"))
    return None


def _number(
    path: tuple[str, str],
    value: float | ConfigKey,
    root: Node,
    folder: Path,
    problems: list[Problem],
) -> float | None:
    """A number that the spec holds or that stands in a config file; None beside a problem."""
    if not isinstance(value, ConfigKey):
        return value
    node = root.find(*path)
    try:
        return _look_up(folder / value.file, value) if value.file and value.key else None
    except LossauditError as error:
        message, place = f"{'.'.join(path)}: {error.message}", node.place() if node else (1, 1)
        problems.append(Problem(message, *place, error.expected, error.hint))
        return None


def _look_up(path: Path, weight: ConfigKey) -> float:
    """The number at a dotted key of a config file."""
    value = _read_config(path, weight.file)
    parts = weight.key.split(".")
    for i, part in enumerate(parts):
        inner: Any = value.value if isinstance(value, Node) else value
        if isinstance(inner, list) and re.fullmatch("[0-9]{1,9}", part) and int(part) < len(inner):
            value = inner[int(part)]
        elif isinstance(inner, dict) and part in inner:
            value = inner[part]
        else:
            hint = did_you_mean(part, inner) if isinstance(inner, dict) else ""
            raise UsageError(f"{weight.file} has no {'.'.join(parts[: i + 1])!r}", hint=hint)
    found: Any = value.value if isinstance(value, Node) else value
    if isinstance(found, float) and math.isfinite(found):
        return found
    shown = type(found).__name__ if isinstance(found, list | dict) else repr(found)[:60]
    raise UsageError(f"{weight.key} in {weight.file} is {shown}", expected="a finite number")


def _read_config(path: Path, shown: str) -> Any:
    if path.exists() and not path.is_file():
        raise UsageError(f"{shown} is no plain file")
    data = read_bytes(path, "the config file")
    try:
        text = data.decode("utf-8-sig")
        if path.suffix == ".json" and len(data) <= LIMIT:
            return json.loads(text, parse_int=float, object_pairs_hook=partial(_unique, shown))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{shown} cannot be read: {error}") from None
    root, problems = compose_yaml(text, config=True)
    for problem in problems:
        raise UsageError(f"{shown}:{problem.line}:{problem.column}: {problem.message}")
    return root


def _unique(shown: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise UsageError(f"{shown} holds a key twice: {sorted(k for k, _ in pairs)!r}"[:200])
    return found
