"""Prints ports that were free on this host a moment ago: `python -m hpc.free_ports COUNT`."""

import socket
import sys
from contextlib import ExitStack


def free_ports(count: int) -> list[int]:
    """Distinct ports that no process listens on."""
    with ExitStack() as held:
        return [int(held.enter_context(socket.create_server(("", 0))).getsockname()[1]) for _ in range(count)]


if __name__ == "__main__":
    sys.stdout.write(" ".join(map(str, free_ports(int(sys.argv[1])))) + "\n")
