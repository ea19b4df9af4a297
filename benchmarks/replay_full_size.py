"""MuseTalk 1.0 at full size, replayed: 849,947,844 + 83,653,863 parameters, one 256x256 frame.

    python benchmarks/replay_full_size.py            # prints the rows
    python benchmarks/replay_full_size.py --write    # and puts them into docs/benchmarks.md
    python benchmarks/replay_full_size.py --small    # tries the script on networks of a hundredth

The weights are random, written once as safetensors into a temporary folder (3.8 GB) and deleted.
One process loads them through lossaudit and then takes turns with diffusers alone: the same
networks, the same batch, UNet forward and VAE decode in float32. Then whole processes take turns on
the same files, start and load included: `lossaudit recompute --rounding unmeasured` and a script
with diffusers alone. Last, `lossaudit recompute` with the pass in float64 that its intervals need.
Needs 8 GB of free disk, the `musetalk` extra and about ten minutes.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from full_size_run import BATCH, bare, make, write_safetensors
from measure import PLACE, ROOT, Row

TITLE = "Replay at full size"
TURNS = 2
MOST_RATIO = 1.3
MOST_GIGABYTES = 24.0
SPEC = "musetalk-v1"
INCONCLUSIVE = 3
"""Exit code where no bound was measured."""


# Measuring ----------------------------------------------------------------------------------------


def gigabytes() -> float:
    """Most memory of this process so far, mapped weights included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def timed(run: Callable[[], Any]) -> tuple[tuple[float, float], Any]:
    """CPU seconds of all threads, which other processes hardly change, and wall seconds."""
    start, cpu = time.perf_counter(), time.process_time()
    found = run()
    taken = time.process_time() - cpu, time.perf_counter() - start
    print(shown(taken), file=sys.stderr, flush=True)
    return taken, found


