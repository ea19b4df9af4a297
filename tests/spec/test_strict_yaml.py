"""BAD-INPUT 63 and 65 to 68: what YAML may mean in a spec, and the whole text of every refusal."""

from __future__ import annotations

import math
from typing import Any

import pytest

from lossaudit.errors import SpecError
from lossaudit.spec.strict_yaml import DEPTH, LIMIT, Node, compose_yaml, load_yaml


def value_of(scalar: str) -> object:
    return load_yaml(f"key: {scalar}\n", "s.yaml").value["key"].value


def plain_values(node: Node) -> Any:
    match node.value:
        case dict():
            return {key: plain_values(value) for key, value in node.value.items()}
        case list():
            return [plain_values(item) for item in node.value]
    return node.value


def refusal(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        load_yaml(text, "s.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        ("-.5", -0.5),
        ("2", 2.0),
        ("+2.", 2.0),
        ("0", 0.0),
        ("0.10", 0.1),
        ("01.5", 1.5),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("1e400", math.inf),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
    ],
)
def test_plain_scalars_that_mean_a_number_a_truth_value_or_nothing(
    scalar: str, value: object
) -> None:
    found = value_of(scalar)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "scalar",
    [
        *("on", "off", "yes", "no", "On", "y", "N", "12:30:45", "190:20:30.15", "2024-01-01"),
        *("1e", "e5", "1.2.3", "inf", "nan", "=", "mean:32", "1e-3x", "0x", "9" * 101),
    ],
)
def test_what_pyyaml_would_turn_into_something_else_stays_text(scalar: str) -> None:
    assert value_of(scalar) == scalar


@pytest.mark.parametrize("scalar", ['"1e-3"', "'012'", '"true"', "'~'", '""'])
def test_quoted_scalars_are_text(scalar: str) -> None:
    assert value_of(scalar) == scalar[1:-1]


def test_nan_is_a_number() -> None:
    assert math.isnan(value_of(".nan"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "scalar", ["0o14", "0x1F", "0b11", "1_000", "1_000.5", "-0_7", "00", "-012"]
)
def test_numbers_that_yaml_readers_read_differently_are_refused(scalar: str) -> None:
    assert f"YAML readers disagree on what {scalar} means" in refusal(f"key: {scalar}\n")


def test_leading_zero_names_both_ways_out() -> None:
    assert refusal("a: 1\nkey:  012\n") == (
        "s.yaml:2:7: YAML readers disagree on what 012 means\n"
        '  try: write a decimal number, or text in quotes: "012"'
    )


def test_duplicate_keys_are_refused_at_any_depth() -> None:
    assert refusal("a: 1\nb: {c: 1, 'c': 2}\na: 3\n") == (
        "s.yaml:2:11: the key 'c' stands here again; it is on line 2 too\n"
        "  try: delete one of the two\n"
        "s.yaml:3:1: the key 'a' stands here again; it is on line 1 too\n"
        "  try: delete one of the two"
    )


def test_a_python_tag_is_refused_and_nothing_runs() -> None:
    assert refusal("a: !!python/object/apply:os.system [touch /tmp/pwned]\nb: !secret 1\n") == (
        "s.yaml:1:4: the tag '!!python/object/apply:os.system' is refused\n"
        "  try: delete it, or quote the text\n"
        "s.yaml:2:4: the tag '!secret' is refused\n"
        "  try: delete it, or quote the text"
    )


def test_an_alias_bomb_is_refused_at_its_first_anchor() -> None:
    bomb = "a: &a [x, x]\nb: &b [*a, *a]\n"
    assert refusal(bomb) == (
        "s.yaml:1:4: the anchor '&a' is refused\n"
        "  try: write the value out where it is needed\n"
        "s.yaml:2:4: the anchor '&b' is refused\n"
        "  try: write the value out where it is needed\n"
        "s.yaml:2:8: the alias '*a' is refused\n"
        "  try: write the value out where it is needed\n"
        "s.yaml:2:12: the alias '*a' is refused\n"
        "  try: write the value out where it is needed"
    )


def test_a_value_that_contains_itself_is_refused() -> None:
    assert "s.yaml:1:8: the alias '*a' is refused" in refusal("a: &a [*a]\n")


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_depth_is_capped_before_it_costs_anything(opening: str) -> None:
    text = "key: " + ("\n" if opening == "- " else "") + opening * 3000
    assert f"nested deeper than {DEPTH} levels" in refusal(text)


def test_depth_just_below_the_cap_is_read() -> None:
    depth = DEPTH - 1
    assert compose_yaml("key: " + "[" * depth + "]" * depth)[1] == []


def test_size_is_capped() -> None:
    assert refusal("# " + "x" * LIMIT) == (
        "s.yaml:1:1: the file is too large\n  expected: at most 1,048,576 bytes"
    )


def test_control_and_bidi_characters_are_named_with_their_place() -> None:
    assert refusal("a: x\x00\nb: 1 # \u202e evil\n") == (
        "s.yaml:1:5: the character U+0000 is refused: it cannot be seen\n"
        "  try: delete it\n"
        "s.yaml:2:8: the character U+202E (RIGHT-TO-LEFT OVERRIDE) is refused: it cannot be seen\n"
        "  try: delete it"
    )


def test_a_control_character_behind_an_escape_is_refused_too() -> None:
    assert refusal('a: "x\\u202e"\n') == (
        "s.yaml:1:4: the character U+202E (RIGHT-TO-LEFT OVERRIDE) is refused: it cannot be seen\n"
        "  try: delete it"
    )
    assert "U+0000" in refusal('"a\\0": 1\n')


@pytest.mark.parametrize("character", ["\u200b", "\ufeff", "\x85", "\u2028", "\u2066", "\x7f"])
def test_every_kind_of_invisible_character_is_refused(character: str) -> None:
    assert f"U+{ord(character):04X}" in refusal(f"a: x{character}y\n")


def test_a_million_control_characters_give_twenty_problems() -> None:
    assert refusal("a: " + "\x01" * 500_000).count("is refused") == 20


def test_a_thousand_duplicates_give_a_hundred_problems() -> None:
    with pytest.raises(SpecError) as caught:
        load_yaml("a: 1\n" * 1000, "s.yaml")
    assert len(caught.value.problems) == 100


def test_accents_and_greek_are_text() -> None:
    assert value_of("λ-règle") == "λ-règle"


def test_syntax_errors_stop_but_keep_what_was_found_before() -> None:
    assert refusal("a: 1\na: 2\nb: [1, 2\n") == (
        "s.yaml:2:1: the key 'a' stands here again; it is on line 1 too\n"
        "  try: delete one of the two\n"
        "s.yaml:4:1: not YAML: expected ',' or ']', but got '<stream end>', "
        "while parsing a flow sequence from line 3"
    )


def test_a_bare_backquote_is_told_to_use_quotes() -> None:
    assert refusal("formula: `train/loss` + b\n") == (
        "s.yaml:1:10: not YAML: found character '`' that cannot start any token\n"
        "  try: put the whole formula in quotes"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "s.yaml:1:1: the file is empty"),
        ("# only a comment\n", "s.yaml:1:1: the file is empty"),
        ("- a\n", "s.yaml:1:1: the file is no mapping"),
        ("\nname\n", "s.yaml:2:1: the file is no mapping"),
        ("a: 1\n---\nb: 2\n", "s.yaml:2:1: a second document starts here"),
        ("%TAG ! tag:x,2000:\n---\na: 1\n", "s.yaml:1:1: directives are refused"),
        ("1: x\n", "s.yaml:1:1: a key must be text"),
        ("? [a]\n: b\n", "s.yaml:1:3: a key must be text"),
        ("null: x\n", "s.yaml:1:1: a key must be text"),
        ("012: x\n", "s.yaml:1:1: YAML readers disagree on what 012 means"),
    ],
)
def test_other_shapes_are_refused_with_their_place(text: str, message: str) -> None:
    assert refusal(text).startswith(message)


