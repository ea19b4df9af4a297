"""Results of `lossaudit balance` that every report must show well."""

from __future__ import annotations

import math

from msgspec.structs import replace

from lossaudit.model.balance import Balance, Course, EqualShares, Ratio, Share, WhatIf
from lossaudit.model.finding import Finding, Severity, Verdict
from lossaudit.model.result import ExitCode, Result

POINTS = tuple(round(0.45 + 0.1 * k / 59 - 0.04 * math.sin(k / 9), 6) for k in range(60))
LIP, LATENTS = Share(0.5009, 0.4153, 0.5058, 0.5678), Share(0.4991, 0.4318, 0.4938, 0.5838)
PAIR = Balance(
    rows=400,
    left_out={"a term is missing from the row": 1},
    weights={"loss_lip": 2.0, "loss_latents": 1.0},
    max_share=0.9,
    courses={
        "loss_lip": Course(0.4464, 0.5524, "rising", POINTS, "positive"),
        "loss_latents": Course(
            0.5536, 0.4476, "falling", tuple(round(1 - p, 6) for p in POINTS), "positive"
        ),
    },
    ratios=(Ratio("loss_lip", "loss_latents", 0.3555, 0.5109, 0.6555, 400, 400),),
    equal=EqualShares(
        "loss_lip",
        {"loss_lip": 2.0, "loss_latents": 1.0219},
        {"loss_lip": LIP, "loss_latents": LATENTS},
        {"loss_lip": 1.9571, "loss_latents": 1.0219},
    ),
    what_if=(
        WhatIf(
            "loss_lip",
            1.0,
            {
                "loss_lip": Share(0.3354, 0.2618, 0.3388, 0.3968),
                "loss_latents": Share(0.6646, 0.6033, 0.6613, 0.7373),
            },
        ),
    ),
)

NAMES = ("mel", "feature_matching", "kl", "kl_weight*duration", "`loss/g/0`", "entropy", "noise")
MEANS = (0.912, 0.04, 0.02, 0.012, 0.01, 0.005, 0.001)
SHARES = {n: Share(m, m * 0.8, m, m * 1.05) for n, m in zip(NAMES, MEANS, strict=True)}
TRENDS = ("falling", "rising", "wandering", "flat", "flat", "unknown", "flat")
SIGNS = ("positive", "positive", "positive", "mixed", "positive", "negative", "zero")
MANY = Balance(
    rows=120_000,
    left_out={"a term is not finite": 3, "a term is missing from the row": 80_000},
    weights={n: 45.0 if n == "mel" else -0.01 if n == "entropy" else 1.0 for n in NAMES},
    max_share=0.9,
    courses={
        n: Course(m * 1.1, m * 0.9, t, tuple(m * (1 + k / 30) for k in range(12)), s)
        for n, m, t, s in zip(NAMES, MEANS, TRENDS, SIGNS, strict=True)
    },
    ratios=tuple(
        Ratio(n, "mel", 0.0, m, math.inf if n == "kl" else m * 3, 120_000 - k * 50, 120_000)
        for k, (n, m) in enumerate(zip(NAMES[1:], MEANS[1:], strict=True))
    ),
    equal=EqualShares(
        "mel",
        {n: 45.0 * 0.912 / m for n, m in zip(NAMES, MEANS, strict=True)},
        {n: Share(1 / 6, 0.1, 1 / 6, 0.2) for n in NAMES},
        {},
        ("noise",),
    ),
    what_if=(WhatIf("mel", 1.0, SHARES), WhatIf("mel", 0.0, {})),
    cautions=(
        "120,000 of 120,000 decided rows refute the formula: these are the shares of the "
        "declared weights, not of those that were trained",
    ),
)


def balances(base: Result, hostile: str) -> dict[str, Result]:
    """Samples by name.

    Args:
        base: a result with one witness, whose spec and log are kept.
        hostile: text that no report may let through.
    """
    (witness,) = base.witnesses
    quiet = replace(base, findings=(), skipped=())
    pair = replace(witness, shares={"loss_lip": LIP, "loss_latents": LATENTS}, balance=PAIR)
    many = replace(witness, verdict=Verdict.FAIL, shares=SHARES, balance=MANY)
    refuted = Finding(
        "rival-formula",
        Severity.WARNING,
        "the log follows rival `diagram`",
        (0, 9),
        None,
        {},
        "log",
    )
    none = replace(witness, verdict=Verdict.INCONCLUSIVE, reason="", shares={}, balance=Balance())
    return {
        "balance": replace(quiet, witnesses=(pair,), reason=witness.reason + "; and more"),
        "balance-many-terms": replace(
            quiet, verdict=Verdict.FAIL, witnesses=(many,), findings=(refuted,)
        ),
        "balance-of-nothing": replace(
            quiet,
            verdict=Verdict.INCONCLUSIVE,
            exit_code=ExitCode.INCONCLUSIVE,
            witnesses=(none, none),
        ),
        "balance-hostile": replace(
            quiet,
            witnesses=(replace(witness, shares={hostile: LIP}, balance=_hostile(hostile)),),
            skipped=((f"what-if {hostile}", hostile),),
        ),
    }


def _hostile(text: str) -> Balance:
    nothing = Share(math.nan, -1.0, 7.0, math.inf)
    points = (math.nan, -math.inf, 1e300, 0.0)
    return Balance(
        rows=2**63 - 1,
        left_out={text: 2**63 - 1},
        weights={text: math.nan},
        max_share=math.inf,
        courses={text: Course(math.nan, math.inf, "flat", points, "zero")},
        ratios=(Ratio(text, text * 3, math.nan, -1.0, math.inf, 3, 0),),
        equal=EqualShares(text, {text: math.inf}, {text: nothing}, {text: -math.inf}, (text,)),
        what_if=(WhatIf(text, math.nan, {text: nothing, "other": nothing}),),
        cautions=(text,),
    )
