from __future__ import annotations

import math
import sys

import pytest

from lossaudit.model.steps import steps_in_words
from lossaudit.rendering.grid import Cell, Heading, room_beside
from lossaudit.rendering.numbers import (
    decimals_for,
    render_excess,
    render_interval,
    render_percent,
    render_residual,
    render_tolerance,
    render_total,
)
from lossaudit.rendering.safe_text import clip, escape_json, escape_text, shorten_middle
from lossaudit.rendering.sparkline import render_bar, render_sparkline, render_stack
from lossaudit.rendering.weights import linear_weights


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\nb\rc\td", r"a\nb\rc\td"),
        ("\x07\x9b\x7f", r"\x07\x9b\x7f"),
        ("\u202ex\u200b\u2028", r"\u202ex\u200b\u2028"),
        ("\U000e0041", r"\U000e0041"),
        ("\udc80", r"\udc80"),
        ("\ufe0f\u3164\u034f", r"\ufe0f\u3164\u034f"),
        ("::add-mask::x", r":\x3aadd-mask:\x3ax"),
        (":::", r":\x3a\x3a"),
        (
            "##[error]x ##vso[y] ##teamcity[z] ## title",
            r"#\x23[error]x #\x23vso[y] #\x23teamcity[z] ## title",
        ),
        ("[red]x[/x] C:\\new µ 損失", "[red]x[/x] C:\\new µ 損失"),
    ],
)
def test_text_is_shown_not_obeyed(text: str, shown: str) -> None:
    assert escape_text(text) == shown
    assert escape_text(shown) == shown, "escaping twice changes nothing"


def test_no_invisible_character_survives() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    shown = escape_text(everything)
    assert shown.isprintable()
    assert shown.encode()


def test_json_keeps_the_value_and_hides_nothing() -> None:
    assert escape_json('"\x7f\u202e\U000e0041é##[x"') == r'"\u007f\u202e\udb40\udc41é#\u0023[x"'


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [("short", 5, "short"), ("runs/stage1/log.jsonl", 12, "run…og.jsonl"), ("ab", 1, "…")],
)
def test_long_names_lose_their_middle(text: str, width: int, shown: str) -> None:
    assert shorten_middle(text, width) == shown


def test_clipped_text_says_how_much_is_missing() -> None:
    assert clip("a" * 12, 10) == "aaaaaaaaaa… (2 more characters)"


def test_numbers_read_as_in_messages() -> None:
    assert render_residual(0.0331) == "+3.3e-02"
    assert render_residual(math.nan) == "NaN"
    assert render_residual(-math.inf) == "-inf"
    assert render_tolerance(1.1e-4) == "1.1e-04"
    assert render_tolerance(0.0) == "0"
    assert steps_in_words(1200, 40000) == "steps 1,200 to 40,000"
    assert steps_in_words(7, 7) == "step 7"
    assert steps_in_words(-1, 7) == "a record without a step to step 7"
    assert steps_in_words(-1, -1) == "a record without a step"
    assert render_percent(0.3641) == "36.4%"
    assert render_percent(0.0004) == "<0.1%"
    assert render_percent(math.nan) == "NaN"


@pytest.mark.parametrize(
    ("excess", "shown"),
    [
        (313.4, "313 x"),
        (1.0004, "1.01 x"),
        (2451.0, "2,451 x"),
        (3.2e9, "3.2e+09 x"),
        (math.inf, "infinite"),
        (math.nan, "NaN"),
    ],
)
def test_excess_never_reads_as_explained(excess: float, shown: str) -> None:
    assert render_excess(excess) == shown


