"""What a training script imports: a recorder of terms and sample batches, and exact weights.

    recorder = Recorder("runs/1", every=1000)
    ...
    recorder.begin(step, {"image": image})                    # before the step's random draws
    total = 2.0 * loss_lip + loss_latents
    recorder.record(step, total, {"loss_lip": loss_lip, "loss_latents": loss_latents}, tensors)
    total.backward()

Stands apart from the rest of the package: it needs torch and safetensors, and nothing else.
"""

from lossaudit.recorder.random_state import restore_random_state
from lossaudit.recorder.recording import Recorder
from lossaudit.recorder.weights import probe

__all__ = ["Recorder", "probe", "restore_random_state"]
