"""Sizes are found in the tensors' shapes; other networks are named, and each surprise is one short phrase."""

from collections.abc import Callable

import numpy as np
import pytest

from cyclegan.conversion.recognition import UnknownNetwork, find_discriminator, find_generator
from tests.cyclegan.conversion.formula import FILTERS, KINDS
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


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_and_sizes(kind: str) -> None:
    expected, dicts = KINDS[kind].model, reference_state_dicts(kind)
    for network, find in (("G_A", find_generator), ("D_B", find_discriminator)):
        found = find(dicts[network])
        assert found.settings == {name: expected[name] for name in found.settings}
        assert (found.inputs, found.outputs, found.statistics) == (3, 3, expected["norm"] == "batch")
    assert set(expected) - {"filters"} <= {"generator", *find_generator(dicts["G_A"]).settings, *found.settings}
    assert find_generator(dicts["G_A"]).dropout == (KINDS[kind].dropout and not KINDS[kind].unet)


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


def test_networks_of_the_other_kind_are_named() -> None:
    for kind in KINDS:
        dicts = reference_state_dicts(kind)
        assert reason(dicts["D_A"]) == "it is a discriminator"
        assert reason(dicts["G_A"], find_discriminator) == "it is a generator"
    padded = {key.replace("conv_block.1", "conv_block.0"): array for key, array in generator().items()}
    assert reason(padded) == "its blocks are padded with zeros, not by reflection"
    assert reason({"fc.weight": np.ones((2, 3), np.float32)}) == "it has no model.1.weight"
    assert reason({"fc.weight": np.ones((2, 3), np.float32)}, find_discriminator) == "it has no model.0.weight"


def test_differences_are_named() -> None:
    start = f"by its tensors it has generator = resnet, filters = {FILTERS}, blocks = 2, norm = instance, but "
    wide = "its model.4.weight should be float32 [8, 4, 3, 3], but is float32 [8, 5, 3, 3]"
    assert reason(generator(model__4__weight=None)) == f"{start}it lacks model.4.weight"
    assert reason(generator(model__4__weight=(8, 5, 3, 3))) == start + wide
    assert reason(generator(model__4__bias=np.ones(8, np.int64))) == f"{start}its model.4.bias should be float32 [8], but is int64 [8]"
    assert reason(generator(model__4__bias=np.full(8, np.nan, np.float32))) == f"{start}its model.4.bias holds numbers that are not finite"
    assert reason(generator(extra__weight=(3, 3))) == f"{start}it should not have extra.weight"
    assert reason(generator(extra__weight=3)).startswith(f"{start[:-21]}norm = batch, but it lacks model.2.weight")
    assert reason(generator(model__1__weight=(4, 3))) == "its model.1.weight has the shape [4, 3], which is no kernel's"
    assert reason(generator(model__1__weight=(2, 3, 7, 7))) == "it has filters = 2, which should be greater than or equal to 4"
    assert reason(generator(model__1__weight=(4, 65, 7, 7))) == "it has channels_a = 65, which should be less than or equal to 64"
    arrays = {key: array for key, array in generator().items() if "conv_block" not in key}
    assert reason(arrays) == "it has blocks = 0, which should be greater than or equal to 1"


def test_a_unet_without_a_level() -> None:
    unet = reference_state_dicts("unet")["G_A"]
    shallow = {key: array for key, array in unet.items() if "model.3.model.1" not in key}
    assert reason(shallow).startswith("by its tensors it has generator = unet, unet_depth = 2, filters = 4, norm = instance, but ")


def test_old_batch_norms_count_no_batches() -> None:
    old = {key: array for key, array in reference_state_dicts("batch")["G_A"].items() if not key.endswith("num_batches_tracked")}
    assert find_generator(old).settings["norm"] == "batch"
