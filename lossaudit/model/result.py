"""The outcome of an audit: what every report renders, and what JSON holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from msgspec import Struct, field

from lossaudit.model.balance import Balance, GradientShares, Share
from lossaudit.model.finding import Finding, Location, Severity, Verdict
from lossaudit.model.identification import Identification
from lossaudit.model.replay import Replay
from lossaudit.model.reproduction import Input, Reproduction

SCHEMA = "lossaudit/1"


class ExitCode(IntEnum):
    """What the process tells its caller; the same in every report format."""

    PASS = 0
    FINDING = 1
    USAGE = 2
    INCONCLUSIVE = 3
    DAMAGED = 4
    BUG = 70


class Violation(Struct, frozen=True):
    """A row that refutes the declared formula.

    Attributes:
        step: as logged, or the row's number from 0 where nothing is logged.
        total, recomputed: the logged total, and the formula on the logged terms.
        residual: total - recomputed.
        tolerance: the largest |residual| that rounding explains.
        location: where the total stands.
        terms: the logged terms of that row.
    """

    step: int
    total: float
    recomputed: float
    residual: float
    tolerance: float
    location: Location
    terms: Mapping[str, float] = field(default_factory=dict)

    @property
    def excess(self) -> float:
        """|residual| / tolerance, infinite where that says nothing; above 1 refutes."""
        if not math.isfinite(self.residual):
            return math.inf
        return abs(self.residual) / self.tolerance if self.tolerance > 0 else math.inf


class StepRange(Struct, frozen=True):
    """Violating rows that follow one another: first and last step, as logged, and their number."""

    first: int
    last: int
    rows: int


NO_WEIGHTS = "no weights of the declared signs satisfy a stretch of rows long enough to certify"
"""The note of a witness whose rows no weights fit, so that none is certified."""


class Weight(Struct, frozen=True):
    """A declared weight and the interval of weights that no row refutes (None: not certified)."""

    declared: float
    low: float | None = None
    high: float | None = None


class Rival(Struct, frozen=True):
    """A formula that the declared one must be told from.

    Attributes:
        name: as in the spec, or "drop loss_lip" and the like for automatic ones.
        formula: its text.
        refuted_rows: how many rows refute it; 0 means POSSIBLE.
        decided: rows on which it could be evaluated.
        automatic: True where nobody named it.
    """

    name: str
    formula: str
    refuted_rows: int
    decided: int
    automatic: bool = False

    @property
    def verdict(self) -> str:
        """REFUTED where some row refutes it, else POSSIBLE."""
        return "REFUTED" if self.refuted_rows else "POSSIBLE"


class Witness(Struct, frozen=True):
    """What one witness saw.

    Attributes:
        kind: log, replay, source, document or probe.
        source: the path, as the user named it.
        reader: which reader read it.
        sha256: of the stored bytes.
        formula: the declared formula on this witness's tags.
        reason: why the verdict is what it is, one sentence.
        records: records read. rows: totals found. decided: rows with a verdict of their own.
        violations: rows that refute the declared formula.
        undecided: reason -> number of rows that could not be decided for it.
        columns: term -> tag.
        resolution: tag -> how its numbers were written, in words ("4 decimals").
        total_tag: the tag of the total, empty where none was found.
        weights_note: over which rows the weights are certified, or why they are not.
        shares: of each weighted term; over decided rows, in a balance over all with every term.
        balance: what `lossaudit balance` found, or None where it was not asked.
        identification: what `lossaudit identify` found, or None where it was not asked.
        series: step, total, recomputed, residual, tolerance and terms, downsampled for plots.
        replays: the steps that were recomputed, where the witness is a replay.
        means: of the recomputed total and of each term in float64 over the replays, summed exactly.
        violation_ranges: the first runs of violating rows, neighbours among the decided ones.
        environment: what a replay was computed with, by name: device, dtypes, determinism flags.
        gradients: how strongly each term pulls at the network, where the recorder wrote it.
    """

    kind: str
    source: str
    verdict: Verdict
    reason: str
    formula: str
    reader: str = ""
    sha256: str = ""
    records: int = 0
    rows: int = 0
    decided: int = 0
    violations: int = 0
    total_tag: str = ""
    first_violations: tuple[Violation, ...] = ()
    undecided: Mapping[str, int] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    resolution: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, Weight] = field(default_factory=dict)
    weights_note: str = ""
    rivals: tuple[Rival, ...] = ()
    shares: Mapping[str, Share] = field(default_factory=dict)
    series: Mapping[str, list[float]] = field(default_factory=dict)
    balance: Balance | None = None
    identification: Identification | None = None
    replays: tuple[Replay, ...] = ()
    means: Mapping[str, float] = field(default_factory=dict)
    violation_ranges: tuple[StepRange, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    gradients: GradientShares | None = None


class Declared(Struct, frozen=True):
    """What was declared: the spec as far as a report needs it.

    `location` is the formula's line in the spec file; None for presets and `--formula`.
    """

    name: str
    formula: str
    rivals: tuple[tuple[str, str], ...] = ()
    sha256: str = ""
    dtype: str = "float32"
    sources: tuple[str, ...] = ()
    location: Location | None = None


class Rule(Struct, frozen=True):
    """A check that found something: its name, its one-line summary, and its manual page."""

    check: str
    summary: str
    help: str


class Result(Struct, frozen=True):
    """Everything that one audit found; the same inputs give an equal result.

    Attributes:
        skipped: (check or other thing that was not done, why).
        fail_on: the least severity that gives exit code 1.
        checks: names of the checks that were put to each log.
        rules: manual pages of those that found something.
        repository_paths: path as named -> path inside the repository, where those differ.
        training: the training's own environment, as its recorder wrote it: the run's word.
        further_inputs: files that were read and are no witness's, such as the recorder's weights.
    """

    verdict: Verdict
    exit_code: ExitCode
    reason: str
    spec: Declared
    witnesses: tuple[Witness, ...]
    findings: tuple[Finding, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    version: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    fail_on: Severity = Severity.ERROR
    checks: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    repository_paths: Mapping[str, str] = field(default_factory=dict)
    reproduction: Reproduction | None = None
    training: Mapping[str, str] = field(default_factory=dict)
    further_inputs: tuple[Input, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON-ready values; numbers that JSON cannot hold are strings."""
        from lossaudit.model.encoding import encode_result

        return encode_result(self)
