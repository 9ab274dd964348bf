"""A generator as an ONNX graph of few operations, from the list of its layers. Needs the package onnx.

Tensors are [batch, channels, height, width], kernels [K, C, k, k] as in PyTorch. The graph takes any batch and size: it continues images by
reflection at the bottom and right to the multiples that the generator takes, and cuts the result, as `Translator` does.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from cyclegan.config import ModelSpec
from cyclegan.exporting.formats import INPUT, OUTPUT
from cyclegan.networks.generator_layers import Part, generator_parts
from cyclegan.networks.layer import Layer
from cyclegan.networks.normalization import EPSILON
from cyclegan.networks.shapes import layers_of_generator
from cyclegan.networks.unet import LEAK
from cyclegan.networks.unet_layers import Level, unet_levels

OPSET = 18  # of 2022; what the graph uses has not changed since
IR_VERSION = 8  # that of OPSET's release, which all later runtimes read
CONVOLUTION, TRANSPOSED = (3, 2, 0, 1), (2, 3, 0, 1)  # axes of our kernel [k, k, C, K] in ONNX's order

Parameters = Mapping[str, npt.NDArray[np.floating[Any]]]
Convolve = Callable[[Layer, str], str]


def generator_graph(parameters: Parameters, model: ModelSpec, channels: tuple[int, int], about: str) -> onnx.ModelProto:
    """The model. parameters: of one direction, by name, without the direction's axis. channels: of input and output; where ours have
    more, since the domains differ, the first ones. about: its description.
    """
    graph = _Graph()
    size, x = graph.padded(INPUT, model.multiple)
    first, *_, last = layers_of_generator(model)

    def layer(layer: Layer, x: str) -> str:
        limits = channels[0] if layer == first else None, channels[1] if layer == last else None
        return graph.layer(layer, x, parameters, limits)

    y = _resnet(graph, layer, generator_parts(model), x) if model.generator == "resnet" else _unet(graph, layer, unet_levels(model), x)
    graph.cut(graph.add("Tanh", [y]), size, OUTPUT)
    return graph.model(channels, about)


def _resnet(graph: "_Graph", layer: Convolve, parts: Sequence[Part], x: str) -> str:
    for part in parts:
        y = x
        for inner in part.layers:
            y = layer(inner, y)
        x = graph.add("Add", [x, y]) if part.residual else y
    return x


def _unet(graph: "_Graph", layer: Convolve, levels: Sequence[Level], x: str) -> str:
    results: list[str] = []
    for level in levels:
        x = layer(level.down, graph.add("LeakyRelu", [x], alpha=LEAK) if results else x)
        results.append(x)
    y = results.pop()
    for level in reversed(levels):
        y = layer(level.up, graph.add("Relu", [y]))
        if results:
            y = graph.add("Concat", [results.pop(), y], axis=1)
    return y


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

    def layer(self, layer: Layer, x: str, parameters: Parameters, limits: tuple[int | None, int | None]) -> str:
        """A convolution with what follows it, of its first inputs and outputs only where there is a limit."""
        taken, made = limits
        order = TRANSPOSED if layer.transposed else CONVOLUTION
        inputs = [self.constant(layer.kernel, parameters[layer.kernel][:, :, :taken, :made].transpose(order))]
        if layer.bias:
            inputs.append(self.constant(layer.bias, parameters[layer.bias][:made]))
        if layer.doubled:
            scales = self.constant("double", np.array([1, 1, 2, 2], np.float32))
            x = self.add("Resize", [x, "", scales], mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
        if layer.transposed:
            y = self.add("ConvTranspose", [x, *inputs], strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[layer.side % 2] * 2)
        else:
            if layer.mode == "reflect":
                x = self.add("Pad", [x, self.integers(0, 0, layer.pad, layer.pad, 0, 0, layer.pad, layer.pad)], mode="reflect")
            y = self.add("Conv", [x, *inputs], strides=[layer.stride] * 2, pads=[layer.pad if layer.mode == "zero" else 0] * 4)
        if layer.norm:
            y = self.add("InstanceNormalization", [y, *self.affine(layer, parameters)], epsilon=EPSILON)
        return y if layer.slope is None else self.add("Relu", [y])

    def affine(self, layer: Layer, parameters: Parameters) -> list[str]:
        """Scale and shift after a layer's norm."""
        if layer.affine:
            return [self.constant(name, parameters[name]) for name in (layer.scale, layer.shift)]
        return [self.constant(f"{name}_{layer.outputs}", make(layer.outputs, np.float32)) for name, make in NEUTRAL.items()]

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
