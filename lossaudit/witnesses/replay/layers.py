"""Terms over several layers: names with a `*` stand for one tensor of each layer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lossaudit.errors import InputError, UsageError
from lossaudit.spec.definition import Definition
from lossaudit.witnesses.replay.names import listed, shown

if TYPE_CHECKING:
    from torch import Tensor


def layers_of(
    definition: Definition, tensors: Mapping[str, Tensor]
) -> list[tuple[float, Definition]]:
    """The weight and the definition of each layer, in natural order ("2" before "10").

    Args:
        definition: its `prediction`, `target` and `weight` may each hold one `*`, which stands for
            the same text in all of them.
        tensors: of the batch.

    Raises:
        InputError: if a layer lacks its target or weight, or no tensor matches.
        UsageError: if the number of `layer_weights` is not that of the layers.
    """
    roles = ("prediction", "target", "weight")
    globs = {r: name for r in roles if "*" in (name := getattr(definition, r))}
    if not globs:
        return [(_weights(definition, 1)[0], definition)]
    found = {role: _matches(name, role, tensors) for role, name in globs.items()}
    layers = sorted({layer for names in found.values() for layer in names}, key=_natural)
    lacking = [
        shown(globs[role].replace("*", layer))
        for layer in layers
        for role in globs
        if layer not in found[role]
    ]
    if lacking:
        raise InputError(
            f"the batch lacks {', '.join(lacking[:10])}",
            expected=f"one tensor of each layer for {' and '.join(globs.values())}",
        )
    weights = _weights(definition, len(layers))

    def named(role: str, layer: str) -> str:
        return found[role][layer] if role in found else str(getattr(definition, role))

    return [
        (weight, replace(definition, **{role: named(role, layer) for role in roles}))  # type: ignore[arg-type]
        for weight, layer in zip(weights, layers, strict=True)
    ]


def _matches(name: str, role: str, tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """{what the `*` stands for: the tensor}."""
    if name.count("*") > 1:
        raise UsageError(f"the {role} {shown(name)} has more than one *", expected="one *")
    head, _, tail = name.partition("*")
    found = {
        n[len(head) : len(n) - len(tail)]: n
        for n in tensors
        if n.startswith(head) and n.endswith(tail) and len(n) > len(head) + len(tail)
    }
    if not found:
        raise InputError(f"no tensor matches the {role} {shown(name)}", expected=listed(tensors))
    return found


def _natural(text: str) -> list[tuple[int, int, str]]:
    parts = re.findall(r"[0-9]+|[^0-9]+", text)
    return [(0, int(p[:18]), p) if p[0] in "0123456789" else (1, 0, p) for p in parts]


def _weights(definition: Definition, count: int) -> Sequence[float]:
    given = definition.layer_weights or (1.0,) * count
    if len(given) != count:
        raise UsageError(
            f"there are {len(given)} layer_weights and {count} layers", expected=f"{count} numbers"
        )
    return given
