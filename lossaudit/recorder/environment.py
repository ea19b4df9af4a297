"""What a process's numbers depend on besides its code: versions, device, dtypes, determinism.

The recorder writes it of the training, and a replay of itself, by the same names, so that both can
be read side by side.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

LIBRARIES = ("torch", "numpy", "accelerate", "diffusers", "transformers", "lightning")
SWITCHES = {True: "on", False: "off"}
_LONGEST = 120


def versions() -> dict[str, str]:
    """Of Python, and of those libraries that are loaded; nothing is imported for it."""
    known = {name: getattr(sys.modules.get(name), "__version__", None) for name in LIBRARIES}
    found = {name: str(version) for name, version in known.items() if version is not None}
    return {"python": platform.python_version(), **found}


def numerics_of(device: str) -> dict[str, str]:
    """How torch computes on a device in this process, as it is set now.

    Args:
        device: such as "cpu" or "cuda:0"; one of another kind has nothing but its name here.

    Returns:
        Only what this torch can tell. `tf32_*` are the process's flags, whatever a single pass does
        within them; `cublas_workspace` and `threads` decide in which order sums are formed.
    """
    import torch

    told: dict[str, Callable[[], Any]] = {
        "device": lambda: device,
        "device_name": lambda: _device_name(device),
        "default_dtype": lambda: str(torch.get_default_dtype()).removeprefix("torch."),
        "matmul_precision": torch.get_float32_matmul_precision,
        "deterministic_algorithms": _deterministic,
        "threads": torch.get_num_threads,
        "cpu_kernels": _cpu_kernels,
    }
    return asked(told | (_of_cuda(device) if device.startswith("cuda") else {}))


def training_environment(total: Any) -> dict[str, str]:
    """Of a training, where its total is at hand.

    Args:
        total: the tensor that is differentiated, or a number.
    """
    import torch

    device = str(getattr(total, "device", "cpu"))
    kind = device.partition(":")[0]
    told: dict[str, Callable[[], Any]] = {
        "autocast": lambda: (
            str(torch.get_autocast_dtype(kind)).removeprefix("torch.")
            if torch.is_autocast_enabled(kind)
            else None
        ),
        # accelerate's own, which wraps the forward pass alone
        "mixed_precision": lambda: os.environ.get("ACCELERATE_MIXED_PRECISION"),
        "seed": torch.initial_seed,
    }
    return versions() | numerics_of(device) | asked(told)


def asked(told: dict[str, Callable[[], Any]]) -> dict[str, str]:
    """The answers as short text, without those that this torch does not give."""
    found = {}
    for name, ask in told.items():
        try:
            answer = ask()
        # an older torch lacks it; one whose old and new precision flags were mixed refuses to say
        except (AttributeError, TypeError, RuntimeError, OSError):
            continue
        if answer is not None:
            found[name] = str(answer)[:_LONGEST]
    return found


def _of_cuda(device: str) -> dict[str, Callable[[], Any]]:
    import torch

    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    return {
        "capability": lambda: ".".join(map(str, torch.cuda.get_device_capability(device))),
        "cuda": lambda: torch.version.cuda,
        "cudnn": cudnn.version,
        "tf32_matmul": lambda: _tf32(matmul, matmul),
        "tf32_convolution": lambda: _tf32(getattr(cudnn, "conv", cudnn), cudnn),
        "fp16_reduction": lambda: SWITCHES[bool(matmul.allow_fp16_reduced_precision_reduction)],
        "cudnn_deterministic": lambda: SWITCHES[cudnn.deterministic],
        "cudnn_benchmark": lambda: SWITCHES[cudnn.benchmark],
        "cublas_workspace": lambda: os.environ.get("CUBLAS_WORKSPACE_CONFIG", "not set"),
    }


def _tf32(named: Any, of_old: Any) -> str:
    """The flag of one kind of operation; old and new flags that differ refuse to be read as one."""
    if hasattr(named, "fp32_precision"):
        return SWITCHES[named.fp32_precision == "tf32"]
    return SWITCHES[of_old.allow_tf32]


def _cpu_kernels() -> str:
    """Instructions that torch's own kernels use, and the libraries that it hands products to."""
    import torch

    mkl, onednn = torch.backends.mkl, torch.backends.mkldnn
    has_mkl = mkl.is_available()  # type: ignore[no-untyped-call]
    has_onednn = onednn.is_available() and onednn.enabled  # type: ignore[no-untyped-call]
    libraries = [name for name, there in (("MKL", has_mkl), ("oneDNN", has_onednn)) if there]
    return ", ".join([torch.backends.cpu.get_cpu_capability(), *libraries])


def _deterministic() -> str:
    import torch

    if not torch.are_deterministic_algorithms_enabled():
        return "off"
    return "warn only" if torch.is_deterministic_algorithms_warn_only_enabled() else "on"


@cache
def _device_name(device: str) -> str | None:
    """What the machine calls the device."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    if device != "cpu":
        return None
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            lines = file.read(1 << 14).splitlines()
    except OSError:
        return platform.processor() or None
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, None) or platform.machine()