def test_positions_of_keys_values_and_text_count_from_1() -> None:
    root = load_yaml("a:\n  b: 'x y'\n", "s.yaml")
    inner = root.value["a"].value["b"]
    assert (root.value["a"].keys["b"], (inner.line, inner.column)) == ((2, 3), (2, 6))
    assert inner.place(2) == (2, 9)


def test_a_place_inside_folded_text_is_the_start_of_the_text() -> None:
    root = load_yaml("a: x\n  y\nb: 'it''s'\n", "s.yaml")
    assert root.value["a"].place(2) == (1, 4)
    assert root.value["b"].place(3) == (3, 4)


CONFIG = "base: &b {lr: 1e-3, w: 012}\nuse: {<<: *b, lr: 2}\nobj: !!python/tuple [1]\n"


def test_config_files_may_use_aliases_merges_and_foreign_tags() -> None:
    root, problems = compose_yaml(CONFIG, config=True)
    assert problems == []
    assert root is not None
    assert plain_values(root) == {
        "base": {"lr": 0.001, "w": "012"},
        "use": {"lr": 2.0, "w": "012"},
        "obj": [1.0],
    }


def test_config_files_with_an_alias_bomb_stay_small() -> None:
    rows = ["a0: &a0 {x: 1}"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 40)]
    root, problems = compose_yaml("\n".join(rows), config=True)
    assert problems == []
    assert root is not None
    top = root.value["a39"].value
    assert top[0] is top[8]


def test_config_files_with_a_bomb_of_merges_are_refused() -> None:
    wide = ", ".join(f"k{i}: 1" for i in range(2000))
    text = f"a: &a {{{wide}}}\n" + "".join(f"b{i}: {{<<: *a}}\n" for i in range(200))
    _, problems = compose_yaml(text, config=True)
    assert [p.message for p in problems] == ["merges (<<) add more than 100,000 keys"]


def test_config_files_refuse_duplicate_keys_and_self_aliases() -> None:
    _, problems = compose_yaml("a: 1\na: 2\nb: &b [*b]\n", config=True)
    assert [p.message for p in problems] == [
        "the key 'a' stands here again; it is on line 1 too",
        "the alias '*b' names no complete value before it",
    ]
