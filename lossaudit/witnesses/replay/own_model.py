"""Another project's model, as `--adapter package.module:function`.

The function is the project's own code and runs as such: it is named by the user, never by a file
under audit. It is called once for every pass:

    function(checkpoint, tensors, device, dtype) -> {name: tensor}

checkpoint  a `Checkpoint` (path, step, tensors by the model's names, config), or None
tensors     of the sample batch, on the CPU, mapped; not to be written to
device      such as "cpu" or "cuda:0"
dtype       torch.float32, or torch.float64 when float32's error is measured

What it returns is added to the batch's tensors, by the names that the spec's terms use. It runs
without gradients and under the autocast that the spec declares, with torch's random state as it was
stored, or seeded by the number of the draw. It may keep its network between calls.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossaudit.errors import UsageError
from lossaudit.model.replay import Depth
from lossaudit.witnesses.replay.adapter import Adapter, Models, PassOptions, Tensors
from lossaudit.witnesses.replay.device import is_of_device
from lossaudit.witnesses.replay.forward_pass import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from lossaudit.witnesses.replay.checkpoint import Checkpoint

PROTOCOL = "function(checkpoint, tensors, device, dtype) -> {name: tensor}"
CODE_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
)
"""With ValueError and ImportError, what somebody's function may raise and ours would not hide."""


def adapter_of(name: str) -> Adapter:
    """The adapter around `package.module:function`; importing it runs the module.

    Raises:
        UsageError: if it cannot be imported or is no function.
    """
    function = _imported(name)

    def load(checkpoint: Checkpoint | None, parts: Mapping[str, str], device: str) -> Models:
        return Models({}, device, (checkpoint,) if checkpoint else ())

    def forward(
        models: Models, tensors: Tensors, depth: Depth, options: PassOptions
    ) -> dict[str, Tensor]:
        import torch

        checkpoint = models.weights[0] if models.weights else None
        lowered = None if options.autocast == "none" else getattr(torch, options.autocast)
        device_type = models.device.partition(":")[0]
        with (
            _blamed_on(name),
            running(options, models.device),
            torch.autocast(device_type, lowered, lowered is not None),
        ):
            given = function(checkpoint, tensors, models.device, getattr(torch, options.dtype))
        return _checked(given, name)

    return Adapter(
        name=name,
        about="another project's model",
        inputs={"full": ()},
        outputs={"full": ()},
        load=load,
        forward=forward,
        notice=f"{name} is trusted code: it is imported and run with your rights",
    )


def _imported(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    if not module or not function:
        raise UsageError(f"--adapter {name!r}", expected="package.module:function")
    here = str(Path.cwd())
    if here not in sys.path:  # as `python -m` has it
        sys.path.insert(0, here)
    with _blamed_on(name):
        found: Any = importlib.import_module(module)
        for part in function.split("."):
            found = getattr(found, part)
    if not callable(found):
        raise UsageError(f"--adapter {name!r} is no function", expected=PROTOCOL)
    return found  # type: ignore[no-any-return]


@contextmanager
def _blamed_on(name: str) -> Iterator[None]:
    """An exception of somebody else's code is theirs to mend, and no bug of ours."""
    try:
        yield
    except (*CODE_ERRORS, ValueError, ImportError) as error:
        if isinstance(error, RuntimeError) and is_of_device(error):
            raise
        message = f"--adapter {name!r} raised {type(error).__name__}: {error}"
        raise UsageError(message, expected=PROTOCOL) from error


def _checked(given: Any, name: str) -> dict[str, Tensor]:
    import torch

    if isinstance(given, Mapping) and given:
        wrong = [n for n, t in given.items() if not (isinstance(n, str) and torch.is_tensor(t))]
        if not wrong:
            return dict(given)
        given = f"{type(given[wrong[0]]).__name__} as {wrong[0]!r}"
    shown = given if isinstance(given, str) else type(given).__name__
    raise UsageError(f"--adapter {name!r} returned {shown}", expected=PROTOCOL)
