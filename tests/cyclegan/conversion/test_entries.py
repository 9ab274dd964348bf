"""Each tensor of the reference is one parameter of ours, or a bias before a norm."""

import numpy as np
import pytest

from cyclegan.config import ModelSpec
from cyclegan.conversion.entries import NETWORKS, network_entries
from cyclegan.networks.shapes import discriminator_shapes, generator_shapes
from tests.cyclegan.conversion.formula import BLOCKS, FILTERS
from tests.cyclegan.conversion.reference import reference_shapes

MODEL = ModelSpec(filters=FILTERS, blocks=BLOCKS, discriminator_filters=FILTERS)


@pytest.mark.parametrize("network", NETWORKS)
def test_tensors_are_those_of_pytorch_in_order(network: str) -> None:
    entries = network_entries(network, MODEL)
    assert [(entry.key, list(entry.shape)) for entry in entries] == list(reference_shapes()[network].items())
    names = generator_shapes(MODEL) if network.startswith("G") else discriminator_shapes(MODEL)
    assert [entry.name for entry in entries if entry.name] == list(names)


def test_dropout_takes_a_number_in_each_block() -> None:
    keys = [entry.key for entry in network_entries("G_A", MODEL, dropout=True)]
    plain = [entry.key for entry in network_entries("G_A", MODEL)]
    assert keys == [key.replace("conv_block.5", "conv_block.6") for key in plain] != plain


def test_as_many_tensors_as_blocks_and_filters_equal_to_channels_make() -> None:
    for blocks, filters in ((1, 5), (9, 64)):
        model = ModelSpec(filters=filters, blocks=blocks, channels_a=filters, channels_b=filters)
        entries = network_entries("G_B", model)
        assert len(entries) == len({entry.key for entry in entries}) == 2 * (6 + 2 * blocks)
        assert entries[-1].key == f"model.{17 + blocks}.bias"


def test_domains_of_different_channels() -> None:
    """Ours has the larger number everywhere; the reference's networks have what each domain has. Its D_A judges domain B."""
    model = MODEL.model_copy(update={"channels_a": 4, "channels_b": 1})
    shapes = {network: {entry.key: entry.shape for entry in network_entries(network, model)} for network in NETWORKS}
    assert [shapes[network]["model.1.weight"][1] for network in ("G_A", "G_B")] == [4, 1]
    assert [shapes[network]["model.19.bias"] for network in ("G_A", "G_B")] == [(1,), (4,)]
    assert [shapes[network]["model.0.weight"][1] for network in ("D_A", "D_B")] == [1, 4]
    first = next(entry for entry in network_entries("G_B", model) if entry.key == "model.1.weight")
    ours = {first.name: np.ones((7, 7, 4, FILTERS), np.float32)}
    theirs = np.arange(FILTERS * 49, dtype=np.float32).reshape(FILTERS, 1, 7, 7)
    first.set_ours(ours, theirs)
    assert not ours[first.name][:, :, 1:].any()
    np.testing.assert_array_equal(first.theirs(ours), theirs, strict=True)
    assert ours[first.name][2, 3, 0, 1] == theirs[1, 0, 2, 3]
