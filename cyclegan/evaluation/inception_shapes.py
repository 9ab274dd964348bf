"""Names and shapes of InceptionV3's convolutions up to its features (Szegedy et al., CVPR 2016), as torchvision's modules name them.

Each convolution has a kernel [K, C, height, width] without bias and is followed by batch normalization over its K channels.
"""

Shape = tuple[int, int, int, int]


def convolution_shapes() -> dict[str, Shape]:
    """The 94 kernels by name, in the network's order."""
    shapes: dict[str, Shape] = {
        "Conv2d_1a_3x3": (32, 3, 3, 3),
        "Conv2d_2a_3x3": (32, 32, 3, 3),
        "Conv2d_2b_3x3": (64, 32, 3, 3),
        "Conv2d_3b_1x1": (80, 64, 1, 1),
        "Conv2d_4a_3x3": (192, 80, 3, 3),
    }
    blocks = {
        "Mixed_5b": _block_a(192, 32),
        "Mixed_5c": _block_a(256, 64),
        "Mixed_5d": _block_a(288, 64),
        "Mixed_6a": _block_b(),
        "Mixed_6b": _block_c(128),
        "Mixed_6c": _block_c(160),
        "Mixed_6d": _block_c(160),
        "Mixed_6e": _block_c(192),
        "Mixed_7a": _block_d(),
        "Mixed_7b": _block_e(1280),
        "Mixed_7c": _block_e(2048),
    }
    return shapes | {f"{block}.{branch}": shape for block, branches in blocks.items() for branch, shape in branches.items()}


def _block_a(channels: int, pooled: int) -> dict[str, Shape]:
    return {
        "branch1x1": (64, channels, 1, 1),
        "branch5x5_1": (48, channels, 1, 1),
        "branch5x5_2": (64, 48, 5, 5),
        "branch3x3dbl_1": (64, channels, 1, 1),
        "branch3x3dbl_2": (96, 64, 3, 3),
        "branch3x3dbl_3": (96, 96, 3, 3),
        "branch_pool": (pooled, channels, 1, 1),
    }


def _block_b() -> dict[str, Shape]:
    return {
        "branch3x3": (384, 288, 3, 3),
        "branch3x3dbl_1": (64, 288, 1, 1),
        "branch3x3dbl_2": (96, 64, 3, 3),
        "branch3x3dbl_3": (96, 96, 3, 3),
    }


def _block_c(narrow: int) -> dict[str, Shape]:
    return {
        "branch1x1": (192, 768, 1, 1),
        "branch7x7_1": (narrow, 768, 1, 1),
        "branch7x7_2": (narrow, narrow, 1, 7),
        "branch7x7_3": (192, narrow, 7, 1),
        "branch7x7dbl_1": (narrow, 768, 1, 1),
        "branch7x7dbl_2": (narrow, narrow, 7, 1),
        "branch7x7dbl_3": (narrow, narrow, 1, 7),
        "branch7x7dbl_4": (narrow, narrow, 7, 1),
        "branch7x7dbl_5": (192, narrow, 1, 7),
        "branch_pool": (192, 768, 1, 1),
    }


def _block_d() -> dict[str, Shape]:
    return {
        "branch3x3_1": (192, 768, 1, 1),
        "branch3x3_2": (320, 192, 3, 3),
        "branch7x7x3_1": (192, 768, 1, 1),
        "branch7x7x3_2": (192, 192, 1, 7),
        "branch7x7x3_3": (192, 192, 7, 1),
        "branch7x7x3_4": (192, 192, 3, 3),
    }


def _block_e(channels: int) -> dict[str, Shape]:
    return {
        "branch1x1": (320, channels, 1, 1),
        "branch3x3_1": (384, channels, 1, 1),
        "branch3x3_2a": (384, 384, 1, 3),
        "branch3x3_2b": (384, 384, 3, 1),
        "branch3x3dbl_1": (448, channels, 1, 1),
        "branch3x3dbl_2": (384, 448, 3, 3),
        "branch3x3dbl_3a": (384, 384, 1, 3),
        "branch3x3dbl_3b": (384, 384, 3, 1),
        "branch_pool": (192, channels, 1, 1),
    }
