"""The PyTorch side of `benchmarks.step`: the reference's networks and step (junyanz/pytorch-CycleGAN-and-pix2pix), run on demand.

Needs torch only. Prints `ready` after two warm-up steps, then one step's seconds for each line on standard input.
"""

import argparse
import itertools
import sys
import time

import torch
from torch import nn
from torch.nn import functional


def generator(filters: int, blocks: int) -> nn.Module:
    """ResNet generator: c7s1-k, d2k, d4k, R4k × blocks, u2k, uk, c7s1-3."""
    layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, filters, 7), nn.InstanceNorm2d(filters), nn.ReLU(True)]
    for width in (filters, 2 * filters):
        layers += [nn.Conv2d(width, 2 * width, 3, 2, 1), nn.InstanceNorm2d(2 * width), nn.ReLU(True)]
    layers += [Residual(4 * filters) for _ in range(blocks)]
    for width in (4 * filters, 2 * filters):
        layers += [nn.ConvTranspose2d(width, width // 2, 3, 2, 1, 1), nn.InstanceNorm2d(width // 2), nn.ReLU(True)]
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(filters, 3, 7), nn.Tanh())


class Residual(nn.Module):
    """A residual block: two 3×3 convolutions beside the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width)]
        other = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width)]
        self.branch = nn.Sequential(*half, nn.ReLU(True), *other)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x` plus the branch."""
        return x + self.branch(x)


def discriminator(filters: int) -> nn.Module:
    """70×70 PatchGAN: C64-C128-C256-C512 and one logit per patch."""
    layers: list[nn.Module] = [nn.Conv2d(3, filters, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for width, stride in ((filters, 2), (2 * filters, 2), (4 * filters, 1)):
        layers += [nn.Conv2d(width, 2 * width, 4, stride, 1), nn.InstanceNorm2d(2 * width), nn.LeakyReLU(0.2, True)]
    return nn.Sequential(*layers, nn.Conv2d(8 * filters, 1, 4, 1, 1))


class Step:
    """One update of all four networks, as the reference orders it; without its pool, whose cost is negligible."""

    def __init__(self, given: argparse.Namespace) -> None:
        torch.manual_seed(0)
        self.autocast = given.bfloat16
        nets = [generator(given.filters, given.blocks) for _ in range(2)] + [discriminator(given.filters) for _ in range(2)]
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


def squares(logits: torch.Tensor, target: float) -> torch.Tensor:
    """LSGAN: mean of (logits - target)²."""
    return functional.mse_loss(logits, torch.full_like(logits, target))


def main() -> None:
    """Warm up, then one step for each line on standard input."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("size", "filters", "blocks", "batch", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
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
