import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.hlo_kinds import FORWARD, INPUT, KERNEL, KINDS, PLAIN
from tests.ray_nodes import ROOT, clean_environment


@pytest.mark.process
def test_every_kind_of_work_is_found_in_a_real_step(tmp_path: Path) -> None:
    sizes = {"size": 64, "filters": 8, "blocks": 2, "threads": 2, "steps": 2}
    options = [word for name, value in sizes.items() for word in (f"--{name}", str(value))]
    file = tmp_path / "profile.json"
    command = [sys.executable, "-m", "benchmarks.step_profile", *options, "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text())
    assert [kind for kind in KINDS if kind != PLAIN and not found["seconds"][kind]] == [], done.stdout
    assert found["flop"][FORWARD] == found["flop"][INPUT] == found["flop"][KERNEL], "each layer's products are one of each"
    assert "| **a step** |" in done.stdout
