"""How a term of a loss is defined: what replay computes it from, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from lossaudit.spec.rule import Line, Rule, Text

_Number: TypeAlias = Annotated[float, Rule("a finite number")]
_Numbers: TypeAlias = Annotated[
    tuple[_Number, ...], Rule("a number, or a list of numbers", is_one_or_more=True)
]


@dataclass(frozen=True, slots=True)
class Definition:
    """How a term is defined; `prediction`, `target` and weights name tensors of a sample batch.

    The names and defaults of parameters are torch's. Any kind is valid: only replay asks whether
    a term function of that name exists.
    """

    kind: Line = ""
    reduction: Annotated[
        str,
        Rule(
            "mean, sum, batchmean, or none (mean of each sample, then over samples)",
            "^(mean|sum|batchmean|none)$",
        ),
    ] = ""
    prediction: Line = ""
    target: Line = ""
    region: Line = ""
    denominator: Annotated[str, Rule("region or whole", "^(region|whole)$")] = ""
    dtype: Annotated[
        str,
        Rule("float16, bfloat16, float32 or float64", "^(float16|bfloat16|float32|float64)$"),
    ] = ""
    weight: Line = ""
    pos_weight: Line = ""
    beta: _Number = 1.0
    delta: _Number = 1.0
    eps: _Number = 1e-8
    dim: _Number = 1.0
    ignore_index: _Number = -100.0
    label_smoothing: _Number = 0.0
    log_target: Annotated[bool, Rule("true or false")] = False
    norm: Annotated[str, Rule("l1 or mse", "^(l1|mse)$")] = ""
    normalize: Annotated[bool, Rule("true or false")] = False
    layer_weights: _Numbers = ()
    note: Text = ""
