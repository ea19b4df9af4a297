"""Shares and balances -> plain values for JSON; see `encoding`."""

from __future__ import annotations

from typing import Any

from lossaudit.model.balance import Balance, Course, Share
from lossaudit.model.json_values import encode_value
from lossaudit.model.result import Witness


def encode_balance(witness: Witness) -> dict[str, Any]:
    """The shares of a witness's terms, and the rest where `lossaudit balance` was asked."""
    balance = witness.balance
    courses = balance.courses if balance is not None else {}
    terms = {n: _term(s, courses.get(n)) for n, s in witness.shares.items()}
    return {"terms": terms} | (_beyond_shares(balance) if balance is not None else {})


def _beyond_shares(balance: Balance) -> dict[str, Any]:
    equal = balance.equal
    return {
        "rows": balance.rows,
        "left_out": dict(balance.left_out),
        "weights": encode_value(dict(balance.weights)),
        "max_share": encode_value(balance.max_share),
        "ratios": [encode_value(ratio) for ratio in balance.ratios],
        "equal": None
        if equal is None
        else {
            "keeps": equal.keeps,
            "weights": encode_value(dict(equal.weights)),
            "shares": {n: encode_share(s) for n, s in equal.shares.items()},
            "alone": encode_value(dict(equal.alone)),
            "left_out": list(equal.left_out),
        },
        "what_if": [
            {
                "term": what_if.term,
                "weight": encode_value(what_if.weight),
                "shares": {n: encode_share(s) for n, s in what_if.shares.items()},
            }
            for what_if in balance.what_if
        ],
        "cautions": list(balance.cautions),
    }


def _term(share: Share, course: Course | None) -> dict[str, Any]:
    if course is None:
        return {"share": encode_share(share)}
    tenths = {"first_tenth": course.first_tenth, "last_tenth": course.last_tenth}
    return {
        "share": encode_share(share) | encode_value(tenths),
        "trend": course.trend,
        "course": encode_value(list(course.points)),
        "sign": course.sign,
    }


def encode_share(share: Share) -> dict[str, Any]:
    """A term's "share"."""
    encoded: dict[str, Any] = encode_value(share)
    return encoded
