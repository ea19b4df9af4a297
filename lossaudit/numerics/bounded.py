"""Arithmetic on columns that carries, beside each value, how far training's value may lie from it.

A formula is evaluated on *logged* terms in float64; training evaluated it on the terms before they
were written, in its own dtype. For a `Bounded` x the two differ by at most

    radius + gamma(roundings) * magnitude + floor

radius     what writing the terms rounded away, carried through the formula
magnitude  the sum of |products| (Higham's sum of |w_i| (|t_i| + h_i)), so that cancellation counts
roundings  operations in the training dtype on the longest path
floor      what underflow may have lost: half the smallest subnormal for each product

Source: Higham 2002, sections 3.1 to 3.3 (gamma notation) and 2.8 (underflow).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from lossaudit.model.table import Bools, Floats
from lossaudit.numerics.formats import FORMATS, FloatFormat, gamma

LIBRARY_ROUNDINGS = 4
"""Roundings granted to exp, log and sqrt: torch's CPU and CUDA versions stay within 2 ulp."""

ZERO: Floats = np.zeros(())


class Bounded(Struct, frozen=True):
    """A column of values with its error, all arrays of shape (N,) or scalars that broadcast.

    Attributes:
        value: on the logged terms, in float64.
        radius, magnitude, floor: see the module's docstring; a radius of infinity marks a row that
            cannot be decided.
        roundings: operations in the training dtype on the longest path.
        exact: True for numbers that are known exactly (the step, small integers).
    """

    value: Floats
    radius: Floats
    magnitude: Floats
    floor: Floats
    roundings: int = 0
    exact: bool = False


