"""The packet filter on TensorFlow's port: hosts of the group connect, others do not even get an answer."""

import contextlib
import logging
import socket
import sys
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from cluster.worker.peer_filter import PeerFilter, filter_program

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="socket filters exist on Linux only")

ANSWER_SECONDS = 0.5  # on loopback a handshake takes microseconds; a dropped packet is never answered


@contextlib.contextmanager
def listening(family: socket.AddressFamily = socket.AF_INET) -> Iterator[int]:
    """A server on all interfaces, as TensorFlow's; IPv6 sockets take IPv4 as well."""
    with socket.socket(family) as server:
        if family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", 0))
        server.listen()
        yield server.getsockname()[1]


def connects(port: int, source: str, target: str = "127.0.0.1") -> bool:
    try:
        socket.create_connection((target, port), ANSWER_SECONDS, source_address=(source, 0)).close()
        return True
    except TimeoutError:
        return False


def has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


@pytest.mark.parametrize(
    "family", [socket.AF_INET, pytest.param(socket.AF_INET6, marks=pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here"))]
)
def test_only_the_groups_hosts_connect(family: socket.AddressFamily) -> None:
    with listening(family) as port:
        assert connects(port, "127.0.0.9")
        with PeerFilter(port, ["127.0.0.2", "127.0.0.3", "fd00::7"]):
            pass
        assert connects(port, "127.0.0.2")
        assert connects(port, "127.0.0.3")
        assert not connects(port, "127.0.0.9")
        assert not connects(port, "127.0.0.1")


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_ipv6_addresses_are_compared_in_all_four_words() -> None:
    for allowed, expected in (("::1", True), ("::2", False), ("1::1", False)):
        with listening(socket.AF_INET6) as port:
            with PeerFilter(port, [allowed, "127.0.0.5"]):
                pass
            assert connects(port, "::1", "::1") is expected
            assert not connects(port, "127.0.0.1")


def test_a_socket_that_opens_later_is_filtered_while_the_server_starts() -> None:
    with socket.socket() as server:
        server.bind(("0.0.0.0", 0))
        port = server.getsockname()[1]
        with PeerFilter(port, ["127.0.0.2"]):
            server.listen()
        assert not connects(port, "127.0.0.9")
        assert connects(port, "127.0.0.2")


def test_other_sockets_stay_open_and_a_missing_one_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    with listening() as other, caplog.at_level(logging.WARNING), socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with PeerFilter(free.getsockname()[1], ["127.0.0.2"]):
            pass
        assert connects(other, "127.0.0.9")
    assert "accepts connections from any host (no socket of this process listens there)" in caplog.text
    assert "firewall" in caplog.text


def test_a_group_of_a_thousand_hosts_fits_into_a_program() -> None:
    addresses = [ip_address(f"10.0.{number // 250}.{number % 250 + 1}") for number in range(1000)]
    assert len(filter_program(addresses)) // 8 < 4096  # BPF_MAXINSNS
