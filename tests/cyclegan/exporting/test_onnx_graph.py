"""The graph has few kinds of operations, and sizes that are not fixed."""

from collections import Counter

import numpy as np

from cyclegan.config import ModelSpec
from cyclegan.exporting.onnx_graph import IR_VERSION, OPSET, generator_graph
from cyclegan.networks.shapes import generator_shapes


def test_operations_and_shapes() -> None:
    model = ModelSpec(filters=4, blocks=3)
    parameters = {name: np.ones(shape[1:], np.float32) for name, shape in generator_shapes(model).items()}
    exported = generator_graph(parameters, model, (3, 2), "about")
    assert (exported.opset_import[0].version, exported.ir_version, exported.doc_string) == (OPSET, IR_VERSION, "about")
    assert Counter(node.op_type for node in exported.graph.node) == {
        **{"Shape": 1, "Neg": 1, "Mod": 1, "Concat": 1, "Slice": 1, "Tanh": 1, "ConvTranspose": 2, "Add": 3},
        **{"Conv": 10, "InstanceNormalization": 11, "Relu": 8, "Pad": 9},
    }
    for tensors, channels in ((exported.graph.input, 3), (exported.graph.output, 2)):
        sides = [side.dim_param or side.dim_value for side in tensors[0].type.tensor_type.shape.dim]
        assert sides == ["batch", channels, "height", "width"]
    sizes = {constant.name: list(constant.dims) for constant in exported.graph.initializer}
    assert (sizes["c7s1-4/kernel"], sizes["u8/kernel"], sizes["c7s1-3/kernel"]) == ([4, 3, 7, 7], [16, 8, 3, 3], [2, 4, 7, 7])
