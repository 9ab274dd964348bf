"""Waits until all nodes of a batch job have joined its Ray cluster."""

import os
import socket
import sys
import time
from collections.abc import Sequence

import ray

from ringcycle.cli import ExitCode, fail, run
from ringcycle.errors import UserError
from ringcycle.ray_start import start_ray


def main(arguments: Sequence[str] | None = None) -> int:
    """Wait for SECONDS until there are nodes of all NAMES in the cluster of RAY_ADDRESS. Returns the exit code.

    arguments: SECONDS NAMES.
    """
    seconds, *names = sys.argv[1:] if arguments is None else arguments
    deadline = time.monotonic() + float(seconds)
    missing = set(names)
    try:
        if _listens(os.environ["RAY_ADDRESS"], deadline):
            start_ray()
            while (missing := set(names) - _joined()) and time.monotonic() < deadline:
                time.sleep(1)
    except UserError as error:
        fail(error)
        return ExitCode.FAILED
    if missing:
        listed = ", ".join(sorted(missing)[:5]) + (" …" if len(missing) > 5 else "")
        fail(f"{len(missing)} of {len(names)} nodes have not joined the Ray cluster within {seconds} s: {listed}")
    return ExitCode.FAILED if missing else ExitCode.OK


def _joined() -> set[str]:
    return {node["NodeName"] for node in ray.nodes() if node["Alive"]}


def _listens(address: str, deadline: float) -> bool:
    """Whether the head listens at host:port before the deadline."""
    host, _, port = address.rpartition(":")
    while time.monotonic() < deadline:
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
            return True
        except OSError:
            time.sleep(0.5)
    return False


if __name__ == "__main__":
    sys.exit(run(main))
