"""The server under load: images a second, latencies, requests without a good answer, and memory before and after.

    python -m benchmarks.serve --checkpoint RUN --images FOLDER [--clients 8] [--seconds 60] [further options of cluster.serve]

Starts `cluster.serve` on loopback; each client keeps one connection and sends the next image once it has its answer. Before, each sends a
few, until the server's memory has settled. Every answer must be an image in the proportions of its own.
"""

import argparse
import http.client
import io
import itertools
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from PIL import Image

HERE = Path(__file__).parents[1]
WARM_UP = 20  # images of each client before the measurement
PARTS = {"replica": "ServeReplica", "proxy": "ProxyActor"}
"""Processes whose memory counts, by a word in their titles."""


@dataclass
class Client:
    """What one client has sent, and got."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--images", type=Path, required=True, help="folder of images; those inside it count too")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--json", type=Path)
    given, others = parser.parse_known_args()
    files = [path.read_bytes() for path in sorted(given.images.rglob("*")) if path.suffix.lower() in (".jpg", ".jpeg", ".png")]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "cluster.serve", "--checkpoint", given.checkpoint, "--port", str(port), *others]
    began = time.perf_counter()
    environment = {**os.environ, "RAY_ADDRESS": "local"}
    with subprocess.Popen(command, cwd=HERE, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            if not any(re.search("^ready", line) for line in process.stdout):
                sys.exit("the server did not start")
            print(f"ready after {time.perf_counter() - began:.1f} s")
            _load(port, files, given.clients, images=WARM_UP)
            before = _memory(process.pid)
            clients, spent = _load(port, files, given.clients, seconds=given.seconds)
            after = _memory(process.pid)
        finally:
            ended = time.perf_counter()
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    print(f"ended {time.perf_counter() - ended:.1f} s after SIGTERM with exit code {process.returncode}")
    found = _report(clients, spent, before, after)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


def _load(port: int, files: list[bytes], clients: int, images: int | None = None, seconds: float = 3600) -> tuple[list[Client], float]:
    """Let clients send so many images each, or for so long, and see them answered. Returns also the seconds it took."""
    all_clients = [Client() for _ in range(clients)]
    began = time.perf_counter()
    threads = [
        threading.Thread(target=_send, args=(client, port, files, number, clients, images, began + seconds))
        for number, client in enumerate(all_clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return all_clients, time.perf_counter() - began


def _send(client: Client, port: int, files: list[bytes], first: int, step: int, images: int | None, until: float) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    for number in itertools.count(first, step) if images is None else range(first, first + step * images, step):
        if time.perf_counter() >= until:
            break
        content = files[number % len(files)]
        direction = ("AtoB", "BtoA")[number // len(files) % 2]
        began = time.perf_counter()
        try:
            connection.request("POST", f"/translate?direction={direction}", content)
            response = connection.getresponse()
            made = response.read()
            if response.status != 200:
                client.failures.append(f"{response.status}: {made[:100]!r}")
                continue
            _check(content, made)
        except (OSError, http.client.HTTPException, AssertionError) as error:
            client.failures.append(f"{type(error).__name__}: {error}")
            connection.close()
            continue
        client.seconds.append(time.perf_counter() - began)


def _check(content: bytes, made: bytes) -> None:
    """Raises AssertionError unless the answer is an image in the proportions of the one that was sent."""
    given, result = Image.open(io.BytesIO(content)), Image.open(io.BytesIO(made))
    result.load()
    assert abs(result.width / result.height - given.width / given.height) < 0.05, (result.size, given.size)


def _memory(pid: int) -> dict[str, float]:
    """Resident MiB of each of the server's PARTS."""
    found = dict.fromkeys(PARTS, 0.0)
    for process in psutil.Process(pid).children(recursive=True):
        title = " ".join(process.cmdline())
        for part, word in PARTS.items():
            if word in title:
                found[part] += process.memory_info().rss / 2**20
    return found


def _report(clients: list[Client], spent: float, before: dict[str, float], after: dict[str, float]) -> dict[str, object]:
    latencies = sorted(seconds for client in clients for seconds in client.seconds)
    failures = [failure for client in clients for failure in client.failures]
    shown = {share: statistics.quantiles(latencies, n=1000)[share * 10 - 1] * 1000 for share in (50, 90, 95, 99)}
    print(f"{len(clients)} clients, {spent:.1f} s: {len(latencies):,} images, {len(latencies) / spent:.1f} a second, {len(failures)} lost")
    print(", ".join(f"{share} %: {value:.0f} ms" for share, value in shown.items()) + f", most: {latencies[-1] * 1000:.0f} ms")
    print(", ".join(f"{part}: {before[part]:.0f} MiB before, {after[part]:.0f} after" for part in PARTS))
    for failure in failures[:5]:
        print(failure)
    return {"seconds": latencies, "spent": spent, "failures": failures, "before": before, "after": after}


if __name__ == "__main__":
    main()