def measure(folder: Path) -> dict[str, Any]:
    """Load, then take turns; the second precision at the end."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel  # imports are not what is measured

    from lossaudit.spec.load import load_spec
    from lossaudit.witnesses.replay.adapter import find_parts, load_adapter
    from lossaudit.witnesses.replay.batch import read_batch
    from lossaudit.witnesses.replay.checkpoint import open_checkpoint
    from lossaudit.witnesses.replay.precision import compute_terms_once, measure_terms

    assert AutoencoderKL is not UNet2DConditionModel
    adapter, spec = load_adapter(SPEC), load_spec(SPEC)
    terms = {name: spec.terms[name] for name in ("loss_lip", "loss_latents")}

    def load() -> Any:
        checkpoint = open_checkpoint(str(folder / "checkpoint-1"))
        return adapter.load(checkpoint, find_parts(adapter, [str(folder)]), "cpu")

    found: dict[str, Any] = {"threads": torch.get_num_threads()}
    found["load"], models = timed(load)
    found["parameters"] = [sum(p.numel() for p in n.parameters()) for n in models.networks.values()]
    batch = read_batch(str(folder / BATCH)).tensors

    def ours(compute: Callable[..., Any]) -> Any:
        return compute(adapter, models, batch, "full", terms, "float32")

    found["first"], _ = timed(lambda: ours(compute_terms_once))
    found["hash"], files = timed(lambda: models.files)
    found["bytes"] = sum(file.size for file in files)
    sides: dict[str, Callable[[], Any]] = {
        "bare": lambda: bare(models.networks, batch),
        "ours": lambda: ours(compute_terms_once),
    }
    bare(models.networks, batch)
    for side in list(sides) * TURNS:
        found.setdefault(side, []).append(timed(sides[side])[0])
    found["gigabytes"] = gigabytes()
    found["noisy"], measured = timed(lambda: ours(measure_terms))
    found["noisy_gigabytes"] = gigabytes()
    found["terms"] = {n: [t.value, t.low, t.high] for n, t in measured.terms.items()}
    total = 2 * found["terms"]["loss_lip"][0] + found["terms"]["loss_latents"][0]
    write_safetensors(folder / BATCH, dict(batch), {"step": "2", "total": repr(total)})
    return found


def commands(folder: Path) -> dict[str, tuple[list[str], int]]:
    """The processes that are compared, each with the exit code that it must have."""
    spec = ROOT / "lossaudit" / "presets" / f"{SPEC}.yaml"
    text = spec.read_text().replace("autocast: float16, tf32: true", "autocast: none")
    (folder / "spec.yaml").write_text(text)
    options = ["--spec", str(folder / "spec.yaml"), "--format", "concise", "--device", "cpu"]
    files = [str(folder / "checkpoint-1"), "--batch", str(folder / "batches")]
    recompute = ["-m", "lossaudit", "recompute", *files, *options]
    alone = str(Path(__file__).with_name("full_size_run.py"))
    return {
        "alone": ([alone, str(folder)], 0),
        "unmeasured": ([*recompute, "--rounding", "unmeasured"], INCONCLUSIVE),
        "measured": (recompute, 0),
    }


def whole_process(arguments: Sequence[str], expected: int) -> tuple[tuple[float, float], float]:
    """One process from start to end: CPU and wall seconds, and gigabytes."""
    start = time.perf_counter()
    child = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, **PLACE)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != expected:
        raise SystemExit(f"{' '.join(arguments)} ended with {child.returncode}")
    taken = usage.ru_utime + usage.ru_stime, time.perf_counter() - start
    print(shown(taken), file=sys.stderr, flush=True)
    return taken, usage.ru_maxrss * 1024 / 1e9


def processes(folder: Path) -> dict[str, Any]:
    """Whole processes on what `measure` left, in turns; the one with float64 once."""
    made = commands(folder)
    found: dict[str, Any] = {"alone": [], "unmeasured": []}
    for side in list(found) * TURNS:
        taken, used = whole_process(*made[side])
        found[side].append(taken)
        found[f"{side}_gigabytes"] = used
    found["measured"], found["measured_gigabytes"] = whole_process(*made["measured"])
    return found


# Comparing ----------------------------------------------------------------------------------------


def rows() -> Iterator[Row]:
    """Time and memory, without and with the pass in float64."""
    if shutil.disk_usage(tempfile.gettempdir()).free < 8e9:
        raise SystemExit("less than 8 GB are free where temporary files go")
    size = ["--small"] if small() else []
    with tempfile.TemporaryDirectory(prefix="lossaudit-full-size-") as folder:
        for what in "make", "measure":
            command = [sys.executable, __file__, what, folder, *size]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, **PLACE)
        found = json.loads(done.stdout.splitlines()[-1])
        found |= {f"process_{k}": v for k, v in processes(Path(folder)).items()}
    print(json.dumps(found), file=sys.stderr)
    yield from times(found)
    yield from whole_processes(found)
    most = max(found["noisy_gigabytes"], found["process_measured_gigabytes"])
    memory = f"{found['gigabytes']:.1f} GB, {most:.1f} GB with float64"
    yield Row("most memory, mapped weights included, in GB", memory, most, MOST_GIGABYTES)


def whole_processes(found: Mapping[str, Any]) -> Iterator[Row]:
    """From start to end, imports and load on both sides."""
    alone, ours = min(found["process_alone"]), min(found["process_unmeasured"])
    yield Row(
        "process of `lossaudit recompute --rounding unmeasured` / of diffusers alone: "
        "from_pretrained, forward, decode",
        f"{shown(ours)} / {shown(alone)}",
        ours[0] / alone[0],
        MOST_RATIO,
    )
    measured = found["process_measured"]
    yield Row(
        "process of `lossaudit recompute`, float64 included / of diffusers alone",
        f"{shown(measured)} / {shown(alone)}",
        measured[0] / alone[0],
        None,
    )


def times(found: Mapping[str, Any]) -> Iterator[Row]:
    """Of the process that took turns."""
    best, ours, noisy = min(found["bare"]), min(found["ours"]), found["noisy"]
    yield Row(
        "UNet, decoder and both terms / diffusers' forward and decode, batch of 1",
        f"{shown(ours)} / {shown(best)}, {found['threads']} threads",
        ours[0] / best[0],
        MOST_RATIO,
    )
    yield Row(
        "the same with rounding measured by a pass in float64 / diffusers alone",
        f"{shown(noisy)} / {shown(best)}",
        noisy[0] / best[0],
        None,
    )
    load, count = found["load"], sum(found["parameters"])
    yield Row(
        f"{count:,} parameters opened, mapped and assigned, in CPU seconds",
        f"{shown(load)}, digests of {found['bytes'] / 1e9:.1f} GB included",
        load[0],
        None,
    )
    started = [a + b for a, b in zip(load, found["first"], strict=True)]
    yield Row(
        "from nothing loaded to the first batch's terms / diffusers' forward and decode alone",
        f"{shown(started)} / {shown(best)}",
        started[0] / best[0],
        None,
    )


def shown(taken: Sequence[float]) -> str:
    """CPU and wall time."""
    return f"{taken[0]:.1f} CPU s ({taken[1]:.1f} s)"


def small() -> bool:
    """Whether only the script is tried."""
    return "--small" in sys.argv[1:]


def main() -> None:
    """One step in a process of its own, or everything."""
    if sys.argv[1:2] in (["make"], ["measure"]):
        what, folder = sys.argv[1], Path(sys.argv[2])
        print(json.dumps(measure(folder)) if what == "measure" else make(folder, small()))
        return
    from run import run_apart

    if small() and "--write" in sys.argv:
        raise SystemExit("small networks tell nothing: --small does not go with --write")
    run_apart(TITLE, rows())


if __name__ == "__main__":
    main()
