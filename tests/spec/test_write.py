"""A spec that is written is read back as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lossaudit.errors import UsageError
from lossaudit.spec.load import load_spec, spec_from_formula
from lossaudit.spec.overrides import override
from lossaudit.spec.write import spec_text, write_spec

FORMULAS = [
    "loss = 2*loss_lip + loss_latents",
    '`train/loss` = `loss: lip` + 1/3*`a\\b "c" # d` - 0.01*`- e`',
    "loss = 1e-05*a - 2*b",
    "`Totaler Verlust ü` = `損失` + a",
]


@pytest.mark.parametrize("formula", FORMULAS)
def test_written_spec_is_read_back(tmp_path: Path, formula: str) -> None:
    spec = override(spec_from_formula(formula), [], ["total=mean:20"], "bfloat16")
    write_spec(spec, str(tmp_path / "s.yaml"))
    found = load_spec(str(tmp_path / "s.yaml"))
    assert found.formula == spec.formula
    assert (found.total, found.tags, found.dtype) == (spec.total, spec.tags, "bfloat16")
    assert found.aggregates == {"total": "mean:20"}


def test_tags_of_other_names_are_written(tmp_path: Path) -> None:
    spec = override(spec_from_formula("loss = a + b"), ["a=train/a, raw"])
    write_spec(spec, str(tmp_path / "s.yaml"))
    assert load_spec(str(tmp_path / "s.yaml")).tags == {"a": ("train/a, raw",), "b": ("b",)}


@given(tag=st.text(st.characters(exclude_characters="`\n", codec="utf-8"), min_size=1))
def test_any_tag_is_read_back_or_refused(
    tmp_path_factory: pytest.TempPathFactory, tag: str
) -> None:
    path = tmp_path_factory.mktemp("specs") / "s.yaml"
    spec = replace(spec_from_formula("loss = a + b"), tags={"a": (tag,), "b": ("b",)})
    try:
        write_spec(spec, str(path))
    except UsageError:
        assert not path.exists()
        return
    assert load_spec(str(path)).tags == spec.tags


def test_file_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the spec cannot be written"):
        write_spec(spec_from_formula("loss = a + b"), str(tmp_path / "missing" / "s.yaml"))


def test_text_has_one_line_for_each_thing() -> None:
    assert spec_text(spec_from_formula("`the loss` = 2*a - b")) == (
        'name: "ad-hoc"\nformula: "2*a - b"\ndtype: float32\nlog:\n  total: ["the loss"]\n'
    )


def test_how_a_log_is_read_is_written_too(tmp_path: Path) -> None:
    pattern, columns = r"""it's "(?P<loss>\S+)" \\ <(?P<a>[^>]+)>""", ("step", "loss", "a: b")
    spec = replace(spec_from_formula("loss = 2*a"), name="read", pattern=pattern, columns=columns)
    path = str(tmp_path / "spec.yaml")
    write_spec(spec, path)
    found = load_spec(path)
    assert (found.pattern, found.columns) == (pattern, columns)
