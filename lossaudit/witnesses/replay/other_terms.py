"""The terms of one step computed in other ways that a training may have meant.

Regions: the whole, halves, masks of the batch. Denominators: other reductions, and means over
micro-batches of the same samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace as changed
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from lossaudit.errors import InputError, UsageError
from lossaudit.model.replay import Recomputed
from lossaudit.numerics.formats import FORMATS, gamma
from lossaudit.spec.definition import Definition
from lossaudit.witnesses.replay.engine import Computed
from lossaudit.witnesses.replay.recompute_term import recompute_term
from lossaudit.witnesses.replay.regions import parse_region, plausible_regions

if TYPE_CHECKING:
    from torch import Tensor

MOST_GROUPINGS = 16
MOST_SAMPLES = 4096


class Way(Struct, frozen=True):
    """One other way, as a key: equal for all steps on which the same is tried.

    Attributes:
        check: the check that reports it.
        summary: what it means.
        terms: the terms that it changes.
        facts: JSON-ready pairs.
    """

    check: str
    summary: str
    terms: tuple[str, ...]
    facts: tuple[tuple[str, Any], ...] = ()


def other_terms(
    declared: Mapping[str, Definition], computed: Computed, dtype: str
) -> dict[Way, dict[str, Recomputed]]:
    """All terms of a step in every other way that can be tried on its tensors.

    Args:
        declared: the definitions.
        computed: the terms as declared, and the tensors.
        dtype: of the terms in training.
    """
    found: dict[Way, dict[str, Recomputed]] = {}
    own = {n: computed.terms[n] for n in declared}
    for way, name, definition in _definitions(declared, computed.tensors):
        try:
            term = recompute_term(definition, computed.tensors, definition.dtype or dtype)
        except (InputError, UsageError):  # a region or reduction that these tensors do not have
            continue
        term = _as_noisy(term, own[name], computed.noise.get(name, 0.0))
        if not _is_same(term, own[name]):
            found[way] = {**own, name: term}
    for way, terms in _groupings(declared, computed, dtype):
        found[way] = {**own, **terms}
    return found


def _as_noisy(term: Recomputed, declared: Recomputed, noise: float) -> Recomputed:
    """A term in another way, as uncertain as the declared one in proportion to its size, twice."""
    if not noise:
        return term
    reach = 2 * noise * max(1.0, abs(term.float64) / abs(declared.float64 or 1.0))
    return replace(term, low=term.low - reach, high=term.high + reach)


def _definitions(
    declared: Mapping[str, Definition], tensors: Mapping[str, Tensor]
) -> Iterator[tuple[Way, str, Definition]]:
    """Each term on the other plausible regions, and in its other reductions."""
    for name, definition in declared.items():
        prediction = tensors.get(definition.prediction)
        target = tensors.get(definition.target)
        shape = tuple(prediction.shape if prediction is not None else ())
        shape = shape or tuple(target.shape if target is not None else ())
        own = parse_region(definition.region)
        candidates = [*plausible_regions(shape), *_masks(shape, tensors)] if len(shape) > 2 else []
        for text in candidates:
            region = parse_region(text)
            if region == own or (region.kind == "mask" and not _fits(definition, text, tensors)):
                continue
            said = f"`{name}` is taken on {_in_words(text)}, not on {_in_words(str(own))}"
            facts = (("term", name), ("region", text), ("declared", str(own)))
            way = Way("wrong-region", said, (name,), facts)
            yield way, name, changed(definition, region=text, denominator="")
        yield from _reductions(name, definition)


def _reductions(name: str, definition: Definition) -> Iterator[tuple[Way, str, Definition]]:
    own = definition.reduction or "mean"
    for reduction in REDUCTIONS:
        if reduction != own:
            said = f"`{name}` is reduced by {REDUCTIONS[reduction]}, not by {REDUCTIONS[own]}"
            facts = (("term", name), ("reduction", reduction), ("declared", own))
            yield (
                Way("wrong-denominator", said, (name,), facts),
                name,
                changed(definition, reduction=reduction),
            )


REDUCTIONS = {
    "mean": "the mean over all elements",
    "sum": "their sum",
    "batchmean": "their sum over the number of samples",
    "none": "the mean of each sample's mean",
}


def _masks(shape: Sequence[int], tensors: Mapping[str, Tensor]) -> list[str]:
    """Tensors that have one number for each pixel of such a prediction."""
    pixels = (shape[0], *shape[-2:])
    fitting = (pixels, (pixels[0], 1, *pixels[1:]))
    return [f"mask:{n}" for n, t in tensors.items() if tuple(t.shape) in fitting]


def _fits(definition: Definition, mask: str, tensors: Mapping[str, Tensor]) -> bool:
    """Whether a mask is neither an operand of the term nor empty."""
    name = mask.removeprefix("mask:")
    return name not in (definition.prediction, definition.target) and bool(tensors[name].any())


def _in_words(region: str) -> str:
    if region == "whole":
        return "the whole of its tensors"
    if region.endswith("_half"):
        return f"the {region.replace('_', ' ')}"
    return region


def _groupings(
    declared: Mapping[str, Definition], computed: Computed, dtype: str
) -> Iterator[tuple[Way, dict[str, Recomputed]]]:
    """The mean of micro-batch means, for every size of micro-batch that changes it."""
    tensors = {n: computed.tensors.get(d.prediction) for n, d in declared.items()}
    sizes = {t.shape[0] for t in tensors.values() if t is not None and t.dim()}
    if len(sizes) != 1 or not all(d.reduction in ("", "mean") for d in declared.values()):
        return
    (samples,) = sizes
    for size in sizes_of(samples):
        groups = -(-samples // size)
        try:
            terms = {
                n: _mean_of_means(d, computed, n, samples, size, d.dtype or dtype)
                for n, d in declared.items()
            }
        except (InputError, UsageError):  # a group without a counted element has no mean
            continue
        if all(_is_same(terms[n], computed.terms[n]) for n in declared):
            continue
        each = "1 sample" if size == 1 else f"{size} samples"
        said = (
            f"the total is the mean over {groups} micro-batches of {each} of their means, not the "
            "mean over all elements"
        )
        facts = (("micro_batches", groups), ("samples", size))
        yield Way("wrong-denominator", said, tuple(declared), facts), terms


def sizes_of(samples: int) -> list[int]:
    """Sizes of micro-batches to try: 1, those that divide the samples, and others."""
    if not 1 < samples <= MOST_SAMPLES:
        return []
    divisors = [k for k in range(1, samples) if samples % k == 0]
    others = [k for k in range(2, min(samples, MOST_GROUPINGS)) if k not in divisors]
    return [*divisors, *others][:MOST_GROUPINGS]


def _mean_of_means(
    definition: Definition, computed: Computed, name: str, samples: int, size: int, dtype: str
) -> Recomputed:
    parts = [
        recompute_term(definition, _sliced(computed.tensors, samples, start, size), dtype)
        for start in range(0, samples, size)
    ]
    count = len(parts)
    value, float64, low, high = (
        sum(getattr(p, key) for p in parts) / count for key in ("value", "float64", "low", "high")
    )
    lost = float(gamma(count + 1, FORMATS[dtype].unit_roundoff)) * max(abs(low), abs(high))
    noise = 2 * computed.noise.get(name, 0.0)  # of the whole batch; a group's may be larger
    return Recomputed(value, float64, low - lost - noise, high + lost + noise)


def _sliced(
    tensors: Mapping[str, Tensor], samples: int, start: int, size: int
) -> dict[str, Tensor]:
    return {
        n: t[start : start + size] if t.dim() and t.shape[0] == samples else t
        for n, t in tensors.items()
    }


def _is_same(one: Recomputed, other: Recomputed) -> bool:
    return one.low <= other.high and other.low <= one.high
