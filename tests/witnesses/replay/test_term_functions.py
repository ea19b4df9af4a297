"""Every kind of term, reduction and dtype against torch's own function."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from term_cases import CASES, Case, Tensors

from lossaudit import registry
from lossaudit.errors import InputError, LossauditError, UsageError
from lossaudit.model.replay import Recomputed
from lossaudit.spec.definition import Definition
from lossaudit.witnesses.replay.recompute_term import recompute_term
from lossaudit.witnesses.replay.term import term_functions
from lossaudit.witnesses.replay.term_function import TermFunction

DTYPES = ("float32", "float16", "bfloat16", "float64")
PARAMETERS = [
    pytest.param(case, reduction, id=f"{name}-{reduction}")
    for name, case in CASES.items()
    for reduction in case.reductions
]


def made(case: Case, seed: int = 0) -> Tensors:
    return case.tensors(torch.Generator().manual_seed(seed))


def narrowed(tensors: Tensors, dtype: str) -> Tensors:
    wanted = getattr(torch, dtype)
    return {n: t.to(wanted) if t.is_floating_point() else t for n, t in tensors.items()}


def recomputed(
    case: Case, reduction: str, tensors: Tensors, dtype: str, **more: object
) -> Recomputed:
    named = {"prediction": "pred", "target": "target", "reduction": reduction}
    definition = Definition(case.kind, **named | dict(case.parameters) | more)  # type: ignore[arg-type]
    return recompute_term(definition, tensors, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("case", "reduction"), PARAMETERS)
def test_each_value_is_torchs(case: Case, reduction: str, dtype: str) -> None:
    tensors = made(case)
    found = recomputed(case, reduction, tensors, dtype)
    assert found.value == float(case.torchs(narrowed(tensors, dtype), reduction))
    assert found.float64 == pytest.approx(float(case.torchs(tensors, reduction)), rel=1e-12)
    assert found.low <= found.value <= found.high


@pytest.mark.parametrize("dtype", DTYPES[:3])
@pytest.mark.parametrize("name", CASES)
def test_the_interval_says_something(name: str, dtype: str) -> None:
    case = CASES[name]
    found = recomputed(case, "mean", made(case), dtype)
    unit = {"float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}[dtype]
    assert found.high - found.low < 2000 * unit * abs(found.value)


@pytest.mark.parametrize("name", CASES)
def test_the_mean_of_each_samples_mean(name: str) -> None:
    case = CASES[name]
    tensors = made(case)
    found = recomputed(case, "none", tensors, "float32")
    assert found.low <= found.value <= found.high
    assert found.float64 == pytest.approx(found.value, rel=1e-5)
    if "ignor" not in name and "weighted" not in name:
        whole = recomputed(case, "mean", tensors, "float32")
        assert found.float64 == pytest.approx(whole.float64, rel=1e-12)


@pytest.mark.parametrize("region", ["lower_half", "box:1,2,5,5", "mask:mask"])
@pytest.mark.parametrize("name", [n for n in CASES if n != "gaussian-kl"])
def test_a_region_is_the_term_of_the_cut_tensors(name: str, region: str) -> None:
    case = CASES[name]
    tensors = made(case)
    if name == "cosine":
        tensors = {n: t.transpose(1, 3).contiguous() for n, t in tensors.items()}
        case = case._replace(parameters={})
    mask = torch.zeros(3, 6, 7) if tensors["pred"].shape[1] == 5 else torch.zeros(3, 6, 5)
    mask[:, 3:] = 1
    found = recomputed(case, "mean", tensors | {"mask": mask}, "float32", region=region)
    assert found.low <= found.value <= found.high
    if region == "lower_half" or "ignor" in name or "weighted" in name:
        return
    lower = recomputed(case, "mean", tensors, "float32", region="lower_half")
    if region == "mask:mask":
        assert found.float64 == pytest.approx(lower.float64, rel=1e-12)
    else:
        assert found.float64 != lower.float64


def test_every_term_function_is_tested() -> None:
    tested = {case.kind.replace("-", "_") for case in CASES.values()}
    assert tested == set(term_functions())
    files = registry.listed("lossaudit.witnesses.replay.terms")
    assert [n.replace("-", "_") for n in files] == sorted(term_functions())


@pytest.mark.parametrize("name", sorted(term_functions()))
def test_every_term_function_says_what_it_is(name: str) -> None:
    function = term_functions()[name]
    assert isinstance(function, TermFunction)
    assert function.about
    assert set(function.parameters) <= set(Definition.__slots__)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("name", ["l1", "mse", "smooth_l1", "huber", "kl", "cosine", "lpips"])
def test_a_number_that_is_not_finite_is_not_hidden(name: str, value: float) -> None:
    case = CASES[name]
    tensors = made(case)
    tensors["pred"][1, 2, 3, 4] = value
    found = recomputed(case, "mean", tensors, "float32")
    assert not math.isfinite(found.value)
    assert not math.isfinite(found.float64)
    assert not math.isfinite(found.low)
    assert not math.isfinite(found.high)


def test_numbers_that_overflow_in_float16_leave_the_interval_open() -> None:
    tensors = {"pred": torch.tensor([300.0, 1.0]), "target": torch.zeros(2)}
    found = recomputed(CASES["mse"], "mean", tensors, "float16")
    assert found.value == math.inf
    assert found.high == math.inf
    assert found.float64 == 45000.5


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("bce", {"pred": torch.full((3, 5, 6, 7), 1.5)}, "'pred' holds 1.5 to 1.5"),
        ("cross-entropy", {"target": torch.full((3, 6, 7), 9)}, "'target' holds the class 9"),
        ("cross-entropy", {"target": torch.full((3, 6, 7), -1)}, "'target' holds the class -1"),
        (
            "cross-entropy",
            {"target": torch.zeros(3, 7, 6, dtype=torch.int64)},
            r"'pred' is \(3, 5, 6, 7\) float64, 'target' \(3, 7, 6\) int64\n"
            r"  expected: class indices of shape \(3, 6, 7\) or probabilities of shape",
        ),
        ("cross-entropy-weighted", {"weight": torch.ones(4)}, r"'weight' is \(4,\) float32"),
        ("bce-weighted", {"weight": torch.ones(1)}, r"shapes differ: .*weight is \(1,\) float32"),
        (
            "bce-with-logits-weighted",
            {"pos_weight": torch.ones(6)},
            r"pos_weight is \(6,\) float32, the prediction \(3, 5, 6, 7\) float64",
        ),
        ("lpips", {"weight": torch.ones(4)}, r"'weight' is \(4,\) float32, 'pred' \(3, 5, 6, 7\)"),
        ("gaussian-kl", dict.fromkeys(("pred", "target"), torch.ones(4)), r"expected: \(N, D\)"),
        ("l1", {"pred": torch.zeros(0), "target": torch.zeros(0)}, r"'pred' is empty: \(0,\)"),
        ("l1", {"pred": torch.zeros(3).to_sparse()}, "'pred' is not a dense tensor with values"),
        ("l1", {"pred": torch.zeros(3, device="meta")}, "'pred' is not a dense tensor"),
        ("l1", {"pred": torch.zeros(3, dtype=torch.complex64)}, r"'pred' is \(3,\) complex64"),
        ("l1", {"pred": torch.zeros(3).to(torch.float8_e5m2)}, r"'pred' is \(3,\) float8_e5m2"),
    ],
)
def test_tensors_that_do_not_fit_are_described(name: str, changes: Tensors, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        recomputed(CASES[name], "mean", made(CASES[name]) | changes, "float32")
    assert caught.value.expected or "dense" in message or "empty" in message


@pytest.mark.parametrize(
    ("kind", "parameters", "message"),
    [
        ("smooth_l1", {"beta": -1.0}, r"beta is -1.0\n  expected: a number from 0 on"),
        ("huber", {"delta": 0.0}, r"delta is 0.0\n  expected: a number above 0"),
        ("cross_entropy", {"label_smoothing": 2.0}, "label_smoothing is 2.0"),
        ("cosine", {"dim": 4.0}, r"dim is 4, .*\n  expected: a whole number from -4 to 3"),
        ("cosine", {"dim": 0.5}, "dim is 0.5"),
        ("l1", {"reduction": "batchmean"}, r"l1 has no reduction 'batchmean'\n  expected: mean"),
        ("l1", {"prediction": ""}, "the term's definition names no prediction"),
        ("l1", {"prediction": "prd"}, r"'prd' is not in the batch\n.*\n  try: did you mean pred"),
        ("mse", {"kind": "mse_los"}, r"\n  try: did you mean mse"),
        ("l1", {"layer_weights": (1.0,)}, "l1 has no parameter 'layer_weights'"),
    ],
)
def test_a_definition_that_cannot_be_is_explained(
    kind: str, parameters: dict[str, object], message: str
) -> None:
    tensors = made(CASES["l1"])
    named: dict[str, object] = {"kind": kind, "prediction": "pred", "target": "target"}
    with pytest.raises(LossauditError, match=message):
        recompute_term(Definition(**named | parameters), tensors, "float32")  # type: ignore[arg-type]


def test_an_unknown_dtype_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"no training dtype is called 'int8'\n.*bfloat16"):
        recomputed(CASES["l1"], "mean", made(CASES["l1"]), "int8")


def test_the_page_of_kinds_is_what_the_term_functions_say() -> None:
    page = (Path(__file__).parents[3] / "docs" / "replay-terms.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    for name, function in term_functions().items():
        cells = (f"`{name}`", function.about.replace("|", r"\|"), ", ".join(function.parameters))
        row = f"| {' | '.join(cells)} | {', '.join(function.reductions)} |".replace("  ", " ")
        assert row in rows
