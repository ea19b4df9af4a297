"""Specs from files, presets and arguments; the whole text of every refusal is a golden file."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import yaml

from lossaudit.closure.aggregates import parse_aggregate
from lossaudit.errors import FormulaError, SpecError, UsageError
from lossaudit.spec.definition import Definition
from lossaudit.spec.file_layout import json_schema_text
from lossaudit.spec.formula import parse_formula
from lossaudit.spec.load import load_spec, preset_names, presets, spec_from_formula
from lossaudit.spec.replay_section import ReplaySection
from lossaudit.spec.schema import Spec

ROOT = Path(__file__).parent.parent.parent
SPECS = ROOT / "fixtures" / "specs"
VALID = sorted(p.stem for p in (SPECS / "valid").glob("*.yaml"))
BAD = sorted(p.stem for p in (SPECS / "bad").glob("*.yaml"))
SCHEMA = ROOT / "docs" / "schema" / "spec.schema.json"

KNOWN_TO_THE_SCHEMA = ["70-unknown-keys", "71-weights", "values", "no-mapping"]


def strict_schema() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))


def load_text(folder: Path, text: str) -> Spec:
    (folder / "s.yaml").write_text(text)
    return load_spec(str(folder / "s.yaml"))


@pytest.mark.parametrize("case", BAD)
def test_every_problem_of_a_bad_spec_is_told(
    case: str, golden: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(SPECS / "bad")
    with pytest.raises(SpecError) as caught:
        load_spec(f"{case}.yaml")
    golden(f"specs/bad/{case}.expected", f"{caught.value}\n")
    assert not Path("pwned").exists()


@pytest.mark.parametrize("case", VALID)
def test_valid_specs_load(case: str) -> None:
    assert load_spec(str(SPECS / "valid" / f"{case}.yaml")).formula_text


def test_the_example_of_the_design_loads_whole() -> None:
    path = SPECS / "valid" / "musetalk.yaml"
    spec = load_spec(str(path))
    assert spec == Spec(
        name="musetalk-v1",
        formula=parse_formula("2.0*loss_lip + loss_latents"),
        formula_text="2.0*loss_lip + loss_latents",
        dtype="float32",
        total=("loss/step_loss", "loss"),
        tags={"loss_lip": ("loss_lip", "loss/lip"), "loss_latents": ("loss_latents",)},
        rivals={
            name: (parse_formula(text), text)
            for name, text in {
                "diagram": "loss_lip + 2.0*loss_latents",
                "unweighted": "loss_lip + loss_latents",
            }.items()
        },
        terms={
            "loss_lip": Definition(
                kind="l1",
                reduction="mean",
                prediction="image_pred_img",
                target="image",
                region="lower_half",
            ),
            "loss_latents": Definition(
                kind="l1",
                reduction="mean",
                prediction="image_pred",
                target="latents",
                note="in latent space",
            ),
        },
        aggregates={"total": "last", "loss/lip": "mean:32"},
        step=("epoch", "iter"),
        duplicates="last",
        unlogged={"loss_latents": "only the total is written"},
        max_share=0.9,
        sources=("https://github.com/TMElyralab/MuseTalk/issues/80",),
        summary="the code's formula, not the figure's",
        path=str(path),
        sha256=spec.sha256,
        line=4,
    )
    assert len(spec.sha256) == 64


def test_a_spec_goes_to_another_process_whole() -> None:
    spec = load_spec(str(SPECS / "valid" / "musetalk.yaml"))
    assert pickle.loads(pickle.dumps(spec)) == spec


def test_terms_without_tags_are_looked_for_under_their_own_name() -> None:
    spec = load_spec(str(SPECS / "valid" / "minimal.yaml"))
    assert spec.tags == {"a": ("a",), "b": ("b",)}
    assert (spec.total, spec.max_share, spec.duplicates) == ((), None, "all")


def test_families_use_the_tags_that_they_match() -> None:
    spec = load_spec(str(SPECS / "valid" / "family.yaml"))
    assert spec.tags == {"train/extra": ("extra",), "loss_cls": ("loss_cls",)}


def test_what_a_family_excludes_is_not_used(tmp_path: Path) -> None:
    text = 'name: a\nformula: "sum(`loss_*`, `!loss_scale`)"\nlog: {terms: {loss_scale: x}}\n'
    with pytest.raises(SpecError, match="loss_scale: neither the formula nor a rival"):
        load_text(tmp_path, text)


def test_weights_come_from_config_files_beside_the_spec() -> None:
    spec = load_spec(str(SPECS / "valid" / "from-config.yaml"))
    assert spec.parameters == {"w_vgg": 0.01, "w_sync": 0.5, "w_gan": 3.0, "w_two": 2.5}
    assert list(spec.tags) == ["l1", "vgg", "sync", "gan", "two"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"w": 1, "w": 2}', "c.json holds a key twice: ['w', 'w']"),
        ('{"w": NaN}', "w in c.json is nan"),
        ('{"w": ' + "9" * 5000 + "}", "w in c.json is inf"),
        ('{"w": [1]}', "w in c.json is list"),
        ("[" * 100_000, "c.json cannot be read: maximum recursion depth exceeded"),
        ("{", "c.json cannot be read: Expecting property name"),
    ],
)
def test_json_config_files_are_read_strictly(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(SpecError) as caught:
        load_text(tmp_path, "name: a\nformula: w*a + b\nparameters: {w: {file: c.json, key: w}}\n")
    assert f"s.yaml:3:17: parameters.w: {message}" in str(caught.value)


def test_config_files_are_capped(tmp_path: Path) -> None:
    for name in ("c.json", "c.yaml"):
        (tmp_path / name).write_text('{"w": 1}' + " " * (1 << 20))
        text = f"name: a\nformula: w*a + b\nparameters: {{w: {{file: {name}, key: w}}}}\n"
        with pytest.raises(SpecError, match=f"{name}:1:1: the file is too large"):
            load_text(tmp_path, text)


def test_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_bytes(b"\xef\xbb\xbfname: a\r\nformula: a + b\r\n")
    assert load_spec(str(tmp_path / "s.yaml")).formula_text == "a + b"


def test_twenty_thousand_terms_load(tmp_path: Path) -> None:
    formula = " + ".join(f"t{i}" for i in range(20_000))
    assert len(load_text(tmp_path, f"name: a\nformula: {formula}\n").tags) == 20_000


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_loads_under_its_file_name(name: str) -> None:
    spec = load_spec(name)
    assert (spec.name, Path(spec.path).name) == (name, f"{name}.yaml")


def test_all_presets_are_those_of_the_folder() -> None:
    assert preset_names() == sorted(p.stem for p in (ROOT / "lossaudit/presets").glob("*.yaml"))
    assert "musetalk-v1" in preset_names()


def test_presets_load_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lossaudit.spec.load.preset_names", lambda: ["musetalk-v1"])
    assert {name: spec.name for name, spec in presets().items()} == {"musetalk-v1": "musetalk-v1"}


def test_an_unknown_preset_is_told_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lossaudit.spec.load.preset_names", lambda: ["detr", "musetalk-v1"])
    with pytest.raises(UsageError) as caught:
        load_spec("musetalk_v1")
    assert str(caught.value) == (
        "no preset and no file is called 'musetalk_v1'\n"
        "  expected: a spec file, or one of detr, musetalk-v1\n"
        "  try: did you mean musetalk-v1?"
    )


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_spec("gone/s.yaml")
    assert str(caught.value) == "the spec 'gone/s.yaml' cannot be read: No such file or directory"
    with pytest.raises(UsageError, match=r"cannot be read: Is a directory$"):
        load_spec(str(tmp_path))
    with pytest.raises(UsageError, match="null byte"):
        load_spec("a\0.yaml")


def test_a_file_without_a_suffix_is_a_path_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plain").write_text("name: a\nformula: a + b\n")
    Path("musetalk-v1").mkdir()
    assert load_spec("plain").name == "a"
    assert load_spec("musetalk-v1").path.endswith("presets/musetalk-v1.yaml")


@pytest.mark.parametrize(
    ("formula", "total", "text", "terms"),
    [
        ("loss = 2*a + b", "loss", "2*a + b", ["a", "b"]),
        ("loss=a", "loss", "a", ["a"]),
        ("`train/loss` = 2.0*`loss lip` + lat", "train/loss", "2.0*`loss lip` + lat", None),
        ("`a=b` = `c=d` + e", "a=b", "`c=d` + e", ["c=d", "e"]),
        ("loss = where(step <= 3, a, b)", "loss", "where(step <= 3, a, b)", ["a", "b"]),
        ("loss = where(epoch == 3, a, b)", "loss", "where(epoch == 3, a, b)", ["a", "b"]),
    ],
)
def test_an_ad_hoc_formula_is_split_at_its_first_equals_sign(
    formula: str, total: str, text: str, terms: list[str] | None
) -> None:
    spec = spec_from_formula(formula, [])
    assert (spec.total, spec.formula_text, spec.name) == ((total,), text, "ad-hoc")
    assert spec.formula == parse_formula(text)
    assert list(spec.tags) == (terms or ["loss lip", "lat"])


def test_ad_hoc_rivals_have_names_or_numbers() -> None:
    rivals = ["swapped-weights = a + 2*b", "a + b", "where(step != 2, a, b)", "x_1=`p=q`"]
    spec = spec_from_formula("loss = 2*a + b", rivals)
    assert {name: text for name, (_, text) in spec.rivals.items()} == {
        "swapped-weights": "a + 2*b",
        "rival-1": "a + b",
        "rival-2": "where(step != 2, a, b)",
        "x_1": "`p=q`",
    }
    assert list(spec.tags) == ["a", "b", "p=q"]
    assert spec.sha256 != spec_from_formula("loss = 2*a + b", rivals[:2]).sha256


@pytest.mark.parametrize(
    ("formula", "rivals", "message"),
    [
        (
            "a + b",
            [],
            "--formula 'a + b' does not start with the total's tag\n"
            "  expected: TOTAL = EXPRESSION, such as loss = 2.0*loss_lip + loss_latents",
        ),
        (
            "train/loss = a",
            [],
            "--formula 'train/loss = a' does not start with the total's tag\n"
            "  expected: TOTAL = EXPRESSION, such as loss = 2.0*loss_lip + loss_latents\n"
            "  try: put the tag in backquotes: `train/loss` = ...",
        ),
        ("loss = a + loss", [], "--formula 'loss = a + loss': the total 'loss' is one of its own"),
        (
            "loss = a",
            ["x=b", "x=c"],
            "--rival 'x=c': 'x' is used twice\n"
            "  expected: NAME=EXPRESSION, a name of letters, digits, _ and -",
        ),
        ("loss = a", ["b", "rival-1=c"], "--rival 'rival-1=c': 'rival-1' is used twice"),
        ("loss = a", ["a b=c"], "--rival 'a b=c': 'a b' is no name"),
    ],
)
def test_wrong_ad_hoc_formulas_are_told(formula: str, rivals: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        spec_from_formula(formula, rivals)
    assert str(caught.value).startswith(message)


def test_a_formula_error_points_into_the_whole_argument() -> None:
    with pytest.raises(FormulaError) as caught:
        spec_from_formula("loss = 2*a + + b", [])
    assert str(caught.value) == (
        "formula, column 14: '+' does not fit here\n"
        "  loss = 2*a + + b\n"
        "               ^\n"
        "  expected: a number, a name or ("
    )


def test_the_published_schema_is_the_generated_one() -> None:
    assert SCHEMA.read_text() == json_schema_text(), (
        "write json_schema_text() of lossaudit.spec.file_layout to docs/schema/spec.schema.json"
    )


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(SCHEMA.read_text()))


@pytest.mark.parametrize("case", VALID)
def test_the_schema_accepts_valid_specs(case: str) -> None:
    value = yaml.safe_load((SPECS / "valid" / f"{case}.yaml").read_text())
    assert list(strict_schema().iter_errors(value)) == []


@pytest.mark.parametrize("case", KNOWN_TO_THE_SCHEMA)
def test_the_schema_rejects_bad_specs(case: str) -> None:
    value = yaml.safe_load((SPECS / "bad" / f"{case}.yaml").read_text())
    assert list(strict_schema().iter_errors(value)) != []


@pytest.mark.parametrize(
    "kind",
    [
        *(
            "step",
            "last",
            "rank-local",
            "mean",
            "mean:32",
            "mean:float64",
            "sum",
            "sum:8",
            "median",
        ),
        *("median:20", "rank-mean", "rank-mean:4", "ema:.9", "ema:0.99"),
        *("mean:0", "mean:-1", "mean:1e3", "median:float64", "ema", "ema:1", "ema:1.5", "Mean", ""),
        *("mean:1234567890", "step:2", "last:1", "rank-local:2", "ema:0.1234567890123"),
    ],
)
def test_the_loader_takes_the_aggregates_that_the_closure_understands(
    tmp_path: Path, kind: str
) -> None:
    text = f"name: a\nformula: a + b\nlog: {{aggregate: {{total: '{kind}'}}}}\n"
    understood = does_not_raise(UsageError, lambda: parse_aggregate(kind))
    assert does_not_raise(SpecError, lambda: load_text(tmp_path, text)) == understood


def test_aggregates_may_be_declared_by_glob(tmp_path: Path) -> None:
    text = "name: a\nformula: a + b\nlog: {terms: {a: train/a}, aggregate: {'train/*': mean}}\n"
    assert load_text(tmp_path, text).aggregates == {"train/*": "mean"}
    with pytest.raises(SpecError, match=r"val/\*: this is no term, no tag and not the total"):
        load_text(tmp_path, text.replace("'train/*'", "'val/*'"))


def test_thousands_of_unknown_terms_give_a_hundred_problems(tmp_path: Path) -> None:
    formula = " + ".join(f"t{i}" for i in range(3000))
    unknown = ", ".join(f"u{i}: x" for i in range(3000))
    with pytest.raises(SpecError) as caught:
        load_text(tmp_path, f"name: a\nformula: {formula}\nlog: {{terms: {{{unknown}}}}}\n")
    assert len(caught.value.problems) == 100


def does_not_raise(kind: type[Exception], check: Callable[[], object]) -> bool:
    try:
        check()
    except kind:
        return False
    return True


@pytest.mark.parametrize(
    "extra",
    [
        *("summary: x", "summary: ''", "summary: 3", "dtype: float16", "dtype: int8", "x: 1"),
        *("parameters: {}", "parameters: []", "sources: []", "sources: [http://a]", "sources: a"),
        *("log: {total: a}", "log: {total: [a, b]}", "log: {total: []}", "log: {total: 1}"),
        *("log: {step: [1]}", "log: {terms: {a: []}}", "log: {terms: {a: x}}", "log: []"),
        *("log: {duplicates: all}", "log: {duplicates: no}", "log: {unlogged: {a: ''}}"),
        *(
            f"log: {{aggregate: {{a: {k}}}}}"
            for k in ("mean:8", "sum:2", "mean:x", "ema:.9", "ema:1")
        ),
        *(f"log: {{aggregate: {{a: {k}}}}}" for k in ("median:0", "rank-mean:4", "ema:0.0", "x")),
        *("balance: {max_share: 1}", "balance: {max_share: 0}", "balance: {max_share: 1.01}"),
        *("terms: {a: {}}", "terms: {a: {reduction: none}}", "terms: {a: {reduction: avg}}"),
        *("terms: {a: {beta: 0.5}}", "terms: {a: {beta: x}}", "terms: {a: {kind: anything else}}"),
        *(
            "terms: {a: {log_target: true}}",
            "terms: {a: {log_target: 1}}",
            "terms: {a: {gamma: 1}}",
        ),
        *("terms: {a: {layer_weights: 1}}", "terms: {a: {layer_weights: [1, 0.5]}}"),
        *("terms: {a: {layer_weights: []}}", "terms: {a: {denominator: whole, dtype: bfloat16}}"),
        *("terms: {a: {denominator: half}}", "terms: {a: {dtype: int8}}", "terms: {a: {norm: l2}}"),
        *("rivals: {a-b: a}", "rivals: {1a: a}", "rivals: {a: ''}", "rivals: {a: 2}"),
        *("parameters: {'': 1}", "parameters: {a: {file: /x, key: y}}", "parameters: {a: '1'}"),
    ],
)
def test_loader_and_schema_agree(tmp_path: Path, extra: str) -> None:
    text = f"name: agree\nformula: a + b\n{extra}\n"
    value = yaml.safe_load(text.replace("no}", "'no'}"))
    assert does_not_raise(SpecError, lambda: load_text(tmp_path, text)) == strict_schema().is_valid(
        value
    )


def modules_after(code: str) -> set[str]:
    command = [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return set(result.stdout.split())


def test_loading_a_spec_imports_neither_pydantic_nor_anything_else_heavy() -> None:
    code = "from lossaudit.spec.load import load_spec; load_spec('musetalk-v1')"
    assert not modules_after(code) & {"pydantic", "torch", "numpy", "polars", "typer"}


def test_the_import_test_can_fail() -> None:
    code = "from lossaudit.spec.file_layout import json_schema_text; json_schema_text()"
    assert "pydantic" in modules_after(code)


def test_replay_section_names_an_adapter_and_training_s_numbers(tmp_path: Path) -> None:
    assert load_spec("musetalk-v1").replay == ReplaySection("musetalk-v1", "float16", True)
    path = tmp_path / "spec.yaml"
    path.write_text("name: a\nformula: x + y\n")
    assert load_spec(str(path)).replay == ReplaySection("", "none", False)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("{adapter: own_net.model:run}", "replay.adapter is the text 'own_net.model:run'"),
        ("{adapter: ../../own}", "replay.adapter is the text '../../own'"),
        ("{autocast: fp16}", "replay.autocast is the text 'fp16'"),
        ("{tf32: 1}", "replay.tf32 is the number 1"),
        ("{adaptor: musetalk-v1}", "unknown key 'adaptor'"),
    ],
)
def test_a_spec_cannot_name_code(tmp_path: Path, section: str, message: str) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(f"name: a\nformula: x + y\nreplay: {section}\n")
    with pytest.raises(SpecError) as caught:
        load_spec(str(path))
    assert message in str(caught.value)


LAID_OUT = """\
name: laid-out
formula: 2*lip + lat
log:
  total: [loss]
  pattern: {pattern}
  columns: [step, loss, lip, lat]
"""


def test_a_spec_says_how_a_log_is_read(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(LAID_OUT.format(pattern="'<(?P<loss>[^;]+)>'"))
    spec = load_spec(str(path))
    assert (spec.pattern, spec.columns) == ("<(?P<loss>[^;]+)>", ("step", "loss", "lip", "lat"))


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("'(?P<loss>'", "column 1: missing ): (?P<loss>"),
        ("'loss .*'", "column 1: it has no named group"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_a_problem_of_the_file(
    tmp_path: Path, pattern: str, said: str
) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(LAID_OUT.format(pattern=pattern))
    with pytest.raises(SpecError) as caught:
        load_spec(str(path))
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (5, 13)
    assert problem.message == f"log.pattern {pattern}, {said}"
