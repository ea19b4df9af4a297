"""What a tag's name says: whether it may be the total, and whether it is no term by its name."""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

TOTAL_WORDS = frozenset({"loss", "losses", "total", "objective", "cost"})
"""A total's name has one of these."""

PLAIN_WORDS = TOTAL_WORDS | {"train", "training", "step", "overall", "sum", "batch", "all", "tot"}
"""Words that a total's name may have and a term's hardly has."""

_NO_TERMS = """
    lr learning rate
    time timestamp eta seconds secs sec elapsed hours minutes ms wall date day
    memory mem gpu cpu ram vram util
    grad gnorm clip clipped throughput samples sample tokens images imgs fps speed tps tgs ips mfu
    flops acc accuracy precision recall auc map psnr ssim fid miou perplexity ppl bleu
    reward rewards return returns episode episodes timesteps updates fps seen
    momentum beta1 beta2 wd decay size rank seed scale scaler temperature temp
"""
NO_TERMS = frozenset(_NO_TERMS.split())
"""Words of columns that are logged beside a loss and are no terms of it."""

_COUNTERS = "step steps iter iters iteration iterations it epoch epochs batch batches count num"
COUNTERS = frozenset(_COUNTERS.split())
"""Words of columns that count; but `kl_step` may be the term `kl`, as logged at each step."""

_FORMS = frozenset({"train", "training", "step", "epoch"})
"""Words that tell where and when a column is logged, not which term it is."""

_DERIVED = """
    ema avg average smooth smoothed smoothing running moving best unscaled previous prev last
    rolling cumulative
"""
DERIVED = frozenset(_DERIVED.split())
"""Words that say that a column was made from others, even where `loss` is in its name."""

_LOSS_SCALE = re.compile(r"(?:^| )loss scaler?$")


def words(tag: str) -> tuple[str, ...]:
    """The words of a tag in lower case: `train/LossBox_reg2` is train, loss, box, reg, 2."""
    return tuple(w.lower() for w in _WORD.findall(tag))


def total_rank(tag: str) -> float | None:
    """How much a name says that it is the total: 0 is most; None: it says nothing.

    Each word that a total needs not have counts 1; an epoch's total comes after a step's.
    """
    found = words(tag)
    if not TOTAL_WORDS & set(found):
        return None
    epoch = 0.5 * ("epoch" in found)
    total = 0.1 * (not {"total", "overall", "sum", "objective"} & set(found))
    return sum(w not in PLAIN_WORDS and w != "epoch" for w in found) + epoch + total


def is_counter(tag: str) -> bool:
    """Whether a name says that the column counts steps or the like; its values may say no."""
    found = set(words(tag))
    return bool(found & COUNTERS) and not found & {"loss", "losses"}


def is_same_name(one: str, other: str) -> bool:
    """Whether two tags name one term: `train/kl` and `kl`, or `kl` and `kl_step`."""
    bare, other_bare = (
        [word for word in re.split(r"[/._ ]+", tag) if word not in _FORMS] for tag in (one, other)
    )
    return bare == other_bare and any(bare)


def is_no_term(tag: str) -> bool:
    """Whether a name says that the column is no term: a learning rate, a time, a smoothed loss."""
    found = set(words(tag))
    if found & DERIVED or _LOSS_SCALE.search(" ".join(words(tag))):
        return True
    return bool(found & NO_TERMS) and not found & {"loss", "losses"}
