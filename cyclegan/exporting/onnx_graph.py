"""The ResNet generator as an ONNX graph of few operations, from the list of its layers. Needs the package onnx.

Tensors are [batch, channels, height, width], kernels [K, C, k, k] as in PyTorch. The graph takes any batch and size: it continues images by
reflection at the bottom and right to multiples of 4, and cuts the result, as `Translator` does.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from cyclegan.config import ModelSpec
from cyclegan.exporting.formats import INPUT, OUTPUT
from cyclegan.inference.translation_plan import MULTIPLE
from cyclegan.networks.generator_layers import Layer, generator_parts
from cyclegan.networks.normalization import EPSILON

OPSET = 18  # of 2022; what the graph uses has not changed since
IR_VERSION = 8  # that of OPSET's release, which all later runtimes read
CONVOLUTION, TRANSPOSED = (3, 2, 0, 1), (2, 3, 0, 1)  # axes of our kernel [k, k, C, K] in ONNX's order

Parameters = Mapping[str, npt.NDArray[np.floating[Any]]]


def generator_graph(parameters: Parameters, model: ModelSpec, channels: tuple[int, int], about: str) -> onnx.ModelProto:
    """The model. parameters: of one direction, by name, without the direction's axis. channels: of input and output; where ours have
    more, since the domains differ, the first ones. about: its description.
    """
    parts = generator_parts(model)
    first, last = parts[0].layers[0], parts[-1].layers[-1]
    graph = _Graph()
    size, x = graph.padded(INPUT)
    for part in parts:
        y = x
        for layer in part.layers:
            kernel = parameters[layer.kernel][:, :, : channels[0] if layer is first else None, : channels[1] if layer is last else None]
            bias = parameters[layer.bias][: channels[1]] if layer.bias else None
            y = graph.layer(layer, y, kernel, bias)
        x = graph.add("Add", [x, y]) if part.residual else y
    graph.cut(x, size, OUTPUT)
    return graph.model(channels, about)


class _Graph:
    """Operations and constants, collected in order; each method returns the name of its result."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def add(self, operation: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        name = output or f"{operation.lower()}{len(self._nodes)}"
        self._nodes.append(helper.make_node(operation, inputs, [name], **attributes))
        return name

    def constant(self, name: str, values: npt.ArrayLike) -> str:
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def integers(self, *values: int) -> str:
        return self.constant(f"integers_{'_'.join(map(str, values))}".replace("-", "m"), np.array(values, np.int64))

    def padded(self, image: str) -> tuple[str, str]:
        """The image's height and width, and the image with sides that are multiples of MULTIPLE."""
        size = self.add("Shape", [image], start=2)
        more = self.add("Mod", [self.add("Neg", [size]), self.integers(MULTIPLE)])
        pads = self.add("Concat", [self.integers(0, 0, 0, 0, 0, 0), more], axis=0)
        return size, self.add("Pad", [image, pads], mode="reflect")

    def cut(self, image: str, size: str, output: str) -> None:
        self.add("Slice", [image, self.integers(0, 0), size, self.integers(2, 3)], output)

    def layer(self, layer: Layer, x: str, kernel: npt.NDArray[Any], bias: npt.NDArray[Any] | None) -> str:
        """A convolution with what follows it."""
        weights = self.constant(layer.kernel, kernel.transpose(TRANSPOSED if layer.transposed else CONVOLUTION))
        if layer.transposed:
            y = self.add("ConvTranspose", [x, weights], strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1])
        else:
            width = layer.pad if layer.mode == "zero" else 0
            if layer.mode == "reflect":
                x = self.add("Pad", [x, self.integers(0, 0, layer.pad, layer.pad, 0, 0, layer.pad, layer.pad)], mode="reflect")
            biases = [] if bias is None else [self.constant(str(layer.bias), bias)]
            y = self.add("Conv", [x, weights, *biases], strides=[layer.stride] * 2, pads=[width] * 4)
        if bias is not None:
            return self.add("Tanh", [y])
        ones, zeros = (self.constant(f"{name}_{layer.outputs}", make(layer.outputs, np.float32)) for name, make in NEUTRAL.items())
        y = self.add("InstanceNormalization", [y, ones, zeros], epsilon=EPSILON)
        return self.add("Relu", [y]) if layer.relu else y

    def model(self, channels: tuple[int, int], about: str) -> onnx.ModelProto:
        sides = ("batch", "height", "width")
        tensors = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [sides[0], count, *sides[1:]])
            for name, count in zip((INPUT, OUTPUT), channels, strict=True)
        ]
        graph = helper.make_graph(self._nodes, "generator", tensors[:1], tensors[1:], list(self._constants.values()), doc_string=about)
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="ringcycle", doc_string=about)
        onnx.checker.check_model(model, full_check=True)
        return model


NEUTRAL = {"ones": np.ones, "zeros": np.zeros}
"""Scale and shift of a norm that has none."""
