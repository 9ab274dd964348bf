"""Real faults: processes killed and stopped, gradients that overflow, a flipped bit. The run ends as if nothing had happened."""

import json
import os
import re
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from cyclegan.checkpoint_files.folders import checkpoints
from cyclegan.checkpoint_files.index import read_index
from cyclegan.checkpoint_files.parts import read_arrays
from tests.cluster.launch import EVERY, Launch, assert_equal_runs, small_run, wait_for_step

pytestmark = pytest.mark.soak
STEPS, PATIENCE = 300, 15


def arguments(folder: Path, programs: Path, values: Mapping[str, object]) -> list[str]:
    return small_run(folder, programs, {"train.steps": STEPS, "cluster.peer_timeout": PATIENCE, **values})


def goodput(run: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((run / "goodput.json").read_text())
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, programs: Path) -> Path:
    """The run that the disturbed ones are compared with."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert "goodput" in Launch(arguments(folder, programs, {"run.name": "undisturbed"})).end(0)
    return folder / "runs/undisturbed"


def test_killed_and_stopped_workers(undisturbed: Path, tmp_path: Path, programs: Path) -> None:
    run = tmp_path / "runs/disturbed"
    with Launch(arguments(tmp_path, programs, {"run.name": "disturbed"})) as launch:
        first = launch.workers(2)
        wait_for_step(run, EVERY)
        os.kill(int(first[1][2]), signal.SIGKILL)
        second = launch.workers(2, attempt=2)
        assert not {worker[2] for worker in first} & {worker[2] for worker in second}
        wait_for_step(run, 3 * EVERY)
        os.kill(int(second[0][2]), signal.SIGSTOP)
        launch.wait_for(r"restarting the workers: no heartbeat from worker 0 for 1\d s", seconds=PATIENCE + 10)
        launch.workers(2, attempt=3)
        output = launch.end(0)
    assert not Path(f"/proc/{second[0][2]}").exists(), "the stopped process must not survive"
    recoveries = re.findall(
        r"recovered in (\S+) s \(detect (\S+), end \S+, restart \S+, compile \S+, restore \S+, step \S+\); (\d+) steps", output
    )
    assert len(recoveries) == 2
    assert all(int(steps) <= 2 * EVERY for _, _, steps in recoveries)
    assert float(recoveries[0][1]) < 5, "a dead process is noticed immediately"
    assert PATIENCE <= float(recoveries[1][1]) < PATIENCE + 5
    assert goodput(run)["attempts"] == 3
    assert_equal_runs(undisturbed, run, STEPS)


def test_a_feed_that_hangs(undisturbed: Path, tmp_path: Path, programs: Path) -> None:
    run = tmp_path / "runs/starved"
    with Launch(arguments(tmp_path, programs, {"run.name": "starved", "data.read_ahead_mb": 1})) as launch:
        feed = launch.workers(2)[0][5]
        wait_for_step(run, EVERY)
        os.kill(int(feed.split(", ")[0]), signal.SIGSTOP)
        launch.wait_for(r"restarting the workers: no step for \d+ s, worker 0 waiting for data", seconds=PATIENCE + 60)
        (recovered,) = launch.wait_for(r"recovered in .*; (\d+) steps to repeat")
        assert int(recovered[1]) <= 2 * EVERY
        launch.end(0)
    assert_equal_runs(undisturbed, run, STEPS)


def test_a_stop_while_workers_start(tmp_path: Path, programs: Path) -> None:
    launch = Launch(arguments(tmp_path, programs, {"run.name": "early"}))
    launch.wait_for("starting run early")
    time.sleep(3)  # the group takes longer to start
    os.kill(launch.process.pid, signal.SIGTERM)
    assert "stopped at step 0" in launch.end(75, seconds=60)


def test_divergence_lowers_the_rate_and_finally_ends_the_run(tmp_path: Path, programs: Path) -> None:
    launch = Launch(arguments(tmp_path, programs, {"run.name": "wild", "train.learning_rate": 1e30, "cluster.workers": 1}))
    output = launch.end(1, seconds=400)
    rates = re.findall(r"rolling back to the beginning, continuing as with train.learning_rate = (\S+)", output)
    assert rates == ["5e+29", "2.5e+29", "1.25e+29"]
    assert re.search(r"error: the losses have not been finite since step \d+ \(.*nan.*\), even at lower learning rates", output)
    assert "Traceback" not in output


@pytest.mark.skipif(os.geteuid() != 0, reason="writing into another process's memory needs root")
def test_a_flipped_bit_is_found(tmp_path: Path, programs: Path) -> None:
    """At a rate that changes only weights of 0, a worker's memory holds the weights of its checkpoint, which can be searched for."""
    run = tmp_path / "runs/flipped"
    wanted = {"run.name": "flipped", "train.learning_rate": 1e-30, "train.steps": 1000, "cluster.checksum_every": 10}
    with Launch(arguments(tmp_path, programs, wanted)) as launch:
        workers = launch.workers(2)
        wait_for_step(run, EVERY)
        weights = generator_weights(run)
        flip_a_bit(int(workers[1][2]), weights.tobytes())
        (found,) = launch.wait_for(r"the weights of .* differ .* after step (\S+): .*: rolling back to the checkpoint of step (\S+)")
        assert int(found[2].replace(",", "")) <= int(found[1].replace(",", ""))
        launch.workers(2, attempt=2)
        launch.end(0)
    assert len(launch.wait_for("differ from the others.*: rolling back to the checkpoint")) == 1
    assert np.abs(generator_weights(run) - weights).max() < 1e-20, "only weights that began at 0 change, and the flipped bit is gone"


def generator_weights(run: Path) -> npt.NDArray[np.float32]:
    """Of the newest checkpoint."""
    folder = checkpoints(run / "checkpoints")[-1]
    weights: npt.NDArray[np.float32] = read_arrays(folder, read_index(folder).parts[0])["generators.weights"]
    return weights


def flip_a_bit(pid: int, content: bytes) -> None:
    """Flip a bit in the first byte of this content, wherever the process's memory holds it."""
    head, flipped = content[:4096], 0
    os.kill(pid, signal.SIGSTOP)
    try:
        with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
            for begin, end in writable(pid):
                memory.seek(begin)
                data = memory.read(end - begin)
                at = data.find(head)
                while at >= 0:
                    memory.seek(begin + at)
                    memory.write(bytes([head[0] ^ 1]))
                    flipped += 1
                    at = data.find(head, at + 1)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert flipped


def writable(pid: int) -> Iterator[tuple[int, int]]:
    """Private writable memory, without Ray's object store."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        span, rights, *rest = line.split()
        if rights.startswith("rw-p") and (len(rest) < 4 or not rest[3].startswith("[v")):
            begin, end = span.split("-")
            yield int(begin, 16), int(end, 16)
