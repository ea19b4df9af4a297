"""Every kind of term with tensors for it, and torch's function called by hand."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

Tensors = dict[str, Tensor]


class Case(NamedTuple):
    """A definition's parameters, tensors by their names, and (tensors, reduction) -> torch's."""

    kind: str
    tensors: Callable[[torch.Generator], Tensors]
    torchs: Callable[[Tensors, str], Tensor]
    parameters: Mapping[str, object] = MappingProxyType({})
    reductions: tuple[str, ...] = ("mean", "sum")


SHAPE = (3, 5, 6, 7)


def normal(random: torch.Generator, shape: tuple[int, ...] = SHAPE) -> Tensor:
    return torch.randn(shape, generator=random, dtype=torch.float64)


def uniform(random: torch.Generator, shape: tuple[int, ...] = SHAPE) -> Tensor:
    return torch.rand(shape, generator=random, dtype=torch.float64)


def pair(random: torch.Generator) -> Tensors:
    return {"pred": normal(random), "target": normal(random)}


def chances(random: torch.Generator) -> Tensors:
    found = {name: uniform(random) for name in ("pred", "target", "weight")}
    found["pred"][0, 0, 0, :2] = torch.tensor([0.0, 1.0])
    found["target"][0, 0, 0, 2:4] = torch.tensor([0.0, 1.0])
    return found


def logits(random: torch.Generator) -> Tensors:
    many = {"pred": 8 * normal(random), "target": uniform(random), "weight": uniform(random)}
    return many | {"pos_weight": 3 * uniform(random, SHAPE[-1:])}


def indices(random: torch.Generator) -> Tensors:
    target = torch.randint(5, (3, 6, 7), generator=random)
    target[0, :2] = 3
    return {"pred": 4 * normal(random), "target": target, "weight": uniform(random, (5,))}


def shares(random: torch.Generator) -> Tensors:
    found = {"pred": 4 * normal(random), "target": normal(random).softmax(1)}
    return found | {"weight": uniform(random, (5,))}


def log_chances(random: torch.Generator) -> Tensors:
    found = {"pred": normal(random).log_softmax(1), "target": normal(random).softmax(1)}
    found["target"][0, 0, 0, :2] = 0
    return found


def both_logs(random: torch.Generator) -> Tensors:
    return {name: normal(random).log_softmax(1) for name in ("pred", "target")}


def features(random: torch.Generator) -> Tensors:
    return pair(random) | {"weight": uniform(random, (1, 5, 1, 1))}


def reduce(rows: Tensor, reduction: str) -> Tensor:
    return {"mean": rows.mean, "sum": rows.sum}[reduction]()


def lpips(t: Tensors, reduction: str) -> Tensor:
    x, y = (v / (v.pow(2).sum(1, keepdim=True).sqrt() + 1e-10) for v in (t["pred"], t["target"]))
    return reduce(((x - y).pow(2) * t["weight"]).sum(1), reduction)


def latents(t: Tensors, reduction: str) -> Tensor:
    mu, logvar = t["pred"].flatten(1), t["target"].flatten(1)
    return reduce(-0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum(1), reduction)


def diverged(t: Tensors, reduction: str, log_target: bool) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "reduction: 'mean' divides")
        return functional.kl_div(t["pred"], t["target"], reduction=reduction, log_target=log_target)


def likeness(t: Tensors, reduction: str) -> Tensor:
    return reduce(1 - functional.cosine_similarity(t["pred"], t["target"], dim=-1), reduction)


def crossed(**parameters: object) -> Callable[[Tensors, str], Tensor]:
    def torchs(t: Tensors, reduction: str) -> Tensor:
        named = {k: t[k] if k == "weight" else v for k, v in parameters.items()}
        return functional.cross_entropy(t["pred"], t["target"], reduction=reduction, **named)  # type: ignore[arg-type]

    return torchs


def scaled(case: Case, tensors: Tensors, random: torch.Generator) -> Tensors:
    """The case's tensors in another range: tiny, huge, nearly alike, certain."""
    size, gap = (10.0 ** float(u) for u in torch.rand(2, generator=random) * 10 - 7)
    pred, target = tensors["pred"], tensors["target"]
    if case.kind in ("cross_entropy", "bce_with_logits", "bce-with-logits"):
        return tensors | {"pred": pred * min(size, 10.0)}
    if case.kind == "bce":
        least = min(gap, 1.0) * pred
        return tensors | {"pred": least if size < 1e-2 else 1 - least}
    if case.kind == "kl":
        alike = gap < 1e-2 and "log_target" in case.parameters
        return tensors | {"pred": target + 1e-3 * pred if alike else pred}
    target = target if gap > 1 else pred + gap * target
    if case.kind == "gaussian_kl":
        size = min(size, 3.0)
    return tensors | {"pred": size * pred, "target": size * target}


