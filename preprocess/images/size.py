"""Sizes of images as settings give them: a number is the side of a square, a pair is a height and a width, in pixels."""

Size = int | tuple[int, int]


def size_of(height: int, width: int) -> Size:
    """The shortest form: a number for a square."""
    return height if height == width else (height, width)


def sides_of(size: Size) -> tuple[int, int]:
    """Height and width."""
    return (size, size) if isinstance(size, int) else size


def shown(size: Size) -> str:
    """As a user writes it: 256 or [256, 512]."""
    return str(size) if isinstance(size, int) else f"[{size[0]}, {size[1]}]"
