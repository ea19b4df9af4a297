"""Batches spread over the ranks of torchrun: the same bits as on one, and no hang."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from lossaudit.witnesses.replay.ranks import share_of

ROOT = Path(__file__).parent.parent.parent
RUN = ROOT / "fixtures" / "musetalk-tiny" / "runs" / "main"
RECOMPUTE = [
    *("-m", "lossaudit", "recompute", "--device", "cpu", "--format", "json"),
    *("--spec", str(RUN / "lossaudit.yaml"), "--batch", str(RUN / "batches")),
]


def environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("RANK", "WORLD", "MASTER"))}
    own = {"OMP_NUM_THREADS": "1", "TORCHELASTIC_USE_AGENT_STORE": ""}
    return {**kept, **own, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[:1]]), **more}


def launched(ranks: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*launcher, "--nproc-per-node", str(ranks), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=environment(), check=False
    )


def test_shares_are_contiguous_complete_and_even() -> None:
    for items in range(8):
        for count in range(1, 5):
            shares = [range(*share_of(rank, count, items)) for rank in range(count)]
            assert [i for share in shares for i in share] == list(range(items))
            assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_one_two_and_three_ranks_give_the_same_bits() -> None:
    alone = subprocess.run(
        [sys.executable, *RECOMPUTE],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(),
        check=False,
    )
    assert alone.returncode == 0, alone.stderr
    for ranks in (2, 3):  # five batches: uneven shares
        shared = launched(ranks, *RECOMPUTE)
        assert shared.returncode == 0, shared.stderr
        found = json.loads(shared.stdout)
        said = found["witnesses"][0]["environment"].pop("ranks")
        assert said == f"{ranks}, of which this is the first"
        assert json.dumps(found) == json.dumps(json.loads(alone.stdout))  # every bit, in order
    witness: dict[str, Any] = json.loads(alone.stdout)["witnesses"][0]
    assert len(witness["replays"]) == 5
    assert set(witness["means"]) == {"total", "loss_lip", "loss_latents"}


ADAPTER = """
import os, signal

def forward(checkpoint, tensors, device, dtype):
    if os.environ["RANK"] == "1":
        {end}
    return {{"image_pred": tensors["image_pred"], "image_pred_img": tensors["image_pred_img"]}}
"""


def two_ranks(folder: Path, end: str, *more: str) -> list[subprocess.Popen[str]]:
    """Two ranks without a launcher to look after them; `end` is what rank 1 does midway."""
    (folder / "ending.py").write_text(ADAPTER.format(end=end))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, *RECOMPUTE[:-2], "--adapter", "ending:forward", *more]
    for batch in sorted((RUN / "batches").iterdir()):  # named one by one, each takes the weights
        command += ["--batch", str(batch)]
    command.insert(command.index("recompute") + 1, str(RUN / "checkpoint-100"))
    processes = []
    for rank in ("0", "1"):
        env = environment(RANK=rank, WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
        env["PYTHONPATH"] += os.pathsep + str(folder)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        processes.append(subprocess.Popen(command, text=True, cwd=folder, env=env, **pipes))
    return processes


def test_a_rank_that_is_killed_is_an_error_and_no_hang(tmp_path: Path) -> None:
    first, second = two_ranks(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")
    output, errors = first.communicate(timeout=300)
    second.communicate(timeout=300)
    assert second.returncode == -signal.SIGKILL
    assert first.returncode == 4, errors
    assert "a rank ended, or hangs, before it gave its part" in errors
    assert "Traceback" not in errors
    assert output == ""


def test_a_rank_that_hangs_is_an_error_after_the_timeout(tmp_path: Path) -> None:
    stop = "os.kill(os.getpid(), signal.SIGSTOP)"
    first, second = two_ranks(tmp_path, stop, "--rank-timeout", "5")
    try:
        output, errors = first.communicate(timeout=300)
        assert second.poll() is None  # stopped, not gone
    finally:
        second.kill()
        second.communicate(timeout=300)
    assert (first.returncode, output) == (4, "")
    assert "a rank ended, or hangs, before it gave its part" in errors
    assert "--rank-timeout" in errors
    assert "Traceback" not in errors


def test_an_error_of_one_rank_is_told_by_the_other(tmp_path: Path) -> None:
    first, second = two_ranks(tmp_path, "raise ValueError('boom')")
    output, errors = first.communicate(timeout=300)
    _, own = second.communicate(timeout=300)
    assert "boom" in own
    assert "rank 1 failed" in errors
    assert "boom" in errors
    assert (first.returncode, output) == (4, "")
    assert second.returncode in (2, 4)


ALONE = """
from datetime import timedelta
from lossaudit.witnesses.replay import ranks

ranks.JOINING = timedelta(seconds=1)
try:
    with ranks.launched_ranks():
        pass
except ranks.RankError as error:
    print(error)
"""


def test_variables_of_a_launcher_without_its_ranks_are_no_hang() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    env = environment(RANK="0", WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
    done = subprocess.run(
        [sys.executable, "-c", ALONE],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=env,
        check=True,
        timeout=120,
    )
    assert "the ranks cannot be joined" in done.stdout
    assert "env -u WORLD_SIZE lossaudit" in done.stdout