CASES = {
    "l1": Case("l1", pair, lambda t, r: functional.l1_loss(t["pred"], t["target"], reduction=r)),
    "mse": Case("mse", pair, lambda t, r: functional.mse_loss(t["pred"], t["target"], reduction=r)),
    "smooth_l1": Case(
        "smooth_l1",
        pair,
        lambda t, r: functional.smooth_l1_loss(t["pred"], t["target"], reduction=r, beta=0.7),
        {"beta": 0.7},
    ),
    "smooth_l1-beta-0": Case(
        "smooth_l1",
        pair,
        lambda t, r: functional.smooth_l1_loss(t["pred"], t["target"], reduction=r, beta=0.0),
        {"beta": 0.0},
    ),
    "huber": Case(
        "huber",
        pair,
        lambda t, r: functional.huber_loss(t["pred"], t["target"], reduction=r, delta=1.3),
        {"delta": 1.3},
    ),
    "bce": Case(
        "bce",
        chances,
        lambda t, r: functional.binary_cross_entropy(t["pred"], t["target"], reduction=r),
    ),
    "bce-weighted": Case(
        "bce",
        chances,
        lambda t, r: functional.binary_cross_entropy(
            t["pred"], t["target"], weight=t["weight"], reduction=r
        ),
        {"weight": "weight"},
    ),
    "bce-with-logits": Case(
        "bce_with_logits",
        logits,
        lambda t, r: functional.binary_cross_entropy_with_logits(
            t["pred"], t["target"], reduction=r
        ),
    ),
    "bce-with-logits-weighted": Case(
        "bce-with-logits",
        logits,
        lambda t, r: functional.binary_cross_entropy_with_logits(
            t["pred"], t["target"], t["weight"], reduction=r, pos_weight=t["pos_weight"]
        ),
        {"weight": "weight", "pos_weight": "pos_weight"},
    ),
    "cross-entropy": Case("cross_entropy", indices, crossed()),
    "cross-entropy-weighted": Case(
        "cross_entropy",
        indices,
        crossed(weight=1, ignore_index=3, label_smoothing=0.2),
        {"weight": "weight", "ignore_index": 3.0, "label_smoothing": 0.2},
    ),
    "cross-entropy-ignoring": Case(
        "cross_entropy", indices, crossed(ignore_index=3), {"ignore_index": 3.0}
    ),
    "cross-entropy-shares": Case("cross_entropy", shares, crossed()),
    "cross-entropy-shares-weighted": Case(
        "cross_entropy",
        shares,
        crossed(weight=1, label_smoothing=0.1),
        {"weight": "weight", "label_smoothing": 0.1},
    ),
    "kl": Case(
        "kl",
        log_chances,
        lambda t, r: diverged(t, r, False),
        reductions=("mean", "sum", "batchmean"),
    ),
    "kl-log-target": Case(
        "kl",
        both_logs,
        lambda t, r: diverged(t, r, True),
        {"log_target": True},
        ("mean", "sum", "batchmean"),
    ),
    "gaussian-kl": Case("gaussian_kl", pair, latents),
    "cosine": Case("cosine", pair, likeness, {"dim": -1.0}),
    "feature-distance": Case(
        "feature_distance",
        pair,
        lambda t, r: functional.mse_loss(t["pred"], t["target"], reduction=r),
    ),
    "feature-distance-l1": Case(
        "feature_distance",
        pair,
        lambda t, r: functional.l1_loss(t["pred"], t["target"], reduction=r),
        {"norm": "l1"},
    ),
    "lpips": Case("feature_distance", features, lpips, {"weight": "weight", "normalize": True}),
}
