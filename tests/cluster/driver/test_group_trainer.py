"""A group of one real worker: which processes Ray Train starts for it, and what the worker imports by itself."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ray_nodes import clean_environment

GROUP = """
import json, sys, time
import psutil
from ray.train import RunConfig, ScalingConfig
from cluster.driver.group_trainer import GroupTrainer, ImportEarly
from ringcycle.ray_start import start_ray

def loop(settings):
    deadline = time.monotonic() + 120
    while "tensorflow" not in sys.modules and time.monotonic() < deadline:
        time.sleep(0.1)
    titles = [child.cmdline()[0] for child in psutil.Process().parent().children()]
    with open(settings["file"], "w") as file:
        json.dump({"tensorflow": "tensorflow" in sys.modules, "titles": titles}, file)

start_ray(num_cpus=1)
folder, file = sys.argv[1:]
GroupTrainer(
    loop,
    train_loop_config={"file": file},
    scaling_config=ScalingConfig(num_workers=1),
    run_config=RunConfig(name="group", storage_path=folder, callbacks=[ImportEarly(0)]),
).fit()
"""


@pytest.mark.process
def test_a_group_starts_only_needed_processes_and_imports_tensorflow_early(tmp_path: Path) -> None:
    file = tmp_path / "worker.json"
    environment = {**clean_environment(), "RAY_ADDRESS": "local"}
    subprocess.run([sys.executable, "-c", GROUP, str(tmp_path), str(file)], env=environment, check=True, timeout=300)
    found = json.loads(file.read_text())
    assert found["tensorflow"]
    actors = {title.removeprefix("ray::").partition(".")[0].strip() for title in found["titles"] if title.startswith("ray::")}
    assert actors - {"IDLE", "RuntimeEnvAgent", "DashboardAgent"} == {"SynchronizationActor", "RayTrainWorker"}
