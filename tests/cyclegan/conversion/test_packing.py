"""Networks that PyTorch computed compute the same here, and their tensors come back bit for bit."""

import numpy as np
import pytest

from cyclegan.checkpoint_files.arrays import DISCRIMINATOR_WEIGHTS, WEIGHTS
from cyclegan.config import ModelSpec
from cyclegan.conversion.network_entries import NETWORKS, network_entries
from cyclegan.conversion.packing import pack, unpack
from cyclegan.conversion.recognition import FoundNetwork, find_discriminator, find_generator
from cyclegan.networks.flat_parameters import FlatParameters
from cyclegan.networks.shapes import discriminator_shapes, generator_shapes
from tests.cyclegan.conversion.computed import computed
from tests.cyclegan.conversion.formula import KINDS, sampled
from tests.cyclegan.conversion.reference import reference_outputs, reference_state_dicts

MODEL = ModelSpec.model_validate(KINDS["resnet"].model)


def found(kind: str) -> dict[str, FoundNetwork]:
    return {
        network: (find_generator if network.startswith("G") else find_discriminator)(arrays)
        for network, arrays in reference_state_dicts(kind).items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_are_those_of_pytorch(kind: str) -> None:
    model = ModelSpec.model_validate(KINDS[kind].model | {"convolution": "plain"})
    results = computed(pack(found(kind), model), model)
    for network, expected in reference_outputs(kind).items():
        assert np.std(expected) > 0.05, network
        np.testing.assert_allclose(sampled(results[network]), expected, rtol=0, atol=1e-4, err_msg=network)


def test_fast_convolutions_too() -> None:
    results = computed(pack(found("resnet"), MODEL), MODEL)
    for network, expected in reference_outputs().items():
        np.testing.assert_allclose(sampled(results[network]), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_tensors_come_back_but_for_what_has_no_effect(kind: str) -> None:
    model = ModelSpec.model_validate(KINDS[kind].model)
    for network, arrays in unpack(pack(found(kind), model), model).items():
        theirs = reference_state_dicts(kind)[network]
        entries = network_entries(network, model), network_entries(network, model, KINDS[kind].dropout)
        assert len(arrays) == len(theirs) == len(entries[0])
        for entry, original in zip(*entries, strict=True):
            array, expected = arrays[entry.key], theirs[original.key]
            if entry.name is None:
                assert entry.key.endswith(("bias", "running_mean", "running_var", "num_batches_tracked"))
                expected = np.full_like(expected, entry.key.endswith("running_var"))
            assert array.dtype == expected.dtype and array.shape == expected.shape and array.tobytes() == expected.tobytes()
        unused = sum(entry.name is None and entry.key.endswith("bias") for entry in entries[0])
        assert (unused > 0) == (model.norm == "instance")


def test_missing_networks_have_initial_values() -> None:
    weights = pack({"G_B": found("resnet")["G_B"]}, MODEL)
    initial = FlatParameters(discriminator_shapes(MODEL)).initial(0)
    np.testing.assert_array_equal(weights[DISCRIMINATOR_WEIGHTS], initial)
    layout = FlatParameters(generator_shapes(MODEL))
    for name, view in layout.views(weights[WEIGHTS]).items():
        np.testing.assert_array_equal(view[0], layout.views(layout.initial(0))[name][0])
        if "kernel" in name:
            assert np.std(view[1]) > 0.04  # not the initial 0.02
    assert set(unpack(weights, MODEL)) == set(NETWORKS)
