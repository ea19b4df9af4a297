"""Results that every report must show well: one of each verdict, hostile text, next to nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from balance_samples import balances
from msgspec.structs import replace

from lossaudit.model.balance import Share
from lossaudit.model.finding import Finding, Location, Severity, Verdict
from lossaudit.model.identification import FoundWeight, Identification, RunnerUp
from lossaudit.model.result import (
    Declared,
    ExitCode,
    Result,
    Rival,
    Rule,
    StepRange,
    Violation,
    Weight,
    Witness,
)

FORMULA = "2.0*loss_lip + loss_latents"
DIAGRAM = "loss_lip + 2.0*loss_latents"
UNWEIGHTED = "loss_lip + loss_latents"
LOG = "runs/stage1/log.jsonl"
HOSTILE = (
    "\x1b[31mred\x1b]8;;http://evil\x07link\x1b]52;c;AAAA\x07\r\x9b2J\x7f\u202eRLO\u2066\u200b\ufeff"
    "\u00ad\u2028\nnext[red]x[/red][/x]\udc80\U000e0041::add-mask::x ##[error]y ##vso[z]\ta|b`c`<i>"
)
SPEC = Declared(
    name="musetalk-v1",
    formula=FORMULA,
    rivals=(("diagram", DIAGRAM), ("unweighted", UNWEIGHTED)),
    sha256="4f5a" * 16,
    sources=("https://github.com/TMElyralab/MuseTalk/issues/80",),
)


def series(weights: Sequence[float], points: int = 80) -> dict[str, list[float]]:
    """A run whose terms fall at different speeds; `weights` make its total."""
    steps = [5.0 * k for k in range(points)]
    lip = [round(0.02 + 0.3 * math.exp(-k / 25) + 0.01 * math.sin(k), 4) for k in range(points)]
    lat = [round(0.3 + 0.5 * math.exp(-k / 40) + 0.02 * math.cos(k), 4) for k in range(points)]
    total = [round(weights[0] * a + weights[1] * b, 4) for a, b in zip(lip, lat, strict=True)]
    recomputed = [2.0 * a + b for a, b in zip(lip, lat, strict=True)]
    residual = [t - r for t, r in zip(total, recomputed, strict=True)]
    return {
        "step": steps,
        "total": total,
        "recomputed": recomputed,
        "residual": residual,
        "tolerance": [2.0e-4] * points,
        "loss_lip": lip,
        "loss_latents": lat,
    }


def rivals(*refuted: int, decided: int = 400) -> tuple[Rival, ...]:
    named = (("diagram", DIAGRAM), ("unweighted", UNWEIGHTED))
    return tuple(Rival(n, f, r, decided) for (n, f), r in zip(named, refuted, strict=True))


PASSING = Witness(
    kind="log",
    source=LOG,
    verdict=Verdict.PASS,
    reason="The declared formula holds on all 400 decided rows and every named rival is refuted.",
    formula="2.0*`loss/lip` + `loss/latents`",
    reader="json-lines",
    sha256="9c1d" * 16,
    records=401,
    rows=401,
    decided=400,
    total_tag="loss/step_loss",
    undecided={"loss/lip is not logged at this step": 1},
    columns={"loss_lip": "loss/lip", "loss_latents": "loss/latents"},
    resolution={
        "loss/step_loss": "4 decimals",
        "loss/lip": "4 decimals",
        "loss/latents": "4 decimals",
    },
    weights={
        "loss_lip": Weight(2.0, 1.99904, 2.00117),
        "loss_latents": Weight(1.0, 0.99951, 1.00042),
    },
    weights_note="Over all 400 decided rows.",
    rivals=(*rivals(397, 400), Rival("drop loss_lip", "loss_latents", 400, 400, True)),
    shares={
        "loss_lip": Share(0.3641, 0.1122, 0.3528, 0.4893),
        "loss_latents": Share(0.6359, 0.5107, 0.6472, 0.8878),
    },
    series=series((2.0, 1.0)),
)

PASS = Result(
    verdict=Verdict.PASS,
    exit_code=ExitCode.PASS,
    reason="400 of 401 rows decided, all agree; diagram and unweighted are refuted.",
    spec=SPEC,
    witnesses=(PASSING,),
    findings=(
        Finding(
            "duplicate-steps",
            Severity.NOTE,
            "Step 120 is logged twice; each occurrence is a row of its own.",
            (120, 120),
            Location(LOG, line=122),
            {"steps": 1},
            LOG,
        ),
    ),
    skipped=(
        ("scaled-log", "the declared formula holds"),
        ("sampled-history", "json-lines logs are read in full"),
    ),
    version="0.1.0",
    environment={"python": "3.11.7"},
)


def violations(count: int) -> tuple[Violation, ...]:
    found = []
    for k in range(count):
        total, recomputed = 1.9213 - 0.01 * k, 1.4312 - 0.02 * k
        place = Location(LOG, line=k + 2)
        terms = {"loss_lip": 0.3112, "loss_latents": 0.8088}
        row = Violation(k, total, recomputed, total - recomputed, 2.0e-4, place, terms)
        found.append(row)
    return tuple(found)


REFUTED = replace(
    PASSING,
    verdict=Verdict.FAIL,
    reason="399 of 400 decided rows refute the declared formula; the rival diagram fits every row.",
    violations=399,
    first_violations=violations(8),
    weights={
        "loss_lip": Weight(2.0, 0.99971, 1.00092),
        "loss_latents": Weight(1.0, 1.99962, 2.00031),
    },
    rivals=(*rivals(0, 400), Rival("drop loss_lip", "loss_latents", 400, 400, True)),
    shares={
        "loss_lip": Share(0.1641, 0.0322, 0.1528, 0.3093),
        "loss_latents": Share(0.8359, 0.6907, 0.8472, 0.9678),
    },
    series=series((1.0, 2.0)),
)
FAIL = replace(
    PASS,
    verdict=Verdict.FAIL,
    exit_code=ExitCode.FINDING,
    reason="The log follows the rival diagram, loss_lip + 2.0*loss_latents, from step 0.",
    witnesses=(REFUTED,),
    findings=(
        *PASS.findings,
        Finding(
            "rival-formula",
            Severity.ERROR,
            "The total follows the rival diagram, loss_lip + 2.0*loss_latents, on 400 of 400 rows, "
            "not the declared formula (refuted on 399). step 0: total 1.9213, recomputed 1.4312; "
            "residual +4.9e-01 is 2451 x the 2.0e-04 that rounding explains (float32, 4 digits).",
            (0, 399),
            Location(LOG, line=2),
            {
                "rival": "diagram",
                "also": [{"check": "swapped-weights", "formula": "loss_lip + 2*loss_latents"}],
                "excess": math.inf,
            },
            LOG,
        ),
        Finding(
            "dominant-term",
            Severity.WARNING,
            "loss_latents makes up 84.7% of the total at the median.",
            None,
            None,
            {"share": 0.8472},
            LOG,
        ),
    ),
)

UNDECIDED = Witness(
    kind="log",
    source="runs/musetalk/logs/dreambooth/1721200000.1/events.out.tfevents.1721200000.gpu-node-17.4711.0",
    verdict=Verdict.INCONCLUSIVE,
    reason="The terms loss_lip and loss_latents are not logged.",
    formula="",
    reader="tensorboard-events",
    records=3000,
    rows=1000,
    total_tag="loss/step_loss",
    undecided={"loss_lip is not logged": 1000},
    resolution={"loss/step_loss": "float32, half an ulp"},
    series={"step": [0.0, 1.0, 2.0, 3.0], "total": [1.0, math.nan, 0.5, math.inf]},
)
INCONCLUSIVE = replace(
    PASS,
    verdict=Verdict.INCONCLUSIVE,
    exit_code=ExitCode.INCONCLUSIVE,
    reason="The terms loss_lip and loss_latents are not logged: recompute them with "
    "`lossaudit recompute`, or record them.",
    witnesses=(UNDECIDED,),
    findings=(),
    skipped=(("rival-formula", "no row could be decided"),),
)

SURVIVOR = Rival("drop loss_latents", "2.0*loss_lip", 0, 400, True)
UNTOLD = replace(
    PASSING,
    verdict=Verdict.INCONCLUSIVE,
    reason="The rival diagram gives the same total on these rows.",
    rivals=(*rivals(0, 400), SURVIVOR),
    weights={"loss_lip": Weight(2.0, 0.41, 2.31), "loss_latents": Weight(1.0)},
    weights_note="loss_lip and loss_latents are collinear: single weights cannot be told.",
)
UNTOLD_RIVAL = replace(
    PASS,
    verdict=Verdict.INCONCLUSIVE,
    exit_code=ExitCode.PASS,
    reason="The rival diagram gives the same total on these rows.",
    witnesses=(UNTOLD,),
    findings=(),
    skipped=(),
)

SOURCE = Witness(
    kind="source",
    source="TMElyralab/MuseTalk/train_codes/train.py",
    verdict=Verdict.PASS,
    reason="Line 562 assembles 2.0*loss_lip + loss_latents.",
    formula=FORMULA,
    reader="python-source",
    decided=1,
    rivals=rivals(1, 1, decided=1),
)
TWO_WITNESSES = replace(FAIL, witnesses=(REFUTED, SOURCE))
MANY_WITNESSES = replace(
    PASS,
    witnesses=tuple(replace(SOURCE, source=f"runs/seed-{k}/train.py") for k in range(7)),
    findings=(),
)
NO_FINDINGS = replace(PASS, findings=(), skipped=())
EMPTY = Result(
    Verdict.INCONCLUSIVE, ExitCode.INCONCLUSIVE, "Nothing matched.", Declared("", ""), (), ()
)

TAG = "loss/" + HOSTILE
HOSTILE_WITNESS = replace(
    REFUTED,
    source=HOSTILE,
    reason=HOSTILE,
    formula=HOSTILE,
    reader=HOSTILE,
    sha256=HOSTILE,
    total_tag=TAG,
    undecided={HOSTILE: 3},
    columns={TAG: TAG},
    resolution={TAG: HOSTILE},
    first_violations=(
        Violation(-(2**63), math.nan, 1e300, math.nan, 0.0, Location(HOSTILE, offset=9), {}),
        Violation(2**63 - 1, 1e300, -1e300, math.inf, 1e284, Location(LOG, row=3), {}),
        Violation(3, 1.5e-7, 1.0e-7, 5.0e-8, 0.0, Location(LOG), {}),
    ),
    weights={TAG: Weight(2.0, -math.inf, math.inf)},
    weights_note=HOSTILE,
    rivals=(Rival(HOSTILE, HOSTILE, 0, 400), Rival(HOSTILE + "2", HOSTILE, 0, 400, True)),
    shares={TAG: Share(math.nan, 0.0, 1.0, math.inf)},
    series={"step": [0.0, 1.0], "total": [0.0, 5e-324], TAG: [math.nan, math.nan]},
)
HOSTILE_RESULT = Result(
    verdict=Verdict.FAIL,
    exit_code=ExitCode.DAMAGED,
    reason=HOSTILE,
    spec=Declared(HOSTILE, HOSTILE, ((HOSTILE, HOSTILE),), HOSTILE, HOSTILE, (HOSTILE,)),
    witnesses=(HOSTILE_WITNESS, replace(UNDECIDED, source="a" * 5000)),
    findings=(
        Finding(
            HOSTILE, Severity.ERROR, HOSTILE, (-1, 2**63 - 1), Location(HOSTILE, row=1), {}, HOSTILE
        ),
        Finding(
            "z",
            Severity.NOTE,
            "b" * 10_000,
            None,
            None,
            {"also": [{"check": HOSTILE, "formula": HOSTILE}]},
            "::error::x",
        ),
    ),
    skipped=((HOSTILE, HOSTILE),),
    version=HOSTILE,
    environment={HOSTILE: HOSTILE},
    checks=(HOSTILE, "z"),
    rules=(Rule(HOSTILE, HOSTILE, HOSTILE), Rule("z", "", "")),
    repository_paths={HOSTILE: "../" + HOSTILE},
)

ABSOLUTE = "/home/me/project/runs/stage1/log.jsonl"
IN_CI = replace(
    FAIL,
    spec=replace(SPEC, location=Location("audits/musetalk.yaml", line=2)),
    witnesses=(
        replace(
            REFUTED,
            violation_ranges=(
                StepRange(0, 1200, 380),
                StepRange(1250, 1250, 1),
                StepRange(-1, 7, 18),
            ),
        ),
        replace(UNTOLD, source=ABSOLUTE, series=series((1.0, 2.0), 9)),
    ),
    findings=(
        *FAIL.findings,
        Finding(
            "dominant-term",
            Severity.WARNING,
            "loss_latents makes up 91.0% of the total at the median.",
            None,
            None,
            {"term": "loss_latents"},
            ABSOLUTE,
            "the second stage is meant to be so, see issue 12",
        ),
        Finding(
            "damaged-input",
            Severity.ERROR,
            "not JSON: Unterminated string at column 13",
            None,
            Location(ABSOLUTE, line=9),
            {},
            ABSOLUTE,
        ),
    ),
    fail_on=Severity.WARNING,
    checks=("damaged-input", "dominant-term", "duplicate-steps", "rival-formula", "value-lattice"),
    rules=(
        Rule(
            "dominant-term", "one term makes up nearly all", "One term.\n\n**How to fix**\n`w` up."
        ),
        Rule(
            "rival-formula",
            "the log follows a named rival",
            "See `diagram`.\n\n**Source**\nIssue 80.",
        ),
    ),
    repository_paths={ABSOLUTE: "runs/stage1/log.jsonl"},
)
IDENTIFIED = replace(
    NO_FINDINGS,
    witnesses=(
        replace(
            PASSING,
            identification=Identification(
                "loss",
                "loss = 2*loss_lip + loss_latents",
                {
                    "loss_lip": FoundWeight(2.0, 1.999, 2.001, True),
                    "loss_latents": FoundWeight(1.0, -math.inf, math.inf, False),
                },
                (RunnerUp("loss = 2*loss_lip + lat2", "`lat2` repeats loss_latents"),),
                {"lr": "is constant"},
                400,
            ),
        ),
    ),
)

SAMPLES: dict[str, Result] = {
    "pass": PASS,
    "fail-rival-formula": FAIL,
    "inconclusive-terms-not-logged": INCONCLUSIVE,
    "inconclusive-rival-survives": UNTOLD_RIVAL,
    "hostile-text": HOSTILE_RESULT,
    "two-witnesses": TWO_WITNESSES,
    "many-witnesses": MANY_WITNESSES,
    "no-findings": NO_FINDINGS,
    "empty": EMPTY,
    "in-ci": IN_CI,
    "identified": IDENTIFIED,
    **balances(PASS, HOSTILE),
}
