"""The published JSON layout -> Result: the reverse of `encoding`; the file may be anybody's."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from lossaudit.model import wire
from lossaudit.model.balance import (
    Balance,
    Course,
    EqualShares,
    GradientShares,
    Ratio,
    Share,
    WhatIf,
)
from lossaudit.model.identification import FoundWeight, Identification
from lossaudit.model.replay import Interval, Recomputed, Replay
from lossaudit.model.result import Declared, ExitCode, Result, StepRange, Violation, Weight, Witness
from lossaudit.model.wire_balance import BalanceWire, ShareWire, TermWire
from lossaudit.model.wire_values import Number


def decode_result(document: object) -> Result:
    """A stored result as values.

    The shares and the series of the document's top belong to the witnesses that it names; where it
    names none, to the first that has rows.

    Args:
        document: as `json.loads` gives it.

    Raises:
        ValueError: where it is not in the published layout; the message names the place.
    """
    try:
        read = msgspec.convert(document, wire.ResultWire)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    return Result(
        read.verdict,
        ExitCode(read.exit_code),
        read.reason,
        Declared(
            read.spec.name,
            read.spec.formula,
            tuple((r.name, r.formula) for r in read.spec.rivals),
            read.spec.sha256,
            read.spec.dtype,
            tuple(read.spec.sources),
            read.spec.location,
        ),
        _witnesses(read),
        tuple(read.findings),
        tuple((s.check, s.reason) for s in read.skipped),
        read.version,
        read.environment,
        read.fail_on,
        tuple(read.checks),
        tuple(read.rules),
        read.repository_paths,
        reproduction=read.reproduction,
        training=read.training,
    )


def _witnesses(read: wire.ResultWire) -> tuple[Witness, ...]:
    witnesses = [_witness(w) for w in read.witnesses]
    first = next((k for k, w in enumerate(witnesses) if w.kind == "log" and w.decided), 0)
    owner = _place(read.balance_witness, first, len(witnesses))
    if owner is not None and not witnesses[owner].shares:
        shares = {n: _share(t.share) for n, t in read.balance.terms.items()}
        witnesses[owner] = replace(witnesses[owner], shares=shares)
    owner = _place(read.series_witness, first, len(witnesses))
    if owner is not None and read.series:
        witnesses[owner] = replace(witnesses[owner], series=_series(read.series))
    return tuple(witnesses)


def _place(named: int | None, otherwise: int, count: int) -> int | None:
    """Which witness something belongs to; None where there is no such witness."""
    place = otherwise if named is None else named
    return place if place < count else None


def _witness(w: wire.WitnessWire) -> Witness:
    return Witness(
        w.kind,
        w.source,
        w.verdict,
        w.reason,
        w.formula,
        w.reader,
        w.sha256,
        w.records,
        w.rows,
        w.decided,
        w.violations,
        w.total_tag,
        tuple(_violation(v) for v in w.first_violations),
        w.undecided,
        w.columns,
        w.resolution,
        {n: Weight(float(v.declared), _maybe(v.low), _maybe(v.high)) for n, v in w.weights.items()},
        w.weights_note,
        tuple(w.rivals),
        {n: _share(t.share) for n, t in w.balance.terms.items()}
        if w.balance
        else _shares(w.shares),
        _series(w.series),
        _balance(w.balance) if w.balance else None,
        _identification(w.identification) if w.identification else None,
        tuple(_replay(r) for r in w.replays),
        _named(w.means),
        tuple(StepRange(r.first, r.last, r.rows) for r in w.violation_ranges),
        w.environment,
        _gradients(w.gradients) if w.gradients else None,
    )


def _gradients(g: wire.GradientsWire) -> GradientShares:
    """Courses that do not have one point a step are left out: a chart would not know where."""
    steps = tuple(_numbers(g.steps))
    courses = {n: tuple(_numbers(c)) for n, c in g.courses.items() if len(c) == len(steps)}
    return GradientShares(g.rows, g.left_out, _shares(g.shares), steps, courses)


def _identification(found: wire.IdentificationWire) -> Identification:
    weights = {
        term: FoundWeight(float(w.weight), float(w.low), float(w.high), w.settled)
        for term, w in found.weights.items()
    }
    runners_up = tuple(found.runners_up)
    return Identification(
        found.total, found.formula, weights, runners_up, found.left_out, found.rows
    )


def _replay(r: wire.ReplayWire) -> Replay:
    return Replay(
        r.step,
        r.batch,
        r.checkpoint or "",
        r.depth,
        r.device,
        _interval(r.total),
        {
            n: Recomputed(float(t.value), float(t.float64), float(t.low), float(t.high))
            for n, t in r.terms.items()
        },
        _maybe(r.total_logged),
        {n: float(t.value) for n, t in r.terms_logged.items()},
        tuple(r.files),
        r.dtype,
        float(r.total_half_width),
        r.total_source,
        {n: float(t.half_width) for n, t in r.terms_logged.items()},
        {n: _interval(i) for n, i in r.given.items()},
        r.caution,
        _maybe(r.total_stated),
        policy=r.policy,
        is_bounded=r.bounded,
    )


def _interval(number: wire.IntervalWire) -> Interval:
    return Interval(float(number.value), float(number.low), float(number.high))


def _balance(b: BalanceWire) -> Balance:
    equal = b.equal
    courses = {n: c for n, t in b.terms.items() if (c := _course(t)) is not None}
    return Balance(
        b.rows or 0,
        b.left_out,
        _named(b.weights),
        _maybe(b.max_share),
        courses,
        tuple(
            Ratio(
                r.numerator,
                r.denominator,
                float(r.p05),
                float(r.p50),
                float(r.p95),
                r.below,
                r.rows,
            )
            for r in b.ratios
        ),
        None
        if equal is None
        else EqualShares(
            equal.keeps,
            _named(equal.weights),
            _shares(equal.shares),
            _named(equal.alone),
            tuple(equal.left_out),
        ),
        tuple(WhatIf(w.term, float(w.weight), _shares(w.shares)) for w in b.what_if),
        tuple(b.cautions),
    )


def _course(term: TermWire) -> Course | None:
    first, last = term.share.first_tenth, term.share.last_tenth
    if first is None or last is None:
        return None
    return Course(float(first), float(last), term.trend, tuple(_numbers(term.course)), term.sign)


def _violation(v: wire.ViolationWire) -> Violation:
    return Violation(
        v.step,
        float(v.total),
        float(v.recomputed),
        float(v.residual),
        float(v.tolerance),
        v.location,
        _named(v.terms),
    )


def _share(share: ShareWire) -> Share:
    return Share(float(share.mean), float(share.p05), float(share.p50), float(share.p95))


def _shares(shares: Mapping[str, ShareWire]) -> dict[str, Share]:
    return {name: _share(share) for name, share in shares.items()}


def _named(numbers: Mapping[str, Number]) -> dict[str, float]:
    return {name: float(number) for name, number in numbers.items()}


def _series(series: Mapping[str, list[Number]]) -> dict[str, list[float]]:
    if series and len({len(series.get("step", ())), *map(len, series.values())}) > 1:
        raise ValueError("the lists of its series, of which one is `step`, differ in length")
    return {name: _numbers(values) for name, values in series.items()}


def _numbers(values: list[Number]) -> list[float]:
    return [float(value) for value in values]


def _maybe(number: Number | None) -> float | None:
    return None if number is None else float(number)
