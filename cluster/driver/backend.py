"""How the workers of a group learn of each other: `TF_CONFIG`, as `MultiWorkerMirroredStrategy` reads it."""

import json
import os
import socket
from dataclasses import dataclass
from typing import Any

import ray
from ray.train.backend import Backend, BackendConfig
from ray.train.v2._internal.util import TrainingFramework


@dataclass
class RingConfig(BackendConfig):  # type: ignore[misc]
    """Stands in for Ray's `TensorflowConfig`, whose module imports TensorFlow: seconds in the controller, before any worker starts."""

    @property
    def backend_cls(self) -> type[Backend]:
        """What acts on the group."""
        return _RingBackend

    @property
    def framework(self) -> TrainingFramework:
        """For Ray's records."""
        return TrainingFramework.TENSORFLOW


class _RingBackend(Backend):  # type: ignore[misc]
    def on_start(self, worker_group: Any, backend_config: RingConfig) -> None:
        addresses = worker_group.execute(_free_address)
        ray.get([worker_group.execute_single_async(rank, _set_peers, addresses, rank) for rank in range(len(worker_group))])


def _free_address() -> str:
    """This node's address with a port that was free a moment ago."""
    host = ray.util.get_node_ip_address()
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind(("", 0))
        port = probe.getsockname()[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _set_peers(addresses: list[str], rank: int) -> None:
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": rank}})
