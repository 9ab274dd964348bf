"""The networks of pytorch-CycleGAN-and-pix2pix in PyTorch, written from their description, and what tests ask of them.

Where torch is installed: `python -m tests.cyclegan.conversion.torch_networks fixture` writes reference.json and reference.npz beside this
script (those here are from PyTorch 2.14.1); `save FOLDER` and `check FOLDER` are the two halves of the test with a live PyTorch.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from tests.cyclegan.conversion.formula import BLOCKS, FILTERS, NETWORKS, formula_images, formula_tensors

HERE = Path(__file__).parent
KINDS = {"zip": True, "legacy": False}
CHANNELS = (3, 1)
"""Of domains A and B in the live test."""


def normed(width: int) -> nn.Module:
    return nn.InstanceNorm2d(width, affine=False, track_running_stats=False)


class Block(nn.Module):
    """Two 3x3 convolutions whose result is added to their input."""

    def __init__(self, width: int, dropout: bool) -> None:
        super().__init__()
        first = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), normed(width), nn.ReLU()]
        between = [nn.Dropout(0.5)] if dropout else []
        self.conv_block = nn.Sequential(*first, *between, nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), normed(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv_block(x)


class ResNet(nn.Module):
    """c7s1-k, d2k, d4k, R4k × blocks, u2k, uk, c7s1-outputs; each convolution has a bias, also before a norm."""

    def __init__(self, inputs: int, outputs: int, k: int, blocks: int, dropout: bool = False) -> None:
        super().__init__()
        layers = [nn.ReflectionPad2d(3), nn.Conv2d(inputs, k, 7), normed(k), nn.ReLU()]
        for width in (k, 2 * k):
            layers += [nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), normed(2 * width), nn.ReLU()]
        layers += [Block(4 * k, dropout) for _ in range(blocks)]
        for width in (4 * k, 2 * k):
            up = nn.ConvTranspose2d(width, width // 2, 3, stride=2, padding=1, output_padding=1)
            layers += [up, normed(width // 2), nn.ReLU()]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(k, outputs, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x)


class PatchGAN(nn.Module):
    """Ck, C2k, C4k, C8k of stride 1, and a convolution to one channel."""

    def __init__(self, inputs: int, k: int) -> None:
        super().__init__()
        layers = [nn.Conv2d(inputs, k, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for width, stride in ((k, 2), (2 * k, 2), (4 * k, 1)):
            layers += [nn.Conv2d(width, 2 * width, 4, stride=stride, padding=1), normed(2 * width), nn.LeakyReLU(0.2)]
        self.model = nn.Sequential(*layers, nn.Conv2d(8 * k, 1, 4, padding=1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x)


def networks(channels_a: int, channels_b: int, dropout: bool = False) -> dict[str, nn.Module]:
    """All four; D_A judges what G_A makes."""
    made: dict[str, nn.Module] = {
        "G_A": ResNet(channels_a, channels_b, FILTERS, BLOCKS, dropout),
        "G_B": ResNet(channels_b, channels_a, FILTERS, BLOCKS, dropout),
        "D_A": PatchGAN(channels_b, FILTERS),
        "D_B": PatchGAN(channels_a, FILTERS),
    }
    return {name: network.eval() for name, network in made.items()}


def outputs(made: dict[str, nn.Module], channels_a: int, channels_b: int) -> dict[str, np.ndarray]:
    """What each network makes of `formula_images`, channels last."""
    takes = {"G_A": channels_a, "G_B": channels_b, "D_A": channels_b, "D_B": channels_a}
    with torch.no_grad():
        results = {name: network(torch.tensor(formula_images(takes[name]).transpose(0, 3, 1, 2))) for name, network in made.items()}
    return {name: result.numpy().transpose(0, 2, 3, 1) for name, result in results.items()}


def set_formula(made: dict[str, nn.Module]) -> dict[str, dict[str, list[int]]]:
    """Give all networks their formula's weights; returns the shapes of their tensors by key."""
    shapes = {name: {key: list(tensor.shape) for key, tensor in network.state_dict().items()} for name, network in made.items()}
    for name, network in made.items():
        network.load_state_dict({key: torch.tensor(array) for key, array in formula_tensors(name, shapes[name]).items()})
    return shapes


def write_fixture() -> None:
    made = networks(3, 3)
    (HERE / "reference.json").write_text(json.dumps(set_formula(made)) + "\n")
    np.savez_compressed(HERE / "reference.npz", **outputs(made, 3, 3))


def save(folder: Path) -> None:
    """Weights in both formats, with dropout in the older one, and the outputs."""
    made = networks(*CHANNELS)
    set_formula(made)
    np.savez(folder / "outputs.npz", **outputs(made, *CHANNELS))
    with_dropout = networks(*CHANNELS, dropout=True)
    set_formula(with_dropout)
    np.savez(folder / "outputs_dropout.npz", **outputs(with_dropout, *CHANNELS))
    for kind, some in (("zip", made), ("legacy", with_dropout)):
        (folder / kind).mkdir()
        for name, network in some.items():
            path = folder / kind / f"latest_net_{name}.pth"
            torch.save(network.state_dict(), path, _use_new_zipfile_serialization=KINDS[kind])


def check(folder: Path) -> None:
    """Load files that were written here, as PyTorch admits them by default: tensors only. Outputs must be equal."""
    made = networks(*CHANNELS)
    for name in NETWORKS:
        made[name].load_state_dict(torch.load(folder / f"latest_net_{name}.pth", weights_only=True, mmap=True))
    with np.load(folder.parent / "outputs.npz") as expected:
        for name, array in outputs(made, *CHANNELS).items():
            np.testing.assert_allclose(array, expected[name], rtol=0, atol=1e-5)


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if command == "fixture":
        write_fixture()
    else:
        {"save": save, "check": check}[command](Path(arguments[0]))
