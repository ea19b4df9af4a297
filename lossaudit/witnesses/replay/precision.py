"""The terms of one step, with what rounding and chance may have made of them: as intervals.

Rounding. The same pass is run in a second precision: in float64 where training ran in float32, in
float32 where it ran under autocast, with TF32 inputs where those are possible. The differences of
its outputs, element by element, are the size of what rounding did. A term's half-width is twice the
change that differences of this size make if all of them push it the same way: once for our pass,
once for training's, whose operations had another order. On the fixture, other orders (threads,
memory layouts, batch sizes, kernels, attention processors) change elements by at most 1.7 of what
float64 changes them, and terms by at most 0.21: a tenth of the half-width.

Chance. What training sampled and nobody stored is drawn `DRAWS` times with fixed seeds. The
interval is the prediction interval of one more draw: if draws scatter normally, one in 100,000
falls outside. That is a statement about chance, not a bound.

Source: for the prediction interval, Hahn & Meeker 1991, Statistical Intervals, section 4.7.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from lossaudit.model.replay import Depth, Recomputed
from lossaudit.spec.definition import Definition
from lossaudit.witnesses.replay.adapter import Adapter, Models, PassOptions, Tensors
from lossaudit.witnesses.replay.conditions import Conditions, randomness, with_tf32_seen
from lossaudit.witnesses.replay.forward_pass import stored_state
from lossaudit.witnesses.replay.recompute_term import recompute_term
from lossaudit.witnesses.replay.surroundings import terms_in_words
from lossaudit.witnesses.replay.term_intervals import (
    DRAWS,
    ELEMENTWISE,
    change_of,
    over_draws,
    widened,
)

if TYPE_CHECKING:
    from torch import Tensor

NOISE_FACTOR = 2.0
SAMPLES_MEASURED = 1
"""Samples are computed independently of each other, so one of them tells how large rounding is;
on the fixture they differ by a factor of at most 1.6."""

FROM_STATE = "drawn again from the batch's random state"
UNMEASURED = "the rounding of the forward pass was not measured: no bound"


class Measured(Struct, frozen=True):
    """The terms of one step, recomputed.

    Attributes:
        terms: by the spec's names.
        tensors: the batch's, with what the pass computed; of the first draw.
        noise: {term: half-width that rounding in the forward pass adds}; empty where not measured.
        draws: how many passes were averaged over; 1 where nothing is random or its state is known.
        notes: what was detected, and what the intervals claim.
        policy: in which numbers the passes were run, and what was drawn how, by name.
    """

    terms: Mapping[str, Recomputed]
    tensors: Mapping[str, Tensor]
    noise: Mapping[str, float]
    draws: int
    notes: tuple[str, ...]
    policy: Mapping[str, str]


def measure_terms(
    adapter: Adapter,
    models: Models,
    tensors: Tensors,
    depth: Depth,
    definitions: Mapping[str, Definition],
    dtype: str,
    conditions: Conditions | None = None,
    rng: str = "",
) -> Measured:
    """Run a step's forward pass and recompute its terms, each with its interval.

    Args:
        adapter, models: what runs the pass.
        tensors: of the batch.
        depth: "decoder" or "full".
        definitions: of the terms that are wanted.
        dtype: in which training computed them, unless the definition says so.
        conditions: how training ran the pass.
        rng: the batch's random state before the step, as the recorder writes it.

    Raises:
        InputError, UsageError: as the adapter and `recompute_term`.
    """
    conditions = conditions or Conditions()
    if conditions.tf32:
        conditions = with_tf32_seen(conditions, adapter, models, tensors)
    run = Run(adapter, models, tensors, depth, definitions, dtype, conditions)
    chance, state = run.chance(rng)
    notes = [*run.conditions.notes, *([f"{chance}: {FROM_STATE}"] if state else [])]
    first = run.outputs(run.options(0, state))
    found = run.terms(first)
    second = run.second(bool(chance), state)
    widths = run.noise(first, second, bool(chance))
    words = " and ".join("TF32" if o.tf32 or o.tf32_products else o.dtype for o in second)
    notes.append(f"rounding of the forward pass measured against {words}")
    count = 1
    if chance and not state:
        count = DRAWS
        others = [run.terms(run.outputs(run.options(draw))) for draw in range(1, DRAWS)]
        found = {name: over_draws([found[name], *(o[name] for o in others)]) for name in found}
        notes.append(
            f"{chance}: drawn {DRAWS} times; the intervals hold all but one in 100,000 "
            "draws if these scatter normally, which is no bound"
        )
    found = {name: widened(term, widths[name]) for name, term in found.items()}
    policy = run.policy(words) | drawn_in_words(chance, count, state)
    return Measured(found, run.joined(first), widths, count, tuple(notes), policy)


def drawn_in_words(chance: str, count: int, state: str) -> dict[str, str]:
    """With which seeds, or from which stored state; nothing where nothing is drawn."""
    if not chance:
        return {}
    if state:
        digest = sha256(state.encode()).hexdigest()[:16]
        return {"draws": f"from the batch's random state, sha256 {digest}"}
    return {"draws": f"seeds 0 to {count - 1}" if count > 1 else "seed 0"}


def compute_terms_once(
    adapter: Adapter,
    models: Models,
    tensors: Tensors,
    depth: Depth,
    definitions: Mapping[str, Definition],
    dtype: str,
    conditions: Conditions | None = None,
    rng: str = "",
) -> Measured:
    """Run a step's forward pass a single time: its terms as above, without a bound.

    Args:
        adapter, models, tensors, depth, definitions, dtype, conditions, rng: as `measure_terms`
            takes them.

    Returns:
        Terms whose intervals are open at both ends: nothing may be decided with them.

    Raises:
        InputError, UsageError: as `measure_terms`.
    """
    run = Run(adapter, models, tensors, depth, definitions, dtype, conditions or Conditions())
    chance, state = run.chance(rng)
    drawn = [f"{chance}: {FROM_STATE if state else 'drawn once'}"] if chance else []
    first = run.outputs(run.options(0, state))
    found = {name: widened(term, math.inf) for name, term in run.terms(first).items()}
    said = (*run.conditions.notes, *drawn, UNMEASURED)
    policy = run.policy("") | drawn_in_words(chance, 1, state)
    return Measured(found, run.joined(first), {}, 1, said, policy)


class Run(Struct, frozen=True):
    """What stays the same over the passes of one step; see `measure_terms`."""

    adapter: Adapter
    models: Models
    tensors: Tensors
    depth: Depth
    definitions: Mapping[str, Definition]
    dtype: str
    conditions: Conditions

    def chance(self, rng: str) -> tuple[str, str]:
        """What the pass has to draw, in words, and the random state that repeats it; or empty."""
        if self.depth != "full":
            return "", ""
        found = "; ".join(randomness(self.adapter, self.models, self.tensors))
        known = bool(found) and stored_state(rng, self.models.device) is not None
        return found, rng if known else ""

    def options(self, draw: int, rng: str = "") -> PassOptions:
        """As training ran it, without TF32, which depends on the device."""
        return PassOptions(autocast=self.conditions.autocast, draw=draw, rng=rng)

    def policy(self, second: str) -> dict[str, str]:
        """In which numbers the passes were run; `second` names the other precisions."""
        lowered = self.conditions.autocast
        first = self.options(0)
        return {
            "forward_pass": first.dtype + ("" if lowered == "none" else f", autocast to {lowered}"),
            **({"second_pass": second} if second else {}),
            **terms_in_words(self.definitions, self.dtype),
        }

    def second(self, is_drawn: bool, rng: str = "") -> list[PassOptions]:
        """The other precisions; float32 tells what autocast to 16 bits did, at half the cost.

        Drawn latents were encoded in float16, which only the float64 pass leaves out.
        """
        lowered = self.depth == "full" and self.conditions.autocast != "none"
        found = [PassOptions("float32" if lowered and not is_drawn else "float64", rng=rng)]
        tf32, products = self.conditions.tf32, self.conditions.tf32_products
        if tf32 or products:
            found.append(replace(self.options(0, rng), tf32=tf32, tf32_products=products))
        return found

    def outputs(self, options: PassOptions, tensors: Tensors | None = None) -> dict[str, Tensor]:
        """One pass, all that it gives on one device."""
        found = self.adapter.forward(self.models, tensors or self.tensors, self.depth, options)
        device = next(iter(found.values())).device
        return {name: tensor.to(device) for name, tensor in found.items()}

    def joined(self, outputs: Tensors) -> dict[str, Tensor]:
        """The batch's tensors with what a pass computed, on the pass's device."""
        device = next(iter(outputs.values())).device
        return {n: t.to(device) for n, t in self.tensors.items()} | dict(outputs)

    def terms(self, outputs: Tensors) -> dict[str, Recomputed]:
        """Every term."""
        joined = self.joined(outputs)
        definitions = self.definitions.items()
        return {n: recompute_term(d, joined, d.dtype or self.dtype) for n, d in definitions}

    def noise(
        self, first: Tensors, second: Sequence[PassOptions], is_drawn: bool
    ) -> dict[str, float]:
        """{term: half-width}, from the first samples of the batch where that can be.

        Draws are those of the whole batch, and a term that is not a sum over elements may mix
        samples: then all of them are measured.
        """
        batch = len(next(iter(first.values())))
        elementwise = all(d.kind in ELEMENTWISE for d in self.definitions.values())
        count = SAMPLES_MEASURED if elementwise and not is_drawn else batch
        some = {n: t[:count] if t.dim() and len(t) == batch else t for n, t in self.tensors.items()}
        ours = {n: t[:count] for n, t in first.items()}
        here = {n: t.to(next(iter(ours.values())).device) for n, t in some.items()} | ours
        found = dict.fromkeys(self.definitions, 0.0)
        for options in second:
            other = self.outputs(options, some)
            for name, definition in self.definitions.items():
                change = change_of(definition, here, other, definition.dtype or self.dtype)
                scale = batch / count if definition.reduction == "sum" else 1.0
                found[name] = max(found[name], NOISE_FACTOR * scale * change)
        return found
