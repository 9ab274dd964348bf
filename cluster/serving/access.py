"""Who may reach the server: the address it listens on, and the token that requests must carry."""

import hashlib
import hmac
import socket
from collections.abc import Mapping
from ipaddress import ip_address

from ringcycle.errors import UserError

TOKEN_VARIABLE = "RINGCYCLE_SERVE_TOKEN"
SHORTEST_TOKEN = 16
_PORTS = range(1, 2**16)
_HOW = f"set {TOKEN_VARIABLE}, or give --token"


def read_host(given: str) -> str:
    """The address to listen on as an IP address. Raises UserError for anything else but localhost."""
    if given == "localhost":
        return "127.0.0.1"
    try:
        return str(ip_address(given))
    except ValueError as error:
        raise UserError(
            f"--host = {given} is no IP address: give 127.0.0.1 for this machine alone, 0.0.0.0 for all its addresses, or one of them"
        ) from error


def read_port(given: str) -> int:
    """A port as a user gives it. Raises UserError."""
    if not (given.isdecimal() and len(given) <= 5 and int(given) in _PORTS):
        raise UserError(f"--port = {given}: give a number from {_PORTS[0]} to {_PORTS[-1]}")
    return int(given)


def read_token(given: str | None, environment: Mapping[str, str], host: str) -> str:
    """The token that requests must carry; empty if they need none, which is allowed on a loopback address only.

    given: the option, which wins over the environment. Raises UserError, which never shows the token.
    """
    field, token = ("--token", given) if given is not None else (TOKEN_VARIABLE, environment.get(TOKEN_VARIABLE))
    if token is None:
        if not ip_address(host).is_loopback:
            raise UserError(f"--host = {host} is open to other machines, and there is no token: {_HOW}, or listen on 127.0.0.1")
        return ""
    if len(token) < SHORTEST_TOKEN:
        raise UserError(f"{field} has {len(token)} characters: give {SHORTEST_TOKEN} or more, such as `openssl rand -hex 32` makes")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise UserError(f"{field} has characters that an HTTP header cannot hold: use letters, digits and punctuation, without spaces")
    return token


def digest(token: str) -> str:
    """What a replica keeps instead of the token; empty for none."""
    return hashlib.sha256(token.encode()).hexdigest() if token else ""


def admits(expected: str, token: str) -> bool:
    """Whether a request with this token may be answered: none is needed, or its digest is the expected one. Takes constant time."""
    return not expected or hmac.compare_digest(expected, digest(token))


def check_free(host: str, port: int) -> None:
    """Raise UserError if this process cannot listen there: Ray Serve would try for a minute, then fail without naming the cause."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            cure = (
                "give another one" if host in ("127.0.0.1", "0.0.0.0", "::", "::1") else "give another one, or an address of this machine"
            )
            raise UserError(f"--port = {port} on {host} cannot be listened on ({error.strerror}): {cure}") from error


def url(host: str, port: int) -> str:
    """The address to open in a browser on this machine; one that stands for all addresses is shown as the loopback one."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{shown}]:{port}/" if ":" in shown else f"http://{shown}:{port}/"
