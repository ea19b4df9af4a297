"""Batches and weights -> the terms of their steps: gathers tensors, runs networks, no verdict."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from lossaudit.errors import InputError, UsageError
from lossaudit.model.replay import Depth, Interval, Recomputed, Replay, StoredFile
from lossaudit.model.steps import NO_STEP
from lossaudit.numerics.formats import FORMATS
from lossaudit.spec.definition import Definition
from lossaudit.spec.schema import Spec
from lossaudit.spec.tree import term_names
from lossaudit.witnesses.recorded_environment import environment_of
from lossaudit.witnesses.replay.adapter import Adapter, Models, find_parts, load_adapter
from lossaudit.witnesses.replay.batch import SampleBatch, depth_of, read_batch
from lossaudit.witnesses.replay.checkpoint import Checkpoint, open_checkpoint
from lossaudit.witnesses.replay.device import told_of_device
from lossaudit.witnesses.replay.names import listed
from lossaudit.witnesses.replay.recompute_term import recompute_term
from lossaudit.witnesses.replay.request import Pair, Request
from lossaudit.witnesses.replay.stored_draws import rng_on
from lossaudit.witnesses.replay.surroundings import terms_in_words
from lossaudit.witnesses.replay.term import is_known_kind
from lossaudit.witnesses.replay.term_dtype import check_claim, widened, with_dtypes

if TYPE_CHECKING:
    from torch import Tensor

UNKNOWN = Interval(float("nan"), float("nan"), float("nan"))
"""The total of a replay before it is settled: the formula belongs to `closure`."""

Definitions = Mapping[str, Definition]


class Computed(Struct, frozen=True):
    """The terms of one step, and what they were computed from.

    Attributes:
        terms: by the names that were asked for.
        tensors: the batch's, with what networks computed.
        noise: {term: half-width that the forward pass adds}.
        caution: what makes the intervals wide.
        policy: in which numbers they were computed, and what was drawn how.
    """

    terms: Mapping[str, Recomputed]
    tensors: Mapping[str, Tensor]
    noise: Mapping[str, float] = field(default_factory=dict)
    caution: str = ""
    policy: Mapping[str, str] = field(default_factory=dict)


class Step(Struct, frozen=True):
    """A pair that is open: its batch, and its networks where its depth needs some."""

    pair: Pair
    batch: SampleBatch
    depth: Depth
    models: Models | None = None
    adapter: Adapter | None = None

    @property
    def files(self) -> tuple[StoredFile, ...]:
        """Every file that was read for it."""
        return (self.batch.file, *(self.models.files if self.models is not None else ()))


class Replayer(Struct):
    """Replays pairs one after the other; networks stay loaded while the weights stay the same.

    Args:
        spec: whose terms are recomputed.
        request: parts of the model, device and the like.
        device: as chosen, such as "cpu".
        adapter: of the model, or None where none is known.
        demanded: weights of the formula that every batch must state, where no log can.
    """

    spec: Spec
    request: Request
    device: str
    adapter: Adapter | None = None
    demanded: frozenset[str] = frozenset()
    _loaded: tuple[str, Models] | None = None
    _refused: str = ""

    def definitions(self) -> dict[str, Definition]:
        """Of the terms in the formula and its rivals that say what they are computed from."""
        spec, beyond = self.spec, self.beyond()
        used = term_names([spec.formula, *(expr for expr, _ in spec.rivals.values())])
        found = {n: spec.terms[n] for n in used if n in spec.terms and n not in beyond}
        return {n: d for n, d in found.items() if d.kind and d.prediction}

    def beyond(self) -> dict[str, str]:
        """{term: why} of those that the model cannot give and no term function computes."""
        cannot = self.adapter.cannot if self.adapter is not None else {}
        terms = self.spec.terms
        return {n: w for n, w in cannot.items() if n in terms and not is_known_kind(terms[n].kind)}

    def open(self, pair: Pair, depth: Depth | None = None) -> Step:
        """Read a batch, decide how deep it is replayed, and load what that needs.

        Raises:
            InputError: if a file cannot be read, or tensors are missing.
            UsageError: if the spec defines no term, or the networks cannot be run.
        """
        batch = read_batch(pair.batch)
        check_claim(batch, self.spec.dtype)
        if lacking := sorted(self.demanded - batch.terms.keys()):
            raise UsageError(
                f"the weight {listed(lacking)} of the formula is no term that can be recomputed, "
                f"and {batch.path} does not state it",
                expected="--log LOG, a log that has it beside the total",
            )
        wanted = depth or self._depth(pair, batch)
        if wanted == "tensors":
            return Step(replace(pair, checkpoint=""), batch, wanted)
        adapter = self._known_adapter()
        if wanted == "full" and not pair.checkpoint:
            raise InputError(
                "holds no predictions, so weights are needed to compute them",
                where=batch.path,
                expected="a checkpoint, or a batch with a prediction and a target of every term",
            )
        checkpoint = pair.checkpoint if wanted == "full" else ""
        models = self._models(adapter, checkpoint)
        return Step(replace(pair, checkpoint=checkpoint), batch, wanted, models, adapter)

    def compute(self, step: Step, definitions: Definitions) -> Computed:
        """The given terms of a step."""
        dtype = self.dtype_of(step.batch)
        if step.models is None or step.adapter is None:
            definitions, guessed = with_dtypes(definitions, step.batch, dtype)
            terms = {
                n: recompute_term(d, step.batch.tensors, d.dtype or dtype)
                for n, d in definitions.items()
            }
            terms = widened(terms, definitions, dtype)
            said = "; ".join((*self._left_out(), *guessed))
            policy = terms_in_words(definitions, dtype)
            return Computed(terms, step.batch.tensors, caution=said, policy=policy)
        from lossaudit.witnesses.replay.conditions import conditions_of
        from lossaudit.witnesses.replay.precision import compute_terms_once, measure_terms

        declared, tensors = self.spec.replay, step.batch.tensors
        told = environment_of(step.batch.environment)
        conditions = conditions_of(step.adapter, tensors, declared.autocast, declared.tf32, told)
        compute = measure_terms if self.request.measures_rounding else compute_terms_once
        rng = rng_on(step.batch, self.device)
        given = step.adapter, step.models, tensors, step.depth, definitions, dtype
        with told_of_device(self.device):
            measured = compute(*given, conditions, rng)
        caution = "; ".join((*self._left_out(), *measured.notes, *step.models.said))
        return Computed(measured.terms, measured.tensors, measured.noise, caution, measured.policy)

    def _left_out(self) -> list[str]:
        return [f"{name} is not recomputed: it {why}" for name, why in self.beyond().items()]

    def replay(self, step: Step, definitions: Definitions | None = None) -> Replay:
        """A step with its terms; its total is settled later."""
        return self.as_replay(step, self.compute(step, definitions or self.definitions()))

    def as_replay(self, step: Step, computed: Computed) -> Replay:
        """What was computed of a step, with what its batch states."""
        batch = step.batch
        return Replay(
            NO_STEP if batch.step is None else batch.step,
            batch.path,
            step.pair.checkpoint,
            step.depth,
            self.device if step.models is not None else "cpu",
            UNKNOWN,
            computed.terms,
            batch.total,
            dict(batch.terms),
            step.files,
            self.dtype_of(batch),
            caution=computed.caution,
            rank=batch.rank,
            policy=computed.policy,
            is_bounded=step.models is None or self.request.measures_rounding,
        )

    def dtype_of(self, batch: SampleBatch) -> str:
        """In which training computed the terms: as the batch states, else as the spec declares."""
        return batch.dtype if batch.dtype in FORMATS else self.spec.dtype

    def _depth(self, pair: Pair, batch: SampleBatch) -> Depth:
        """Full where weights are named; else the shallowest depth that gives every term."""
        if not pair.checkpoint:
            return depth_of(self.spec, batch, self.adapter)
        adapter = self._known_adapter()
        if lacking := adapter.missing("full", batch.tensors):
            raise InputError(
                f"lacks {', '.join(lacking)}, which {adapter.name} needs to run the weights",
                where=batch.path,
                hint="without a checkpoint the stored predictions are used",
            )
        return "full"

    def _known_adapter(self) -> Adapter:
        if self.adapter is None:
            raise UsageError(
                f"the spec {self.spec.name!r} does not say which model the checkpoint is of",
                expected="replay: {adapter: NAME} in the spec, or --adapter NAME",
                hint="without a checkpoint the stored predictions are used",
            )
        return self.adapter

    def _models(self, adapter: Adapter, path: str) -> Models:
        if self._loaded is None or self._loaded[0] != path:
            self._loaded = None  # the old networks go before the new ones come
            checkpoint: Checkpoint | None = None
            if path:
                checkpoint = open_checkpoint(path, self.request.allow_pickle)
            with told_of_device(self.device):
                self._loaded = path, adapter.load(checkpoint, self.request.parts, self.device)
        return self._loaded[1]


def replayer_for(spec: Spec, request: Request, device: str) -> Replayer:
    """A replayer with the adapter that the user or the spec names."""
    name = request.adapter or spec.replay.adapter
    adapter = load_adapter(name) if name else None
    if adapter is not None:
        beside = dict.fromkeys(Path(p).parent for p in (*_weights(request), *_batches(request)))
        parts = {**find_parts(adapter, map(str, beside)), **request.parts}
        request = replace(request, parts=parts)
    return Replayer(spec, request, device, adapter)


def _weights(request: Request) -> list[str]:
    return [p.checkpoint for p in request.pairs if p.checkpoint]


def _batches(request: Request) -> list[str]:
    """The folders that hold the batches, beside which a run keeps the parts of its model."""
    return [str(Path(p.batch).parent) for p in request.pairs]
