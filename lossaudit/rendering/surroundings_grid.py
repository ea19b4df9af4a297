"""What the numbers depend on besides the code: of a replay, and of the training as it says."""

from __future__ import annotations

from collections.abc import Mapping

from lossaudit.model.result import Result
from lossaudit.rendering.grid import Cell, Grid, Heading
from lossaudit.rendering.safe_text import escape_text, shorten_middle

NAMES = {
    "device_name": "device is",
    "cpu_kernels": "CPU kernels",
    "capability": "compute capability",
    "cuda": "CUDA",
    "cudnn": "cuDNN",
    "tf32_matmul": "TF32 in matrix products",
    "tf32_convolution": "TF32 in convolutions",
    "matmul_precision": "float32 matrix products",
    "fp16_reduction": "float16 sums in matrix products",
    "cudnn_deterministic": "cuDNN deterministic",
    "cudnn_benchmark": "cuDNN benchmark",
    "cublas_workspace": "CUBLAS_WORKSPACE_CONFIG",
    "world_size": "ranks",
    "draws": "drawn with",
    "seed": "torch's seed",
}
FIRST = ("python", "torch", "device", "device_name", "forward_pass", "second_pass", "terms")
MOST_ROWS = 36
LONGEST = 60
BRIEFLY = (
    *("torch", "device", "device_name", "forward_pass", "second_pass", "draws"),
    *("autocast", "mixed_precision", "tf32_matmul", "tf32_convolution"),
    *("deterministic_algorithms", "cudnn_deterministic", "cudnn_benchmark", "threads", "seed"),
)
ALL_OF_IT = "All settings: --verbose"
PLAIN = ("device", "device_name")
VERSIONS = ("python", "torch", "numpy", "diffusers", "accelerate")


def surroundings_grid(result: Result) -> Grid | None:
    """One row a setting: what the replay was computed with, and what the run says of its training.

    None where nothing was replayed and the run says nothing.
    """
    replayed = replayed_with(result)
    told = result.training
    if not replayed and not told:
        return None
    columns: list[tuple[str, Mapping[str, str]]] = []
    columns += [("the replay", replayed)] if replayed else []
    columns += [("its training, as the run says", told)] if told else []
    keys = dict.fromkeys([*FIRST, *replayed, *told])
    shown = [key for key in keys if any(key in values for _, values in columns)]
    rows = tuple(
        (Cell(_name(key), "quiet"), *(_cell(values.get(key)) for _, values in columns))
        for key in shown[:MOST_ROWS]
    )
    more = len(shown) - len(rows)
    headings = (Heading(""), *(Heading(name, wraps=True) for name, _ in columns))
    return Grid("Computed with", headings, rows, f"and {more} more" if more > 0 else "")


def brief_grid(result: Result) -> Grid | None:
    """The same in a sentence each: what most often explains numbers that moved."""
    told = [("the replay", replayed_with(result)), ("training, as the run says", result.training)]
    rows = tuple((Cell(name, "quiet"), Cell(_in_brief(values))) for name, values in told if values)
    headings = (Heading(""), Heading("", wraps=True))
    return Grid("Computed with", headings, rows, ALL_OF_IT, False) if rows else None


def _in_brief(values: Mapping[str, str]) -> str:
    """A few settings by name; a flag that is off is the rule, and no news."""
    said = []
    for key in BRIEFLY:
        value = values.get(key, "off")
        if value not in ("off", "not set"):
            shown = shorten_middle(escape_text(value), LONGEST)
            said.append(shown if key in PLAIN else f"{_name(key)} {shown}")
    return ", ".join(said) or f"{len(values):,} settings"


def replayed_with(result: Result) -> dict[str, str]:
    """Versions, numerics and policies of all replays; policies that differ stand side by side."""
    witnesses = [w for w in result.witnesses if w.environment]
    if not witnesses:
        return {}
    found = {n: v for n, v in result.environment.items() if n in VERSIONS}
    for witness in witnesses:
        found |= witness.environment
        policies: dict[str, dict[str, int]] = {}
        for replay in witness.replays:
            for name, value in replay.policy.items():
                counts = policies.setdefault(name, {})
                counts[value] = counts.get(value, 0) + 1
        found |= {n: _counted(counts, len(witness.replays)) for n, counts in policies.items()}
    return found


def _counted(counts: Mapping[str, int], replays: int) -> str:
    """One value, or the most frequent ones with how many steps have them."""
    if list(counts.values()) == [replays]:
        return next(iter(counts))
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    said = [f"{value} ({count:,} step{'s' * (count > 1)})" for value, count in ranked[:3]]
    return "; ".join([*said, *(["and others"] if len(ranked) > len(said) else [])])


def _name(key: str) -> str:
    return shorten_middle(escape_text(NAMES.get(key, key.replace("_", " "))), 32)


def _cell(value: str | None) -> Cell:
    if value is None:
        return Cell("-", "quiet")
    return Cell(shorten_middle(escape_text(value), LONGEST))
