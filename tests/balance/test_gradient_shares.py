"""Gradient shares of a real training: in its audit, its balance, and the web page's figure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from jsonschema import Draft202012Validator

from lossaudit.audit import audit, check_logs
from lossaudit.balance.gradients import MOST_POINTS, gradient_shares, gradients_beside
from lossaudit.balancing import balance_logs
from lossaudit.closure.examine import examine
from lossaudit.model.balance import GradientShares
from lossaudit.model.decoding import decode_result
from lossaudit.model.finding import Verdict
from lossaudit.model.report import Page
from lossaudit.model.result import Result, Witness
from lossaudit.recorder import Recorder
from lossaudit.rendering.balance_grids import gradients_grid
from lossaudit.rendering.html.points import MOST_TERMS, gradient_rows, term_rows
from lossaudit.rendering.html.term_charts import gradient_chart
from lossaudit.reports import html
from lossaudit.spec.load import load_spec, spec_from_formula
from lossaudit.witnesses.log import read_log

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs/schema/result.schema.json").read_text(encoding="utf-8"))
SPEC = """\
name: two-terms
formula: 2.0*a + b
rivals: {other: a + 2.0*b}
log: {total: [total], terms: {a: [a], b: [b]}}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[int, dict[str, float]]]:
    """A small network in training; and its own norms: one backward pass of each weighted term."""
    run = tmp_path_factory.mktemp("gradients") / "run"
    torch.manual_seed(3)
    model = torch.nn.Sequential(torch.nn.Linear(6, 12), torch.nn.Tanh(), torch.nn.Linear(12, 4))
    last = model[2].weight
    optimiser = torch.optim.SGD(model.parameters(), lr=0.2)
    recorder = Recorder(run, every=5)
    known = {}
    for step in range(1, 62):
        x, y = torch.rand(16, 6), torch.rand(16, 4)
        prediction = model(x)
        a, b = (prediction - y).abs().mean(), (prediction - y).square().mean()
        recorder.record(step, 2.0 * a + b, {"a": a, "b": b}, gradients_at=[last])
        if recorder._recorded == step:
            pulls = (torch.autograd.grad(t, last, retain_graph=True)[0] for t in (2.0 * a, b))
            known[step] = {n: float(p.norm()) for n, p in zip("ab", pulls, strict=True)}
        optimiser.zero_grad()
        (2.0 * a + b).backward()
        optimiser.step()
    assert recorder.lost == ()
    (run / "lossaudit.yaml").write_text(SPEC)
    return run, known


def shares_of(result: Result) -> GradientShares:
    (found,) = [w.gradients for w in result.witnesses if w.gradients is not None]
    return found


def test_audit_carries_the_shares_of_what_the_network_was_trained_with(
    trained: tuple[Path, dict[int, dict[str, float]]],
) -> None:
    run, known = trained
    result = audit(str(run))
    assert result.verdict.name == "PASS"
    found = shares_of(result)
    assert (found.rows, found.left_out, list(found.steps)) == (13, {}, list(known))
    for k, norms in enumerate(known.values()):
        expected = norms["a"] / (norms["a"] + norms["b"])
        assert found.courses["a"][k] == pytest.approx(expected, rel=1e-5)
        assert found.courses["a"][k] + found.courses["b"][k] == pytest.approx(1)
    (witness,) = [w for w in result.witnesses if w.gradients is not None]
    assert witness.source.endswith("record/terms.jsonl")
    assert abs(found.shares["a"].mean - witness.shares["a"].mean) > 0.02  # other than of values
    assert not [s for s in result.skipped if "gradients" in s[1]]
    assert [i.path for i in result.further_inputs if "gradients" in i.path]


def test_balance_finds_them_beside_the_terms(
    trained: tuple[Path, dict[int, dict[str, float]]],
) -> None:
    run, _ = trained
    spec = load_spec(str(run / "lossaudit.yaml"))
    found = balance_logs(spec, [str(run / "record" / "terms.jsonl")])
    assert shares_of(found) == shares_of(audit(str(run)))
    assert "Shares of the gradients, over 13 rows" in html.REPORT.render(found, Page())


def test_json_follows_the_schema_and_reads_back(
    trained: tuple[Path, dict[int, dict[str, float]]],
) -> None:
    result = audit(str(trained[0]))
    document = json.loads(json.dumps(result.to_dict()))
    Draft202012Validator(SCHEMA).validate(document)
    assert shares_of(decode_result(document)) == shares_of(result)


