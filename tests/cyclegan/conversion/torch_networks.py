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

from tests.cyclegan.conversion.formula import BLOCKS, DEPTH, FILTERS, KINDS, Kind, formula_images, formula_tensors, sampled

HERE = Path(__file__).parent
CHANNELS = (3, 1)
"""Of domains A and B in the live test."""


def normed(width: int, norm: str) -> nn.Module:
    if norm == "instance":
        return nn.InstanceNorm2d(width, affine=False, track_running_stats=False)
    return nn.BatchNorm2d(width) if norm == "batch" else nn.Identity()


class Block(nn.Module):
    """Two 3x3 convolutions whose result is added to their input."""

    def __init__(self, width: int, kind: Kind) -> None:
        super().__init__()
        biased = kind.norm == "instance"
        layers = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3, bias=biased), normed(width, kind.norm), nn.ReLU()]
        layers += [nn.Dropout(0.5)] if kind.dropout else []
        layers += [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3, bias=biased), normed(width, kind.norm)]
        self.conv_block = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv_block(x)


class ResNet(nn.Module):
    """c7s1-k, d2k, d4k, R4k × blocks, u2k, uk, c7s1-outputs; with instance norm each convolution has a bias, before the norm."""

    def __init__(self, inputs: int, outputs: int, k: int, blocks: int, kind: Kind) -> None:
        super().__init__()
        biased = kind.norm == "instance"
        layers = [nn.ReflectionPad2d(3), nn.Conv2d(inputs, k, 7, bias=biased), normed(k, kind.norm), nn.ReLU()]
        for width in (k, 2 * k):
            down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1, bias=biased)
            layers += [down, normed(2 * width, kind.norm), nn.ReLU()]
        layers += [Block(4 * k, kind) for _ in range(blocks)]
        for width in (4 * k, 2 * k):
            up = nn.ConvTranspose2d(width, width // 2, 3, stride=2, padding=1, output_padding=1, bias=biased)
            layers += [up, normed(width // 2, kind.norm), nn.ReLU()]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(k, outputs, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x)


class Level(nn.Module):
    """A level of the U-Net: halves, computes the level below, doubles; its result is put beside its input, but for the outermost."""

    def __init__(self, taken: int, made: int, widths: list[int], kind: Kind, index: int = 0) -> None:
        super().__init__()
        width, *below = widths
        biased, self.outermost = kind.norm == "instance", index == 0
        down = [] if self.outermost else [nn.LeakyReLU(0.2)]
        down.append(nn.Conv2d(taken, width, 4, stride=2, padding=1, bias=biased))
        if below:
            down += [] if self.outermost else [normed(width, kind.norm)]
            down.append(Level(width, width, below, kind, index + 1))
        wide = 2 * width if below else width
        up = [nn.ReLU(), nn.ConvTranspose2d(wide, made, 4, stride=2, padding=1, bias=biased or self.outermost)]
        up.append(nn.Tanh() if self.outermost else normed(made, kind.norm))
        up += [nn.Dropout(0.5)] if kind.dropout and below and index > 3 else []
        self.model = nn.Sequential(*down, *up)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)


class UNet(nn.Module):
    """Levels of k, 2k, 4k, 8k, 8k … channels."""

    def __init__(self, inputs: int, outputs: int, k: int, depth: int, kind: Kind) -> None:
        super().__init__()
        self.model = Level(inputs, outputs, [k * min(2**i, 8) for i in range(depth)], kind)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x)


class PatchGAN(nn.Module):
    """Ck, C2k, … of stride 2, another one of stride 1, and a convolution to one channel."""

    def __init__(self, inputs: int, k: int, kind: Kind) -> None:
        super().__init__()
        layers = [nn.Conv2d(inputs, k, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        widths = [k * min(2**i, 8) for i in range(kind.layers + 1)]
        for i in range(kind.layers):
            stride = 1 if i == kind.layers - 1 else 2
            layers += [nn.Conv2d(widths[i], widths[i + 1], 4, stride=stride, padding=1, bias=kind.norm == "instance")]
            layers += [normed(widths[i + 1], kind.norm), nn.LeakyReLU(0.2)]
        self.model = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, padding=1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x)


class PixelGAN(nn.Module):
    """Three convolutions of single pixels."""

    def __init__(self, inputs: int, k: int, kind: Kind) -> None:
        super().__init__()
        biased = kind.norm == "instance"
        first = [nn.Conv2d(inputs, k, 1), nn.LeakyReLU(0.2), nn.Conv2d(k, 2 * k, 1, bias=biased), normed(2 * k, kind.norm)]
        self.net = nn.Sequential(*first, nn.LeakyReLU(0.2), nn.Conv2d(2 * k, 1, 1, bias=biased))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


def networks(kind: Kind, channels_a: int, channels_b: int) -> dict[str, nn.Module]:
    """All four, as they are used without --eval but for dropout; D_A judges what G_A makes."""

    def generator(inputs: int, outputs: int) -> nn.Module:
        return UNet(inputs, outputs, FILTERS, DEPTH, kind) if kind.unet else ResNet(inputs, outputs, FILTERS, BLOCKS, kind)

    judge = PatchGAN if kind.layers else PixelGAN
    made = {
        "G_A": generator(channels_a, channels_b),
        "G_B": generator(channels_b, channels_a),
        "D_A": judge(channels_b, FILTERS, kind),
        "D_B": judge(channels_a, FILTERS, kind),
    }
    for network in made.values():
        for module in network.modules():
            module.train(isinstance(module, nn.BatchNorm2d))
    return made


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
    shapes, results = {}, {}
    for name, kind in KINDS.items():
        made = networks(kind, 3, 3)
        shapes[name] = set_formula(made)
        results |= {f"{name} {network}": sampled(result) for network, result in outputs(made, 3, 3).items()}
    (HERE / "reference.json").write_text(json.dumps(shapes) + "\n")
    np.savez_compressed(HERE / "reference.npz", **results)


def save(folder: Path) -> None:
    """Each kind's files, in the format of 2020 and the older one in turns, and the outputs."""
    for i, (name, kind) in enumerate(KINDS.items()):
        made = networks(kind, *CHANNELS)
        set_formula(made)
        (folder / name).mkdir()
        for network, module in made.items():
            torch.save(module.state_dict(), folder / name / f"latest_net_{network}.pth", _use_new_zipfile_serialization=i % 2 == 0)
        np.savez(folder / f"{name}.npz", **outputs(made, *CHANNELS))


def check(folder: Path) -> None:
    """Load files that were written here, as PyTorch admits them by default: tensors only. Outputs must be equal."""
    for name, kind in KINDS.items():
        made = networks(Kind(kind.unet, kind.norm, kind.layers), *CHANNELS)
        for network, module in made.items():
            module.load_state_dict(torch.load(folder / name / f"latest_net_{network}.pth", weights_only=True, mmap=True))
        with np.load(folder.parent / f"{name}.npz") as expected:
            for network, array in outputs(made, *CHANNELS).items():
                np.testing.assert_allclose(array, expected[network], rtol=0, atol=1e-5, err_msg=f"{name} {network}")


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if command == "fixture":
        write_fixture()
    else:
        {"save": save, "check": check}[command](Path(arguments[0]))
