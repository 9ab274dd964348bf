"""Credentials leave the environment of a process, also what the kernel shows of it, and stay usable inside."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ringcycle.credentials import hide_credentials

CODE = """
import json, os
from pathlib import Path
os.environ["LATER_API_KEY"] = "later-value"
from ringcycle.credentials import credential, hide_credentials
names = hide_credentials()
print(json.dumps({
    "names": sorted(names),
    "environ": {name: value for name, value in os.environ.items()},
    "proc": Path("/proc/self/environ").read_bytes().decode(errors="replace"),
    "token": credential("RAY_AUTH_TOKEN"),
    "later": credential("LATER_API_KEY"),
    "path": credential("PATH"),
}))
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="Linux shows a process's environment in /proc")
def test_no_credential_is_left_in_sight() -> None:
    secrets = {"RAY_AUTH_TOKEN": "token-value", "AWS_SECRET_ACCESS_KEY": "key-value", "AWS_SESSION_TOKEN": "session-value"}
    plain = {"PATH": os.environ["PATH"], "RAY_AUTH_TOKEN_PATH": "/somewhere", "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.run([sys.executable, "-c", CODE], env={**plain, **secrets}, capture_output=True, text=True, check=True)
    found = json.loads(process.stdout)
    assert found["names"] == sorted([*secrets, "LATER_API_KEY"])
    assert not set(secrets) & set(found["environ"])
    for value in [*secrets.values(), "later-value"]:
        assert value not in found["proc"]
        assert value not in str(found["environ"])
    assert (found["token"], found["later"]) == ("token-value", "later-value")
    assert found["path"] == os.environ["PATH"]
    assert found["environ"]["RAY_AUTH_TOKEN_PATH"] == "/somewhere"
    assert "RAY_AUTH_TOKEN_PATH=/somewhere" in found["proc"]


def test_without_credentials_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if any(word in name for word in ("TOKEN", "SECRET", "KEY", "PASS")):
            monkeypatch.delenv(name)
    before = dict(os.environ)
    assert hide_credentials() == []
    assert dict(os.environ) == before
