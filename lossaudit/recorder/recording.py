"""The recorder: terms, effective weights, random states and sample batches of a training run."""

from __future__ import annotations

import atexit
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from lossaudit.errors import UsageError
from lossaudit.recorder.batches import copied, drop_oldest, write_batch
from lossaudit.recorder.environment import training_environment
from lossaudit.recorder.gradients import gradient_norms
from lossaudit.recorder.layout import Rank, batch_path, current_rank, log_path, partial_path
from lossaudit.recorder.lines import append_line
from lossaudit.recorder.losses import Losses
from lossaudit.recorder.random_state import random_state
from lossaudit.recorder.values import (
    dtype_of,
    json_of,
    number_of,
    numbers_of,
    own_name,
    printable,
    step_number,
)
from lossaudit.recorder.weights import probe

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(slots=True)
class _Begun:
    """What was kept of the step that was begun last; nothing unless it is due."""

    step: int
    is_due: bool
    rng: str = ""
    tensors: dict[str, Tensor] = field(default_factory=dict)


class Recorder:
    """Records some steps of a training loop into the run's folder, for `lossaudit` to audit.

    On any other step it does nothing, and waits for no device. It never raises from within the
    loop: what cannot be written is logged once (logger "lossaudit.recorder"), tried again on the
    next such step, and summed up by `close`. What was written stays, whatever happens: each record
    and batch is there as a whole or not at all, and a resumed run appends.

    Args:
        run_dir: the run's folder; `record/` and `batches/` are made in it.
        every: steps 1, 1 + every, 1 + 2*every, ... are recorded: the first one that each
            checkpoint written after a multiple of `every` reproduces. None: only those in `at`.
        at: more steps to record.
        keep: how many batches may be there; the oldest go first. None: as many as fit.
        max_bytes: of all batches, and one more while it is written. Records are never dropped.
        all_ranks: in distributed training every rank writes, into files of its own; else rank 0.
        producer: what the batches say they were written by.

    Raises:
        UsageError: if an argument makes no sense.
    """

    def __init__(
        self,
        run_dir: str | os.PathLike[str],
        every: int | None = 1000,
        *,
        at: Collection[int] = (),
        keep: int | None = None,
        max_bytes: int = 1 << 30,
        all_ranks: bool = False,
        producer: str = "",
    ) -> None:
        self._run_dir = Path(run_dir)
        if self._run_dir.exists() and not self._run_dir.is_dir():
            raise UsageError(f"{str(run_dir)!r} is no folder", expected="the folder of the run")
        for name, value in (("every", every), ("keep", keep), ("max_bytes", max_bytes)):
            if value is not None and (not isinstance(value, int) or value < 1):
                raise UsageError(f"{name} is {value!r}", expected="a whole number of at least 1")
        self._every, self._at, self._all_ranks = every, frozenset(at), all_ranks
        self._keep, self._max_bytes = keep, max_bytes
        self._producer = producer or own_name()
        self._losses = Losses()
        self._recorded: int | None = None
        self._environment: dict[str, str] = {}
        self._begun: _Begun | None = None
        atexit.register(self.close)

    def is_due(self, step: int) -> bool:
        """Whether this process records this step, and has not done so yet.

        Of several micro-batches that carry one step's number, the first one recorded counts.
        """
        number = step_number(step)
        if number is None or number == self._recorded:
            return False
        due = number in self._at or (
            self._every is not None and number > 0 and (number - 1) % self._every == 0
        )
        return due and (self._all_ranks or not current_rank().number)

    def begin(self, step: int, tensors: Mapping[str, Any] | None = None) -> None:
        """Keep the state of all random generators, before the step draws anything from them.

        Args:
            step: the number under which the step will be recorded.
            tensors: as in `keep`.
        """
        if (number := step_number(step)) is None:
            return  # `record` says so
        self._begun = _Begun(number, self.is_due(number))
        if self._begun.is_due:
            with self._losses.survived("random state", number):
                self._begun.rng = random_state()
            if tensors:
                self.keep(tensors)

    def keep(self, tensors: Mapping[str, Any]) -> None:
        """Copy tensors of the step that was begun, before the loop changes or renames them.

        Args:
            tensors: by the spec's names, any shape; copied to the CPU if the step is due.
        """
        if self._begun is None:
            self._losses.note("kept tensors", None, UsageError("keep was called before begin"))
        elif self._begun.is_due:
            with self._losses.survived("kept tensors", self._begun.step):
                self._begun.tensors.update(copied(tensors))

    def record(
        self,
        step: int,
        total: Any,
        terms: Mapping[str, Any],
        tensors: Mapping[str, Any] | None = None,
        *,
        gradients_at: Sequence[Tensor] = (),
    ) -> None:
        """Record a step, if it is due. Call it before `backward()`, so that `probe` can ask.

        Args:
            step: as the log will have it.
            total: what is differentiated: a tensor of one element, or any number.
            terms: by the spec's names, before their weights; the tensors that the total was
                computed from, or numbers.
            tensors: more of the sample batch, by the spec's names: together with those kept, at
                least what the terms were computed from.
            gradients_at: tensors that every term is computed from, such as the weights of the
                network's last layer: how strongly each weighted term pulls at them is recorded.
                Costs a backward pass from each term to them, on recorded steps alone.
        """
        if (number := step_number(step)) is None:
            self._losses.note("record", step, UsageError(f"the step is {step!r}"))
        elif self.is_due(number):
            self._recorded = number
            begun, self._begun = self._begun or _Begun(number, is_due=True), None
            if begun.step != number:
                mismatch = f"begin was called for step {begun.step}, record for {number}"
                self._losses.note("kept tensors", number, UsageError(mismatch))
                begun = _Begun(number, is_due=True)
            with self._losses.survived("record", number):
                rank = current_rank()
                metadata = self._write_numbers(begun, rank, total, terms, gradients_at)
                if tensors or begun.tensors:
                    with self._losses.survived("batch", number):
                        batch = begun.tensors | copied(tensors or {})
                        self._write_batch(number, rank, batch, metadata)

    def close(self) -> None:
        """Log what could not be recorded. Runs at the interpreter's end as well."""
        atexit.unregister(self.close)
        self._losses.say()
        self._losses = Losses()

    @property
    def lost(self) -> tuple[str, ...]:
        """What could not be recorded so far, one line for each kind of thing."""
        return self._losses.summary()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _write_numbers(
        self,
        begun: _Begun,
        rank: Rank,
        total: Any,
        terms: Mapping[str, Any],
        gradients_at: Sequence[Tensor],
    ) -> dict[str, str]:
        """The record first: it is small, and what a full disk may still take. -> batch metadata"""
        step = begun.step
        numbers = {"total": number_of("total", total), **numbers_of(terms)}
        self._append("terms", step, rank, numbers)
        metadata = {
            "step": str(step),
            **{name: repr(number) for name, number in numbers.items()},
            "dtype": dtype_of(total),
            "producer": self._producer,
        }
        with self._losses.survived("effective weights", step):
            if hasattr(total, "requires_grad"):
                weights = {printable(name): w for name, w in probe(total, terms).items()}
                self._append("weights", step, rank, weights)
                metadata["weights"] = json_of(weights)
        if gradients_at:
            with self._losses.survived("gradients", step):
                norms = gradient_norms(total, terms, gradients_at)
                self._append("gradients", step, rank, {printable(n): v for n, v in norms.items()})
        with self._losses.survived("environment", step):
            metadata["environment"] = self._write_environment(step, rank, total)
        if begun.rng:
            metadata["rng"] = begun.rng
        if rank.world_size > 1:
            metadata["rank"] = f"{rank.number} of {rank.world_size}"
        return metadata

    def _write_environment(self, step: int, rank: Rank, total: Any) -> str:
        """As JSON; into the file where it is the process's first, or another than before."""
        found = training_environment(total) | {"world_size": str(rank.world_size)}
        lasting = {name: value for name, value in found.items() if name != "seed"}
        if lasting != self._environment:
            self._append("environment", step, rank, found)
            self._environment = lasting
        return json_of(found)

    def _write_batch(
        self, step: int, rank: Rank, batch: dict[str, Tensor], metadata: dict[str, str]
    ) -> None:
        path = batch_path(self._run_dir, step, rank)
        # before it too: a kill may have come between the two often enough
        drop_oldest(self._run_dir, rank, self._keep, self._max_bytes, path)
        write_batch(path, partial_path(self._run_dir, rank), batch, metadata, self._max_bytes)
        drop_oldest(self._run_dir, rank, self._keep, self._max_bytes, path)

    def _append(
        self, name: str, step: int, rank: Rank, values: Mapping[str, float | str | None]
    ) -> None:
        line = json_of({"step": step, **values})
        append_line(log_path(self._run_dir, name, rank), line.encode())
