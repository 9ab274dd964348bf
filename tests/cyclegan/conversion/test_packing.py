"""Networks that PyTorch computed compute the same here, and their tensors come back bit for bit."""

import numpy as np
import pytest

from cyclegan.checkpoint_files.arrays import DISCRIMINATOR_WEIGHTS, WEIGHTS
from cyclegan.config import ModelSpec
from cyclegan.conversion.entries import NETWORKS
from cyclegan.conversion.packing import pack, unpack
from cyclegan.conversion.recognition import FoundNetwork, find_discriminator, find_generator
from cyclegan.networks.flat_parameters import FlatParameters
from cyclegan.networks.shapes import discriminator_shapes, generator_shapes
from tests.cyclegan.conversion.computed import computed
from tests.cyclegan.conversion.formula import BLOCKS, FILTERS
from tests.cyclegan.conversion.reference import reference_outputs, reference_state_dicts

MODEL = ModelSpec(filters=FILTERS, blocks=BLOCKS, discriminator_filters=FILTERS)


@pytest.fixture(scope="module")
def found() -> dict[str, FoundNetwork]:
    return {
        network: (find_generator if network.startswith("G") else find_discriminator)(arrays)
        for network, arrays in reference_state_dicts().items()
    }


@pytest.mark.parametrize("convolution", ["auto", "plain"])
def test_outputs_are_those_of_pytorch(found: dict[str, FoundNetwork], convolution: str) -> None:
    model = MODEL.model_copy(update={"convolution": convolution})
    results = computed(pack(found, MODEL), model)
    for network, expected in reference_outputs().items():
        assert np.std(expected) > 0.1
        np.testing.assert_allclose(results[network], expected, rtol=0, atol=1e-4)


def test_tensors_come_back_but_for_biases_before_norms(found: dict[str, FoundNetwork]) -> None:
    before_norms = 0
    for network, arrays in unpack(pack(found, MODEL), MODEL).items():
        theirs = reference_state_dicts()[network]
        assert list(arrays) == list(theirs)
        for key, array in arrays.items():
            if array.tobytes() != theirs[key].tobytes():
                assert key.endswith("bias") and not array.any() and array.shape == theirs[key].shape
                before_norms += 1
    assert before_norms == 2 * (5 + 2 * BLOCKS) + 2 * 3


def test_missing_networks_have_initial_values(found: dict[str, FoundNetwork]) -> None:
    weights = pack({"G_B": found["G_B"]}, MODEL)
    initial = FlatParameters(discriminator_shapes(MODEL)).initial(0)
    np.testing.assert_array_equal(weights[DISCRIMINATOR_WEIGHTS], initial)
    layout = FlatParameters(generator_shapes(MODEL))
    for name, view in layout.views(weights[WEIGHTS]).items():
        np.testing.assert_array_equal(view[0], layout.views(layout.initial(0))[name][0])
        if name.endswith("kernel"):
            assert 0.07 < np.std(view[1]) < 0.13  # the formula's 0.1, not 0.02
    assert set(unpack(weights, MODEL)) == set(NETWORKS)
