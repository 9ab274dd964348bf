"""All nodes must see the images and what is written beside them."""

from pathlib import Path

import pytest

from cluster.translation.visibility import check_visible
from ringcycle.errors import UserError


@pytest.mark.process
@pytest.mark.usefixtures("local_ray")
def test_a_node_that_sees_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    check_visible(tmp_path / "a.png", tmp_path)
    with pytest.raises(UserError, match=rf"^INPUT: {tmp_path} is not visible on node \S+: give a folder that all nodes share"):
        check_visible(tmp_path / "b.png", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
