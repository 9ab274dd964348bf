"""One run on real images in which every kind of process is lost; its result equals that of the undisturbed run bit for bit."""

import json
import os
import re
import signal
from pathlib import Path

import psutil
import pytest

from tests.cluster.conftest import STEPS, WORKERS
from tests.cluster.jobs import submit
from tests.cluster.launch import WORKER, Launch, assert_equal_runs, wait_for_metrics, wait_for_step
from tests.ray_nodes import Head

pytestmark = pytest.mark.soak


def test_lost_worker_feeds_and_job(undisturbed: Path, head: Head, arguments: list[str], storage: Path) -> None:
    """A worker, both feed actors and finally the job are killed. The run ends like the undisturbed one."""
    run, command = storage / "demo", [*arguments, "--run.name", "demo"]

    with Launch(command, {**head.environment, "RAY_ADDRESS": head.address}) as broken:
        first = broken.workers(WORKERS)
        wait_for_step(run, 20)
        os.kill(int(first[0][2]), signal.SIGKILL)
        second = broken.workers(WORKERS, attempt=2)
        resumed = {int(worker[6].replace(",", "")) for worker in second}
        assert len(resumed) == 1
        assert 20 <= min(resumed) < STEPS
        assert not {worker[2] for worker in first} & {worker[2] for worker in second}
        for number, worker in enumerate(second, start=1):  # every feed actor in turn: training continues
            os.kill(int(worker[5].split(", ")[0]), signal.SIGKILL)
            wait_for_metrics(run, min(resumed) + 15 * number)
        assert len(WORKER.findall(broken.output)) == 2 * WORKERS, "a feed's death must not restart the group"
        processes = [psutil.Process(int(worker[2])) for worker in second]
        broken.kill()
    assert not psutil.wait_procs(processes, timeout=60)[1], "workers end with their job"

    output = submit(head, "last", *command)
    assert min(resumed) <= int(re.findall(r"resuming run demo at step (\d+)", output)[0]) < STEPS
    assert re.findall(r"cache hits (\d), misses (\d)", output) == [("4", "0")] * WORKERS
    assert f"finished: {STEPS} steps" in output
    assert_equal_runs(undisturbed, run, STEPS)
    assert [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()] == list(range(1, STEPS + 1))


def test_storage_inside_a_job_is_refused(head: Head, arguments: list[str]) -> None:
    output = submit(head, "inside", *arguments, "--run.storage", "runs", succeeds=False)
    assert "error: run.storage = runs lies in the job's working directory, an unpacked copy that vanishes with the job" in output
    assert "Traceback" not in output
