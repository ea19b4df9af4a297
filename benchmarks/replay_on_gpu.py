"""Replay on a GPU: MuseTalk 1.0 at full size, terms over tensors there, and the recorder.

    python benchmarks/replay_on_gpu.py            # prints the rows
    python benchmarks/replay_on_gpu.py --write    # and puts them into docs/benchmarks.md
    python benchmarks/replay_on_gpu.py --small    # tries the script: small networks, also on a CPU

The run is that of `replay_full_size.py`, with a batch of 8. One process loads it and takes turns
with diffusers alone, on the same networks and in the same numbers: float32, for which TF32 is off
on both sides, and bfloat16 autocast. Then whole processes take turns: `lossaudit recompute
--rounding unmeasured`, and a script with diffusers alone, which loads, computes and waits for one
number. What a GPU does is waited for before a clock is read. The same step of a batch of 1 is
replayed on the CPU too. Needs a CUDA device, 8 GB of free disk, the `musetalk` extra and two to
three minutes.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from full_size_run import BATCH, bare, make, write_safetensors
from measure import PLACE, ROOT, Row

TITLE = "Replay on a GPU"
SPEC = "musetalk-v1"
SMALL = "--small" in sys.argv[1:]
SAMPLES, TURNS, PROCESSES = (2, 1, 1) if SMALL else (8, 7, 2)
MOST_RATIO = 1.3
INCONCLUSIVE = 3
TERMS = ("loss_lip", "loss_latents")
NUMBERS = 1 << 28
"""Of each of two tensors on the GPU: 1 GB in float32."""


# Measuring ----------------------------------------------------------------------------------------


def device() -> str:
    """The GPU; where the script is tried without one, the CPU."""
    import torch

    if torch.cuda.is_available():
        return "cuda:0"
    if SMALL:
        return "cpu"
    raise SystemExit("no CUDA device is here")


def wait() -> None:
    """Until the GPU has done what it was given."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds on the clock."""
    wait()
    start = time.perf_counter()
    found = run()
    wait()
    return time.perf_counter() - start, found


def in_turns(sides: Mapping[str, Callable[[], Any]]) -> dict[str, float]:
    """Median seconds of each side, after one turn that does not count."""
    taken = [{n: timed(run)[0] for n, run in sides.items()} for _ in range(TURNS + 1)][1:]
    return {name: statistics.median(t[name] for t in taken) for name in sides}


class Replay:
    """The run's networks on a device, and its step replayed there."""

    def __init__(self, folder: Path, where: str) -> None:
        from lossaudit.spec.load import load_spec
        from lossaudit.witnesses.replay.adapter import find_parts, load_adapter
        from lossaudit.witnesses.replay.batch import read_batch
        from lossaudit.witnesses.replay.checkpoint import open_checkpoint

        self.adapter, self.where = load_adapter(SPEC), where
        self.terms = {name: load_spec(SPEC).terms[name] for name in TERMS}
        self.batch = dict(read_batch(str(folder / BATCH)).tensors)
        checkpoint = open_checkpoint(str(folder / "checkpoint-1"))
        self.models = self.adapter.load(checkpoint, find_parts(self.adapter, [str(folder)]), where)

    def ours(self, dtype: str, samples: int, is_measured: bool) -> dict[str, list[float]]:
        """Both terms, with their intervals."""
        from lossaudit.witnesses.replay.conditions import Conditions
        from lossaudit.witnesses.replay.precision import compute_terms_once, measure_terms

        conditions = Conditions("none" if dtype == "float32" else "bfloat16")
        stored = {name: tensor[:samples] for name, tensor in self.batch.items()}
        compute = measure_terms if is_measured else compute_terms_once
        given = self.adapter, self.models, stored, "full", self.terms, "float32", conditions
        found = compute(*given).terms
        return {name: [term.value, term.low, term.high] for name, term in found.items()}

    def alone(self, dtype: str, samples: int, by_default: bool = False) -> Callable[[], float]:
        """Diffusers' part of it, in the same numbers, without TF32; or with torch's own flags."""
        import torch

        from lossaudit.witnesses.replay.adapter import PassOptions
        from lossaudit.witnesses.replay.forward_pass import running

        there = {name: tensor[:samples].to(self.where) for name, tensor in self.batch.items()}
        autocast = None if dtype == "float32" else getattr(torch, dtype)

        def run() -> float:
            with nullcontext() if by_default else running(PassOptions(), self.where):
                return float(bare(self.models.networks, there, autocast).mean())

        return run


