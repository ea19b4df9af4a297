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


def test_event_file_that_is_alone_is_called_by_its_folder() -> None:
    event = "events.out.tfevents.1.host.7.v2"
    paths = [f"r/a/{event}", f"r/b/{event}", f"r/c/{event}", "r/c/log.csv", f"r/{event}"]
    assert list(short_paths(paths).values()) == ["a", "b", f"c/{event}", "c/log.csv", event]
