"""Joining totals and terms, against a slow join of dictionaries."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lossaudit.closure.keys import Keys, find_keys
from lossaudit.closure.rows import Join, Rows
from lossaudit.model.log import Log
from lossaudit.model.table import Column, Table


def log_of(
    records: list[dict[str, float]], steps: list[int] | None = None, cut: int | None = None
) -> Log:
    """One dictionary per record; a cut begins a second stretch."""
    log = Log("log")
    for a, b in ((0, cut), (cut, None)) if cut else ((0, None),):
        log.append(table_of(records[a:b], None if steps is None else steps[a:b]))
    return log


def join_rows(log: Log, total: str, tags: list[str], keys: Keys, duplicates: str = "all") -> Rows:
    """All rows at once; the number of repeated steps is that of all blocks."""
    blocks = list(Join.of(log, total, tags, keys, duplicates).rows())
    first = blocks[0]
    return replace(
        first,
        step=np.concatenate([b.step for b in blocks]),
        epoch=np.concatenate([b.epoch for b in blocks]),
        records=np.concatenate([b.records for b in blocks]),
        values={t: np.concatenate([b.values[t] for b in blocks]) for t in first.values},
        present={t: np.concatenate([b.present[t] for b in blocks]) for t in first.present},
        ambiguous=np.concatenate([b.ambiguous for b in blocks]),
        orphans=sum(b.orphans for b in blocks),
        duplicates=sum(b.duplicates for b in blocks),
    )


def steps_of(log: Log, keys: Keys) -> list[int]:
    return [s for first, table in log.stretches() for s in keys.steps_of(first, table).tolist()]


def key_of(log: Log, keys: Keys) -> list[int]:
    return list(range(log.records)) if keys.key is None else keys.key.tolist()


def table_of(records: list[dict[str, float]], steps: list[int] | None = None) -> Table:
    """One dictionary per record."""
    columns = {}
    for tag in dict.fromkeys(t for r in records for t in r):
        found = [(i, r[tag]) for i, r in enumerate(records) if tag in r]
        columns[tag] = Column(
            tag, np.array([v for _, v in found], float), np.array([i for i, _ in found], int)
        )
    known = None if steps is None else np.array(steps, dtype=np.int64)
    return Table("log", columns, np.arange(len(records)), "line", known)


def slow_join(records: list[dict[str, float]], keys: list, total: str, tag: str, duplicates: str):
    """(record, total, value or None, ambiguous) of each row, the slow way."""
    totals = [i for i, r in enumerate(records) if total in r]
    ours, theirs, every = defaultdict(list), defaultdict(list), defaultdict(list)
    for i, r in enumerate(records):
        if total in r:
            every[keys[i]].append(i)
        if total in r and tag not in r:
            ours[keys[i]].append(i)
        if tag in r and total not in r:
            theirs[keys[i]].append(i)
    joint = sum(total in r and tag in r for r in records)
    pairs = sum(min(len(ours[k]), len(theirs[k])) for k in set(keys))
    by_key = not joint or pairs >= max(1, 0.1 * joint)
    rows = []
    for i in totals:
        same, others = ours[keys[i]], theirs[keys[i]] if by_key else []
        if duplicates == "first" and every[keys[i]][0] != i:
            continue
        if duplicates == "last" and every[keys[i]][-1] != i:
            continue
        if i not in same:
            rows.append((i, records[i][total], records[i][tag], False))
            continue
        place = same.index(i)
        value = records[others[place]][tag] if place < len(others) else None
        rows.append((i, records[i][total], value, bool(others) and len(others) != len(same)))
    return rows


RECORDS = st.lists(
    st.fixed_dictionaries(
        {"step": st.integers(0, 4)},
        optional={
            "loss": st.integers(0, 99),
            "a": st.integers(100, 199),
            "b": st.integers(200, 299),
        },
    ),
    min_size=1,
    max_size=25,
)


def compare(records: list[dict[str, float]], keys, order: list, duplicates: str, log: Log) -> None:
    tags = [t for t in ("a", "b") if t in log.columns]
    rows = join_rows(log, "loss", tags, keys, duplicates)
    unclear = np.zeros(len(rows), bool)
    for tag in tags:
        slow = slow_join(records, order, "loss", tag, duplicates)
        assert rows.records.tolist() == [r[0] for r in slow]
        assert rows.values["loss"].tolist() == [r[1] for r in slow]
        assert rows.present[tag].tolist() == [r[2] is not None for r in slow]
        for value, (_, _, expected, _) in zip(rows.values[tag], slow, strict=True):
            assert np.isnan(value) if expected is None else value == expected
        unclear |= np.array([r[3] for r in slow], bool)
    assert rows.ambiguous.tolist() == unclear.tolist()


@given(RECORDS, st.sampled_from(["all", "first", "last"]), st.integers(0, 25))
def test_the_join_is_the_slow_joins(
    records: list[dict[str, float]], duplicates: str, cut: int
) -> None:
    log = log_of(records, cut=cut % len(records))
    if "loss" in log.columns:
        keys = find_keys(log)
        compare(records, keys, [r["step"] for r in records], duplicates, log)


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["loss", "a", "b"]), st.integers(0, 99)),
        min_size=1, max_size=25,
    ),
    st.sampled_from(["all", "first", "last"]),
    st.integers(0, 25),
)  # fmt: skip
def test_the_join_of_tags_with_records_of_their_own(events, duplicates: str, cut: int) -> None:
    records = [{tag: float(value)} for _, tag, value in events]
    steps = [step for step, _, _ in events]
    log = log_of(records, steps, cut % len(records))
    if "loss" in log.columns:
        compare(records, find_keys(log), steps, duplicates, log)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=20))
def test_epoch_and_iter_make_the_key_where_iter_repeats(pairs: list[tuple[int, int]]) -> None:
    records = [{"epoch": e, "iter": i, "loss": k} for k, (e, i) in enumerate(pairs)]
    log = log_of(records)
    keys = find_keys(log)
    key = key_of(log, keys)
    joint = len(set(pairs)) > len({i for _, i in pairs})
    assert keys.tags == (("epoch", "iter") if joint else ("iter",))
    for a, left in enumerate(pairs):
        for b, right in enumerate(pairs):
            same = left == right if joint else left[1] == right[1]
            assert (key[a] == key[b]) == same
    rows = join_rows(log, "loss", [], keys)
    assert rows.duplicates == len(pairs) - len(set(key))
    assert rows.step.tolist() == [i for _, i in pairs]
    assert rows.epoch.tolist() == [e for e, _ in pairs]


def test_named_key_columns_are_used_whole_and_the_last_is_shown() -> None:
    records = [{"epoch": e, "i": i, "loss": 1.0} for e in (0, 1) for i in (5, 6)]
    log = log_of(records)
    keys = find_keys(log, ("epoch", "i"))
    assert keys.tags == ("epoch", "i")
    assert len(set(key_of(log, keys))) == 4
    assert steps_of(log, keys) == [5, 6, 5, 6]


@pytest.mark.parametrize(
    ("tags", "chosen"),
    [
        (["loss", "epoch", "step"], "step"),
        (["loss", "epoch", "Iter"], "Iter"),
        (["loss", "epoch"], "epoch"),
        (["loss", "epoch", "num_updates"], "num_updates"),
        (["loss", "trainer/global_step", "epoch"], "trainer/global_step"),
    ],
)
def test_a_well_known_step_column_is_found(tags: list[str], chosen: str) -> None:
    assert find_keys(log_of([dict.fromkeys(tags, 1.0)])).tags == (chosen,)


def test_the_step_of_rare_lines_of_their_own_is_not_that_of_the_others() -> None:
    """nanoGPT prints `step 0: train loss ...` now and then, and `iter 0: loss ...` always."""
    evaluated = {"step": 0.0, "train loss": 1.0}
    log = log_of([evaluated, *({"iter": float(k), "loss": 2.0} for k in range(3))])
    assert find_keys(log).tags == ("iter",)
    both = {"step": 9.0, "iter": 3.0, "loss": 2.0}
    shared = log_of([both, *({"iter": float(k), "loss": 2.0} for k in range(3))])
    assert find_keys(shared).tags == ("step",)
    as_many = log_of([evaluated, {"iter": 0.0, "loss": 2.0}])
    assert find_keys(as_many).tags == ("step",)


def test_a_log_without_a_step_counts_its_records() -> None:
    log = log_of([{"loss": 1.0}, {"x": 1.0}, {"loss": 1.0}])
    keys = find_keys(log)
    rows = join_rows(log, "loss", [], keys)
    assert not keys.known
    assert rows.step.tolist() == [0, 2]
    assert (rows.duplicates, rows.known_steps) == (0, False)


def test_records_without_a_step_are_shown_as_minus_one_and_equal_no_other() -> None:
    log = log_of([{"loss": 1.0}, {"step": 3, "loss": 2.0}, {"step": float("nan"), "loss": 3.0}])
    keys = find_keys(log)
    assert steps_of(log, keys) == [-1, 3, -1]
    assert len(set(key_of(log, keys))) == 3


def test_the_policy_keeps_the_first_or_the_last_of_a_repeated_step() -> None:
    log = log_of([{"step": s, "loss": v} for s, v in [(1, 10), (2, 20), (1, 11), (1, 12)]])
    keys = find_keys(log)
    kept = {p: join_rows(log, "loss", [], keys, p).values["loss"].tolist() for p in
            ("all", "first", "last")}  # fmt: skip
    assert kept == {"all": [10, 20, 11, 12], "first": [10, 20], "last": [20, 12]}


def test_unequal_counts_at_a_step_are_ambiguous_there_only() -> None:
    records = [{"loss": 1.0}, {"a": 2.0}, {"loss": 3.0}, {"a": 4.0}, {"a": 5.0}]
    log = log_of(records, [0, 0, 1, 1, 1])
    rows = join_rows(log, "loss", ["a"], find_keys(log))
    assert rows.ambiguous.tolist() == [False, True]


def apart(step: int, loss: float, a: float) -> list[dict[str, float]]:
    return [{"step": step, "loss": loss}, {"step": step, "a": a}]


def joined(records: list[dict[str, float]]) -> list[tuple[float, float]]:
    log = log_of(records)
    rows = join_rows(log, "loss", ["a"], find_keys(log))
    assert not rows.ambiguous.any()
    return list(zip(rows.values["loss"].tolist(), rows.values["a"].tolist(), strict=True))


def test_a_record_that_holds_all_does_not_undo_the_pairs_of_the_others() -> None:
    records = [r for k in range(5) for r in apart(k, k, 10 + k)]
    summary = {"step": 5, "loss": 5, "a": 15}
    assert joined([*records, summary]) == [(k, 10 + k) for k in range(6)]


def test_a_validation_record_pairs_within_itself_at_a_step_of_others() -> None:
    records = [
        r for k in range(3) for r in (*apart(k, k, 10 + k), {"step": k, "loss": 90, "a": 91})
    ]
    assert joined(records) == [pair for k in range(3) for pair in ((k, 10 + k), (90, 91))]


def test_what_damage_left_of_two_records_of_a_step_is_no_pair() -> None:
    whole = [{"step": k, "loss": k, "a": 10 + k} for k in range(11)]
    again = [{"step": 3, "a": 99.0}, {"step": 3, "loss": 98.0}]
    rows = joined([*whole, *again])
    assert rows[:-1] == [(k, 10 + k) for k in range(11)]
    assert rows[-1][0] == 98
    assert np.isnan(rows[-1][1])
