"""Losses of logits, learning rates and clipped gradients by PyTorch.

`python -m tests.cyclegan.training.torch_values` writes torch_values.json anew, in an environment that has PyTorch. The losses are those of
GANLoss in pytorch-CycleGAN-and-pix2pix, and hinge as in SN-GAN (arXiv 1802.05957); the schedules are what its get_scheduler returns, and
LinearLR for the warm-up.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ringcycle.hashing import generator

VALUES = Path(__file__).with_suffix(".json")
LOSSES = ("lsgan", "vanilla", "hinge", "wgangp")
ROLES = ("generator", "real", "fake")
EPOCHS, DECAY_EPOCHS, WARMUP = 20, 6, 5
SHAPES = ((3, 3, 2, 5), (5,), (4, 4, 5, 1))  # of one network's gradients
LIMITS = (0.1, 3.0, 1000.0)

Array = npt.NDArray[np.float64]


def logits() -> Array:
    """`[2, 3, 4, 5, 1]`, of both signs and beyond ±1, where hinge is flat."""
    return 2 * generator(0, "logits").standard_normal((2, 3, 4, 5, 1))


def gradients() -> list[list[Array]]:
    """Of two networks; those of the second are ten times larger."""
    return [
        [10**network * generator(0, "gradient", network, i).standard_normal(shape) for i, shape in enumerate(SHAPES)] for network in (0, 1)
    ]


def main() -> None:
    import torch  # not among this project's packages
    from torch import nn
    from torch.optim import lr_scheduler

    def loss_of(name: str, role: str, prediction: torch.Tensor) -> torch.Tensor:
        target = torch.full_like(prediction, 0.0 if role == "fake" else 1.0)
        if name == "lsgan":
            return nn.MSELoss()(prediction, target)
        if name == "vanilla":
            return nn.BCEWithLogitsLoss()(prediction, target)
        if name == "wgangp" or role == "generator":
            return prediction.mean() if role == "fake" else -prediction.mean()
        return nn.functional.relu(1 + prediction if role == "fake" else 1 - prediction).mean()

    losses: dict[str, Any] = {}
    for name in LOSSES:
        for role in ROLES:
            predictions = [torch.tensor(one, requires_grad=True) for one in logits()]
            values = [loss_of(name, role, prediction) for prediction in predictions]
            for value in values:
                value.backward()
            slopes = [prediction.grad.flatten().tolist() for prediction in predictions]
            losses[f"{name} {role}"] = {"values": [value.item() for value in values], "gradients": slopes}

    def rates(make: Any) -> list[float]:
        optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=1.0)
        scheduler, result = make(optimizer), []
        for _ in range(EPOCHS):
            result.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        return result

    schedules = {
        "linear": rates(lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 1.0 - max(0, epoch + 1 - EPOCHS // 2) / (EPOCHS // 2 + 1))),
        "step": rates(lambda o: lr_scheduler.StepLR(o, step_size=DECAY_EPOCHS, gamma=0.1)),
        "cosine": rates(lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=EPOCHS, eta_min=0)),
        "warmup": rates(lambda o: lr_scheduler.LinearLR(o, start_factor=1 / WARMUP, total_iters=WARMUP - 1)),
    }

    clipped: dict[str, Any] = {}
    for limit in LIMITS:
        networks = [[torch.zeros(g.shape, dtype=torch.float64, requires_grad=True) for g in network] for network in gradients()]
        for parameters, values in zip(networks, gradients(), strict=True):
            for parameter, value in zip(parameters, values, strict=True):
                parameter.grad = torch.tensor(value)
            nn.utils.clip_grad_norm_(parameters, limit)
        clipped[str(limit)] = [[parameter.grad.flatten().tolist() for parameter in parameters] for parameters in networks]

    values = {"torch": torch.__version__, "losses": losses, "schedules": schedules, "clipped": clipped}
    VALUES.write_text(json.dumps(values) + "\n")


if __name__ == "__main__":
    main()
