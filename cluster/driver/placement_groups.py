"""Giving back what a killed actor had reserved: Ray keeps its placement groups until the whole job ends."""

from typing import Any

import ray
from ray._private.state import state
from ray.core.generated import gcs_pb2
from ray.util.placement_group import PlacementGroup, remove_placement_group


def remove_placement_groups(actor: Any) -> None:
    """Remove all placement groups that an actor has made. actor: its handle."""
    creator = bytes.fromhex(actor._actor_id.hex())
    for data in state._connect_and_get_accessor().get_placement_group_table():
        table = gcs_pb2.PlacementGroupTableData.FromString(data)
        if table.creator_actor_id == creator and table.state != gcs_pb2.PlacementGroupTableData.REMOVED:
            remove_placement_group(PlacementGroup(ray.PlacementGroupID(table.placement_group_id)))
