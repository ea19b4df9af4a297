"""Steps in words; a record of a log may have none."""

from __future__ import annotations

NO_STEP = -1
"""Stands for the step of a record without one in a log whose other records have theirs."""


def step_in_words(step: int) -> str:
    """`step 1,200`, or `a record without a step`."""
    return "a record without a step" if step == NO_STEP else f"step {step:,}"


def steps_in_words(first: int, last: int) -> str:
    """`step 7`, `steps 1,200 to 40,000`, or what is left of that where an end has no step."""
    if first == last:
        return step_in_words(first)
    if NO_STEP in (first, last):
        return f"{step_in_words(first)} to {step_in_words(last)}"
    return f"steps {first:,} to {last:,}"
