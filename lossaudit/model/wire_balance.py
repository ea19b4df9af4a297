"""The published layout of a balance as types; see `wire`."""

from __future__ import annotations

from msgspec import Struct

from lossaudit.model.balance import Sign, Trend
from lossaudit.model.wire_values import Count, Few, Named, Number


class ShareWire(Struct):
    """A term's "share"."""

    mean: Number
    p05: Number
    p50: Number
    p95: Number
    first_tenth: Number | None = None
    last_tenth: Number | None = None


class TermWire(Struct):
    """One of "terms" of a balance."""

    share: ShareWire
    trend: Trend = "unknown"
    course: Few[Number] = []
    sign: Sign = "positive"


class RatioWire(Struct):
    """One of "ratios"."""

    numerator: str
    denominator: str
    p05: Number
    p50: Number
    p95: Number
    below: Count
    rows: Count


class EqualWire(Struct):
    """The "equal" of a balance."""

    keeps: str
    weights: Named[Number]
    shares: Named[ShareWire]
    alone: Named[Number] = {}
    left_out: Few[str] = []


class WhatIfWire(Struct):
    """One of "what_if"."""

    term: str
    weight: Number
    shares: Named[ShareWire]


class BalanceWire(Struct):
    """A "balance"; of `check` it has nothing but terms, and no `rows`."""

    terms: Named[TermWire] = {}
    rows: Count | None = None
    left_out: Named[Count] = {}
    weights: Named[Number] = {}
    max_share: Number | None = None
    ratios: Few[RatioWire] = []
    equal: EqualWire | None = None
    what_if: Few[WhatIfWire] = []
    cautions: Few[str] = []