class Arithmetic(Struct, frozen=True):
    """The training dtype's arithmetic.

    Attributes:
        dtype: in which the formula was evaluated in training.
        extra_roundings: added to every bound (an aggregate's own accumulation), a scalar or one
            per row.
    """

    dtype: str = "float32"
    extra_roundings: int | Floats = 0

    @property
    def form(self) -> FloatFormat:
        """The dtype's spacing and unit roundoff."""
        return FORMATS[self.dtype]

    def tolerance(self, x: Bounded) -> Floats:
        """Largest distance between x and training's own value; infinity or NaN: undecidable."""
        relative = gamma(x.roundings + np.asarray(self.extra_roundings), self.form.unit_roundoff)
        with np.errstate(invalid="ignore", over="ignore"):
            own = gamma(x.roundings + 2, FORMATS["float64"].unit_roundoff)  # our evaluation
            return x.radius + (relative + own) * x.magnitude + x.floor

    def constant(self, value: float, exact: bool = False) -> Bounded:
        """A number of the formula; training may have rounded it to its dtype.

        An exact one is a whole number: up to 256 every training dtype holds it, and in a condition
        such as step < 1000 it is compared as the integer that it is.
        """
        size = np.asarray(abs(value))
        return Bounded(np.asarray(value), ZERO, size, ZERO, int(not exact or size > 256), exact)

    def column(self, values: Floats, half_widths: Floats) -> Bounded:
        """A logged column, each value standing for an interval of that half-width."""
        return Bounded(values, half_widths, np.abs(values) + half_widths, ZERO)

    def exactly(self, values: Floats) -> Bounded:
        """A column that is known exactly, such as the step."""
        return Bounded(values, ZERO, np.abs(values), ZERO, 0, True)

    def add(self, addends: list[Bounded], zeros: int = 0) -> Bounded:
        """Sum of n addends, t counting as 1*t: n - 1 roundings, and none for `zeros` like 0*t."""
        if all(a.exact for a in addends):
            return self.exactly(_total(a.value for a in addends))
        eta = 0.5 * self.form.smallest_subnormal
        return Bounded(
            _total(a.value for a in addends),
            _total(a.radius for a in addends),
            _total(a.magnitude for a in addends),
            _total(np.maximum(a.floor, eta) for a in addends),
            max(2, *(a.roundings for a in addends)) + max(len(addends) - zeros, 1) - 1,
        )

    def multiply(self, x: Bounded, y: Bounded) -> Bounded:
        """Product, one more rounding; 0 times a number that is not finite cannot be decided."""
        with np.errstate(invalid="ignore", over="ignore"):
            value = x.value * y.value
            if x.exact and y.exact:
                return self.exactly(value)
            radius = np.abs(x.value) * y.radius + np.abs(y.value) * x.radius + x.radius * y.radius
            # an exact weight times a number that may be anything: 0 * inf is NaN
            radius = np.where(np.isnan(radius) & ~np.isnan(value), np.inf, radius)
            floor = x.floor * y.magnitude + y.floor * x.magnitude + x.floor * y.floor
            magnitude = x.magnitude * y.magnitude
        gated = _is_gated(x, y) | _is_gated(y, x)
        floor = np.where(np.isfinite(floor), floor, 0.0) + 0.5 * self.form.smallest_subnormal
        magnitude = np.where(gated, 0.0, magnitude)
        return Bounded(
            np.where(gated, 0.0, value),
            np.where(gated, np.inf, radius),
            magnitude,
            floor,
            x.roundings + y.roundings + 1,
        )

    def negate(self, x: Bounded) -> Bounded:
        """Exact in every format."""
        return replace(x, value=-x.value)

    def divide(self, x: Bounded, y: Bounded) -> Bounded:
        """Quotient; a denominator whose interval holds 0 cannot be decided."""
        error = np.zeros(()) if y.exact else self.tolerance(y)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            least = np.abs(y.value) - error
            value = x.value / y.value
            radius = (x.radius + np.abs(value) * error) / least
            magnitude = x.magnitude / least
            floor = x.floor / least + 0.5 * self.form.smallest_subnormal
        bad = ~(least > 0)
        return Bounded(
            value,
            np.where(bad, np.inf, radius),
            np.where(bad, np.abs(value), magnitude),
            np.where(bad, 0.0, floor),
            x.roundings + 1,
        )

    def absolute(self, x: Bounded) -> Bounded:
        """|x|, exact in every format and 1-Lipschitz."""
        return replace(x, value=np.abs(x.value))

    def extreme(self, operands: list[Bounded], largest: bool) -> Bounded:
        """min or max, 1-Lipschitz: no worse than the worst operand."""
        choose = np.maximum if largest else np.minimum
        result = operands[0]
        for x in operands[1:]:
            result = Bounded(
                choose(result.value, x.value),
                np.maximum(result.radius, x.radius),
                np.maximum(result.magnitude, x.magnitude),
                np.maximum(result.floor, x.floor),
                max(result.roundings, x.roundings),
                result.exact and x.exact,
            )
        return result

    def monotone(self, function: str, x: Bounded) -> Bounded:
        """exp, log or sqrt by evaluation at both ends of x's interval."""
        call = {"exp": np.exp, "log": np.log, "sqrt": np.sqrt}[function]
        error = self.tolerance(x)
        lowest = 0.0 if function == "sqrt" else -np.inf
        with np.errstate(all="ignore"):
            value = call(x.value)
            low, high = call(np.maximum(x.value - error, lowest)), call(x.value + error)
            radius = np.maximum(value - low, high - value)
        return self._fresh(value, np.where(np.isnan(radius) & ~np.isnan(value), np.inf, radius))

    def power(self, x: Bounded, exponent: float) -> Bounded:
        """x ** exponent for a fixed exponent; whole exponents up to 16 are repeated products."""
        if exponent == int(exponent) and 1 <= exponent <= 16:
            result = x
            for _ in range(int(exponent) - 1):
                result = self.multiply(result, x)
            return result
        if exponent == int(exponent) and -16 <= exponent <= -1:
            return self.divide(self.constant(1.0), self.power(x, -exponent))
        error = self.tolerance(x)
        with np.errstate(all="ignore"):
            value = x.value**exponent
            low, high = (x.value - error) ** exponent, (x.value + error) ** exponent
            radius = np.maximum(np.abs(value - low), np.abs(high - value))
        monotone = x.value - error > 0
        return self._fresh(value, np.where(monotone, radius, np.inf))

    def select(self, operator: str, left: Bounded, right: Bounded) -> tuple[Bools, Bools]:
        """(condition, ambiguous): where the operands' intervals overlap either branch may hold."""
        compare = {
            "<": np.less,
            "<=": np.less_equal,
            ">": np.greater,
            ">=": np.greater_equal,
            "==": np.equal,
            "!=": np.not_equal,
        }[operator]
        condition = compare(left.value, right.value)
        error = sum(0.0 if x.exact else self.tolerance(x) for x in (left, right))
        with np.errstate(invalid="ignore"):
            gap = np.abs(left.value - right.value)
        near = np.isfinite(gap) & (gap <= error)  # an infinity is beyond any number
        return condition, near & (error > 0)

    def where(self, condition: Bools, ambiguous: Bools, x: Bounded, y: Bounded) -> Bounded:
        """The chosen branch; where the condition is ambiguous, the hull of both."""
        with np.errstate(invalid="ignore"):
            gap = np.where(ambiguous, np.abs(x.value - y.value), 0.0)

        def both(a: Floats, b: Floats) -> Floats:
            return np.where(ambiguous, np.maximum(a, b), np.where(condition, a, b))

        exact = x.exact and y.exact and not bool(np.any(ambiguous))
        return Bounded(
            np.where(condition, x.value, y.value),
            both(x.radius, y.radius) + gap,
            both(x.magnitude, y.magnitude),
            both(x.floor, y.floor),
            max(x.roundings, y.roundings),
            exact,
        )

    def _fresh(self, value: Floats, radius: Floats) -> Bounded:
        """A library function's result: its input's error is in the radius already."""
        with np.errstate(invalid="ignore", over="ignore"):
            magnitude = np.abs(value) + np.where(np.isfinite(radius), radius, 0.0)
        floor = np.asarray(self.form.smallest_subnormal)
        return Bounded(value, radius, magnitude, floor, LIBRARY_ROUNDINGS)


def _total(parts: Iterable[Floats]) -> Floats:
    """The sum from left to right; infinities of both signs give NaN without a warning."""
    with np.errstate(invalid="ignore", over="ignore"):
        return reduce(np.add, parts)


def _is_gated(weight: Bounded, term: Bounded) -> Bools:
    """Whether a weight of exactly 0 meets a term that is not finite; a guard may skip it."""
    return np.asarray((weight.value == 0) & (weight.radius == 0) & ~np.isfinite(term.value))
