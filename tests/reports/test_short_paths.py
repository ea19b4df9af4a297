from __future__ import annotations

import pytest

from lossaudit.rendering.short_paths import short_paths


@pytest.mark.parametrize(
    ("paths", "shown"),
    [
        (["runs/1/log.csv"], ["runs/1/log.csv"]),
        (["runs/1/log.csv", "runs/1/events/a"], ["log.csv", "events/a"]),
        (["runs/1/log.csv", "runs/1"], ["log.csv", "1"]),
        (["a.csv", "/tmp/b.csv"], ["a.csv", "tmp/b.csv"]),
        (["-", "b.csv"], ["-", "b.csv"]),
        ([], []),
    ],
)
def test_what_all_share_is_left_out(paths: list[str], shown: list[str]) -> None:
    assert list(short_paths(paths).values()) == shown
