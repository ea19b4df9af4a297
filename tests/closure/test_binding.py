"""Which column is the total, which are the terms: families, conventions, look-alikes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lossaudit.audit import check_logs
from lossaudit.closure.binding import bind
from lossaudit.model.log import Log
from lossaudit.model.table import Column, Table
from lossaudit.spec.formula_text import render
from lossaudit.spec.load import load_spec, spec_from_formula


def table(*tags: str, rows: int = 20) -> Log:
    rng = np.random.default_rng(0)
    columns = {t: Column(t, rng.uniform(size=rows), np.arange(rows)) for t in tags}
    return Log.of(Table("log", columns, np.arange(1, rows + 1)))


@pytest.mark.parametrize(
    ("total", "tags", "members"),
    [
        ("loss", ["loss_a", "loss_b", "acc"], "loss_a + loss_b"),
        ("loss", ["loss_a", "loss_b", "loss_scale"], "loss_a + loss_b"),
        ("loss", ["loss_a", "loss_a_epoch", "loss_b"], "loss_a + loss_b"),
        ("loss", ["loss_a_step", "loss_a_epoch"], "loss_a_step"),
        (
            "loss_epoch",
            ["loss_a_step", "loss_a_epoch", "loss_b_epoch"],
            "loss_a_epoch + loss_b_epoch",
        ),
        ("loss_step", ["loss_a_step", "loss_a_epoch"], "loss_a_step"),
    ],
)
def test_family_has_each_term_once_and_not_the_total(
    total: str, tags: list[str], members: str
) -> None:
    spec = spec_from_formula(f"{total} = sum(`loss*`, `!loss_scale`)")
    assert render(bind(spec, table(total, *tags)).declared) == members


def test_family_never_takes_the_step() -> None:
    spec = spec_from_formula("loss = sum(`*`)")
    assert render(bind(spec, table("loss", "a", "step", "Epoch", "iter")).declared) == "a"


@pytest.mark.parametrize(
    ("tag", "others", "aggregate"),
    [
        ("loss", [], "step"),
        ("train_loss_epoch", [], "mean"),
        ("loss (mean)", [], "mean"),
        ("loss", ["loss (mean)"], "median"),
    ],
)
def test_aggregate_is_known_from_the_writers_convention(
    tag: str, others: list[str], aggregate: str
) -> None:
    binding = bind(spec_from_formula(f"`{tag}` = a + b"), table(tag, "a", "b", *others))
    assert binding.aggregates["total"].kind == aggregate
    assert bool(binding.assumed) == (aggregate != "step")


@pytest.mark.parametrize("tag", ["Loss_Lip", "loss_lipp", "ＬＯＳＳ_lip"])
def test_missing_term_names_what_looks_like_it(tag: str) -> None:
    binding = bind(spec_from_formula("loss = loss_lip"), table("loss", tag, "other"))
    assert binding.missing["loss_lip"][0] == tag


def test_named_rival_that_is_the_formula_is_said_and_gives_way_to_automatic_ones() -> None:
    spec = spec_from_formula("loss = 2.0*a + b", ["same=b + 2*a"])
    binding = bind(spec, table("loss", "a", "b"))
    assert all(r.automatic for r in binding.rivals)
    assert binding.same_rivals == ("same",)


def test_a_term_without_a_column_names_the_tags_tried_and_the_nearest_but_not_the_total(
    tmp_path: Path,
) -> None:
    path = tmp_path / "run.csv"
    path.write_text("step,loss_total,loss_cls,other\n1,3,2,1\n2,3,2,1\n")
    spec = tmp_path / "s.yaml"
    spec.write_text(
        "name: s\nformula: ce + cls\n"
        "log: {total: [loss_total], terms: {ce: [loss_ce, ce/loss], cls: [loss_cls]}}\n"
    )
    reason = check_logs(load_spec(str(spec)), [str(path)]).reason
    assert reason == (
        "the log holds the total but not every term: no column for `ce` (looked for `loss_ce`, "
        "`ce/loss`)"
    )
    path.write_text("step,loss_total,loss_cls,loss_c\n1,3,2,1\n2,3,2,1\n")
    reason = check_logs(load_spec(str(spec)), [str(path)]).reason
    assert reason.endswith("(looked for `loss_ce`, `ce/loss`; the log has `loss_c`)")
