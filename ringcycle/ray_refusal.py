"""Why a Ray cluster cannot be joined, asked before Ray tries: it would print for 20 seconds and name no cause, or die in C++."""

import os
from pathlib import Path

import grpc  # comes with ray[default]
from ray._private.grpc_utils import init_grpc_channel
from ray.core.generated import gcs_pb2, gcs_service_pb2, gcs_service_pb2_grpc

_ANSWER_SECONDS = 5.0
_DIRECTLY = [("grpc.enable_http_proxy", 0)]


def refusal(address: str) -> str:
    """What is wrong and what cures it, in words between the cluster's name and "set RAY_ADDRESS=local"; empty if Ray may try.

    address: HOST:PORT of the cluster.
    """
    try:
        nodes = living_nodes(address)
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.UNAUTHENTICATED:
            return "refuses this command, which does not have its token: set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN, or"
        return ""  # Ray waits for a cluster that is starting
    return _foreign([Path(node.session_dir) for node in nodes if node.session_dir])


def living_nodes(address: str) -> list[gcs_pb2.GcsNodeInfo]:
    """The nodes of the cluster whose head is at HOST:PORT, without joining it. Raises grpc.RpcError if it does not answer."""
    with init_grpc_channel(address, _DIRECTLY) as channel:
        return _nodes(channel)


def obeys_anyone(address: str) -> bool | None:
    """Whether the cluster answers a process that has no token; None if it does not answer at all, or only by TLS."""
    with grpc.insecure_channel(address, _DIRECTLY) as channel:
        try:
            _nodes(channel)
        except grpc.RpcError as error:
            return False if error.code() == grpc.StatusCode.UNAUTHENTICATED else None
    return True


def _nodes(channel: grpc.Channel) -> list[gcs_pb2.GcsNodeInfo]:
    request = gcs_service_pb2.GetAllNodeInfoRequest(state_filter=gcs_pb2.GcsNodeInfo.ALIVE)
    stub = gcs_service_pb2_grpc.NodeInfoGcsServiceStub(channel)
    return list(stub.GetAllNodeInfo(request, timeout=_ANSWER_SECONDS).node_info_list)


def _foreign(sessions: list[Path]) -> str:
    """Whether the nodes on this machine are all another user's. A process that joins a node writes into this folder of its session."""
    folders = [folder for session in sessions if os.path.exists(folder := session / "logs" / "events")]
    if not folders or any(os.access(folder, os.W_OK | os.X_OK) for folder in folders):
        return ""
    return f"belongs to another user (uid {folders[0].stat().st_uid}):"
