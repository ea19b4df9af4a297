"""TF32 on any device: what multiplies float32 on a GPU may take only 10 bits after the leading one.

Source:
    NVIDIA A100 architecture paper (2020): TF32 multiplies 10-bit mantissas and adds in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def rounded_inputs(convolutions: bool, products: bool) -> Iterator[None]:
    """What a GPU would take TF32 inputs for is given rounded ones here.

    Args:
        convolutions: those of torch.nn.functional.
        products: matrix products, linear layers and attention; of what attention multiplies inside
            of itself, its inputs alone.
    """
    from torch.overrides import TorchFunctionMode

    factors = {**(_convolutions() if convolutions else {}), **(_products() if products else {})}

    class Rounded(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            places = factors.get(func, ())
            args = tuple(to_tf32(a) if i in places else a for i, a in enumerate(args))
            return func(*args, **(kwargs or {}))

    with Rounded():
        yield


def _convolutions() -> Mapping[Callable[..., Any], tuple[int, ...]]:
    """At which places each function has what it multiplies."""
    from torch.nn import functional

    return dict.fromkeys((functional.conv1d, functional.conv2d, functional.conv3d), (0, 1))


def _products() -> Mapping[Callable[..., Any], tuple[int, ...]]:
    import torch
    from torch import Tensor
    from torch.nn.functional import linear, scaled_dot_product_attention

    two = (linear, torch.matmul, torch.mm, torch.bmm, Tensor.matmul, Tensor.__matmul__)
    added = (torch.addmm, torch.baddbmm, Tensor.addmm, Tensor.baddbmm)
    return {
        **dict.fromkeys((*two, Tensor.mm, Tensor.bmm), (0, 1)),
        **dict.fromkeys(added, (1, 2)),
        scaled_dot_product_attention: (0, 1, 2),
    }


def to_tf32(tensor: Tensor) -> Tensor:
    """Float32 values rounded to TF32's grid, to nearest, ties to even; other dtypes as they are."""
    import torch

    if tensor.dtype != torch.float32:
        return tensor
    dropped = 13
    bits = tensor.contiguous().view(torch.int32)
    ties = (1 << (dropped - 1)) - 1 + ((bits >> dropped) & 1)
    rounded = (bits + ties) & ~((1 << dropped) - 1)
    return torch.where(tensor.isfinite(), rounded.view(torch.float32), tensor)
