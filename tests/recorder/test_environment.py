"""What the recorder writes of the training's own environment, and how it is read: as hostile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from lossaudit.recorder import Recorder
from lossaudit.recorder.environment import asked, numerics_of, training_environment
from lossaudit.witnesses.recorded_environment import (
    LARGEST,
    MOST_KEYS,
    parse_environment,
    read_environments,
    told_alike,
)


@pytest.fixture
def flags() -> Iterator[None]:
    """The process's flags, as they were afterwards."""
    before = torch.get_float32_matmul_precision(), torch.get_num_threads()
    yield
    torch.set_float32_matmul_precision(before[0])
    torch.set_num_threads(before[1])
    torch.use_deterministic_algorithms(False)


def record(recorder: Recorder, *steps: int) -> None:
    for step in steps:
        term = torch.tensor(float(step), requires_grad=True)
        recorder.record(step, 2 * term, {"a": term}, {"x": torch.zeros(2)})


def lines(run: Path) -> list[dict[str, str]]:
    path = run / "record" / "environment.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.usefixtures("flags")
def test_flags_are_told_as_they_are_set() -> None:
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_float32_matmul_precision("high")
    torch.set_num_threads(1)
    torch.manual_seed(1234)
    told = training_environment(torch.zeros(()))
    assert told["deterministic_algorithms"] == "warn only"
    assert (told["matmul_precision"], told["threads"], told["seed"]) == ("high", "1", "1234")
    torch.use_deterministic_algorithms(True)
    assert numerics_of("cpu")["deterministic_algorithms"] == "on"


def test_autocast_is_told_where_the_total_is_recorded_under_it() -> None:
    assert "autocast" not in training_environment(torch.zeros(()))
    with torch.autocast("cpu", torch.bfloat16):
        assert training_environment(torch.zeros(()))["autocast"] == "bfloat16"


def test_what_a_torch_does_not_tell_is_left_out() -> None:
    def refuses() -> str:
        raise RuntimeError("mix of the legacy and new APIs")

    assert asked({"a": refuses, "b": lambda: None, "c": lambda: 3}) == {"c": "3"}


@pytest.mark.usefixtures("flags")
def test_a_line_is_written_where_a_process_starts_and_where_something_changes(
    tmp_path: Path,
) -> None:
    recorder = Recorder(tmp_path, every=1)
    torch.manual_seed(1)
    record(recorder, 1, 2)
    torch.manual_seed(2)  # loops seed each step; that alone is no news
    record(recorder, 3)
    torch.use_deterministic_algorithms(True)
    record(recorder, 4)
    record(Recorder(tmp_path, every=1), 5)
    assert recorder.lost == ()
    assert [line["step"] for line in lines(tmp_path)] == [1, 4, 5]
    assert [line["deterministic_algorithms"] for line in lines(tmp_path)] == ["off", "on", "on"]


def test_it_reads_back(tmp_path: Path) -> None:
    record(Recorder(tmp_path, every=1), 1)
    found = read_environments([str(tmp_path / "record" / "environment.jsonl")])
    (entry,) = found.entries
    assert "step" not in entry
    assert entry["torch"] == torch.__version__
    assert (len(found.inputs), found.skipped) == (1, ())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"[]", "not an object"),
        (b'{"a": {}}', "no plain one"),
        (b'{"a": 1, "a": 2}', "occurs twice"),
        (b'{"\\u001b[31m": 1}', "no name in small letters"),
        (json.dumps({f"k{k}": 1 for k in range(MOST_KEYS + 1)}).encode(), "keys"),
        (b'{"a": "' + b"x" * 20_000 + b'"}', "bytes"),
        (b"{" * 5000, "."),
        (b"\xff", "no UTF-8"),
        (b'{"a": NaN}', "not JSON"),
    ],
)
def test_what_the_recorder_would_not_write_is_refused(text: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_environment(text)


def test_values_are_bounded() -> None:
    (value,) = parse_environment(b'{"torch": "' + b"9" * 5000 + b'"}').values()
    assert len(value) < 200


def test_a_file_that_cannot_be_read_is_skipped_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b" " * (LARGEST + 1))
    (tmp_path / "torn").write_bytes(b'{"torch": "2"}\n{"torch": ')
    (tmp_path / "other").write_bytes(b"step 1\n")
    paths = [str(tmp_path / name) for name in ("large", "torn", "other", "none")]
    found = read_environments(paths)
    assert found.entries == ({"torch": "2"},)
    assert [why.partition(" ")[0] for _, why in found.skipped] == [paths[0], paths[2], paths[3]]


def test_values_that_differ_stand_beside_each_other() -> None:
    entries = [{"torch": "2.1", "device": "cpu"}, *({"torch": str(k)} for k in range(5))]
    assert told_alike(entries) == {"torch": "2.1 / 0 / 1 and 3 more", "device": "cpu"}