def test_the_page_has_the_figure_where_the_shares_are_known_and_none_elsewhere(
    trained: tuple[Path, dict[int, dict[str, float]]],
) -> None:
    run, known = trained
    result = audit(str(run))
    (witness,) = [w for w in result.witnesses if w.gradients is not None]
    chart = gradient_chart(witness, 0)
    assert chart is not None
    assert len(chart.description["data"]["values"]) == 2 * len(known)
    assert 'data-chart="gradients-' in html.REPORT.render(result, Page())
    spec = load_spec(str(run / "lossaudit.yaml"))
    without = check_logs(spec, [str(run / "record" / "terms.jsonl")])
    assert 'data-chart="gradients-' not in html.REPORT.render(without, Page())
    assert gradients_grid(without.witnesses[0], 80) is None


def measured(folder: Path, lines: list[str]) -> GradientShares | None:
    path = folder / "gradients.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return gradient_shares(examine(spec_from_formula("total = a + b"), read_log(str(path)).log))


def test_records_without_every_gradient_are_left_out_and_counted(tmp_path: Path) -> None:
    found = measured(
        tmp_path,
        [
            '{"step": 1, "a": 3.0, "b": 1.0}',
            '{"step": 2, "a": null, "b": 1.0}',
            '{"step": 3, "a": "NaN", "b": 1.0}',
            '{"step": 4, "a": 0.0, "b": 0.0}',
            '{"step": 5, "a": -1.0, "b": 2.0}',
            '{"step": 6, "a": 1.0, "b": 1.0}',
        ],
    )
    assert found is not None
    assert (found.rows, sum(found.left_out.values())) == (2, 4)
    assert (found.steps, found.courses["a"]) == ((1.0, 6.0), (0.75, 0.5))
    assert measured(tmp_path, ['{"step": 1, "a": 3.0}']) is None
    assert measured(tmp_path, ['{"step": 1, "a": "NaN", "b": "NaN"}']) is None


def test_the_course_of_many_records_is_bounded_and_of_means(tmp_path: Path) -> None:
    lines = [f'{{"step": {k}, "a": {k % 2}, "b": {1 - k % 2}}}' for k in range(4 * MOST_POINTS)]
    found = measured(tmp_path, lines)
    assert found is not None
    assert len(found.steps) == len(found.courses["a"]) == MOST_POINTS
    assert set(found.courses["a"]) == {0.5}
    assert found.rows == 4 * MOST_POINTS


def test_a_stored_course_that_has_no_place_is_not_drawn(
    trained: tuple[Path, dict[int, dict[str, float]]],
) -> None:
    result = audit(str(trained[0]))
    document = json.loads(json.dumps(result.to_dict()))
    (witness,) = [w for w in document["witnesses"] if "gradients" in w]
    witness["gradients"]["courses"]["a"].append(0.5)
    assert list(shares_of(decode_result(document)).courses) == ["b"]
    witness["gradients"]["steps"][0] = "NaN"
    (read,) = [w for w in decode_result(document).witnesses if w.gradients is not None]
    assert gradient_chart(read, 0) is None


def test_of_many_terms_the_smallest_are_added_up() -> None:
    courses = {f"term{k}": (float(k), float(k)) for k in range(30)}
    found = GradientShares(2, {}, {}, (1.0, 2.0), courses)
    witness = Witness("log", "l", Verdict.PASS, "", "", gradients=found)
    rows, names = gradient_rows(witness)
    assert len(names) == MOST_TERMS + 1
    assert sum(row["share"] for row in rows) == pytest.approx(2 * sum(range(30)))


@pytest.mark.parametrize("name", ["log.jsonl", "weights.jsonl", "terms.csv", "terms.jsonl"])
def test_only_the_recorders_own_file_is_looked_for(tmp_path: Path, name: str) -> None:
    (tmp_path / "gradients.jsonl").write_text("{}\n")
    assert gradients_beside(str(tmp_path / name)) is None  # the folder is not `record`
    (tmp_path / "record").mkdir()
    assert gradients_beside(str(tmp_path / "record" / "terms.jsonl")) is None  # it is not there


def test_a_term_has_the_same_place_among_the_gradients_as_among_the_values() -> None:
    series = {"step": [1.0, 2.0], "total": [3.0, 3.0], "small": [1.0, 1.0], "large": [2.0, 2.0]}
    found = GradientShares(2, {}, {}, (1.0, 2.0), {"small": (0.9, 0.9), "large": (0.1, 0.1)})
    witness = Witness("log", "l", Verdict.PASS, "", "", series=series, gradients=found)
    assert gradient_rows(witness)[1] == term_rows(witness)[1] == ["large", "small"]
