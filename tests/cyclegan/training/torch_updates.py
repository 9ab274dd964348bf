"""Complete updates of all four networks by PyTorch in float64, with its own layers, autograd (twice, for the gradient penalty) and Adam.

`python -m tests.cyclegan.training.torch_updates` writes torch_updates.json anew, in an environment that has PyTorch. Written from
pytorch-CycleGAN-and-pix2pix: the order of the losses, GANLoss, cal_gradient_penalty, and its crossed names translated to this project's.
Parameters have this project's shapes, in layer order; there are no biases before norms.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ringcycle.hashing import generator

VALUES = Path(__file__).with_suffix(".json")
SIDE, BATCH, STEPS, RATE, FILTERS = 32, 2, 2, 2e-4, 4
NETWORKS = ("G_AB", "G_BA", "D_B", "D_A")
CASES: dict[str, dict[str, Any]] = {
    "lsgan": {},
    "vanilla": {"loss": "vanilla"},
    "hinge, weights of both cycles": {"loss": "hinge", "lambda_cycle": (10.0, 4.0)},
    "wgangp": {"loss": "wgangp"},
    "two time scales, clipped": {"discriminator_rate": 4.0, "clip_norm": 0.5},
    "unet": {},
    "batch norm": {},
}
"""Settings of the section `train`, besides its defaults and no pool."""
MODELS: dict[str, dict[str, Any]] = {"unet": {"generator": "unet", "unet_depth": 3}, "batch norm": {"norm": "batch"}}
"""Settings of the section `model`, by case, besides the sizes."""

Array = npt.NDArray[np.float64]


def shapes(network: str, case: str) -> list[tuple[int, ...]]:
    """Of a generator with one residual block, of a U-Net, or of a discriminator: kernels [k, k, C, K]; biases, scales and shifts [K]."""
    n, vectors = FILTERS, 2 if case == "batch norm" else 0

    def normed(*kernels: tuple[int, ...]) -> list[tuple[int, ...]]:
        return [shape for kernel in kernels for shape in (kernel, *[kernel[-1:]] * vectors)]

    if network.startswith("D"):
        body = normed((4, 4, n, 2 * n), (4, 4, 2 * n, 4 * n), (4, 4, 4 * n, 8 * n))
        return [(4, 4, 3, n), (n,), *body, (4, 4, 8 * n, 1), (1,)]
    if case == "unet":
        down = [(4, 4, 3, n), (n,), (4, 4, n, 2 * n), (4, 4, 2 * n, 4 * n), (4 * n,)]
        return [*down, (4, 4, 4 * n, 2 * n), (4, 4, 4 * n, n), (4, 4, 2 * n, 3), (3,)]
    body = [(3, 3, n, 2 * n), (3, 3, 2 * n, 4 * n), *[(3, 3, 4 * n, 4 * n)] * 2, (3, 3, 4 * n, 2 * n), (3, 3, 2 * n, n)]
    return [*normed((7, 7, 3, n), *body), (7, 7, n, 3), (3,)]


def weights(network: str, case: str) -> list[Array]:
    """Initial values, large enough that logits lie on both sides of hinge's bend."""
    return [generator(0, f"weights of {network}", i).normal(0, 0.1, shape) for i, shape in enumerate(shapes(network, case))]


def images(step: int) -> npt.NDArray[np.uint8]:
    """`[2, B, H, W, 3]`: A and B."""
    return generator(0, "images", step).integers(0, 256, (2, BATCH, SIDE, SIDE, 3), np.uint8)


def mix_bits(step: int) -> npt.NDArray[np.int32]:
    """`[2, B]`: the share of real images in the gradient penalty, times 2**24; for D_B and D_A."""
    return generator(0, "mix", step).integers(0, 2**24, (2, BATCH), np.int32)


