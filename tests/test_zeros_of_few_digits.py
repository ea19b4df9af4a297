"""A column printed with one decimal stands for its interval, also where it is 0.0 everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lossaudit.audit import check_logs
from lossaudit.model.finding import Verdict
from lossaudit.model.result import Result
from lossaudit.spec.load import spec_from_formula
from tests.printed import fixed

Row = dict[str, str]


def as_json(rows: list[Row]) -> str:
    return "".join("{" + ", ".join(f'"{t}": {v}' for t, v in r.items()) + "}\n" for r in rows)


def as_uneven_json(rows: list[Row]) -> str:
    """Every third record has a key more, so the records are read one by one."""
    lines = as_json(rows).splitlines()
    return "".join(
        (line.replace("{", '{"note": "x", ') if i % 3 == 0 else line) + "\n"
        for i, line in enumerate(lines)
    )


def as_quoted_json(rows: list[Row]) -> str:
    return "".join("{" + ", ".join(f'"{t}": "{v}"' for t, v in r.items()) + "}\n" for r in rows)


def as_csv(rows: list[Row]) -> str:
    return "\n".join([",".join(rows[0]), *(",".join(r.values()) for r in rows)]) + "\n"


def as_text(rows: list[Row]) -> str:
    lines = (", ".join(f"{t}: {v}" for t, v in r.items()) for r in rows)
    return "".join(f"step {i}: {line}\n" for i, line in enumerate(lines))


FORMS = [as_json, as_uneven_json, as_quoted_json, as_csv, as_text]


def audited(
    path: Path, write: Callable[[list[Row]], str], b: np.ndarray, digits: int, off: float = 1.0
) -> Result:
    """`loss = a + b` of which `b` is printed with one decimal, the others with more."""
    a = np.random.default_rng(4).uniform(0.2, 2.0, len(b))
    many, one = fixed(digits), fixed(1)
    rows = [
        {"loss": many(off * (x + y)), "a": many(x), "b": one(y)}
        for x, y in zip(a.tolist(), b.tolist(), strict=True)
    ]
    path.write_text(write(rows))
    return check_logs(spec_from_formula("loss = a + b"), [str(path)])


@pytest.mark.parametrize("write", FORMS)
@pytest.mark.parametrize("digits", [4, 6])
@pytest.mark.parametrize("kind", ["zeros", "one small", "whole"])
def test_a_term_of_one_decimal_raises_no_error(
    tmp_path: Path, write: Callable[[list[Row]], str], digits: int, kind: str
) -> None:
    rng = np.random.default_rng(7)
    b = {
        "zeros": rng.uniform(0.0, 0.04, 60),
        "one small": np.where(np.arange(60) == 30, 0.12, rng.uniform(0.0, 0.04, 60)),
        "whole": rng.choice([1.0, 2.0], 60) + rng.uniform(-0.04, 0.04, 60),
    }[kind]
    result = audited(tmp_path / "run.log", write, b, digits)
    assert not [f.message for f in result.findings if f.severity.value == "error"]
    assert result.verdict is not Verdict.FAIL, result.reason


@pytest.mark.parametrize("write", FORMS)
def test_a_total_that_is_beyond_one_decimal_fails(
    tmp_path: Path, write: Callable[[list[Row]], str]
) -> None:
    result = audited(tmp_path / "run.log", write, np.zeros(60), 4, off=1.1)
    assert result.verdict is Verdict.FAIL, result.reason


def test_a_zero_as_json_dumps_writes_it_says_nothing_of_digits(tmp_path: Path) -> None:
    """`0.0` is how Python writes any zero; with one decimal granted, this would be undecided."""
    a = np.random.default_rng(4).uniform(0.2, 0.4, 60).round(4).tolist()
    rows = [{"loss": repr(round(1.1 * x, 4)), "a": repr(x), "b": "0.0"} for x in a]
    path = tmp_path / "run.jsonl"
    path.write_text(as_json(rows))
    result = check_logs(spec_from_formula("loss = a + b"), [str(path)])
    assert result.verdict is Verdict.FAIL, result.reason
