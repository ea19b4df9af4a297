"""The part of the prediction and the target that a term looks at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from lossaudit.errors import InputError, UsageError
from lossaudit.witnesses.replay.names import listed, shown

if TYPE_CHECKING:
    from torch import Tensor

Denominator = Literal["region", "whole"]
KNOWN = "whole, lower_half, upper_half, box:y0,x0,y1,x1 or mask:TENSOR"
_BOX = re.compile(r"box:([0-9]{1,9}),([0-9]{1,9}),([0-9]{1,9}),([0-9]{1,9})")


class Region(Struct, frozen=True):
    """A part of a tensor, over its last two dimensions (rows and columns).

    Attributes:
        kind: lower_half are rows H // 2 and below, upper_half those above; a box is rows y0 to y1
            and columns x0 to x1, the ends left out; a mask is a tensor of the batch.
        box: (y0, x0, y1, x1).
        mask: the tensor's name.
        denominator: what a mean divides by: the elements of the region (of a mask: its sum), or
            those of the whole tensor.
    """

    kind: Literal["whole", "lower_half", "upper_half", "box", "mask"] = "whole"
    box: tuple[int, int, int, int] = (0, 0, 0, 0)
    mask: str = ""
    denominator: Denominator = "region"

    def __str__(self) -> str:
        text = {"box": "box:" + ",".join(map(str, self.box)), "mask": f"mask:{self.mask}"}
        over = "" if self.denominator == "region" else ", over the whole"
        return text.get(self.kind, self.kind) + over

    def crop(self, tensor: Tensor, name: str) -> Tensor:
        """The region of a tensor as a view; all of it for "whole" and "mask".

        Raises:
            UsageError: if the tensor has no rows and columns, or the region has no element.
        """
        if self.kind in ("whole", "mask"):
            return tensor
        if tensor.dim() < 2:
            raise UsageError(
                f"{shown(name)} has the shape {tuple(tensor.shape)}: no rows and columns to cut "
                f"the region {self} from",
                expected="a tensor of at least two dimensions, the last two (..., H, W)",
                hint="region: whole",
            )
        height, width = tensor.shape[-2:]
        y0, x0, y1, x1 = self._edges(height, width)
        if not (y0 < y1 <= height and x0 < x1 <= width):
            raise UsageError(
                f"the region {self} holds no part of {shown(name)}, which is {height} x {width}",
                expected=f"0 <= y0 < y1 <= {height} and 0 <= x0 < x1 <= {width}",
            )
        return tensor[..., y0:y1, x0:x1]

    def _edges(self, height: int, width: int) -> tuple[int, int, int, int]:
        if self.kind == "lower_half":
            return height // 2, 0, height, width
        if self.kind == "upper_half":
            return 0, 0, height // 2, width
        return self.box

    def mask_for(self, rows: tuple[int, ...], tensors: Mapping[str, Tensor]) -> Tensor | None:
        """The mask, one number for each row of the loss; None where the region is no mask.

        A mask of shape (N, H, W) or (N, 1, H, W) counts for every channel of rows (N, C, H, W); no
        other shape is stretched.

        Args:
            rows: the shape of the losses: the prediction's where each element has one.
            tensors: of the batch.

        Raises:
            InputError: if it is missing or does not fit.
        """
        if self.kind != "mask":
            return None
        if self.mask not in tensors:
            raise InputError(
                f"the mask {shown(self.mask)} is not in the batch", expected=listed(tensors)
            )
        mask = tensors[self.mask]
        shape = tuple(mask.shape)
        if len(rows) > 2 and shape == (rows[0], *rows[2:]):
            mask = mask.unsqueeze(1)
        elif shape != rows and not (len(rows) > 1 and shape == (rows[0], 1, *rows[2:])):
            raise InputError(
                f"the mask {shown(self.mask)} has the shape {shape}, the losses {rows}",
                expected=f"{rows}, or one channel for all of them",
            )
        return mask.expand(rows)


def parse_region(text: str, denominator: str = "") -> Region:
    """A region as a spec declares it; an empty text is the whole.

    Raises:
        UsageError: if it is none of the known ones.
    """
    over: Denominator = "whole" if denominator == "whole" else "region"
    name = text.replace("-", "_")
    if name in ("", "whole"):
        return Region(denominator=over)
    if name == "lower_half":
        return Region("lower_half", denominator=over)
    if name == "upper_half":
        return Region("upper_half", denominator=over)
    if found := _BOX.fullmatch(text.replace(" ", "")):
        y0, x0, y1, x1 = map(int, found.groups())
        return Region("box", (y0, x0, y1, x1), denominator=over)
    if text.startswith("mask:") and text[5:].strip():
        return Region("mask", mask=text[5:].strip(), denominator=over)
    raise UsageError(f"no region is called {shown(text)}", expected=KNOWN)


def plausible_regions(shape: tuple[int, ...]) -> tuple[str, ...]:
    """Regions that a training script may have meant, for a prediction of that shape.

    Args:
        shape: (..., H, W); below two dimensions there is only the whole.

    Returns:
        The whole, halves, and the lower two thirds, third and quarter of the rows as boxes.
    """
    if len(shape) < 2 or shape[-2] < 2:
        return ("whole",)
    height, width = shape[-2:]
    starts = dict.fromkeys((height // 3, 2 * height // 3, 3 * height // 4))
    boxes = (f"box:{y0},0,{height},{width}" for y0 in starts if 0 < y0 < height)
    middle = f"box:{height // 4},{width // 4},{height - height // 4},{width - width // 4}"
    return ("whole", "lower_half", "upper_half", *boxes, middle)