@pytest.mark.parametrize(
    ("total", "residual", "tolerance", "shown"),
    [
        (2.333, 0.033, 1.1e-4, "2.3330"),
        (36.0, 2.5e-7, 1.2e-7, "36.00000000"),
        (1.5e-7, 5e-8, 0.0, "1.50e-07"),
        (1e300, math.inf, 1e284, "1.000000e+300"),
        (math.nan, math.nan, 0.1, "NaN"),
        (2.5, 0.5, math.inf, "2.50"),
    ],
)
def test_totals_have_the_digits_that_show_the_residual(
    total: float, residual: float, tolerance: float, shown: str
) -> None:
    assert render_total(total, decimals_for(residual, tolerance)) == shown


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (1.99904, 2.00117, "1.9990 .. 2.0012"),
        (0.0, 14.2, "0 .. 15"),
        (-math.inf, math.inf, "any"),
        (-math.inf, 2.0, "up to 2"),
        (1.0, math.inf, "1 and above"),
        (2.0, 2.0, "2"),
        (None, None, "not certified"),
    ],
)
def test_certified_intervals_are_rounded_outwards(
    low: float | None, high: float | None, shown: str
) -> None:
    assert render_interval(low, high) == shown


def test_sparkline_scales_and_leaves_gaps() -> None:
    assert render_sparkline([0, 1, math.nan, 7, math.inf], 10) == "▁▂ █ "
    assert render_sparkline([5, 5, 5], 10) == "▄▄▄"
    assert render_sparkline([], 10) == ""
    assert render_sparkline([math.nan, math.nan], 10) == ""
    assert render_sparkline([0.0, 0.0, 8.0, 8.0], 2) == "▁█"
    assert render_sparkline([-1e308, 1e308], 2) == "▁█"


def test_bar_has_eighths() -> None:
    assert render_bar(0.5, 8) == "████"
    assert render_bar(0.515, 10) == "█████▏"
    assert render_bar(math.nan, 8) == ""
    assert render_bar(9.0, 3) == "███"


def test_a_line_that_hardly_moves_keeps_to_the_middle() -> None:
    assert render_sparkline([0.50, 0.51], 2) == "▁█"
    assert render_sparkline([0.50, 0.51], 2, least_span=0.1) == "▄▅"
    assert render_sparkline([0.5, 0.5], 2, least_span=0.1) == "▄▄"
    assert render_sparkline([0.0, 1.0], 2, least_span=0.1) == "▁█"


def test_bar_marks_a_limit_that_it_does_not_reach() -> None:
    assert render_bar(0.5, 8, limit=0.75) == "████  ┊"
    assert render_bar(0.5, 8, limit=1.0) == "████   ┊"
    assert render_bar(0.75, 8, limit=0.75) == "██████┊"
    assert render_bar(0.9, 8, limit=0.75) == render_bar(0.9, 8)
    assert render_bar(0.0, 8, limit=0.0) == "┊"


def test_stack_puts_shares_end_to_end() -> None:
    assert render_stack([0.5, 0.5], 8) == "████▒▒▒▒"
    assert render_stack([0.1, 0.2, 0.3, 0.2, 0.2], 10) == "█▒▒▓▓▓░░██"
    assert render_stack([2.0, 2.0], 4) == "██▒▒"
    for nothing in ([], [0.0], [math.nan, 1.0], [math.inf], [-1.0, 3.0]):
        assert render_stack(nothing, 8) == ""
    assert len(render_stack([1e308, 1.0], 8)) == 8


def test_the_last_column_has_the_room_that_the_others_leave() -> None:
    headings = (Heading("term"), Heading("x", detail="longer"), Heading("line"))
    rows = [(Cell("a" * 10), Cell("1"), Cell(""))]
    assert room_beside(headings, rows, 80, 60) == 80 - 10 - 6 - 3 * 2
    assert room_beside(headings, rows, 30, 60) == 8
    assert room_beside(headings, rows, 200, 60) == 60


@pytest.mark.parametrize(
    ("formula", "weights"),
    [
        ("2.0*loss_lip + loss_latents", {"loss_lip": 2.0, "loss_latents": 1.0}),
        ("total = a - 1e-3 * `loss/b` + c*.5", {"a": 1.0, "loss/b": -0.001, "c": 0.5}),
        ("-a + a*3", {"a": 2.0}),
        ("where(step > 3, a, b)", None),
        ("2.0*(a + b)", None),
        ("a*b", None),
        ("a + lambda_b*b", None),
        ("a + 3", None),
        ("", None),
    ],
)
def test_only_plain_weighted_sums_have_weights(
    formula: str, weights: dict[str, float] | None
) -> None:
    assert linear_weights(formula) == weights
