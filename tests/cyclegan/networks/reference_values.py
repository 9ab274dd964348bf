"""Makes `reference_values.npz`: results and gradients of the reference's networks, computed by PyTorch in float64.

    python tests/cyclegan/networks/reference_values.py        (with an interpreter that has torch)

The networks follow the structure of junyanz/pytorch-CycleGAN-and-pix2pix, without biases before norms, which have no effect. Parameters
and images come from NumPy's frozen legacy generator, in the order of the modules, so that the test can draw them again.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn

FILE = Path(__file__).with_suffix(".npz")
FILTERS, BLOCKS, IMAGES = 4, 1, 2
EVERY = 3  # rows and columns that are kept
NORMS = {"instance": nn.InstanceNorm2d, "batch": nn.BatchNorm2d, "none": lambda _: nn.Identity()}


def resnet(norm, resize):
    n = FILTERS
    layers = [nn.ReflectionPad2d(3), nn.Conv2d(3, n, 7, bias=False), NORMS[norm](n), nn.ReLU()]
    for width in (n, 2 * n):
        layers += [nn.Conv2d(width, 2 * width, 3, 2, 1, bias=False), NORMS[norm](2 * width), nn.ReLU()]
    layers += [Residual(4 * n, norm) for _ in range(BLOCKS)]
    for width in (4 * n, 2 * n):
        if resize:
            layers += [nn.Upsample(scale_factor=2), nn.ReflectionPad2d(1), nn.Conv2d(width, width // 2, 3, bias=False)]
        else:
            layers += [nn.ConvTranspose2d(width, width // 2, 3, 2, 1, 1, bias=False)]
        layers += [NORMS[norm](width // 2), nn.ReLU()]
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(n, 3, 7), nn.Tanh())


class Residual(nn.Module):
    def __init__(self, width, norm):
        super().__init__()
        one = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3, bias=False), NORMS[norm](width), nn.ReLU()]
        two = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3, bias=False), NORMS[norm](width)]
        self.branch = nn.Sequential(*one, *two)

    def forward(self, x):
        return x + self.branch(x)


class Level(nn.Module):
    """A level of the U-Net around the one below."""

    def __init__(self, outer, inner, norm, below, outermost=False):
        super().__init__()
        bias = norm == "instance"
        images = 3 if outermost else outer
        down = nn.Conv2d(images, inner, 4, 2, 1, bias=bias and (outermost or below is None))
        up = nn.ConvTranspose2d(inner if below is None else 2 * inner, images, 4, 2, 1, bias=outermost)
        if outermost:
            layers = [down, below, nn.ReLU(), up, nn.Tanh()]
        elif below is None:
            layers = [nn.LeakyReLU(0.2), down, nn.ReLU(), up, NORMS[norm](outer)]
        else:
            layers = [nn.LeakyReLU(0.2), down, NORMS[norm](inner), below, nn.ReLU(), up, NORMS[norm](outer)]
        self.model, self.outermost = nn.Sequential(*layers), outermost

    def forward(self, x):
        return self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)


def unet(norm, depth):
    widths = [FILTERS * min(2**i, 8) for i in range(depth)]
    below = None
    for i in reversed(range(1, depth)):
        below = Level(widths[i - 1], widths[i], norm, below)
    return Level(3, widths[0], norm, below, outermost=True)


def n_layers(norm, layers):
    widths = [FILTERS * min(2**i, 8) for i in range(layers + 1)]
    result = [nn.Conv2d(3, widths[0], 4, 2, 1), nn.LeakyReLU(0.2)]
    for i in range(1, layers + 1):
        stride = 2 if i < layers else 1
        result += [nn.Conv2d(widths[i - 1], widths[i], 4, stride, 1, bias=False), NORMS[norm](widths[i]), nn.LeakyReLU(0.2)]
    return nn.Sequential(*result, nn.Conv2d(widths[-1], 1, 4, 1, 1))


def pixel(norm):
    n = FILTERS
    end = nn.Conv2d(2 * n, 1, 1, bias=norm == "instance")
    return nn.Sequential(
        nn.Conv2d(3, n, 1), nn.LeakyReLU(0.2), nn.Conv2d(n, 2 * n, 1, bias=False), NORMS[norm](2 * n), nn.LeakyReLU(0.2), end
    )


def set_parameters(net):
    random = np.random.RandomState(0)
    for parameter in net.parameters():
        parameter.data = torch.from_numpy(random.normal(0, 0.2, tuple(parameter.shape)))


def spectral(net):
    """Spectral norm on all convolutions, from vectors of ones after one power iteration."""
    set_parameters(net)
    for module in list(net.modules()):
        if isinstance(module, nn.Conv2d):
            nn.utils.spectral_norm(module)
            module.weight_u = torch.ones_like(module.weight_u) / module.weight_u.numel() ** 0.5
    return net


def values(net, side):
    """Every third row and column of the result y, and of the gradient of the sum of sin(3 y) with respect to the images; channels last."""
    images = torch.from_numpy(np.random.RandomState(1).uniform(-1, 1, (IMAGES, 3, side, side))).requires_grad_()
    y = net(images)
    torch.sin(3 * y).sum().backward()
    return [array.permute(0, 2, 3, 1)[:, ::EVERY, ::EVERY].numpy().astype(np.float32) for array in (y.detach(), images.grad)]


def counts():
    """Numbers of parameters at full size."""
    global FILTERS, BLOCKS
    small, (FILTERS, BLOCKS) = (FILTERS, BLOCKS), (64, 9)
    nets = {f"{name} {norm}": net for norm in NORMS for name, net in full_size(norm).items()}
    FILTERS, BLOCKS = small
    return {name: sum(parameter.numel() for parameter in net.parameters()) for name, net in nets.items()}


def full_size(norm):
    return {
        "resnet": resnet(norm, False),
        "unet_128": unet(norm, 7),
        "unet_256": unet(norm, 8),
        "basic": n_layers(norm, 3),
        "n_layers 5": n_layers(norm, 5),
        "pixel": pixel(norm),
    }


def main():
    torch.set_default_dtype(torch.float64)
    nets = {
        "resnet batch": (resnet("batch", False), 16),
        "resnet none": (resnet("none", False), 16),
        "resnet instance resize": (resnet("instance", True), 16),
        **{f"unet {norm}": (unet(norm, 5), 32) for norm in NORMS},
        "unet instance 3": (unet("instance", 3), 16),
        **{f"n_layers {layers} instance": (n_layers("instance", layers), 3 * 2**layers) for layers in (1, 2, 4)},
        "n_layers 3 batch": (n_layers("batch", 3), 32),
        "n_layers 3 none": (n_layers("none", 3), 32),
        **{f"pixel {norm}": (pixel(norm), 8) for norm in NORMS},
    }
    found = {f"parameters of {name}": np.int64(count) for name, count in counts().items()}
    for name, (net, side) in nets.items():
        set_parameters(net)
        found[f"{name}: side"] = np.int32(side)
        found[f"{name}: result"], found[f"{name}: gradient"] = values(net, side)
    found["spectral: side"] = np.int32(32)
    found["spectral: result"], found["spectral: gradient"] = values(spectral(n_layers("instance", 3)), 32)
    np.savez_compressed(FILE, **found)


if __name__ == "__main__":
    main()
