"""The lines at the start name images, networks and what the user set, and no credentials."""

import pytest

from cluster.config import Config
from cluster.config_summary import summary
from cluster.load_config import load_config


def test_of_the_defaults() -> None:
    config = Config.model_validate({"data": {"source": "faces"}})
    assert summary(config) == [
        "images: faces, crops of 256 from images resized to 286",
        "networks: resnet generators of 64 filters, 9 blocks; basic discriminators of 64 filters; instance norm",
        'changed from the defaults: data.source="faces"',
    ]


@pytest.mark.parametrize(
    ("arguments", "images", "networks"),
    [
        (
            ["--data.source_a", "x/men", "--data.source_b", "x/women"],
            "x/men and x/women, crops of 256 from images resized to 286",
            "resnet",
        ),
        (["--data.source", "x", "--data.preprocess", "crop", "--data.crop_size", "[128, 64]"], "x, crops of [128, 64]", "resnet"),
        (
            ["--data.source", "x", "--data.preprocess", "scale_width_and_crop"],
            "x, crops of 256 from images resized to a width of 286",
            "resnet",
        ),
        (["--data.source", "x", "--data.preprocess", "none", "--model.norm", "none"], "x, whole images of 256", "resnet"),
        (["--data.source", "x", "--model.blocks", "1"], "x", "resnet generators of 64 filters, 1 block;"),
        (["--data.source", "x", "--model.generator", "unet_256"], "x, crops of 256", "unet_256 generators of 64 filters; basic"),
    ],
)
def test_of_other_layouts_and_networks(arguments: list[str], images: str, networks: str) -> None:
    lines = summary(load_config(arguments, {}))
    assert lines[0].startswith(f"images: {images}")
    assert lines[1].startswith(f"networks: {networks}")


def test_without_credentials() -> None:
    lines = summary(load_config(["--data.source", "s3://KEY:SECRET@bucket/x", "--run.storage", "s3://KEY:SECRET@bucket/runs"], {}))
    assert "SECRET" not in "".join(lines)
    assert 'run.storage="s3://***@bucket/runs"' in lines[-1]
