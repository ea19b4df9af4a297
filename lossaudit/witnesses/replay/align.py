"""Which weights belong to which batch: the log precedes the update, the checkpoint follows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from lossaudit.errors import InputError, UsageError
from lossaudit.witnesses.replay.request import Pair
from lossaudit.witnesses.replay.step_names import step_of
from lossaudit.witnesses.replay.stored_kinds import stated_step

MOST_STEPS = 8


class Alignment(Struct, frozen=True):
    """Batches with their weights.

    Attributes:
        pairs: one for each batch.
        notes: (kind, what was not used and why).
    """

    pairs: tuple[Pair, ...]
    notes: tuple[tuple[str, str], ...]


def align(checkpoints: Sequence[str], steps: Mapping[str, int | None]) -> Alignment:
    """Replay each batch with the weights written after the update before its step.

    Args:
        checkpoints: whose names tell a step.
        steps: of the batches, by their paths.
    """
    numbered = {n: c for c in checkpoints if (n := step_of(c)) is not None}
    pairs, notes, used = list[Pair](), list[tuple[str, str]](), set[str]()
    for batch, step in steps.items():
        right = numbered.get(step - 1) if step is not None else None
        pairs.append(Pair(right or "", batch))
        if right is not None:
            used.add(right)
        elif numbered:
            notes.append(("replay", f"{batch}: {_without(step, numbered)}"))
    for checkpoint in checkpoints:
        if checkpoint not in used:
            after = (step_of(checkpoint) or 0) + 1
            notes.append(("checkpoint", f"{checkpoint}: no batch of step {after:,} is there"))
    return Alignment(tuple(pairs), tuple(notes))


def align_one(checkpoint: str, named: Sequence[str], found: Mapping[str, int | None]) -> Alignment:
    """Replay with one checkpoint the batches that were named, and those of a folder that fit it.

    Args:
        checkpoint: whose name may tell a step N: then it belongs to step N + 1.
        named: batches that the user named one by one: they are replayed with it in any case.
        found: {batch: step} in the folders that the user named.

    Raises:
        UsageError: if nothing is left to replay.
    """
    number = step_of(checkpoint)
    if number is None:
        return Alignment(tuple(Pair(checkpoint, b) for b in (*named, *found)), ())
    others = {b: s for b, s in found.items() if s is not None and s != number + 1}
    pairs = tuple(Pair(checkpoint, b) for b in (*named, *found) if b not in others)
    if not others:
        return Alignment(pairs, ())
    numbers = sorted(set(others.values()))
    steps = ", ".join(f"{s:,}" for s in numbers[:MOST_STEPS])
    steps += f" and {len(numbers) - MOST_STEPS} more" if len(numbers) > MOST_STEPS else ""
    belongs = f"belongs to step {number + 1:,}"
    if not pairs:
        raise UsageError(
            f"{checkpoint} {belongs}, and no batch is of that step",
            expected=f"its batch; there are those of steps {steps}",
            hint="a batch that is named as a file is replayed with any weights",
        )
    count = f"{len(others):,} batches (of steps" if len(others) > 1 else "1 batch (of step"
    need = "need" if len(others) > 1 else "needs"
    said = f"{count} {steps}) {need} other weights than {checkpoint}, which {belongs}"
    return Alignment(pairs, (("replay", said),))


def _without(step: int | None, numbered: Mapping[int, str]) -> str:
    if step is None:
        return "states no step, so no weights can be matched with it"
    if step <= 1:
        return "needs the weights that training began with; replayed without any"
    before = max((n for n in numbered if n < step - 1), default=None)
    nearest = f" (the newest before them, {numbered[before]}, are others)" if before else ""
    return f"needs the weights after update {step - 1:,}{nearest}; replayed without any"


def steps_of_batches(batches: Sequence[str]) -> dict[str, int | None]:
    """The step that each batch states; None where it states none or cannot be read."""
    found: dict[str, int | None] = {}
    for path in batches:
        try:
            found[path] = stated_step(path)
        except InputError:
            found[path] = None
    return found
