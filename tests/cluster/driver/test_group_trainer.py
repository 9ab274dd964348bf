"""A group of one real worker: the processes that Ray Train starts for it, what the worker imports, how a start that hangs ends."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ray_nodes import clean_environment

GROUP = """
import json, sys, time
import psutil, ray
from ray.train import ControllerError, FailureConfig, RunConfig, ScalingConfig
from ray.util.placement_group import placement_group_table, remove_placement_group
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


def train(on_reserve):
    GroupTrainer(
        loop,
        train_loop_config={"file": file},
        scaling_config=ScalingConfig(num_workers=1),
        run_config=RunConfig(
            name="group",
            storage_path=folder,
            failure_config=FailureConfig(max_failures=0, controller_failure_limit=0),
            callbacks=[ImportEarly(0)],
        ),
        on_reserve=on_reserve,
    ).fit()

train(lambda group: None)

@ray.remote(num_cpus=1)
class OnlyCpu:
    def holds(self):
        return True

holder = OnlyCpu.remote()
assert ray.get(holder.holds.remote())
began = time.monotonic()
try:
    train(remove_placement_group)
except ControllerError:
    assert time.monotonic() - began < 10, "it waits for room no longer"
    print({group["state"] for group in placement_group_table().values()})
"""


@pytest.mark.process
def test_a_group_starts_only_needed_processes_imports_tensorflow_early_and_ends_without_room(tmp_path: Path) -> None:
    file = tmp_path / "worker.json"
    environment = {**clean_environment(), "RAY_ADDRESS": "local"}
    command = [sys.executable, "-c", GROUP, str(tmp_path), str(file)]
    done = subprocess.run(command, env=environment, check=True, timeout=300, stdout=subprocess.PIPE, text=True)
    assert done.stdout == "{'REMOVED'}\n"
    found = json.loads(file.read_text())
    assert found["tensorflow"]
    actors = {title.removeprefix("ray::").partition(".")[0].strip() for title in found["titles"] if title.startswith("ray::")}
    assert actors - {"IDLE", "RuntimeEnvAgent", "DashboardAgent"} == {"SynchronizationActor", "RayTrainWorker"}
