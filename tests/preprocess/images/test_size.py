import pytest

from preprocess.images.size import Size, shown, sides_of, size_of


@pytest.mark.parametrize(("size", "sides", "text"), [(256, (256, 256), "256"), ((256, 512), (256, 512), "[256, 512]")])
def test_a_number_is_a_square_and_a_pair_height_and_width(size: Size, sides: tuple[int, int], text: str) -> None:
    assert sides_of(size) == sides and size_of(*sides) == size and shown(size) == text
