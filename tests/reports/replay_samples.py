"""Results of replays: a log of the total alone beside steps that refute, and hostile text."""

from __future__ import annotations

import math

from msgspec.structs import replace
from samples import FAIL, HOSTILE, PASS, PASSING, UNDECIDED, rivals

from lossaudit.model.finding import Finding, Location, Severity, Verdict
from lossaudit.model.replay import Interval, Recomputed, Replay, StoredFile
from lossaudit.model.result import ExitCode, Result, Weight, Witness

RUN = "runs/2024-05-01_musetalk_stage1_lip"


PASSES = {
    "forward_pass": "float32, autocast to float16",
    "second_pass": "float32 and TF32",
    "draws": "seeds 0 to 7",
}
COMPUTED_WITH = {
    "device": "cuda:0",
    "device_name": "NVIDIA H100 80GB HBM3",
    "default_dtype": "float32",
    "matmul_precision": "highest",
    "deterministic_algorithms": "off",
    "threads": "16",
    "cudnn_deterministic": "on",
    "cublas_workspace": "not set",
}
TRAINED_WITH = COMPUTED_WITH | {
    "python": "3.10.12",
    "torch": "2.1.2+cu121",
    "device_name": "Tesla V100-SXM2-32GB",
    "cudnn_deterministic": "off",
    "mixed_precision": "fp16",
    "seed": "42 / 41",
}


def term(value: float, radius: float) -> Recomputed:
    return Recomputed(value, value * (1 + 2e-8), value - radius, value + radius)


def replay(
    step: int, depth: str, logged: float, lip: float, latents: float, noise: float
) -> Replay:
    total = 2 * lip + latents
    batch = f"{RUN}/batches/step-{step:06d}.safetensors"
    weights = f"{RUN}/checkpoint-{step - 1}" if depth == "full" else ""
    return Replay(
        step,
        batch,
        weights,
        depth,  # type: ignore[arg-type]
        "cuda:0" if depth == "full" else "cpu",
        Interval(total, total - 3 * noise, total + 3 * noise),
        {"loss_lip": term(lip, noise), "loss_latents": term(latents, noise)},
        logged,
        {"loss_lip": lip} if depth == "tensors" else {},
        (StoredFile(batch, "ab" * 32, 257_200),),
        total_half=3.5e-8,
        total_source=f"{RUN}/events",
        caution="rounding of the forward pass measured against float64" if weights else "",
        policy={"terms": "float32, float64"} | (PASSES if weights else {}),
    )


STEPS = (
    replay(1, "tensors", 1.8895943, 0.4908589, 0.9078765, 2.7e-6),
    replay(10_001, "full", 0.3338496, 0.0773217, 0.1792063, 9.1e-7),
    replay(250_001, "full", 0.2660584, 0.0722693, 0.1178123, 9.1e-5),
)
REPLAYED = Witness(
    kind="replay",
    source=RUN,
    verdict=Verdict.FAIL,
    reason="`loss_lip` is taken on the lower half, not on the whole: 1 of 3 steps refute",
    formula="2.0*loss_lip + loss_latents",
    sha256="9c1d" * 16,
    records=3,
    rows=3,
    decided=3,
    violations=1,
    weights={"loss_lip": Weight(2.0, 1.9, 2.1), "loss_latents": Weight(1.0)},
    rivals=rivals(3, 3, decided=3),
    shares=PASSING.shares,
    replays=STEPS,
    means={"total": 0.8279, "loss_lip": 0.2135, "loss_latents": 0.4017},
    environment=COMPUTED_WITH,
)
AUDITED = replace(
    FAIL,
    reason=f"2 witnesses, 1 FAIL, 1 INCONCLUSIVE: {RUN}: {REPLAYED.reason}",
    witnesses=(UNDECIDED, REPLAYED),
    findings=(
        Finding(
            "wrong-region",
            Severity.ERROR,
            "`loss_lip` is taken on the lower half, not on the whole of its tensors; 1 of 3 "
            "decided rows refute the declared formula",
            (250_001, 250_001),
            Location(STEPS[2].batch),
            {"term": "loss_lip", "region": "lower_half", "also": []},
            RUN,
        ),
    ),
    skipped=(
        ("replay", f"{STEPS[0].batch}: needs the weights that training began with"),
        ("checkpoint", f"{RUN}/checkpoint-500: no batch of step 501 is there"),
    ),
    environment={"python": "3.11.7", "torch": "2.13.0+cu130", "numpy": "2.2.0"},
    training=TRAINED_WITH,
)
ODD = replace(
    STEPS[0],
    step=-1,
    batch=HOSTILE,
    checkpoint=HOSTILE,
    device=HOSTILE,
    total=Interval(math.nan, -math.inf, math.inf),
    terms={HOSTILE: Recomputed(math.inf, math.nan, 0.0, 0.0)},
    total_logged=math.nan,
    logged_terms={HOSTILE: math.inf},
    logged_halves={HOSTILE: math.inf},
    given={HOSTILE: Interval(0.0, 0.0, 0.0)},
    caution=HOSTILE,
    files=(StoredFile(HOSTILE, HOSTILE, 0),),
    policy={HOSTILE: HOSTILE},
)
ODD_WITNESS = replace(
    REPLAYED,
    source=HOSTILE,
    replays=(ODD,),
    means={HOSTILE: math.nan},
    environment={HOSTILE: HOSTILE},
)
MANY = tuple(replace(STEPS[1], step=k, total_logged=None if k % 3 else 9.0) for k in range(40))
SAMPLES: dict[str, Result] = {
    "audit": AUDITED,
    "replay-hostile": replace(
        PASS,
        verdict=Verdict.INCONCLUSIVE,
        exit_code=ExitCode.DAMAGED,
        witnesses=(ODD_WITNESS,),
        findings=(),
        training={HOSTILE: HOSTILE} | {f"key{k}": HOSTILE for k in range(2)},
    ),
    "replay-many": replace(PASS, witnesses=(replace(REPLAYED, replays=MANY),), findings=()),
}
