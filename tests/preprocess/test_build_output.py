"""A build whose output cannot be written, or not in these characters, still builds its shards and succeeds."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from preprocess.shards.manifest import Manifest

pytestmark = pytest.mark.process
NAME = "漢字×\x1b[2J.png"  # cannot be written in ASCII or Latin-1, and would clear a terminal


@pytest.mark.parametrize(
    ("shell", "encoding"),
    [
        ("set -o pipefail; {command} | head -n 1", "utf-8"),
        ("{command} > /dev/full 2>&1", "utf-8"),
        ("{command}", "ascii"),
        ("{command}", "latin-1"),
    ],
)
def test_a_build_succeeds_whatever_becomes_of_its_output(shell: str, encoding: str, tmp_path: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "shards"
    for domain, split in enumerate(("trainA", "trainB")):
        (source / split).mkdir(parents=True)
        for i in range(3):
            noise = np.random.default_rng([domain, i]).integers(0, 256, (32, 32, 3), np.uint8)
            Image.fromarray(noise).save(source / split / f"{i}.png")
        (source / split / NAME).write_bytes(b"broken")
    Image.new("RGBA", (32, 32), (90, 9, 200, 0)).save(source / "trainB" / "3.png")  # white, since transparent
    options = "--load-size 32 --crop-size 32 --max-rejected 0.5 --build-actors 1"
    command = shell.format(command=f"{sys.executable} -m preprocess.build {source} {out} {options}")
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONIOENCODING": encoding}
    result = subprocess.run(["bash", "-c", command], env=variables, capture_output=True, timeout=500)
    assert result.returncode == 0, result.stderr
    assert b"Traceback" not in result.stderr
    manifest = Manifest.load(out)
    manifest.verify(out)
    assert {name: split.count for name, split in manifest.splits.items()} == {"trainA": 3, "trainB": 4}
    assert b"\x1b[2J" not in result.stdout + result.stderr
    if shell == "{command}":
        assert result.stdout.count(b"1 of 7 images are near-constant (trainB/3.png): nearly one colour") == 1
