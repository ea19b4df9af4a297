"""What is to be replayed: which batches, with which weights, on what."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field


class Pair(Struct, frozen=True, order=True):
    """One step to replay: the weights (empty: none are needed) and the sample batch."""

    checkpoint: str
    batch: str


class Request(Struct, frozen=True):
    """A replay as the user asked for it.

    Attributes:
        pairs: the steps.
        source: what they are called together in reports.
        parts: {part: path} of the model that the checkpoint does not hold, such as vae.
        adapter: the model's adapter by name, or package.module:function; None takes the spec's.
        device: auto, cpu, cuda or cuda:N.
        allow_pickle: whether pickled weights may be read, in a process with limits.
        others: further checkpoints at hand, to be tried where one does not reproduce its step.
        measures_rounding: run each forward pass a second time to see what rounding does in it;
            without that its terms have no bound, and no verdict is taken from them.
        notes: (kind, why) of what was named and is not replayed so.
        is_lenient: where networks cannot be run, replay what the batches hold and say so.
    """

    pairs: tuple[Pair, ...]
    source: str
    parts: Mapping[str, str] = field(default_factory=dict)
    adapter: str | None = None
    device: str = "auto"
    allow_pickle: bool = False
    others: tuple[str, ...] = ()
    is_lenient: bool = False
    measures_rounding: bool = True
    notes: tuple[tuple[str, str], ...] = ()
