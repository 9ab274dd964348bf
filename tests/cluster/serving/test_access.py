"""Where the server may listen, and who may ask it."""

import socket

import pytest

from cluster.serving.access import admits, check_free, digest, read_host, read_port, read_token, url
from ringcycle.errors import UserError

SECRET = "correct-horse-battery-staple"


@pytest.mark.parametrize(("given", "host"), [("localhost", "127.0.0.1"), ("0.0.0.0", "0.0.0.0"), ("::1", "::1"), ("10.0.0.7", "10.0.0.7")])
def test_hosts(given: str, host: str) -> None:
    assert read_host(given) == host


@pytest.mark.parametrize("given", ["", "example.org", "127.0.0.1:8000", "0.0.0.0/0", "http://127.0.0.1", "1.2.3", "127.1"])
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(UserError, match=r"--host = .* is no IP address: give 127\.0\.0\.1 for this machine alone"):
        read_host(given)


@pytest.mark.parametrize("given", ["0", "65536", "-1", "80.0", "http", "", "²", "9" * 9000])
def test_what_is_no_port_is_refused(given: str) -> None:
    with pytest.raises(UserError, match=r"--port = .*: give a number from 1 to 65535"):
        read_port(given)
    assert read_port("65535") == 65535


def test_a_token_is_needed_where_others_can_ask() -> None:
    for loopback in ("127.0.0.1", "127.8.8.8", "::1"):
        assert read_token(None, {}, loopback) == ""
    for host in ("0.0.0.0", "::", "10.0.0.7"):
        with pytest.raises(UserError, match=f"--host = {host} is open to other machines, and there is no token: set RINGCYCLE_SERVE_TOKEN"):
            read_token(None, {}, host)
        assert read_token(SECRET, {}, host) == SECRET
        assert read_token(None, {"RINGCYCLE_SERVE_TOKEN": SECRET}, host) == SECRET
    assert read_token(SECRET, {"RINGCYCLE_SERVE_TOKEN": "y" * 20}, "127.0.0.1") == SECRET


@pytest.mark.parametrize("bad", ["", "short", "x" * 15, f"{SECRET} x", f"{SECRET}\n", f"{SECRET}é"])
def test_a_token_that_is_weak_or_does_not_fit_a_header_is_refused_and_not_shown(bad: str) -> None:
    for given, environment, field in ((bad, {}, "--token"), (None, {"RINGCYCLE_SERVE_TOKEN": bad}, "RINGCYCLE_SERVE_TOKEN")):
        with pytest.raises(UserError, match=f"^{field} has ") as error:
            read_token(given, environment, "0.0.0.0")
        assert not bad or bad not in str(error.value)


def test_only_the_token_is_admitted() -> None:
    kept = digest(SECRET)
    assert SECRET not in kept
    assert admits(kept, SECRET)
    assert not any(admits(kept, other) for other in ("", SECRET[:-1], SECRET.upper(), kept, f"{SECRET} "))
    assert digest("") == "" and admits("", "") and admits("", "anything")


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            UserError, match=rf"--port = {port} on 127\.0\.0\.1 cannot be listened on \(Address already in use\): give another one"
        ):
            check_free("127.0.0.1", port)
    check_free("127.0.0.1", port)
    with pytest.raises(UserError, match="or an address of this machine"):
        check_free("192.0.2.1", port)


@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("10.0.0.7", "10.0.0.7"), ("fe80::1", "[fe80::1]")],
)
def test_the_address_to_open(host: str, shown: str) -> None:
    assert url(host, 8000) == f"http://{shown}:8000/"
