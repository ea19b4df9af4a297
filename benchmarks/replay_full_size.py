"""MuseTalk 1.0 at full size, replayed: 849,947,844 + 83,653,863 parameters, one 256x256 frame.

    python benchmarks/replay_full_size.py            # prints the rows
    python benchmarks/replay_full_size.py --write    # and puts them into docs/benchmarks.md

The weights are random, written once as safetensors into a temporary folder (3.8 GB) and deleted.
One process loads them through lossaudit and then takes turns with diffusers alone: the same
networks, the same batch, UNet forward and VAE decode in float32. Then `lossaudit recompute` runs on
the same files, with the pass in float64 that its intervals need. Needs 4 GB of disk, the `musetalk`
extra and a few minutes.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from measure import PLACE, ROOT, Row

TITLE = "Replay at full size"
TURNS = 2
MOST_RATIO = 1.3
MOST_GIGABYTES = 24.0
SPEC = "musetalk-v1"


# Making -------------------------------------------------------------------------------------------


def write_safetensors(path: Path, tensors: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
    """Tensor by tensor: the library's own writer holds all of them twice."""
    names = {"torch.float32": "F32", "torch.float16": "F16"}
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + tensor.nbytes
        shape = list(tensor.shape)
        header[name] = {
            "dtype": names[str(tensor.dtype)],
            "shape": shape,
            "data_offsets": [start, end],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            file.write(tensor.contiguous().numpy().data)


def make(folder: Path) -> None:
    """A run: checkpoint-1 as accelerate writes it, the VAE's folder, the batch of step 2."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel

    from lossaudit.witnesses.replay.musetalk_networks import PUBLISHED_UNET, PUBLISHED_VAE

    torch.manual_seed(80)
    weights = UNet2DConditionModel(**PUBLISHED_UNET).state_dict()
    write_safetensors(folder / "checkpoint-1" / "model.safetensors", weights, {"format": "pt"})
    vae = AutoencoderKL(**PUBLISHED_VAE)
    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    write_safetensors(path, vae.state_dict(), {"format": "pt"})
    (folder / "vae" / "config.json").write_text(json.dumps(dict(PUBLISHED_VAE)))
    batch = {
        "image": torch.rand(1, 3, 256, 256) * 2 - 1,
        "audio_feature": torch.randn(1, 50, 384),
        **{
            n: torch.randn(1, 4, 32, 32).half()
            for n in ("latents", "masked_latents", "ref_latents")
        },
    }
    write_safetensors(folder / "batches" / "step-000002.safetensors", batch, {"step": "2"})


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


def bare(networks: Mapping[str, Any], batch: Mapping[str, Any]) -> Any:
    """UNet and decoder, as a script with diffusers alone runs them."""
    import torch

    latents = torch.cat([batch["masked_latents"], batch["ref_latents"]], dim=1).float()
    heard, vae = batch["audio_feature"], networks["vae"]
    with torch.inference_mode():
        predicted = networks["unet"](latents, torch.tensor([0]), encoder_hidden_states=heard).sample
        return vae.decode((1 / vae.config.scaling_factor) * predicted).sample


def measure(folder: Path) -> dict[str, Any]:
    """Load, then take turns; the second precision at the end."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel  # imports are not what is measured

    from lossaudit.spec.load import load_spec
    from lossaudit.witnesses.replay.adapter import find_parts, load_adapter
    from lossaudit.witnesses.replay.batch import read_batch
    from lossaudit.witnesses.replay.checkpoint import open_checkpoint
    from lossaudit.witnesses.replay.precision import measure_terms

    assert AutoencoderKL is not UNet2DConditionModel
    adapter, spec = load_adapter(SPEC), load_spec(SPEC)
    terms = {name: spec.terms[name] for name in ("loss_lip", "loss_latents")}

    def load() -> Any:
        checkpoint = open_checkpoint(str(folder / "checkpoint-1"))
        return adapter.load(checkpoint, find_parts(adapter, [str(folder)]), "cpu")

    found: dict[str, Any] = {"threads": torch.get_num_threads()}
    found["load"], models = timed(load)
    found["parameters"] = [sum(p.numel() for p in n.parameters()) for n in models.networks.values()]
    batch = read_batch(str(folder / "batches" / "step-000002.safetensors")).tensors

    def ours(noise: bool) -> Any:
        return measure_terms(adapter, models, batch, "full", terms, "float32", noise=noise)

    found["first"], _ = timed(lambda: ours(False))
    found["hash"], files = timed(lambda: models.files)
    found["bytes"] = sum(file.size for file in files)
    sides: dict[str, Callable[[], Any]] = {
        "bare": lambda: bare(models.networks, batch),
        "ours": lambda: ours(False),
    }
    bare(models.networks, batch)
    for side in list(sides) * TURNS:
        found.setdefault(side, []).append(timed(sides[side])[0])
    found["gigabytes"] = gigabytes()
    found["noisy"], measured = timed(lambda: ours(True))
    found["noisy_gigabytes"] = gigabytes()
    found["terms"] = {n: [t.value, t.low, t.high] for n, t in measured.terms.items()}
    total = 2 * found["terms"]["loss_lip"][0] + found["terms"]["loss_latents"][0]
    path = folder / "batches" / "step-000002.safetensors"
    write_safetensors(path, dict(batch), {"step": "2", "total": repr(total)})
    return found


def recompute(folder: Path) -> dict[str, Any]:
    """The command line, in a process of its own, on what `measure` left."""
    spec = ROOT / "lossaudit" / "presets" / f"{SPEC}.yaml"
    text = spec.read_text().replace("autocast: float16, tf32: true", "autocast: none")
    (folder / "spec.yaml").write_text(text)
    options = ["--spec", str(folder / "spec.yaml"), "--format", "concise"]
    files = [str(folder / "checkpoint-1"), "--batch", str(folder / "batches")]
    command = [sys.executable, "-m", "lossaudit", "recompute", *files, *options]
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, **PLACE)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"lossaudit recompute ended with {child.returncode}")
    cpu = usage.ru_utime + usage.ru_stime
    taken = cpu, time.perf_counter() - start
    return {"taken": taken, "gigabytes": usage.ru_maxrss * 1024 / 1e9}


