"""Each tensor of the reference is one parameter of ours, or one that we can do without."""

import numpy as np
import pytest

from cyclegan.config import ModelSpec
from cyclegan.conversion.network_entries import NETWORKS, network_entries
from cyclegan.networks.shapes import discriminator_shapes, generator_shapes
from tests.cyclegan.conversion.formula import FILTERS, KINDS
from tests.cyclegan.conversion.reference import reference_shapes

MODEL = ModelSpec.model_validate(KINDS["resnet"].model)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("kind", KINDS)
def test_tensors_are_those_of_pytorch_in_order(kind: str, network: str) -> None:
    model = ModelSpec.model_validate(KINDS[kind].model)
    entries = network_entries(network, model, KINDS[kind].dropout)
    assert [(entry.key, list(entry.shape)) for entry in entries] == list(reference_shapes(kind)[network].items())
    names = [entry.name for entry in entries if entry.name]
    assert len(names) == len(set(names)) and set(names) == set((generator_shapes if network[0] == "G" else discriminator_shapes)(model))


def test_dropout_takes_a_number_in_each_block_of_a_resnet() -> None:
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
    channels = {"channels_a": 4, "channels_b": 1}
    for kind, firsts, lasts in (("resnet", "model.1.weight", "model.19.bias"), ("unet", "model.model.0.weight", "model.model.3.bias")):
        model = ModelSpec.model_validate(KINDS[kind].model | channels)
        shapes = {network: {entry.key: entry.shape for entry in network_entries(network, model)} for network in NETWORKS}
        assert [shapes[network][firsts][1] for network in ("G_A", "G_B")] == [4, 1]
        assert [shapes[network][lasts] for network in ("G_A", "G_B")] == [(1,), (4,)]
        assert [shapes[network]["model.0.weight"][1] for network in ("D_A", "D_B")] == [1, 4]
    first = next(entry for entry in network_entries("G_B", MODEL.model_copy(update=channels)) if entry.key == "model.1.weight")
    assert first.name is not None
    ours = {first.name: np.ones((7, 7, 4, FILTERS), np.float32)}
    theirs = np.arange(FILTERS * 49, dtype=np.float32).reshape(FILTERS, 1, 7, 7)
    first.set_ours(ours, theirs)
    assert not ours[first.name][:, :, 1:].any()
    np.testing.assert_array_equal(first.theirs(ours), theirs, strict=True)
    assert ours[first.name][2, 3, 0, 1] == theirs[1, 0, 2, 3]