def most_memory(run: Callable[[], Any]) -> float:
    """Gigabytes of the GPU at once, weights included."""
    import torch

    if not torch.cuda.is_available():
        return 0.0
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    run()
    return torch.cuda.max_memory_allocated() / 1e9


def measure(folder: Path) -> dict[str, Any]:
    """Load, and take turns in each dtype and batch size."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel  # imports are not what is measured

    assert AutoencoderKL is not UNet2DConditionModel
    torch.zeros(1, device=device())
    found: dict[str, Any] = {"passes": {}}
    found["load"], replay = timed(lambda: Replay(folder, device()))
    networks = replay.models.networks.values()
    found["parameters"] = sum(p.numel() for n in networks for p in n.parameters())
    for samples in (1, SAMPLES):
        for dtype in ("float32", "bfloat16"):
            taken = in_turns(
                {
                    "alone": replay.alone(dtype, samples),
                    "default": replay.alone(dtype, samples, by_default=True),
                    "ours": lambda d=dtype, n=samples: replay.ours(d, n, False),
                    "measured": lambda d=dtype, n=samples: replay.ours(d, n, True),
                }
            )
            terms = replay.ours(dtype, samples, True)
            used = {
                "alone": most_memory(replay.alone(dtype, samples)),
                "default": most_memory(replay.alone(dtype, samples, by_default=True)),
                "ours": most_memory(lambda d=dtype, n=samples: replay.ours(d, n, True)),
            }
            name = f"{dtype}, batch of {samples}"
            found["passes"][name] = {**taken, "terms": terms, "gigabytes": used}
    terms = found["passes"][f"float32, batch of {SAMPLES}"]["terms"]
    total = 2 * terms["loss_lip"][0] + terms["loss_latents"][0]
    write_safetensors(folder / BATCH, replay.batch, {"step": "2", "total": repr(total)})
    return found


def on_cpu(folder: Path) -> dict[str, Any]:
    """The terms of the first sample on the CPU, in both dtypes."""
    replay = Replay(folder, "cpu")
    return {dtype: replay.ours(dtype, 1, True) for dtype in ("float32", "bfloat16")}


def processes(folder: Path) -> dict[str, list[float]]:
    """Whole processes in turns, in wall seconds: diffusers alone, ours without and with a bound."""
    spec = ROOT / "lossaudit" / "presets" / f"{SPEC}.yaml"
    text = spec.read_text().replace("autocast: float16, tf32: true", "autocast: none")
    (folder / "spec.yaml").write_text(text)
    files = [str(folder / "checkpoint-1"), "--batch", str(folder / "batches")]
    options = ["--spec", str(folder / "spec.yaml"), "--format", "concise", "--device", device()]
    recompute = ["-m", "lossaudit", "recompute", *files, *options]
    alone = str(Path(__file__).with_name("full_size_run.py"))
    made: dict[str, tuple[list[str], int]] = {
        "alone": ([alone, str(folder), device()], 0),
        "unmeasured": ([*recompute, "--rounding", "unmeasured"], INCONCLUSIVE),
        "measured": (recompute, 0),
    }
    found: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(PROCESSES):
        for name, (arguments, expected) in made.items():
            start = time.perf_counter()
            done = subprocess.run(
                [sys.executable, *arguments],
                stdout=subprocess.PIPE,
                check=False,
                text=True,
                **PLACE,
            )
            found[name].append(time.perf_counter() - start)
            if done.returncode != expected:
                raise SystemExit(f"{name} ended with {done.returncode}: {done.stdout}")
    return found


def sums() -> dict[str, dict[str, float]]:
    """Seconds of l1 over two tensors that are on the GPU: torch's own, and ours in float64."""
    import torch

    from lossaudit.spec.definition import Definition
    from lossaudit.witnesses.replay.recompute_term import recompute_term

    definition, where = Definition("l1", prediction="x", target="y"), device()
    count = 1 << 20 if SMALL else NUMBERS
    found = {}
    for dtype in ("float32", "float16", "bfloat16"):
        x, y = (torch.randn(count, device=where).to(getattr(torch, dtype)) for _ in range(2))
        pair = {"x": x, "y": y}

        def alone(pair: Any = pair) -> float:
            return float(torch.nn.functional.l1_loss(pair["x"], pair["y"]))

        def ours(pair: Any = pair, dtype: str = dtype) -> Any:
            return recompute_term(definition, pair, dtype)

        found[dtype] = in_turns({"alone": alone, "ours": ours})
        del x, y, pair
    return found


