"""Networks of one training fit together; what is left out is said."""

from pathlib import Path

import numpy as np
import pytest

from cyclegan.config import ModelSpec
from cyclegan.conversion.network_entries import NETWORKS, network_entries
from cyclegan.conversion.reading import read_networks
from ringcycle.errors import UserError
from tests.cyclegan.conversion.formula import BLOCKS, FILTERS, KINDS, formula_tensors
from tests.cyclegan.conversion.reference import Arrays, reference_shapes, reference_state_dicts, write_files


def files(folder: Path) -> dict[str, Path]:
    return {network: path for network in NETWORKS if (path := folder / f"latest_net_{network}.pth").exists()}


def shaped(model: ModelSpec, network: str) -> Arrays:
    """The tensors of a network of other sizes."""
    return formula_tensors(network, {entry.key: list(entry.shape) for entry in network_entries(network, model)})


@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_both_formats(kind: str, tmp_path: Path) -> None:
    networks = read_networks(files(write_files(tmp_path, reference_state_dicts(), kind)))
    assert networks.model == ModelSpec(filters=FILTERS, blocks=BLOCKS, discriminator_filters=FILTERS)
    assert networks.missing == []
    for network, arrays in reference_state_dicts().items():
        for key, array in arrays.items():
            np.testing.assert_array_equal(networks.found[network].tensors[key], array, strict=True)


def test_what_is_left_out_is_said_once(tmp_path: Path) -> None:
    dicts = reference_state_dicts()
    before_norms = 2 * (5 + 2 * BLOCKS) + 2 * 3
    said = f"left out: {before_norms} biases before instance norms, on which no result depends"
    assert list(read_networks(files(write_files(tmp_path, dicts))).remarks()) == [said]
    dicts = {n: {key: array * (not key.endswith("bias")) for key, array in arrays.items()} for n, arrays in dicts.items()}
    assert list(read_networks(files(write_files(tmp_path, dicts))).remarks()) == []
    dropout = {key.replace("conv_block.5", "conv_block.6"): array for key, array in dicts["G_A"].items()}
    write_files(tmp_path, {"G_A": dropout})
    assert list(read_networks(files(tmp_path)).remarks()) == [
        "left out: dropout, as with the reference's --eval; train.dropout = 0.5 trains on with it"
    ]


def test_statistics_of_batch_norms_are_left_out(tmp_path: Path) -> None:
    networks = read_networks(files(write_files(tmp_path, reference_state_dicts("unet_batch"), "legacy")))
    said = "left out: running statistics of batch norms; each image is translated with its own, as without the reference's --eval"
    assert list(networks.remarks()) == [said]
    assert networks.model == ModelSpec.model_validate(KINDS["unet_batch"].model)


def test_missing_networks_by_our_names(tmp_path: Path) -> None:
    dicts = reference_state_dicts()
    networks = read_networks(files(write_files(tmp_path, {"G_B": dicts["G_B"], "D_A": dicts["D_A"]})))
    assert networks.missing == ["G_AB", "D_A"]
    assert read_networks({"G_A": tmp_path / "latest_net_G_B.pth"}).model.discriminator_filters == 64


def test_channels_of_one_domain_each(tmp_path: Path) -> None:
    model = ModelSpec(filters=FILTERS, blocks=1, discriminator_filters=FILTERS, channels_a=2, channels_b=5)
    write_files(tmp_path, {network: shaped(model, network) for network in NETWORKS})
    assert read_networks(files(tmp_path)).model == model


@pytest.mark.parametrize(
    ("network", "sizes", "fact"),
    [
        ("G_B", {"filters": 5}, "has filters = 5, but {folder}/latest_net_G_A.pth has 4"),
        ("G_B", {"blocks": 3}, "has blocks = 3, but {folder}/latest_net_G_A.pth has 2"),
        ("D_B", {"discriminator_filters": 6}, "has discriminator_filters = 6, but {folder}/latest_net_D_A.pth has 4"),
        ("G_B", {"generator": "unet", "unet_depth": 5}, "has generator = unet, but {folder}/latest_net_G_A.pth has resnet"),
        ("D_B", {"norm": "batch"}, "has norm = batch, but {folder}/latest_net_G_A.pth has instance"),
        ("D_B", {"discriminator": "pixel"}, "has discriminator = pixel, but {folder}/latest_net_D_A.pth has basic"),
        ("G_B", {"channels_a": 1}, "has channels of domain A = 1, but {folder}/latest_net_G_A.pth has 3"),
        ("D_A", {"channels_b": 1}, "has channels of domain B = 1, but {folder}/latest_net_G_A.pth has 3"),
        ("D_B", {"channels_a": 1}, "has channels of domain A = 1, but {folder}/latest_net_G_A.pth has 3"),
    ],
)
def test_networks_of_different_trainings(network: str, sizes: dict[str, int], fact: str, tmp_path: Path) -> None:
    write_files(tmp_path, reference_state_dicts())
    model = ModelSpec(filters=FILTERS, blocks=BLOCKS, discriminator_filters=FILTERS).model_copy(update=sizes)
    write_files(tmp_path, {network: shaped(model, network)})
    with pytest.raises(UserError) as error:
        read_networks(files(tmp_path))
    path = tmp_path / f"latest_net_{network}.pth"
    assert str(error.value) == f"{path} {fact.format(folder=tmp_path)}: give networks of one training"


def test_a_discriminator_where_a_generator_should_be(tmp_path: Path) -> None:
    write_files(tmp_path, {"G_A": formula_tensors("D_A", reference_shapes()["D_A"])})
    with pytest.raises(UserError, match=r"G_A\.pth is not a generator that can be converted \(it is a discriminator\): give a"):
        read_networks(files(tmp_path))