# Comparing ----------------------------------------------------------------------------------------


def rows() -> Iterator[Row]:
    """Time and memory, without and with the pass in float64."""
    if shutil.disk_usage(tempfile.gettempdir()).free < 8e9:
        raise SystemExit("less than 8 GB are free where temporary files go")
    with tempfile.TemporaryDirectory(prefix="lossaudit-full-size-") as folder:
        for what in "make", "measure":
            command = [sys.executable, __file__, what, folder]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, **PLACE)
        found = json.loads(done.stdout.splitlines()[-1])
        command_line = recompute(Path(folder))
    print(json.dumps(found), file=sys.stderr)
    yield from times(found)
    best, taken = min(found["bare"]), command_line["taken"]
    yield Row(
        "`lossaudit recompute` from start to end, float64 included / diffusers alone",
        f"{shown(taken)} / {shown(best)}",
        taken[0] / best[0],
        None,
    )
    most = max(found["noisy_gigabytes"], command_line["gigabytes"])
    memory = f"{found['gigabytes']:.1f} GB, {most:.1f} GB with float64"
    yield Row("most memory, mapped weights included, in GB", memory, most, MOST_GIGABYTES)


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


def main() -> None:
    """One step in a process of its own, or everything."""
    if len(sys.argv) == 3:
        what, folder = sys.argv[1], Path(sys.argv[2])
        print(json.dumps(measure(folder)) if what == "measure" else make(folder))
        return
    from run import run_apart

    run_apart(TITLE, rows())


if __name__ == "__main__":
    main()
