"""Both ends of a link, on loopback."""

import socket

from cluster.diagnosis.link_probe import LinkProbe

SECRET = b"0123456789abcdef"


def test_round_trip_clock_and_bytes() -> None:
    server, client = LinkProbe(SECRET), LinkProbe(SECRET)
    port = server.listen("127.0.0.1")
    pinged = client.ping("127.0.0.1", port)
    assert pinged.fact == "" and 0 < pinged.round_trip < 1 and abs(pinged.ahead) < 0.5
    sent = client.send("127.0.0.1", port, 8 * 2**20, seconds=30)
    assert (sent.bytes, sent.fact) == (8 * 2**20, "") and sent.seconds > 0
    assert client.send("127.0.0.1", port, 2**50, seconds=0.05).bytes < 2**40


def test_a_closed_port_and_a_stranger() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        assert LinkProbe(SECRET).ping("127.0.0.1", port).fact == "connection refused"
        assert LinkProbe(SECRET).send("127.0.0.1", port, 1, 1.0).fact == "connection refused"
    server = LinkProbe(SECRET)
    stranger = LinkProbe(b"another secret!!").ping("127.0.0.1", server.listen("127.0.0.1"))
    assert stranger.fact != ""
