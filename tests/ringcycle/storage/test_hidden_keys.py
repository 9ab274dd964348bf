"""An object store is still reached after its keys have left the environment."""

import os
import subprocess
import sys

import pytest

from tests.preprocess.object_store import object_store

pytestmark = pytest.mark.process

CODE = """
import os, sys
from ringcycle.credentials import hide_credentials
from ringcycle.storage.store import Store
hide_credentials()
assert not any(name.startswith("AWS_") for name in os.environ), sorted(os.environ)
store = Store(sys.argv[1])
store.write("a", b"content")
print(store.read("a").decode(), *store.names())
"""


def test_keys_of_the_environment_reach_the_object_store_though_hidden() -> None:
    keys = {"AWS_ACCESS_KEY_ID": "KEY", "AWS_SECRET_ACCESS_KEY": "SECRET", "AWS_SESSION_TOKEN": "SESSION"}
    environment = {**{name: value for name, value in os.environ.items() if not name.startswith("AWS_")}, **keys}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    with object_store() as served:
        uri = served.uri("hidden").replace("KEY:SECRET@", "")
        process = subprocess.run([sys.executable, "-c", CODE, uri], env=environment, capture_output=True, text=True, timeout=120)
    assert (process.returncode, process.stdout) == (0, "content a\n"), process.stderr