def recorder() -> dict[str, float]:
    """Seconds of a step of a tiny training, and inside of the recorder, each 100 steps."""
    import torch

    from lossaudit.recorder import Recorder

    where, every, steps = device(), 100, 400
    network = torch.nn.Sequential(
        *(layer for _ in range(12) for layer in (torch.nn.Linear(512, 512), torch.nn.SiLU()))
    ).to(where)
    optimizer = torch.optim.AdamW(network.parameters())
    x = torch.randn(64, 512, device=where)
    inside = 0.0
    with tempfile.TemporaryDirectory() as folder:
        kept = Recorder(folder, every=every)
        begun = 0.0
        for step in range(steps + 50):
            if step == 50:
                wait()
                begun, inside = time.perf_counter(), 0.0
            if kept.is_due(step):  # what the GPU still has to do is no cost of the recorder's
                wait()
            start = time.perf_counter()
            kept.begin(step, {"x": x})
            inside += time.perf_counter() - start
            predicted = network(x)
            lip, latents = (predicted - x).abs().mean(), predicted.square().mean()
            total = 2 * lip + latents
            if kept.is_due(step):
                wait()
            start = time.perf_counter()
            kept.record(step, total, {"lip": lip, "latents": latents}, {"y": predicted})
            inside += time.perf_counter() - start
            total.backward()
            optimizer.step()
            optimizer.zero_grad()
        wait()
        taken = time.perf_counter() - begun
    return {"inside": inside / steps, "step": (taken - inside) / steps}


# Comparing ----------------------------------------------------------------------------------------


def rows() -> Iterator[Row]:
    """Passes, processes, sums and the recorder."""
    if shutil.disk_usage(tempfile.gettempdir()).free < 8e9:
        raise SystemExit("less than 8 GB are free where temporary files go")
    for dtype, taken in apart("sums").items():
        count = f"{NUMBERS * (4 if dtype == 'float32' else 2) / 1e9:.1f} GB each"
        yield Row(
            f"l1 of a {dtype} pair on the GPU, {count} / `F.l1_loss`",
            f"{shown(taken['ours'])} / {shown(taken['alone'])}",
            taken["ours"] / taken["alone"],
            None,
        )
    taken = apart("recorder")
    yield Row(
        "recorder, every 100 steps of a training whose steps are this short, in percent of a step",
        f"{shown(taken['inside'])} / {shown(taken['step'])}",
        100 * taken["inside"] / taken["step"],
        1.0,
    )
    with tempfile.TemporaryDirectory(prefix="lossaudit-on-gpu-") as folder:
        make(Path(folder), SMALL, SAMPLES)
        found = {**apart("measure", folder), "cpu": apart("cpu", folder)}
        yield from passes(found)
        yield from whole_processes(processes(Path(folder)), found)


def apart(what: str, *arguments: str) -> Any:
    """One measurement in a process of its own."""
    size = ["--small"] if SMALL else []
    command = [sys.executable, __file__, what, *arguments, *size]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, **PLACE)
    text = done.stdout.splitlines()[-1].decode()
    print(what, text, file=sys.stderr, flush=True)
    return json.loads(text)