def summary(value: Array) -> list[float]:
    """L2 norm, sum, and up to 12 elements from all over the array."""
    flat = value.ravel()
    return [float(np.linalg.norm(flat)), float(flat.sum()), *flat[:: max(1, len(flat) // 11)].tolist()]


def main() -> None:
    import torch  # not among this project's packages
    from torch import nn
    from torch.nn import functional

    relu, leak, pad = functional.relu, functional.leaky_relu, functional.pad

    def conv(x: torch.Tensor, w: torch.Tensor, stride: int = 1, padding: int = 0) -> torch.Tensor:
        return functional.conv2d(x, w.permute(3, 2, 0, 1).contiguous(), stride=stride, padding=padding)

    def upsample(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return functional.conv_transpose2d(x, w.permute(2, 3, 0, 1), stride=2, padding=1, output_padding=1)

    def upsample_4(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return functional.conv_transpose2d(x, w.permute(2, 3, 0, 1), stride=2, padding=1)

    def reflect(x: torch.Tensor, width: int) -> torch.Tensor:
        return pad(x, [width] * 4, mode="reflect")

    def normed(x: torch.Tensor, rest: Iterator[torch.Tensor], case: str) -> torch.Tensor:
        if case == "batch norm":
            return functional.batch_norm(x, None, None, next(rest), next(rest), training=True)
        return functional.instance_norm(x)

    def generate(case: str, parameters: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        rest = iter(parameters)
        if case == "unet":
            return unet(rest, x)

        def norm(x: torch.Tensor) -> torch.Tensor:
            return normed(x, rest, case)

        x = relu(norm(conv(reflect(x, 3), next(rest))))
        x = relu(norm(conv(x, next(rest), 2, 1)))
        x = relu(norm(conv(x, next(rest), 2, 1)))
        y = relu(norm(conv(reflect(x, 1), next(rest))))
        x = x + norm(conv(reflect(y, 1), next(rest)))
        x = relu(norm(upsample(x, next(rest))))
        x = relu(norm(upsample(x, next(rest))))
        return torch.tanh(conv(reflect(x, 3), next(rest)) + next(rest)[:, None, None])

    def unet(rest: Iterator[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        norm = functional.instance_norm
        one = conv(x, next(rest), 2, 1) + next(rest)[:, None, None]
        two = norm(conv(leak(one, 0.2), next(rest), 2, 1))
        y = conv(leak(two, 0.2), next(rest), 2, 1) + next(rest)[:, None, None]
        y = norm(upsample_4(relu(y), next(rest)))
        y = norm(upsample_4(relu(torch.cat([two, y], 1)), next(rest)))
        return torch.tanh(upsample_4(relu(torch.cat([one, y], 1)), next(rest)) + next(rest)[:, None, None])

    def discriminate(case: str, parameters: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        rest = iter(parameters)
        x = leak(conv(x, next(rest), 2, 1) + next(rest)[:, None, None], 0.2)
        for stride in (2, 2, 1):
            x = leak(normed(conv(x, next(rest), stride, 1), rest, case), 0.2)
        return conv(x, next(rest), 1, 1) + next(rest)[:, None, None]

    def gan_loss(name: str, prediction: torch.Tensor, real: bool) -> torch.Tensor:
        if name == "wgangp":
            return -prediction.mean() if real else prediction.mean()
        loss = nn.MSELoss() if name == "lsgan" else nn.BCEWithLogitsLoss()
        return loss(prediction, torch.tensor(1.0 if real else 0.0).double().expand_as(prediction))

    def generator_loss(name: str, prediction: torch.Tensor) -> torch.Tensor:
        return -prediction.mean() if name == "hinge" else gan_loss(name, prediction, True)

    def discriminator_loss(name: str, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
        if name == "hinge":
            return relu(1 - real).mean() + relu(1 + fake).mean()
        return gan_loss(name, real, True) + gan_loss(name, fake, False)

    def gradient_penalty(
        case: str, parameters: list[torch.Tensor], real: torch.Tensor, fake: torch.Tensor, alpha: torch.Tensor
    ) -> torch.Tensor:
        alpha = alpha[:, None].expand(len(real), real[0].numel()).contiguous().view(*real.shape)
        between = alpha * real + (1 - alpha) * fake
        between.requires_grad_(True)
        prediction = discriminate(case, parameters, between)
        (slope,) = torch.autograd.grad(prediction, between, torch.ones_like(prediction), create_graph=True, retain_graph=True)
        slope = slope.view(len(real), -1)
        return (((slope + 1e-16).norm(2, dim=1) - 1.0) ** 2).mean() * 10.0

    def run(case: str, settings: dict[str, Any]) -> dict[str, Any]:
        name = settings.get("loss", "lsgan")
        lambda_A, lambda_B = settings.get("lambda_cycle", (10.0, 10.0))
        networks = {n: [torch.tensor(w, requires_grad=True) for w in weights(n, case)] for n in NETWORKS}
        G_AB, G_BA, D_B, D_A = networks.values()
        of_generators = torch.optim.Adam([*G_AB, *G_BA], RATE, (0.5, 0.999))
        of_discriminators = torch.optim.Adam([*D_B, *D_A], RATE * settings.get("discriminator_rate", 1.0), (0.5, 0.999))
        l1, losses = nn.L1Loss(), {}

        def update(optimizer: torch.optim.Optimizer, loss: torch.Tensor, pair: list[list[torch.Tensor]]) -> None:
            optimizer.zero_grad()
            loss.backward()
            for network in pair:
                if "clip_norm" in settings:
                    nn.utils.clip_grad_norm_(network, settings["clip_norm"])
            optimizer.step()

        for step in range(STEPS):
            real_A, real_B = torch.tensor(images(step) / 127.5 - 1).permute(0, 1, 4, 2, 3)
            mix_B, mix_A = torch.tensor(mix_bits(step) / 2**24)
            fake_B, fake_A = generate(case, G_AB, real_A), generate(case, G_BA, real_B)
            losses = {
                "G_AB": generator_loss(name, discriminate(case, D_B, fake_B)),
                "G_BA": generator_loss(name, discriminate(case, D_A, fake_A)),
                "cycle_A": l1(generate(case, G_BA, fake_B), real_A) * lambda_A,
                "cycle_B": l1(generate(case, G_AB, fake_A), real_B) * lambda_B,
                "identity_A": l1(generate(case, G_BA, real_A), real_A) * lambda_A * 0.5,
                "identity_B": l1(generate(case, G_AB, real_B), real_B) * lambda_B * 0.5,
            }
            fake_A, fake_B, before = fake_A.detach(), fake_B.detach(), sum(losses.values())
            update(of_generators, before, [G_AB, G_BA])
            for D, letter, real, fake, mix in ((D_A, "A", real_A, fake_A, mix_A), (D_B, "B", real_B, fake_B, mix_B)):
                loss = discriminator_loss(name, discriminate(case, D, real), discriminate(case, D, fake))
                if name == "wgangp":
                    loss = loss + gradient_penalty(case, D, real, fake, mix)
                losses[f"D_{letter}"] = loss * 0.5
            update(of_discriminators, losses["D_A"] + losses["D_B"], [D_B, D_A])

        def state(parameter: torch.Tensor, optimizer: torch.optim.Optimizer) -> dict[str, list[float]]:
            kinds = {
                "weights": parameter.detach(),
                "m": optimizer.state[parameter]["exp_avg"],
                "v": optimizer.state[parameter]["exp_avg_sq"],
            }
            return {kind: summary(value.numpy()) for kind, value in kinds.items()}

        optimizers = {"G": of_generators, "D": of_discriminators}
        return {
            "losses": {key: loss.item() for key, loss in losses.items()},
            "networks": {key: [state(parameter, optimizers[key[0]]) for parameter in value] for key, value in networks.items()},
        }

    cases = {case: run(case, settings) for case, settings in CASES.items()}
    VALUES.write_text(json.dumps({"torch": torch.__version__, "cases": cases}) + "\n")


if __name__ == "__main__":
    main()
