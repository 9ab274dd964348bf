"""A generator as an ONNX graph of few operations, from the list of its layers. Needs the package onnx.

Tensors are [batch, channels, height, width], kernels [K, C, k, k] as in PyTorch. The graph takes any batch and size: it continues images by
reflection at the bottom and right to the multiples that the generator takes, and cuts the result, as `Translator` does.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from cyclegan.config import ModelSpec
from cyclegan.exporting.formats import INPUT, OUTPUT
from cyclegan.networks.generator_layers import Layer, generator_parts, scale_of, shift_of
from cyclegan.networks.normalization import EPSILON
from cyclegan.networks.unet import LEAK
from cyclegan.networks.unet_layers import Convolution, unet_levels

OPSET = 18  # of 2022; what the graph uses has not changed since
IR_VERSION = 8  # that of OPSET's release, which all later runtimes read
CONVOLUTION, TRANSPOSED = (3, 2, 0, 1), (2, 3, 0, 1)  # axes of our kernel [k, k, C, K] in ONNX's order

Parameters = Mapping[str, npt.NDArray[np.floating[Any]]]


def generator_graph(parameters: Parameters, model: ModelSpec, channels: tuple[int, int], about: str) -> onnx.ModelProto:
    """The model. parameters: of one direction, by name, without the direction's axis. channels: of input and output; where ours have
    more, since the domains differ, the first ones. about: its description.
    """
    graph = _Graph()
    size, x = graph.padded(INPUT, model.multiple)
    y = _resnet(graph, x, parameters, model, channels) if model.generator == "resnet" else _unet(graph, x, parameters, model, channels)
    graph.cut(y, size, OUTPUT)
    return graph.model(channels, about)


def _resnet(graph: "_Graph", x: str, parameters: Parameters, model: ModelSpec, channels: tuple[int, int]) -> str:
    parts = generator_parts(model)
    first, last = parts[0].layers[0], parts[-1].layers[-1]
    for part in parts:
        y = x
        for layer in part.layers:
            kernel = parameters[layer.kernel][:, :, : channels[0] if layer is first else None, : channels[1] if layer is last else None]
            bias = parameters[layer.bias][: channels[1]] if layer.bias else None
            y = graph.layer(layer, y, kernel, bias, parameters)
        x = graph.add("Add", [x, y]) if part.residual else y
    return x


def _unet(graph: "_Graph", x: str, parameters: Parameters, model: ModelSpec, channels: tuple[int, int]) -> str:
    levels = unet_levels(model)

    def convolved(layer: Convolution, x: str, up: bool) -> str:
        outermost = layer is levels[0].down, layer is levels[0].up
        kernel = parameters[layer.kernel][:, :, : channels[0] if outermost[0] else None, : channels[1] if outermost[1] else None]
        inputs = [x, graph.constant(layer.kernel, kernel.transpose(TRANSPOSED if up else CONVOLUTION))]
        if layer.bias:
            name = f"{layer.name}/bias"
            inputs.append(graph.constant(name, parameters[name][: kernel.shape[-1]]))
        y = graph.add("ConvTranspose" if up else "Conv", inputs, strides=[2, 2], pads=[1, 1, 1, 1])
        return graph.norm(layer.kernel, layer.outputs, y, layer.affine, parameters) if layer.norm else y

    results: list[str] = []
    for level in levels:
        x = convolved(level.down, graph.add("LeakyRelu", [x], alpha=LEAK) if results else x, up=False)
        results.append(x)
    y = results.pop()
    for level in reversed(levels):
        y = convolved(level.up, graph.add("Relu", [y]), up=True)
        if results:
            y = graph.add("Concat", [results.pop(), y], axis=1)
    return graph.add("Tanh", [y])


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

    def padded(self, image: str, multiple: int) -> tuple[str, str]:
        """The image's height and width, and the image with sides that are multiples of `multiple`."""
        size = self.add("Shape", [image], start=2)
        more = self.add("Mod", [self.add("Neg", [size]), self.integers(multiple)])
        pads = self.add("Concat", [self.integers(0, 0, 0, 0, 0, 0), more], axis=0)
        return size, self.add("Pad", [image, pads], mode="reflect")

    def cut(self, image: str, size: str, output: str) -> None:
        self.add("Slice", [image, self.integers(0, 0), size, self.integers(2, 3)], output)

    def layer(self, layer: Layer, x: str, kernel: npt.NDArray[Any], bias: npt.NDArray[Any] | None, parameters: Parameters) -> str:
        """A convolution with what follows it."""
        if layer.doubled:
            scales = self.constant("double", np.array([1, 1, 2, 2], np.float32))
            x = self.add("Resize", [x, "", scales], mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
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
        if layer.norm:
            y = self.norm(layer.kernel, layer.outputs, y, layer.affine, parameters)
        return self.add("Relu", [y]) if layer.relu else y

    def norm(self, kernel: str, channels: int, x: str, affine: bool, parameters: Parameters) -> str:
        """The norm after a kernel's convolution, of each image alone."""
        if affine:
            scale, shift = (self.constant(name, parameters[name]) for name in (scale_of(kernel), shift_of(kernel)))
        else:
            scale, shift = (self.constant(f"{name}_{channels}", make(channels, np.float32)) for name, make in NEUTRAL.items())
        return self.add("InstanceNormalization", [x, scale, shift], epsilon=EPSILON)

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
