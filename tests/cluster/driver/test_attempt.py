from typing import Any

import pytest
import ray
from ray.util import placement_group_table
from ray.util.placement_group import placement_group

from cluster.driver.attempt import remove_placement_groups

pytestmark = pytest.mark.soak


@ray.remote(num_cpus=0)
class Maker:
    def make(self, cpus: int) -> str:
        group = placement_group([{"CPU": cpus}])
        assert cpus > 1 or group.wait(30)
        return str(group.id.hex())


@pytest.mark.usefixtures("local_ray")
def test_placement_groups_of_a_killed_actor_are_removed() -> None:
    mine, other = Maker.remote(), Maker.remote()  # type: ignore[attr-defined]
    made = ray.get([mine.make.remote(1), mine.make.remote(99)])
    kept = ray.get(other.make.remote(1))
    ray.kill(mine)
    remove_placement_groups(mine)
    table: dict[str, Any] = placement_group_table()
    assert [table[group]["state"] for group in made] == ["REMOVED", "REMOVED"]
    assert table[kept]["state"] == "CREATED"
