"""`lossaudit identify`: formula, spec file, exit codes and refusals."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from test_check_command import FIGURE, MAIN, lossaudit

SCHEMA = json.loads(
    (Path(__file__).parent.parent.parent / "docs" / "schema" / "result.schema.json").read_text()
)


def log(path: Path, columns: dict[str, list[float]]) -> str:
    rows = zip(*columns.values(), strict=True)
    path.write_text("\n".join(json.dumps(dict(zip(columns, r, strict=True))) for r in rows) + "\n")
    return str(path)


@pytest.fixture
def noise() -> dict[str, list[float]]:
    rng = np.random.default_rng(5)
    return {name: rng.random(40).tolist() for name in ("a", "b", "c")}


def found_in(*args: str) -> dict[str, object]:
    run = lossaudit("identify", *args, "--format", "json")
    document = json.loads(run.stdout)
    jsonschema.validate(document, SCHEMA)
    found = document["witnesses"][0]["identification"]
    assert isinstance(found, dict)
    return {**found, "verdict": document["verdict"], "exit": run.returncode}


def test_formula_of_a_real_training_is_found() -> None:
    found = found_in(str(MAIN))
    assert (found["verdict"], found["exit"]) == ("PASS", 0)
    assert found["formula"] == "loss = 2*loss_lip + loss_latents"
    assert found_in(str(FIGURE))["formula"] == "loss = loss_lip + 2*loss_latents"


def test_written_spec_passes_the_check(tmp_path: Path) -> None:
    spec = str(tmp_path / "found.yaml")
    run = lossaudit("identify", str(MAIN), "--write-spec", spec, "--format", "concise")
    assert run.returncode == 0
    assert run.stdout.startswith("PASS identified: loss = 2*loss_lip + loss_latents holds on all")
    assert lossaudit("check", str(MAIN), "--spec", spec).returncode == 0
    assert lossaudit("check", str(FIGURE), "--spec", spec).returncode == 1


def test_nothing_found_writes_no_spec(tmp_path: Path, noise: dict[str, list[float]]) -> None:
    path = log(tmp_path / "l.jsonl", {"loss": noise["c"], "a": noise["a"], "b": noise["b"]})
    run = lossaudit("identify", path, "--write-spec", str(tmp_path / "s.yaml"), "-q")
    assert run.returncode == 3
    assert "s.yaml was not written: no formula holds on every row" in run.stderr
    assert not (tmp_path / "s.yaml").exists()
    assert lossaudit("identify", path, "-q", "--allow-inconclusive").returncode == 0


def test_total_without_a_telling_name_is_named(
    tmp_path: Path, noise: dict[str, list[float]]
) -> None:
    total = [2 * a + b for a, b in zip(noise["a"], noise["b"], strict=True)]
    path = log(tmp_path / "l.jsonl", {"y": total, "a": noise["a"], "b": noise["b"]})
    assert found_in(path)["verdict"] == "INCONCLUSIVE"
    found = found_in(path, "--total", "y")
    assert (found["verdict"], found["formula"]) == ("PASS", "y = 2*a + b")


def test_subtotal_leaves_two_formulas_until_one_is_left_out(
    tmp_path: Path, noise: dict[str, list[float]]
) -> None:
    columns = {"loss_a": noise["a"], "loss_b": noise["b"], "loss_c": noise["c"]}
    part = [a + b for a, b in zip(noise["a"], noise["b"], strict=True)]
    total = [p + c for p, c in zip(part, noise["c"], strict=True)]
    path = log(tmp_path / "l.jsonl", {"loss": total, "loss_ab": part, **columns})
    found = found_in(path)
    assert found["verdict"] == "INCONCLUSIVE"
    texts = [str(found["formula"]), *(r["formula"] for r in found["runners_up"])]  # type: ignore[attr-defined]
    assert "loss = loss_ab + loss_c" in texts
    assert "loss = loss_a + loss_b + loss_c" in texts
    settled = found_in(path, "--without", "loss_ab")
    assert settled["formula"] == "loss = loss_a + loss_b + loss_c"
    assert settled["verdict"] == "PASS"


def test_formula_solved_for_its_total_is_chosen(
    tmp_path: Path, noise: dict[str, list[float]]
) -> None:
    total = [a + 0.5 * b for a, b in zip(noise["a"], noise["b"], strict=True)]
    columns = {"loss": noise["a"], "kl": noise["b"], "total_loss": total}
    found = found_in(log(tmp_path / "l.jsonl", columns))
    assert (found["verdict"], found["formula"]) == ("PASS", "total_loss = loss + 0.5*kl")


def test_tag_of_hostile_text_is_shown_escaped(
    tmp_path: Path, noise: dict[str, list[float]]
) -> None:
    total = [a + b for a, b in zip(noise["a"], noise["b"], strict=True)]
    columns = {"loss": total, "\x1b[31m`a": noise["a"], "b`; rm": noise["b"]}
    run = lossaudit("identify", log(tmp_path / "l.jsonl", columns))
    assert run.returncode == 3
    assert "\x1b" not in run.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dtype", "int8"], "'int8' is no dtype"),
        (["--aggregate", "loss=avg"], "'avg' is no aggregate"),
        (["--aggregate", "loss"], "is not of the form TAG=KIND"),
        (["--write-spec", "spec.txt"], "a spec file's name ends in .yaml"),
        (["--write-spec", "no/such/spec.yaml"], "does not exist"),
    ],
)
def test_options_that_say_nothing_are_refused(options: list[str], message: str) -> None:
    run = lossaudit("identify", str(MAIN), *options)
    assert run.returncode == 2
    assert message in run.stderr


def test_log_that_is_not_there_and_total_that_is_not_there(tmp_path: Path) -> None:
    assert lossaudit("identify", str(tmp_path / "none.jsonl")).returncode == 4
    run = lossaudit("identify", str(MAIN), "--total", "y", "--format", "concise")
    assert run.returncode == 3
    assert "the log has no column `y`" in run.stdout


def test_logs_of_different_formulas_are_no_pass() -> None:
    run = lossaudit("identify", str(MAIN), str(FIGURE), "--format", "concise")
    assert run.returncode == 3
    assert "the logs follow different formulas" in run.stdout


def test_a_written_spec_is_said_and_an_undecided_one_says_so_itself(
    tmp_path: Path, noise: dict[str, list[float]]
) -> None:
    spec = tmp_path / "s.yaml"
    run = lossaudit("identify", str(MAIN), "--write-spec", str(spec), "-q")
    assert run.stderr == f"{spec} was written\n"
    assert not spec.read_text().startswith("#")
    total = [round(2 * a + b, 1) for a, b in zip(noise["a"], noise["b"], strict=True)]
    path = log(tmp_path / "run.jsonl", {"loss": total, "a": noise["a"], "b": noise["b"]})
    undecided = tmp_path / "u.yaml"
    run = lossaudit("identify", path, "--write-spec", str(undecided), "-q")
    assert run.returncode == 3
    said = "undecided: other formulas may fit the log as well"
    assert run.stderr == f"{undecided} was written; {said}\n"
    assert undecided.read_text().startswith(f"# {said}: ")
    assert lossaudit("check", path, "-s", str(undecided)).returncode in (0, 3)


def test_a_spec_that_exists_is_not_replaced(tmp_path: Path) -> None:
    spec = tmp_path / "s.yaml"
    spec.write_text("name: mine\n")
    run = lossaudit("identify", str(MAIN), "--write-spec", str(spec))
    assert run.returncode == 2
    assert "exists, and a spec that others check against is not replaced" in run.stderr
    assert "try: name another file, or remove this one first" in run.stderr
    assert spec.read_text() == "name: mine\n"


def test_a_glob_that_leaves_nothing_out_is_said() -> None:
    run = lossaudit("identify", str(MAIN), "--without", "lr", "--without", "no/*", "-q")
    assert run.stderr == "--without 'no/*' matches no column beside the total\n"
