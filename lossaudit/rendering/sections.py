"""What a report says of a result, section by section, whatever the format."""

from __future__ import annotations

from collections.abc import Iterator

from lossaudit.model.finding import Verdict
from lossaudit.model.result import ExitCode, Result, Witness
from lossaudit.rendering.balance_grids import course_grid, gradients_grid, ratios_grid, shares_grid
from lossaudit.rendering.grid import Grid
from lossaudit.rendering.identification_grids import found_weights_grid, runners_up_grid
from lossaudit.rendering.other_weights import equal_grid, what_if_grid
from lossaudit.rendering.replay_grids import replayed_terms_grid, replays_grid
from lossaudit.rendering.weights import weights_grid
from lossaudit.rendering.witness_grids import reading_grid, series_grid, violations_grid

MEANINGS = {
    ExitCode.PASS: "the declared formula holds, and no finding reaches --fail-on",
    ExitCode.FINDING: "at least one finding reaches --fail-on",
    ExitCode.USAGE: "the command line or the spec has an error",
    ExitCode.INCONCLUSIVE: "inconclusive, which is no pass; --allow-inconclusive makes it 0",
    ExitCode.DAMAGED: "an input is damaged or refused; what could be read was audited",
    ExitCode.BUG: "a bug in lossaudit",
}


def witness_grids(witness: Witness, result: Result, width: int) -> Iterator[Grid]:
    """What one witness is asked for: its balance, its formula, or whether the formula holds.

    Args:
        witness: one of the result's.
        result: the whole.
        width: characters of a line, for paths and sparklines.
    """
    yield from (grid for grid in _grids(witness, result, width) if grid is not None)


def _grids(witness: Witness, result: Result, width: int) -> Iterator[Grid | None]:
    if is_balance(result):
        yield shares_grid(witness, width)
        yield gradients_grid(witness, width)
        yield course_grid(witness, width)
        yield ratios_grid(witness, width)
        yield equal_grid(witness)
        yield what_if_grid(witness, width)
    elif witness.identification is not None:
        yield found_weights_grid(witness.identification)
        yield runners_up_grid(witness.identification)
        yield violations_grid(witness)
        yield reading_grid(witness)
    elif witness.replays:
        yield replays_grid(witness)
        yield replayed_terms_grid(witness)
        yield weights_grid(witness, result)
        yield shares_grid(witness, width)
        yield gradients_grid(witness, width)
        yield reading_grid(witness)
    else:
        yield weights_grid(witness, result)
        yield violations_grid(witness)
        yield shares_grid(witness, width)
        yield gradients_grid(witness, width)
        yield series_grid(witness, max(8, min(width - 50, 60)))
        yield reading_grid(witness)


def is_balance(result: Result) -> bool:
    """Whether `lossaudit balance` was asked."""
    return any(w.balance is not None for w in result.witnesses)


def is_identification(result: Result) -> bool:
    """Whether `lossaudit identify` was asked."""
    return any(w.identification is not None for w in result.witnesses)


def exit_code_meaning(result: Result) -> str:
    """Why the exit code is what it is, in words."""
    if is_balance(result) and result.exit_code is ExitCode.INCONCLUSIVE:
        return "no shares could be given; --allow-inconclusive makes it 0"
    if is_balance(result) and result.exit_code is ExitCode.PASS:
        shown = any(w.shares for w in result.witnesses)
        return f"{'' if shown else 'no '}shares are given, and no finding reaches --fail-on"
    if is_identification(result) and result.exit_code is ExitCode.PASS:
        return "one formula is established, and no finding reaches --fail-on"
    if result.exit_code is ExitCode.PASS and result.verdict is Verdict.INCONCLUSIVE:
        return "inconclusive, allowed by --allow-inconclusive"
    if result.exit_code is ExitCode.PASS and result.verdict is Verdict.FAIL:
        return "the declared formula is refuted, but no finding reaches --fail-on"
    return MEANINGS[result.exit_code]
