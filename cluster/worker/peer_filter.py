"""Keeps strangers away from TensorFlow's port: a packet filter on its listening socket, which the kernel applies (Linux, no privileges).

TensorFlow's gRPC server listens on all interfaces and executes whatever graph it is sent, as its SECURITY.md states; it has no setting
for either. A classic BPF program on the socket (socket(7), SO_ATTACH_FILTER) drops every packet that does not come from a host of the
group, so nobody else can even connect. Connections inherit the filter. Users of the group's own hosts are not kept away.
"""

import contextlib
import ctypes
import logging
import os
import socket
import stat
import struct
import threading
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

log = logging.getLogger(__name__)

Address = IPv4Address | IPv6Address

POLL_SECONDS = 0.002  # between looks for the socket, so that it is open without a filter for no longer
_SO_ATTACH_FILTER = 26  # asm-generic/socket.h; Python's socket module does not export it
_NETWORK_HEADER = 0xFFF00000  # SKF_NET_OFF of linux/filter.h: offsets count from the start of the IP header
_SOURCE = {4: 12, 6: 8}  # offset of the source address in an IPv4 and an IPv6 header
_LOAD_WORD, _LOAD_BYTE, _AND, _JUMP, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x30, 0x54, 0x05, 0x15, 0x06
_KEEP, _DROP = 0xFFFFFFFF, 0


class PeerFilter:
    """Watches for the socket that listens on `port` in this process and filters it as soon as it is there.

    addresses: of all hosts of the group, this one included. Use as a context manager around what starts the server; leaving it waits
    until the filter is in place, and logs a warning with a cure where that is impossible.
    """

    def __init__(self, port: int, addresses: Iterable[str]) -> None:
        self._port = port
        self._program = filter_program([ip_address(address) for address in addresses])
        self._stop = threading.Event()
        self._filtered = False
        self._error = "no socket of this process listens there"
        self._thread = threading.Thread(target=self._watch, name="peer-filter", daemon=True)

    def __enter__(self) -> "PeerFilter":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._apply()  # to what has begun to listen since the watcher's last look
        if not self._filtered:
            log.warning(
                "TensorFlow's port %d accepts connections from any host (%s): let a firewall admit only the hosts of this training",
                self._port,
                self._error,
            )

    def _watch(self) -> None:
        while not self._filtered and not self._stop.wait(POLL_SECONDS):
            self._apply()

    def _apply(self) -> None:
        for listener in _listeners(self._port):
            try:
                attach_filter(listener, self._program)
                self._filtered = True
            except OSError as error:
                self._error = error.strerror or str(error)


def peer_addresses(workers: Iterable[str], others: Iterable[str] = ()) -> list[str]:
    """The IP addresses of a group: of its workers, given as HOST:PORT, and `others`, which its hosts may connect from as well."""
    hosts = {worker.rpartition(":")[0].strip("[]") for worker in workers}
    resolved = {str(found[4][0]) for host in hosts for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    return sorted(resolved | set(others))


def filter_program(addresses: Sequence[Address]) -> bytes:
    """The BPF program that keeps packets from `addresses` (IPv4 and IPv6) and drops all others, as the kernel's struct sock_filter[]."""
    of_ipv4 = _source_is_one_of([address for address in addresses if address.version == 4])
    of_ipv6 = _source_is_one_of([address for address in addresses if address.version == 6])
    version = [
        _instruction(_LOAD_BYTE, _NETWORK_HEADER),
        _instruction(_AND, 0xF0),
        _instruction(_JUMP_IF_EQUAL, 0x60, otherwise=1),
        _instruction(_JUMP, len(of_ipv4) + 2),
        _instruction(_JUMP_IF_EQUAL, 0x40, then=1),
        _instruction(_RETURN, _DROP),
    ]
    return b"".join(version + of_ipv4 + of_ipv6)


def attach_filter(listener: socket.socket, program: bytes) -> None:
    """Attach a BPF program to a socket. Raises OSError where the kernel refuses, and on other systems than Linux."""
    instructions = ctypes.create_string_buffer(program, len(program))
    header = _SockFprog(len(program) // 8, ctypes.addressof(instructions))
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, bytes(header))


class _SockFprog(ctypes.Structure):
    """The kernel's struct sock_fprog."""

    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def _source_is_one_of(addresses: Sequence[Address]) -> list[bytes]:
    program = []
    for address in addresses:
        words = struct.unpack(f">{len(address.packed) // 4}I", address.packed)
        for number, word in enumerate(words):
            to_next_address = 2 * (len(words) - 1 - number) + 1
            program.append(_instruction(_LOAD_WORD, _NETWORK_HEADER + _SOURCE[address.version] + 4 * number))
            program.append(_instruction(_JUMP_IF_EQUAL, word, otherwise=to_next_address))
        program.append(_instruction(_RETURN, _KEEP))
    return [*program, _instruction(_RETURN, _DROP)]


def _instruction(code: int, operand: int, then: int = 0, otherwise: int = 0) -> bytes:
    """then, otherwise: instructions that a conditional jump skips."""
    return struct.pack("=HBBI", code, then, otherwise, operand)


def _listeners(port: int) -> Iterator[socket.socket]:
    """Duplicates of this process's sockets that listen on `port`, open while they are iterated."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):  # closed since, or no IP socket
                if not stat.S_ISSOCK(os.stat(f"/proc/self/fd/{name}").st_mode):
                    continue
                with socket.socket(fileno=os.dup(int(name))) as candidate:
                    if (
                        candidate.family in (socket.AF_INET, socket.AF_INET6)
                        and candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                        and candidate.getsockname()[1] == port
                    ):
                        yield candidate