def passes(found: Mapping[str, Any]) -> Iterator[Row]:
    """Of the process that took turns."""
    for name, taken in found["passes"].items():
        yield Row(
            f"UNet, decoder and both terms / diffusers' forward and decode, {name}",
            f"{shown(taken['ours'])} / {shown(taken['alone'])}",
            taken["ours"] / taken["alone"],
            MOST_RATIO,
        )
        second = "float64" if name.startswith("float32") else "float32"
        yield Row(
            f"the same with rounding measured by a pass in {second}",
            f"{shown(taken['measured'])} / {shown(taken['alone'])}",
            taken["measured"] / taken["alone"],
            None,
        )
        yield Row(
            "the same without measuring / diffusers with torch's own flags: TF32, other algorithms",
            f"{shown(taken['ours'])} / {shown(taken['default'])}",
            taken["ours"] / taken["default"],
            None,
        )
        used = taken["gigabytes"]
        yield Row(
            "most memory of the GPU, measuring / diffusers alone",
            f"{used['ours']:.1f} GB / {used['alone']:.1f} GB; "
            f"{used['default']:.1f} GB with torch's own flags",
            used["ours"] / max(used["alone"], 1e-9),
            None,
        )
    for dtype, terms in found["cpu"].items():
        there = found["passes"][f"{dtype}, batch of 1"]["terms"]
        apart_by = [
            abs(value - there[name][0])
            / min((high - low) / 2, (there[name][2] - there[name][1]) / 2)
            for name, (value, low, high) in terms.items()
        ]
        shares = ", ".join(f"{name} {part:.2g}" for name, part in zip(terms, apart_by, strict=True))
        yield Row(
            f"a term on the GPU and on the CPU, {dtype}, apart in half-widths of its interval",
            shares,
            max(apart_by),
            1.0,
        )


def whole_processes(taken: Mapping[str, list[float]], found: Mapping[str, Any]) -> Iterator[Row]:
    """From start to end, imports and load on both sides."""
    alone, plain, measured = (min(taken[n]) for n in ("alone", "unmeasured", "measured"))
    yield Row(
        "process of `lossaudit recompute --rounding unmeasured` / of diffusers alone: "
        f"from_pretrained, forward, decode, batch of {SAMPLES}",
        f"{plain:.1f} s / {alone:.1f} s",
        plain / alone,
        MOST_RATIO,
    )
    yield Row(
        "process of `lossaudit recompute`, float64 included / of diffusers alone",
        f"{measured:.1f} s / {alone:.1f} s",
        measured / alone,
        None,
    )
    yield Row(
        f"{found['parameters']:,} parameters opened, mapped and put on the GPU, in seconds",
        f"{found['load']:.1f} s",
        found["load"],
        None,
    )


def shown(seconds: float) -> str:
    """Milliseconds, or microseconds where there are few."""
    return f"{1e3 * seconds:.1f} ms" if seconds > 1e-3 else f"{1e6 * seconds:.0f} us"


def machine() -> str:
    """The card, and what else the figures depend on."""
    import diffusers
    import torch

    card = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU"
    return (
        f"{card}, {os.cpu_count()} cores, Python {platform.python_version()}, torch "
        f"{torch.__version__}, diffusers {diffusers.__version__}; by "
        "`python benchmarks/replay_on_gpu.py --write`.\n\n"
    )


def main() -> None:
    """One measurement in a process of its own, or everything."""
    what = sys.argv[1] if len(sys.argv) > 1 else ""
    run: dict[str, Callable[[], Any]] = {
        "measure": lambda: measure(Path(sys.argv[2])),
        "cpu": lambda: on_cpu(Path(sys.argv[2])),
        "sums": sums,
        "recorder": recorder,
    }
    if what in run:
        print(json.dumps(run[what]()))
        return
    from run import run_apart

    if SMALL and "--write" in sys.argv:
        raise SystemExit("small networks tell nothing: --small does not go with --write")
    run_apart(TITLE, rows(), machine())


if __name__ == "__main__":
    main()
