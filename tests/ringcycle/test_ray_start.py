"""Ray is joined or started as the environment asks; a wrong address fails within seconds and in one line."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ringcycle import ray_start
from ringcycle.errors import UserError
from ringcycle.ray_start import start_ray
from tests.ringcycle.ray_head import OTHER, WITHOUT_RIGHTS, gives_away, run, running_head

REPORT = """
import ray, signal
from ringcycle.ray_start import start_ray
signal.signal(signal.SIGTERM, handler := lambda *_: None)
print(start_ray(num_cpus=3), int(ray.cluster_resources()["CPU"]), signal.getsignal(signal.SIGTERM) is handler)
"""


@pytest.fixture
def closed_port() -> str:
    """An address where nothing is listening."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{server.getsockname()[1]}"


def test_wrong_address(closed_port: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(ray_start, "_PATIENCE", 1.0)
    monkeypatch.setenv("RAY_ADDRESS", closed_port)
    began = time.monotonic()
    with pytest.raises(UserError) as error:
        start_ray()
    assert str(error.value) == f"RAY_ADDRESS = {closed_port}: nothing is listening there: start a Ray cluster, or set RAY_ADDRESS=local"
    assert time.monotonic() - began < 10
    assert capfd.readouterr() == ("", "")


def test_ray_fails_to_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ("deep" * 20)
    monkeypatch.setenv("RAY_ADDRESS", "local")
    monkeypatch.setenv("RAY_TMPDIR", str(folder))
    with pytest.raises(UserError, match=r"^Ray failed to start \(.*AF_UNIX.*\): .* and its path shorter than 40 characters$"):
        start_ray(num_cpus=1)


@gives_away
@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_a_folder_of_another_user_is_named(mode: int, environment: dict[str, str]) -> None:
    folder = Path(environment["RAY_TMPDIR"]) / "ray"
    folder.mkdir()
    os.chown(folder, OTHER, -1)
    folder.chmod(mode)
    program = "from ringcycle.ray_start import start_ray; start_ray()"
    done = run(program, {**environment, "RAY_ADDRESS": "local"}, prefix=WITHOUT_RIGHTS)
    fact = f"Ray failed to start: no permission to write to {folder}, which belongs to another user (uid {OTHER})"
    assert done.stderr.splitlines()[-1].startswith(f"ringcycle.errors.UserError: {fact}: set RAY_TMPDIR to a folder of yours")


def report(environment: dict[str, str]) -> str:
    run = subprocess.run([sys.executable, "-c", REPORT], env=environment, capture_output=True, text=True, timeout=300)
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout


@pytest.mark.process
def test_starts_quietly_with_its_own_token(environment: dict[str, str]) -> None:
    (Path(environment["RAY_TMPDIR"]) / "ray").mkdir()
    # Left behind by a cluster that has ended.
    (Path(environment["RAY_TMPDIR"]) / "ray" / "ray_current_cluster").write_text("127.0.0.1:1")
    assert report(environment) == "False 3 True\n"
    assert not list(Path(environment["HOME"]).iterdir())


PROCESSES = """
import os, signal, time
import psutil, ray
from pathlib import Path
from ringcycle.ray_start import start_ray
start_ray(num_cpus=1)
try:
    ray.get(ray.remote(max_retries=0)(lambda: os.kill(os.getpid(), signal.SIGKILL)).remote())
except ray.exceptions.WorkerCrashedError:
    time.sleep(3)  # for what Ray's node has to say about it
print(*sorted({Path(word).name for child in psutil.Process().children() for word in child.cmdline()[:4]}))
"""


@pytest.mark.process
def test_starts_only_needed_processes_and_leaves_a_dead_one_to_whoever_waits(environment: dict[str, str]) -> None:
    done = run(PROCESSES, {**environment, "RAY_ADDRESS": "local"})
    assert done.stdout.count("\n") == 1 and not done.stderr
    names = done.stdout.split()
    assert {"gcs_server", "raylet"} <= set(names)
    assert not {"monitor.py", "dashboard.py", "log_monitor.py"} & set(names)


@pytest.mark.process
def test_joins_the_cluster_of_this_machine(environment: dict[str, str]) -> None:
    environment["RAY_AUTH_MODE"] = "disabled"
    with running_head(environment):
        assert report(environment) == "True 1 True\n"


def test_a_process_that_ray_killed_for_memory_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG", logger="ringcycle"):
        ray_start._log_of_a_node({"lines": ["A worker died.", "1 worker(s) were killed due to the node running low\non memory."]}, False)
    found = [(record.levelname, record.message) for record in caplog.records]
    assert found == [("DEBUG", "Ray: A worker died."), ("WARNING", "Ray: 1 worker(s) were killed due to the node running low on memory.")]


GROUP = """
import os, signal, sys, time
received = []
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, lambda number, _: received.append(number))
import psutil, ray
from ringcycle.ray_start import start_ray
start_ray(num_cpus=1)

@ray.remote
class Counter:
    def pid(self):
        return os.getpid()

actor = Counter.remote()
worker = ray.get(actor.pid.remote())
rays = [p.pid for p in psutil.Process().children(recursive=True)]
print(*rays, flush=True)
sys.stdin.readline()
alive = ray.get(actor.pid.remote(), timeout=30) == worker and all(psutil.pid_exists(pid) for pid in rays)
print(sorted(set(received)), alive, os.environ["RAY_USAGE_STATS_ENABLED"], flush=True)
sys.stdin.readline()
"""


@pytest.mark.process
def test_signals_to_the_group_reach_the_command_but_not_ray(environment: dict[str, str]) -> None:
    environment["RAY_ADDRESS"] = "local"
    command = subprocess.Popen(
        [sys.executable, "-c", GROUP], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert command.stdin is not None
    assert command.stdout is not None
    try:
        processes = [psutil.Process(int(pid)) for pid in command.stdout.readline().split()]
        assert len(processes) >= 3, "the cluster's controller, the node's raylet and a worker"
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            os.killpg(command.pid, number)
        time.sleep(1)
        command.stdin.write("\n")
        command.stdin.flush()
        assert command.stdout.readline() == "[1, 2, 15] True 0\n", "signals that arrived, Ray is alive, no usage statistics"
    finally:
        command.kill()
        command.wait()
    left = psutil.wait_procs(processes, timeout=20)[1]
    # Ray's two agents notice the end of their raylet within a minute.
    assert {process.name() for process in left} <= {"ray::DashboardAgent", "ray::RuntimeEnvAgent"}
