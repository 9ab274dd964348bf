"""The network has as many convolutions and parameters as published ones."""

from math import prod

from cyclegan.evaluation.inception_shapes import convolution_shapes


def test_parameters_are_those_of_the_published_network() -> None:
    shapes = convolution_shapes()
    assert len(shapes) == 94
    # Keras states this number for its InceptionV3 without the top, whose batch normalization has no scale: three numbers a channel.
    assert sum(prod(shape) + 3 * shape[0] for shape in shapes.values()) == 21_802_784
