"""Checks that all nodes see the images and the folder of the results."""

import contextlib
import uuid
from pathlib import Path

import ray

from cluster.hardware.capacity import ask_nodes, usable_nodes
from ringcycle.errors import UserError


def check_visible(image: Path, output: Path) -> None:
    """Raises UserError for the first node that does not see an image of INPUT, or what is written to OUTPUT, which exists."""
    marker = output / f".seen-{uuid.uuid4().hex[:8]}"
    try:
        marker.touch()
        for node, field in ask_nodes(_unseen, usable_nodes(), image, marker):
            if field:
                where = {"INPUT": image.parent, "OUTPUT": output}[field]
                fact = f"{field}: {where} is not visible on node {node['NodeManagerAddress']}"
                raise UserError(f"{fact}: give a folder that all nodes share, by an absolute path")
    finally:
        with contextlib.suppress(OSError):
            marker.unlink()


@ray.remote(num_cpus=0)
def _unseen(image: Path, marker: Path) -> str:
    """The argument whose folder this node does not see, empty if it sees both."""
    return "" if image.is_file() and marker.is_file() else "OUTPUT" if image.is_file() else "INPUT"
