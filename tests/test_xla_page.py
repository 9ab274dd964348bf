"""The example of docs/xla.md, run by two processes as the page says."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ray_nodes import ROOT, clean_environment, free_ports

PAGE = ROOT / "docs/xla.md"


@pytest.mark.process
def test_two_workers_end_with_the_same_weights(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    example = tmp_path / "example.py"
    example.write_text(code)
    workers = [f"127.0.0.1:{port}" for port in free_ports(2)]
    environment = {**clean_environment(), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    commands = [
        subprocess.Popen([sys.executable, str(example), str(rank), *workers], env=environment, stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    outputs = [command.communicate(timeout=240)[0] for command in commands]
    assert [command.returncode for command in commands] == [0, 0]
    # The mean of the gradients at 0, -2x/4 for x = 1 and x = 2, is -0.75.
    assert [json.loads(output) for output in outputs] == [pytest.approx([0.075] * 4)] * 2
