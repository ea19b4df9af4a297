"""The published JSON layout as types: what a stored result must look like to be believed.

They mirror docs/schema/result.schema.json as far as our own results use it. Keys that are not here
are passed over, since later versions may add some; sizes are bounded, since a stored result may be
anybody's.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from lossaudit.model.finding import Finding, Location, Severity, Verdict
from lossaudit.model.identification import RunnerUp
from lossaudit.model.replay import Depth, StoredFile
from lossaudit.model.reproduction import Reproduction
from lossaudit.model.result import Rival, Rule
from lossaudit.model.wire_balance import BalanceWire, ShareWire
from lossaudit.model.wire_values import MANY, Count, Few, Named, Number, Step


class GradientsWire(Struct):
    """The "gradients" of a witness."""

    rows: Count
    left_out: Named[Count]
    shares: Named[ShareWire]
    steps: Few[Number]
    courses: Named[Few[Number]]


class ViolationWire(Struct):
    """One of "first_violations"."""

    step: Step
    total: Number
    recomputed: Number
    residual: Number
    tolerance: Number
    location: Location
    terms: Named[Number] = {}


class WeightWire(Struct):
    """One of "weights" of a witness."""

    declared: Number
    low: Number | None
    high: Number | None


class RangeWire(Struct):
    """One of "violation_ranges"."""

    first: Step
    last: Step
    rows: Count


class FoundWeightWire(Struct):
    """One of "weights" of an identification."""

    weight: Number
    low: Number
    high: Number
    settled: bool


class IdentificationWire(Struct):
    """An "identification"."""

    total: str = ""
    formula: str = ""
    weights: Named[FoundWeightWire] = {}
    runners_up: Few[RunnerUp] = []
    left_out: Annotated[dict[str, str], Meta(max_length=10 * MANY)] = {}
    rows: Count = 0


class IntervalWire(Struct):
    """A "total" of a replay, or one of "given"."""

    value: Number
    low: Number
    high: Number


class RecomputedWire(Struct):
    """One of "terms" of a replay."""

    value: Number
    float64: Number
    low: Number
    high: Number


class LoggedTermWire(Struct):
    """One of "terms_logged" of a replay."""

    value: Number
    half_width: Number


class ReplayWire(Struct):
    """One of "replays" of a witness."""

    step: Step
    batch: str
    checkpoint: str | None
    depth: Depth
    device: str
    total_logged: Number | None
    total: IntervalWire
    terms: Named[RecomputedWire]
    dtype: str = "float32"
    total_half_width: Number = 0.0
    total_source: str = ""
    total_stated: Number | None = None
    terms_logged: Named[LoggedTermWire] = {}
    given: Named[IntervalWire] = {}
    caution: str = ""
    policy: Named[str] = {}
    bounded: bool = True
    files: Few[StoredFile] = []


class WitnessWire(Struct):
    """One of "witnesses"."""

    kind: Literal["log", "replay", "source", "document", "probe"]
    source: str
    verdict: Verdict
    formula: str
    sha256: str
    records: Count
    decided: Count
    violations: Count
    reader: str = ""
    reason: str = ""
    total_tag: str = ""
    rows: Count = 0
    columns: Named[str] = {}
    resolution: Named[str] = {}
    undecided: Named[Count] = {}
    first_violations: Few[ViolationWire] = []
    weights: Named[WeightWire] = {}
    weights_note: str = ""
    rivals: Few[Rival] = []
    replays: Annotated[list[ReplayWire], Meta(max_length=100 * MANY)] = []
    means: Named[Number] = {}
    environment: Named[str] = {}
    gradients: GradientsWire | None = None
    balance: BalanceWire | None = None
    identification: IdentificationWire | None = None
    violation_ranges: Few[RangeWire] = []
    shares: Named[ShareWire] = {}
    series: Named[list[Number]] = {}


class FormulaWire(Struct):
    """A rival of the spec."""

    name: str
    formula: str


class SpecWire(Struct):
    """The "spec"."""

    name: str
    formula: str
    rivals: Few[FormulaWire]
    sha256: str
    dtype: str = "float32"
    sources: Few[str] = []
    location: Location | None = None


class SkippedWire(Struct):
    """One of "skipped"."""

    check: str
    reason: str


class ResultWire(Struct):
    """The whole document."""

    schema: Literal["lossaudit/1"]
    version: str
    verdict: Verdict
    exit_code: Literal[0, 1, 2, 3, 4, 70]
    reason: str
    spec: SpecWire
    witnesses: Few[WitnessWire]
    findings: Annotated[list[Finding], Meta(max_length=10 * MANY)]
    balance: BalanceWire
    series: Named[list[Number]]
    skipped: Few[SkippedWire]
    environment: Named[str]
    training: Named[str] = {}
    balance_witness: Count | None = None
    series_witness: Count | None = None
    fail_on: Severity = Severity.ERROR
    checks: Few[str] = []
    rules: Few[Rule] = []
    repository_paths: Annotated[dict[str, str], Meta(max_length=100 * MANY)] = {}
    reproduction: Reproduction | None = None
