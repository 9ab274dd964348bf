"""Writes inception_features.json: features by torchvision's InceptionV3 with pytorch-fid's two changes, resized as by clean-fid.

`python -m tests.cyclegan.evaluation.make_inception_features` where torch, torchvision, NumPy and Pillow are installed; nothing of
`cyclegan.evaluation` but the names of the layers takes part. The file here is from torch 2.14.1 and torchvision 0.29.1.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
import torchvision
from PIL import Image
from torch.nn import functional

from tests.cyclegan.evaluation.inception_file import formula_images, formula_weights, write_formula_weights

OFFSET, EVERY = 64, 128  # of the 2048 features: two of 16 are of the branch that pools by maximum


def network(path: Path) -> torch.nn.Module:
    inception = torchvision.models.inception_v3(num_classes=1008, aux_logits=False, init_weights=False, weights=None)
    missing, surplus = inception.load_state_dict(torch.load(path), strict=False)
    assert (missing, surplus) == (["fc.weight", "fc.bias"], [])
    inception.fc = torch.nn.Identity()
    average = functional.avg_pool2d

    def inside(x: torch.Tensor, kernel_size: int, stride: int, padding: int) -> torch.Tensor:
        return average(x, kernel_size, stride, padding, count_include_pad=False)

    functional.avg_pool2d = inside
    last = inception.Mixed_7c.forward

    def by_maximum(x: torch.Tensor) -> torch.Tensor:
        functional.avg_pool2d = functional.max_pool2d
        try:
            return last(x)
        finally:
            functional.avg_pool2d = inside

    inception.Mixed_7c.forward = by_maximum
    return inception.eval()


def resized(image: np.ndarray) -> torch.Tensor:
    bands = [Image.fromarray(image[..., i].astype(np.float32), mode="F").resize((299, 299), Image.BICUBIC) for i in range(3)]
    return (torch.from_numpy(np.stack([np.asarray(band).clip(0, 255) for band in bands])) - 128) / 128


def main() -> None:
    with TemporaryDirectory() as folder, torch.inference_mode():
        inception = network(write_formula_weights(Path(folder) / "weights.pth", formula_weights()))
        features = inception(torch.stack([resized(image) for image in formula_images()])).numpy()
    assert features.shape == (2, 2048)
    values = [[float(f"{value:.7g}") for value in row[OFFSET::EVERY]] for row in features]
    Path(__file__).with_name("inception_features.json").write_text(json.dumps(values) + "\n")


if __name__ == "__main__":
    main()
