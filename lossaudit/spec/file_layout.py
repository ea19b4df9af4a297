"""What a spec file may hold, said once.

The dataclasses below are read twice: `shape.read_spec_file` checks a file's nodes against them at
run time, and pydantic turns them into the published JSON Schema (`docs/schema/spec.schema.json`).
At run time pydantic is not imported: it costs 70 to 90 ms, nearly as much as typer, rich and numpy
together, and its messages know neither line nor column.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

from lossaudit.spec.definition import Definition
from lossaudit.spec.replay_section import ReplaySection
from lossaudit.spec.rule import TEXT, Line, Rule, Text
from lossaudit.spec.schema import RIVAL_NAME

AGGREGATE = (
    r"^(step|last|rank-local|(mean|sum|rank-mean)(:([1-9][0-9]{0,8}|float64))?"
    r"|median(:[1-9][0-9]{0,8})?|trailing:[1-9][0-9]{0,3}|ema:0?\.(?=0*[1-9])[0-9]{1,12})$"
)
_Formula: TypeAlias = Annotated[str, Rule("a formula such as 2.0*loss_lip + loss_latents", TEXT)]
_Tags: TypeAlias = Annotated[
    tuple[Line, ...], Rule("a tag, or a list of tags tried in order", is_one_or_more=True)
]
_Kind: TypeAlias = Annotated[
    str,
    Rule(
        "step, last, mean, mean:W, mean:float64, sum, sum:K, median, median:W, ema:A (0 < A < 1), "
        "trailing:W, rank-local, rank-mean or rank-mean:N",
        AGGREGATE,
    ),
]
_Source: TypeAlias = Annotated[str, Rule("an http or https address", r"^https?://[^\s/]\S*$")]


@dataclass(frozen=True, slots=True)
class ConfigKey:
    """A weight that stands in a YAML or JSON config file."""

    file: Annotated[
        str, Rule("a path relative to the spec's folder, with /", r"^(?!/|[A-Za-z]:)[^\\\n]+$")
    ]
    key: Annotated[str, Rule("a dotted key such as loss_params.vgg_loss or weights.0")]


@dataclass(frozen=True, slots=True)
class LogSection:
    """How the log names and aggregates what the formula needs."""

    total: _Tags = ()
    terms: dict[Line, _Tags] = field(default_factory=dict)
    aggregate: dict[Line, _Kind] = field(default_factory=dict)
    step: _Tags = ()
    duplicates: Literal["all", "first", "last"] = "all"
    unlogged: dict[Line, Text] = field(default_factory=dict)
    pattern: Annotated[
        str, Rule("a regular expression (RE2) with a named group per tag, for lines of text")
    ] = ""
    columns: Annotated[tuple[Line, ...], Rule("names for a table without a header")] = ()


@dataclass(frozen=True, slots=True)
class BalanceSection:
    """How large a share of the total one term may have; 0 stands for: not declared."""

    max_share: Annotated[float, Rule("a number above 0 and at most 1", is_share=True)] = 0.0


_Count: TypeAlias = Annotated[
    float | ConfigKey,
    Rule("a whole number from 1 on, or {file: train.yaml, key: accumulation}", is_count=True),
]


@dataclass(frozen=True, slots=True)
class TrainingSection:
    """What is known of how the run was trained; 0 stands for: not declared."""

    accumulation_steps: _Count = 0.0
    ranks: _Count = 0.0


@dataclass(frozen=True, slots=True)
class SpecFile:
    """A lossaudit spec: a loss formula, its rivals, and how logs write them."""

    name: Annotated[
        str,
        Rule(
            "lower-case words joined by - or ., such as musetalk-v1", r"^[a-z0-9]+([.-][a-z0-9]+)*$"
        ),
    ]
    formula: _Formula
    summary: Line = ""
    dtype: Literal["float16", "bfloat16", "float32", "float64"] = "float32"
    parameters: dict[
        Line,
        Annotated[
            float | ConfigKey,
            Rule("a finite number, or {file: stage2.yaml, key: loss_params.vgg_loss}"),
        ],
    ] = field(default_factory=dict)
    terms: dict[Line, Definition] = field(default_factory=dict)
    rivals: dict[
        Annotated[str, Rule("a name of letters, digits, _ and -", RIVAL_NAME)], _Formula
    ] = field(default_factory=dict)
    log: LogSection = field(default_factory=LogSection)
    balance: BalanceSection = field(default_factory=BalanceSection)
    training: TrainingSection = field(default_factory=TrainingSection)
    replay: ReplaySection = field(default_factory=ReplaySection)
    sources: tuple[_Source, ...] = ()


def json_schema_text() -> str:
    """The JSON Schema of spec files, as `docs/schema/spec.schema.json` holds it."""
    from pydantic import TypeAdapter

    def tighten(part: Any) -> Any:
        if isinstance(part, list):
            return [tighten(item) for item in part]
        if not isinstance(part, dict):
            return part
        kept = {k: tighten(v) for k, v in part.items() if k not in ("default", "propertyNames")}
        return kept | ({"additionalProperties": False} if part.get("type") == "object" else {})

    schema = tighten(TypeAdapter(SpecFile).json_schema())
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(dialect | schema, indent=2) + "\n"
