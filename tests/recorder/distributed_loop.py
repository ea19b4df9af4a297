"""Two processes that train together and record; one of them cannot write.

python tests/recorder/distributed_loop.py FOLDER RANK
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

from lossaudit.recorder import Recorder


def main() -> None:
    """Train ten steps whose terms are each rank's own."""
    folder, rank = Path(sys.argv[1]), int(sys.argv[2])
    by_default = Recorder(folder / "default", every=3)
    by_all = Recorder(folder / "all", every=3, all_ranks=True, keep=2)
    broken = Recorder(folder / "broken", every=1)
    torch.manual_seed(rank)
    dist.init_process_group(
        "gloo", f"file://{folder}/meeting", timedelta(60), world_size=2, rank=rank
    )
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(4, 4))
    for step in range(1, 11):
        for recorder in (by_default, by_all, broken):
            recorder.begin(step)
        image = torch.rand(2, 4)
        prediction = model(image)
        term = (prediction - image).abs().mean()
        total = 2.0 * term
        for recorder in (by_default, by_all, broken):
            recorder.record(step, total, {"a": term}, {"image": image, "prediction": prediction})
        total.backward()
        model.zero_grad()
    dist.barrier()
    dist.destroy_process_group()
    for recorder, is_broken in ((by_default, False), (by_all, False), (broken, rank == 0)):
        assert bool(recorder.lost) == is_broken, recorder.lost


if __name__ == "__main__":
    main()
