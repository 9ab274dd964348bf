"""The PyTorch side of `benchmarks.step`: the reference's networks and step (junyanz/pytorch-CycleGAN-and-pix2pix), run on demand.

Needs torch only. Prints `ready` after two warm-up steps, then one step's seconds for each line on standard input.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

NORMS: dict[str, Callable[[int], nn.Module]] = {
    "instance": nn.InstanceNorm2d,
    "batch": nn.BatchNorm2d,
    "none": lambda _: nn.Identity(),
}


def generator(filters: int, blocks: int, norm: str = "instance", upsample: str = "transposed") -> nn.Module:
    """ResNet generator: c7s1-k, d2k, d4k, R4k × blocks, u2k, uk, c7s1-3."""
    layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, filters, 7), NORMS[norm](filters), nn.ReLU(True)]
    for width in (filters, 2 * filters):
        layers += [nn.Conv2d(width, 2 * width, 3, 2, 1), NORMS[norm](2 * width), nn.ReLU(True)]
    layers += [Residual(4 * filters, norm) for _ in range(blocks)]
    for width in (4 * filters, 2 * filters):
        if upsample == "resize":
            layers += [nn.Upsample(scale_factor=2), nn.ReflectionPad2d(1), nn.Conv2d(width, width // 2, 3)]
        else:
            layers += [nn.ConvTranspose2d(width, width // 2, 3, 2, 1, 1)]
        layers += [NORMS[norm](width // 2), nn.ReLU(True)]
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(filters, 3, 7), nn.Tanh())


class Residual(nn.Module):
    """A residual block: two 3×3 convolutions beside the identity."""

    def __init__(self, width: int, norm: str) -> None:
        super().__init__()
        half = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), NORMS[norm](width)]
        other = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), NORMS[norm](width)]
        self.branch = nn.Sequential(*half, nn.ReLU(True), *other)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x` plus the branch."""
        return x + self.branch(x)


class Level(nn.Module):
    """A level of the U-Net around the one below: its input beside what comes back from below."""

    def __init__(self, outer: int, inner: int, norm: str, below: nn.Module | None) -> None:
        super().__init__()
        down = [nn.LeakyReLU(0.2), nn.Conv2d(outer, inner, 4, 2, 1)]
        up = [nn.ReLU(True), nn.ConvTranspose2d(inner if below is None else 2 * inner, outer, 4, 2, 1), NORMS[norm](outer)]
        self.inside = nn.Sequential(*down, *up) if below is None else nn.Sequential(*down, NORMS[norm](inner), below, *up)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x` and the way through this level, by channels."""
        return torch.cat([x, self.inside(x)], 1)


def unet(filters: int, depth: int, norm: str) -> nn.Module:
    """U-Net generator of so many levels."""
    widths = [filters * min(2**i, 8) for i in range(depth)]
    below = None
    for outer, inner in zip(widths[-2::-1], widths[:0:-1], strict=True):
        below = Level(outer, inner, norm, below)
    assert below is not None
    return nn.Sequential(nn.Conv2d(3, filters, 4, 2, 1), below, nn.ReLU(True), nn.ConvTranspose2d(2 * filters, 3, 4, 2, 1), nn.Tanh())


def discriminator(filters: int, norm: str) -> nn.Module:
    """70×70 PatchGAN: C64-C128-C256-C512 and one logit per patch."""
    layers: list[nn.Module] = [nn.Conv2d(3, filters, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for width, stride in ((filters, 2), (2 * filters, 2), (4 * filters, 1)):
        layers += [nn.Conv2d(width, 2 * width, 4, stride, 1), NORMS[norm](2 * width), nn.LeakyReLU(0.2, True)]
    return nn.Sequential(*layers, nn.Conv2d(8 * filters, 1, 4, 1, 1))


class Step:
    """One update of all four networks, as the reference orders it; without its pool, whose cost is negligible."""

    def __init__(self, given: argparse.Namespace) -> None:
        torch.manual_seed(0)
        self.autocast = given.bfloat16
        nets = [made_generator(given) for _ in range(2)] + [discriminator(given.filters, given.norm) for _ in range(2)]
        if given.channels_last:
            nets = [net.to(memory_format=torch.channels_last) for net in nets]
        self.parameters_d = list(itertools.chain(nets[2].parameters(), nets[3].parameters()))
        self.optimizer_g = torch.optim.Adam(itertools.chain(nets[0].parameters(), nets[1].parameters()), 2e-4, (0.5, 0.999))
        self.optimizer_d = torch.optim.Adam(self.parameters_d, 2e-4, (0.5, 0.999))
        self.g_ab, self.g_ba, self.d_a, self.d_b = [torch.compile(net) for net in nets] if given.compile else nets
        images = [torch.rand(given.batch, 3, given.size, given.size) * 2 - 1 for _ in range(2)]
        layout = torch.channels_last if given.channels_last else torch.contiguous_format
        self.real_a, self.real_b = (image.to(memory_format=layout) for image in images)

    def __call__(self) -> None:
        """Update all networks."""
        real_a, real_b = self.real_a, self.real_b
        for parameter in self.parameters_d:
            parameter.requires_grad_(False)
        self.optimizer_g.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.autocast):
            fake_b, fake_a = self.g_ab(real_a), self.g_ba(real_b)
            cycled_a, cycled_b = self.g_ba(fake_b), self.g_ab(fake_a)
            same_b, same_a = self.g_ab(real_b), self.g_ba(real_a)
            cycle = functional.l1_loss(cycled_a, real_a) + functional.l1_loss(cycled_b, real_b)
            identity = functional.l1_loss(same_b, real_b) + functional.l1_loss(same_a, real_a)
            loss = squares(self.d_b(fake_b), 1.0) + squares(self.d_a(fake_a), 1.0) + 10 * cycle + 5 * identity
        loss.backward()
        self.optimizer_g.step()
        for parameter in self.parameters_d:
            parameter.requires_grad_(True)
        self.optimizer_d.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.autocast):
            loss_a = squares(self.d_a(real_a), 1.0) + squares(self.d_a(fake_a.detach()), 0.0)
            loss_b = squares(self.d_b(real_b), 1.0) + squares(self.d_b(fake_b.detach()), 0.0)
            loss = 0.5 * (loss_a + loss_b)
        loss.backward()
        self.optimizer_d.step()


def made_generator(given: argparse.Namespace) -> nn.Module:
    """A generator as the command line describes it."""
    if given.generator == "resnet":
        return generator(given.filters, given.blocks, given.norm, given.upsample)
    return unet(given.filters, {"unet_128": 7, "unet_256": 8}[given.generator], given.norm)


def squares(logits: torch.Tensor, target: float) -> torch.Tensor:
    """LSGAN: mean of (logits - target)²."""
    return functional.mse_loss(logits, torch.full_like(logits, target))


def main() -> None:
    """Warm up, then one step for each line on standard input."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("size", "filters", "blocks", "batch", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("generator", "norm", "upsample"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("channels-last", "compile", "bfloat16"):
        parser.add_argument(f"--{name}", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    step = Step(given)
    for _ in range(2):
        step()
    print("ready", flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        step()
        print(time.perf_counter() - begin, flush=True)


if __name__ == "__main__":
    main()
