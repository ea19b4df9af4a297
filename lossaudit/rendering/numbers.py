"""Numbers as reports and messages write them."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext

MOST_DECIMALS = 15


def render_residual(residual: float) -> str:
    """Signed, two significant digits: `+3.3e-02`."""
    return _special(residual, signed=True) or f"{residual:+.1e}"


def render_tolerance(tolerance: float) -> str:
    """Two significant digits: `1.1e-04`; a tolerance of nothing is `0`."""
    return _special(tolerance) or (f"{tolerance:.1e}" if tolerance else "0")


def render_excess(excess: float) -> str:
    """How many tolerances a residual is: `313 x`; rounded up below 10: 1.0004 is no `1 x`."""
    if math.isnan(excess):
        return "NaN"
    if math.isinf(excess):
        return "infinite"
    if excess < 10:
        return f"{math.ceil(excess * 100) / 100:.3g} x"
    return f"{excess:,.0f} x" if excess < 1e6 else f"{excess:.1e} x"


def render_percent(share: float) -> str:
    """A share as `36.4%`."""
    if 0 < share < 0.001:
        return "<0.1%"
    return _special(share) or f"{100 * share:.1f}%"


def render_number(number: float) -> str:
    """Five significant digits, as few as the number needs."""
    return _special(number) or f"{number:.5g}"


def decimals_for(residual: float, tolerance: float) -> int:
    """How many decimals a total needs so that its residual, and what rounding explains, is seen.

    Two significant digits of the residual and the first of the tolerance.
    """
    needed = [0]
    if math.isfinite(residual) and residual:
        needed.append(1 - _exponent(residual))
    if math.isfinite(tolerance) and tolerance:
        needed.append(-_exponent(tolerance))
    return max(needed)


def render_total(total: float, decimals: int) -> str:
    """A total with that many decimals; in powers of ten where it is very large or very small."""
    if special := _special(total):
        return special
    exponent = _exponent(total) if total else 0
    if (decimals <= MOST_DECIMALS and -4 <= exponent < 12) or not total:
        return f"{total:.{min(decimals, MOST_DECIMALS)}f}"
    digits = exponent + decimals if decimals else 6
    return f"{total:.{min(max(digits, 2), 16)}e}"


def render_interval(low: float | None, high: float | None) -> str:
    """An interval, two digits finer than its width and rounded outwards: `1.9990 .. 2.0012`."""
    if low is None or high is None:
        return "not certified"
    if math.isinf(low) or math.isinf(high):
        ends = (f"up to {high:.6g}", f"{low:.6g} and above", "any")
        return ends[2 if math.isinf(low) and math.isinf(high) else int(math.isinf(high))]
    if low == high:
        return f"{low:.15g}"
    width = high - low
    decimals = min(max(0, 1 - _exponent(width)), MOST_DECIMALS) if width < math.inf else 0
    return f"{_rounded(low, decimals, ROUND_FLOOR)} .. {_rounded(high, decimals, ROUND_CEILING)}"


def _rounded(number: float, decimals: int, rounding: str) -> str:
    if abs(number) >= 1e15:
        return f"{number:.6g}"
    with localcontext() as context:
        context.prec = 40
        return f"{Decimal(number).quantize(Decimal(1).scaleb(-decimals), rounding):f}"


def _exponent(number: float) -> int:
    """Power of ten of the first significant digit; exact, subnormals included."""
    return Decimal(number).adjusted()


def _special(number: float, *, signed: bool = False) -> str:
    """`NaN`, `inf` or `-inf` for what is no finite number, else nothing."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return ("+inf" if signed else "inf") if number > 0 else "-inf"
    return ""
