import pytest

from cyclegan.config import ModelSpec
from cyclegan.inference.strip_plan import ENOUGH, OVERHEAD, Strip, plan_strips, strip_of
from cyclegan.networks.generator_layers import generator_parts
from cyclegan.networks.layer import Layer

FIRST = Layer("first", 7, 3, 8, pad=3)
DOWN = Layer("down", 3, 8, 16, mode="zero", stride=2)
UP = Layer("up", 3, 16, 8, transposed=True)
RESIZED = Layer("up", 3, 16, 8, doubled=True)
GIB = 2**30


@pytest.mark.parametrize(
    ("layer", "start", "stop", "strip"),  # of an input of 12 rows
    [
        (FIRST, 0, 1, Strip(0, 1, 0, 4, 3, 0)),
        (FIRST, 2, 5, Strip(2, 5, 0, 8, 1, 0)),
        (FIRST, 5, 7, Strip(5, 7, 2, 10, 0, 0)),
        (FIRST, 10, 12, Strip(10, 12, 7, 12, 0, 3)),
        (FIRST, 0, 12, Strip(0, 12, 0, 12, 3, 3)),
        (DOWN, 0, 2, Strip(0, 2, 0, 4, 1, 0)),
        (DOWN, 2, 6, Strip(2, 6, 3, 12, 0, 0)),
        (UP, 0, 2, Strip(0, 2, 0, 2, 0, 0)),
        (UP, 4, 10, Strip(4, 10, 2, 6, 0, 0)),
        (UP, 22, 24, Strip(22, 24, 11, 12, 0, 0)),
        (RESIZED, 0, 2, Strip(0, 2, 0, 2, 1, 0)),
        (RESIZED, 4, 10, Strip(4, 10, 1, 6, 0, 0)),
        (RESIZED, 22, 24, Strip(22, 24, 10, 12, 0, 1)),
        (RESIZED, 0, 24, Strip(0, 24, 0, 12, 1, 1)),
    ],
)
def test_strips_read_what_their_convolution_reaches(layer: Layer, start: int, stop: int, strip: Strip) -> None:
    assert strip_of(layer, start, stop, 12) == strip


@pytest.mark.parametrize("memory", [0, 150 * 2**20, GIB])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (52, 3000), (1204, 2000)])
def test_strips_cover_each_layer_once(height: int, width: int, memory: int) -> None:
    parts = generator_parts(ModelSpec(filters=16, blocks=2))
    plan = plan_strips(parts, height, width, memory)
    layers = [layer for part in parts for layer in part.layers]
    assert list(plan.strips) == layers and plan.count == sum(len(plan.strips[layer]) for layer in layers)
    heights = [height, height // 2, *[height // 4] * 5, height // 2, height, height]
    for layer, rows in zip(layers, heights, strict=True):
        strips = plan.strips[layer]
        assert [strip.start for strip in strips] == [0, *(strip.stop for strip in strips[:-1])] and strips[-1].stop == rows
        assert memory or {strip.stop - strip.start for strip in strips} == {2 if layer.transposed else 1}


def test_strips_are_as_tall_as_memory_allows_and_no_taller_than_pays_off() -> None:
    parts = generator_parts(ModelSpec(filters=32))
    small, large = (plan_strips(parts, 6000, 8000, memory) for memory in (150 * 2**20, 8 * GIB))
    assert 0.95 * 150 * 2**20 < small.memory <= 150 * 2**20
    assert 0.95 < large.memory / (OVERHEAD + ENOUGH) < 1.05
    assert small.count > large.count


def test_large_kernels_do_not_make_strips_small() -> None:
    (block,) = generator_parts(ModelSpec(filters=256, blocks=1))[1:-1]
    plan = plan_strips([block], 500, 500, 8 * GIB)
    assert plan.memory > OVERHEAD + ENOUGH and plan.strips[block.layers[0]][0].stop > 2


def test_activations_take_the_disk_of_two_layers_or_of_a_block() -> None:
    width, height = 8000, 6000
    plan = plan_strips(generator_parts(ModelSpec(filters=32)), height, width, GIB)
    assert plan.disk == 4 * width * height * (32 + 64 // 4)  # c7s1-32 and d64, or u64 and u32
