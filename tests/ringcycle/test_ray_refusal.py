"""A cluster that cannot be joined: one line that names the cause, within seconds, before Ray prints anything."""

import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

from ringcycle.ray_refusal import obeys_anyone
from tests.ringcycle.ray_head import OTHER, WITHOUT_RIGHTS, gives_away, run, running_head

pytestmark = pytest.mark.process
TOKEN = "0123456789abcdef" * 4
CURE = "set RAY_ADDRESS=local to start Ray for this command only"
NO_TOKEN = f"refuses this command, which does not have its token: set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN, or {CURE}"
START = """
from ringcycle.cli import fail
from ringcycle.errors import UserError
from ringcycle.ray_start import start_ray
try:
    print("joined" if start_ray() else "started")
except UserError as error:
    fail(error)
"""
# What a head of that version would have noted about itself.
OTHER_VERSION = """
import json, sys
from ray._common.usage.usage_constants import CLUSTER_METADATA_KEY
from ray._private.utils import compute_version_info
from ray._raylet import GcsClient
noted = {"ray_version": "2.59.0", "python_version": "3.12.1"}
GcsClient(address=sys.argv[1]).internal_kv_put(CLUSTER_METADATA_KEY, json.dumps(noted).encode(), True, b"cluster")
print(*compute_version_info())
"""


def printed(done: subprocess.CompletedProcess[str]) -> str:
    (line,) = (done.stdout + done.stderr).splitlines()
    return line


def test_a_missing_token_and_another_version(environment: dict[str, str]) -> None:
    """A cluster with a token, met by its owner, by commands without its token, and by another version."""
    token = Path(environment["HOME"]) / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text(TOKEN)
    with running_head(environment) as address:
        found = f"error: the Ray cluster of this machine ({address})"
        assert printed(run(START, environment)) == "joined"
        stranger = {**environment, "HOME": environment["RAY_TMPDIR"]}
        began = time.monotonic()
        assert printed(run(START, stranger)) == f"{found} {NO_TOKEN}"
        assert printed(run(START, {**stranger, "RAY_ADDRESS": address})) == f"error: RAY_ADDRESS = {address} {NO_TOKEN}"
        assert time.monotonic() - began < 20
        assert obeys_anyone(address) is False
        theirs = "Ray 2.59.0 on Python 3.12.1"
        ray, python = printed(run(OTHER_VERSION, {**environment, "RAY_AUTH_MODE": "token"}, address)).split()
        fact = f"runs {theirs}, but this command Ray {ray} on Python {python}: install the same versions, or {CURE}"
        assert printed(run(START, environment)) == f"{found} {fact}"


@gives_away
def test_a_cluster_of_another_user(environment: dict[str, str]) -> None:
    environment["RAY_AUTH_MODE"] = "disabled"
    with running_head(environment) as address:
        assert printed(run(START, environment, prefix=WITHOUT_RIGHTS)) == "joined"  # so it is not for want of rights
        assert obeys_anyone(address) is True
        (events,) = Path(environment["RAY_TMPDIR"]).glob("ray/session_*_*/logs/events")
        os.chown(events, OTHER, -1)
        fact = f"the Ray cluster of this machine ({address}) belongs to another user (uid {OTHER}): {CURE}"
        assert printed(run(START, environment, prefix=WITHOUT_RIGHTS)) == f"error: {fact}"


def test_nobody_who_listens_obeys_nobody() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert obeys_anyone(f"127.0.0.1:{closed.getsockname()[1]}") is None
