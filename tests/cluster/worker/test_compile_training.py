"""Everything that compiles a training's units does so in the same order: what one command has compiled, another finds in the cache."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.calibration.search import Candidate
from cluster.calibration.trial_group import run_trial
from cluster.load_config import load_config
from cyclegan.config import ImageFormat
from tests.cluster.launch import TINY, options
from tests.ray_nodes import ROOT, clean_environment

pytestmark = pytest.mark.process

SETTINGS = {**TINY, "cluster.workers": 1}


def test_programs_finds_what_a_trial_has_compiled(tmp_path: Path) -> None:
    arguments = options({**SETTINGS, "cluster.compile_cache": tmp_path})
    candidate = Candidate(workers=1, threads=1, convolution="plain", precision="float32", batch=1, allreduce_dtype="float32")
    trial = run_trial(load_config(arguments, {}), ImageFormat(), candidate)
    assert trial.figures, trial.reason
    command = [sys.executable, "-m", "cluster.programs", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=clean_environment(), timeout=300)
    assert re.findall(r"cache (hit|miss)$", done.stdout, re.M) == ["hit"] * 4, done.stdout + done.stderr
