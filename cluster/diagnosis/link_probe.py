"""Latency, clocks and bandwidth between two nodes, over a plain TCP connection, as TensorFlow's ring has one.

The client sends a secret, then pings: a byte, answered by the server's clock. Then it sends blocks until bytes or seconds are used up, and
the server answers with how many arrived.
"""

import hmac
import socket
import struct
import threading
import time
from dataclasses import dataclass

PINGS = 20
BLOCK = 2**20
CONNECT_SECONDS = 5.0
PATIENCE = 10.0  # seconds to wait for the other side
_CLOCK, _COUNT = struct.Struct("!d"), struct.Struct("!Q")


@dataclass(frozen=True)
class Pinged:
    """The shortest round trip, and by how much the server's clock is ahead of ours, both in seconds. fact: why there is none, or empty."""

    round_trip: float
    ahead: float
    fact: str = ""


@dataclass(frozen=True)
class Sent:
    """Bytes that arrived, and the seconds that took. fact: why none did, or empty."""

    bytes: int
    seconds: float
    fact: str = ""


class LinkProbe:
    """One node's end of the links to its neighbours; an actor. secret: of these checks, as anyone could connect."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._server: socket.socket | None = None

    def listen(self, address: str) -> int:
        """Serve clients on a free port of this address, in threads, until the process ends. Returns the port."""
        self._server = socket.create_server((address, 0), family=_family(address))
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()
        return int(self._server.getsockname()[1])

    def ping(self, address: str, port: int) -> Pinged:
        """Ask the server for its clock a few times; the quickest answer counts, as in NTP."""
        try:
            with self._connected(address, port, b"p") as link:
                rounds = []
                for _ in range(PINGS):
                    sent = time.time()
                    began = time.perf_counter()
                    link.sendall(b"?")
                    (theirs,) = _CLOCK.unpack(_received(link, _CLOCK.size))
                    taken = time.perf_counter() - began
                    rounds.append((taken, theirs - (sent + taken / 2)))
                return Pinged(*min(rounds))
        except OSError as error:
            return Pinged(0.0, 0.0, _reason(error))

    def send(self, address: str, port: int, size: int, seconds: float) -> Sent:
        """Send at most `size` bytes, for at most about `seconds`."""
        block = bytes(BLOCK)
        try:
            with self._connected(address, port, b"d") as link:
                began, sent = time.perf_counter(), 0
                while sent < size and time.perf_counter() - began < seconds:
                    link.sendall(block)
                    sent += len(block)
                link.shutdown(socket.SHUT_WR)
                (arrived,) = _COUNT.unpack(_received(link, _COUNT.size))
                return Sent(arrived, time.perf_counter() - began)
        except OSError as error:
            return Sent(0, 0.0, _reason(error))

    def _connected(self, address: str, port: int, wish: bytes) -> socket.socket:
        link = socket.create_connection((address, port), timeout=CONNECT_SECONDS)
        link.settimeout(PATIENCE)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.sendall(self._secret + wish)
        return link

    def _accept(self, server: socket.socket) -> None:
        while True:
            link, _ = server.accept()
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        try:
            with link:
                link.settimeout(PATIENCE)
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if not hmac.compare_digest(_received(link, len(self._secret)), self._secret):
                    return
                if _received(link, 1) == b"p":
                    while link.recv(1):
                        link.sendall(_CLOCK.pack(time.time()))
                    return
                buffer, arrived = bytearray(BLOCK), 0
                while count := link.recv_into(buffer):
                    arrived += count
                link.sendall(_COUNT.pack(arrived))
        except OSError:  # the client reports it
            pass


def _received(link: socket.socket, size: int) -> bytes:
    """Exactly so many bytes."""
    parts = b""
    while len(parts) < size:
        part = link.recv(size - len(parts))
        if not part:
            raise ConnectionError("the other side closed the connection")
        parts += part
    return parts


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _reason(error: OSError) -> str:
    return "no answer" if isinstance(error, TimeoutError) else (error.strerror or str(error)).lower()
