"""Waits until all nodes of a batch job have joined its Ray cluster."""

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
    missing, reason = set(names), ""
    while missing and time.monotonic() < deadline:
        try:
            missing -= _joined()
        except UserError as error:  # the head listens before it is ready
            reason = str(error)
        time.sleep(1)
    if missing and reason and not ray.is_initialized():
        fail(reason)
    elif missing:
        listed = ", ".join(sorted(missing)[:5]) + (" …" if len(missing) > 5 else "")
        fail(f"{len(missing)} of {len(names)} nodes have not joined the Ray cluster within {seconds} s: {listed}")
    return ExitCode.FAILED if missing else ExitCode.OK


def _joined() -> set[str]:
    """Names of the nodes in the cluster. Raises UserError if it cannot be joined."""
    if not ray.is_initialized():
        start_ray()
    return {node["NodeName"] for node in ray.nodes() if node["Alive"]}


if __name__ == "__main__":
    sys.exit(run(main))
