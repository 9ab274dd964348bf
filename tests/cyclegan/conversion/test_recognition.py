"""Sizes are found in the tensors' shapes; other networks are named, and each surprise is one short phrase."""

from collections.abc import Callable

import numpy as np
import pytest

from cyclegan.conversion.recognition import UnknownNetwork, find_discriminator, find_generator
from tests.cyclegan.conversion.formula import BLOCKS, FILTERS
from tests.cyclegan.conversion.reference import Arrays, reference_state_dicts


def generator(**changes: object) -> Arrays:
    """The reference's, with arrays of ones of other shapes, or without those that are None; a key's dots are double underscores."""
    arrays = reference_state_dicts()["G_A"]
    for name, shape in changes.items():
        key = name.replace("__", ".")
        if shape is None:
            del arrays[key]
        else:
            arrays[key] = shape if isinstance(shape, np.ndarray) else np.ones(shape, np.float32)
    return arrays


def reason(arrays: Arrays, find: Callable[[Arrays], object] = find_generator) -> str:
    with pytest.raises(UnknownNetwork) as error:
        find(arrays)
    assert str(error.value).isprintable() and len(str(error.value)) < 200
    return str(error.value)


def test_sizes() -> None:
    found = find_generator(generator())
    assert (found.filters, found.blocks, found.inputs, found.outputs, found.dropout) == (FILTERS, BLOCKS, 3, 3, False)
    found = find_discriminator(reference_state_dicts()["D_B"])
    assert (found.filters, found.inputs) == (FILTERS, 3)


def test_other_types_become_float32() -> None:
    arrays = {key: array.astype(np.float16) for key, array in generator().items()}
    for key, tensor in find_generator(arrays).tensors.items():
        np.testing.assert_array_equal(tensor, arrays[key].astype(np.float32), strict=True)


def test_statistics_of_instance_norms_are_dropped() -> None:
    """Files from before PyTorch 0.4 have them; nothing used them."""
    old = generator()
    for norm in ("model.2", "model.5", "model.10.conv_block.2", "model.10.conv_block.6"):
        old |= {f"{norm}.running_mean": np.ones(4, np.float32), f"{norm}.num_batches_tracked": np.array(3)}
    assert find_generator(old).tensors.keys() == generator().keys()


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "module._orig_mod."])
def test_wrapped_networks(wrapper: str) -> None:
    found = find_generator({wrapper + key: array for key, array in generator().items()})
    np.testing.assert_array_equal(found.tensors["model.1.weight"], generator()["model.1.weight"])


def test_other_networks_are_named() -> None:
    unet = {"model.model.0.weight": np.ones((4, 3, 4, 4)), "model.model.1.model.1.weight": np.ones((8, 4, 4, 4))}
    assert reason(unet) == "it is a U-Net, and only ResNet generators are converted"
    batch = "its norms have weights, as batch norms do, and only instance norms are converted"
    assert reason(generator(model__2__weight=4, model__2__running_mean=4)) == batch
    assert reason({"model.0.weight": np.ones((4, 3, 4, 4)), "model.3.weight": np.ones(8)}, find_discriminator) == batch
    assert reason({"net.0.weight": np.ones((4, 3, 1, 1))}, find_discriminator).startswith("it is a discriminator of single pixels, and")
    assert reason(reference_state_dicts()["D_A"]) == "it is a discriminator"
    assert reason(generator(), find_discriminator) == "it is a generator"


def test_differences_are_named() -> None:
    kind = f"of a ResNet generator with {FILTERS} filters and {BLOCKS} blocks, "
    wide = "its model.4.weight should be float32 [8, 4, 3, 3], but is float32 [8, 5, 3, 3]"
    assert reason(generator(model__4__weight=None)) == f"{kind}it lacks model.4.weight"
    assert reason(generator(model__4__weight=(8, 5, 3, 3))) == kind + wide
    assert reason(generator(model__4__bias=np.ones(8, np.int64))) == f"{kind}its model.4.bias should be float32 [8], but is int64 [8]"
    assert reason(generator(model__4__bias=np.full(8, np.nan, np.float32))) == f"{kind}its model.4.bias holds numbers that are not finite"
    assert reason({"fc.weight": np.ones((2, 3), np.float32)}) == "it has no model.1.weight"
    assert reason(generator(extra__weight=3)) == f"{kind}it should not have extra.weight"
    assert reason(generator(model__1__weight=(4, 3))) == "its model.1.weight has the shape [4, 3], which is no kernel's"
    assert reason(generator(model__1__weight=(2, 3, 7, 7))) == "it has filters = 2, which should be greater than or equal to 4"
    assert reason(generator(model__1__weight=(4, 65, 7, 7))) == "it has channels_a = 65, which should be less than or equal to 64"
    arrays = {key: array for key, array in generator().items() if "conv_block" not in key}
    assert reason(arrays) == "it has blocks = 0, which should be greater than or equal to 1"


def test_a_discriminator_of_another_depth() -> None:
    deep = reference_state_dicts()["D_A"]
    deep |= {"model.11.weight": np.ones((32, 32, 4, 4), np.float32), "model.14.weight": np.ones((1, 32, 4, 4), np.float32)}
    expected = f"of a PatchGAN discriminator with {FILTERS} filters, its model.11.weight should be float32 [1, 32, 4, 4], "
    assert reason(deep, find_discriminator) == f"{expected}but is float32 [32, 32, 4, 4]"
