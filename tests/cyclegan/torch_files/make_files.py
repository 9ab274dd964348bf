"""Writes the .pth files beside this script, by PyTorch itself: `python -m tests.cyclegan.torch_files.make_files`, where torch is installed.

`test_state_dict` knows what they hold. The files here are from PyTorch 2.14.1.
"""

from collections import OrderedDict
from pathlib import Path

import torch

FOLDER = Path(__file__).parent


def main() -> None:
    counted = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    tensors = OrderedDict(
        single=counted,
        transposed=counted.permute(2, 0, 1),
        row=counted[1, 2],
        double=torch.tensor([1 / 3, -1e300], dtype=torch.float64),
        half=torch.tensor([0.5, -65504.0], dtype=torch.float16),
        brain=torch.tensor([[1.0, -3.140625], [1e38, 0.0]], dtype=torch.bfloat16).T,
        whole=torch.tensor(2**62),
        byte=torch.tensor([0, 255], dtype=torch.uint8),
        parameter=torch.nn.Parameter(torch.tensor([2.5])),
    )
    network = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 1), torch.nn.BatchNorm2d(3))
    with torch.no_grad():
        for i, array in enumerate(network.state_dict().values()):
            array.fill_(i)
    for kind, is_zip in (("zip", True), ("legacy", False)):
        torch.save(tensors, FOLDER / f"tensors.{kind}.pth", _use_new_zipfile_serialization=is_zip)
        torch.save(network.state_dict(), FOLDER / f"network.{kind}.pth", _use_new_zipfile_serialization=is_zip)


if __name__ == "__main__":
    main()
