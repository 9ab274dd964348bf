"""Waits until all nodes of a batch job have joined its Ray cluster."""

import os
import sys
import time
from collections.abc import Sequence

import grpc

from ringcycle.cli import ExitCode, fail, run
from ringcycle.ray_refusal import living_nodes


def main(arguments: Sequence[str] | None = None) -> int:
    """Wait for SECONDS until nodes of all NAMES are in the cluster of RAY_ADDRESS. Returns the exit code.

    arguments: SECONDS NAMES.
    """
    seconds, *names = sys.argv[1:] if arguments is None else arguments
    deadline = time.monotonic() + float(seconds)
    while missing := set(names) - _joined(os.environ["RAY_ADDRESS"]):
        if time.monotonic() > deadline:
            listed = ", ".join(sorted(missing)[:5]) + (" …" if len(missing) > 5 else "")
            fail(f"{len(missing)} of {len(names)} nodes have not joined the Ray cluster within {seconds} s: {listed}")
            return ExitCode.FAILED
        time.sleep(1)
    return ExitCode.OK


def _joined(address: str) -> set[str]:
    """Names of the nodes in the cluster: none if its head does not answer yet."""
    try:
        return {node.node_name for node in living_nodes(address)}
    except grpc.RpcError:
        return set()


if __name__ == "__main__":
    sys.exit(run(main))
