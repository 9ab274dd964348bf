"""What a host reaches, asked from that host."""

import subprocess
import sys

from tests.hosts import Host

ASK = """
import sys, urllib.error, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=15).status)
except urllib.error.HTTPError as error:
    print(error.code)
except OSError:
    print(0)
"""

CONNECT = """
import socket, sys
for port in sys.argv[2:]:
    try:
        socket.create_connection((sys.argv[1], int(port)), timeout=5).close()
        print(port)
    except OSError:
        pass
"""


def answer(host: Host, url: str) -> int:
    """HTTP status of a request without a token, 0 if nothing listens."""
    return int(_run(host, sys.executable, "-c", ASK, url))


def listening(host: Host) -> set[int]:
    """TCP ports on which something listens for other hosts."""
    lines = _run(host, "ss", "--tcp", "--listening", "--numeric", "--no-header").splitlines()
    addresses = [line.split()[3].rpartition(":") for line in lines]
    return {int(port) for address, _, port in addresses if not address.strip("[]").startswith(("127.", "::1"))}


def connected(host: Host, address: str, ports: set[int]) -> set[int]:
    """Those of the ports at an address to which this host can connect."""
    return set(map(int, _run(host, sys.executable, "-c", CONNECT, address, *map(str, sorted(ports))).split()))


def _run(host: Host, *words: str) -> str:
    return subprocess.run([*host.prefix, *words], capture_output=True, text=True, check=True, timeout=120).stdout
