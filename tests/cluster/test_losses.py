"""One run on real pictures through every loss, and equal bit for bit to the undisturbed one in the end."""

import json
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from ray.job_submission import JobSubmissionClient

from tests.cluster.conftest import STEPS, WORKERS
from tests.cluster.jobs import submit
from tests.cluster.launch import WORKER, Launch, assert_equal_runs, wait_for_metrics, wait_for_step
from tests.ray_nodes import Head

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def jobs(head: Head) -> JobSubmissionClient:
    """The client behind the command `ray job`."""
    return JobSubmissionClient(head.dashboard, headers={"Authorization": f"Bearer {head.environment['RAY_AUTH_TOKEN']}"})


def test_lost_worker_feed_and_job(undisturbed: Path, head: Head, jobs: JobSubmissionClient, arguments: list[str], storage: Path) -> None:
    """One run through every loss: worker, feed actor, a stop of the job, the whole next job. It ends as the undisturbed one."""
    run, command = storage / "demo", [*arguments, "--run.name", "demo"]

    submit(head, "first", "--no-wait", *command)
    first = wait_for_workers(jobs, "first", starts=1)
    wait_for_step(run, 20)
    os.kill(int(first[0][2]), signal.SIGKILL)
    second = wait_for_workers(jobs, "first", starts=2)
    resumed = {int(worker[6].replace(",", "")) for worker in second}
    assert len(resumed) == 1
    assert 20 <= min(resumed) < STEPS
    assert not {worker[2] for worker in first} & {worker[2] for worker in second}
    for number, worker in enumerate(second, start=1):  # every feed actor in turn: training does not notice
        os.kill(int(worker[5].split(", ")[0]), signal.SIGKILL)
        wait_for_metrics(run, min(resumed) + 15 * number)
    assert jobs.stop_job("first")  # what `ray job stop` asks for, without its seconds of imports: the run is short
    wait_for(lambda: jobs.get_job_status("first").is_terminal(), "the job stops")
    assert not [worker[2] for worker in second if psutil.pid_exists(int(worker[2]))]
    stopped = int(max(folder.name for folder in run.glob("checkpoints/step-????????"))[5:])
    printed = jobs.get_job_logs("first")
    assert f"stopped at step {stopped}; the newest checkpoint is" in printed
    assert len(WORKER.findall(printed)) == 2 * WORKERS, "a feed's death must not restart the group"

    killed = Launch(command, {**head.environment, "RAY_ADDRESS": head.address})
    assert int(killed.wait_for(r"resuming run demo at step (\d+)")[0][1]) == stopped
    workers = killed.workers(WORKERS)
    wait_for_step(run, stopped + 1)
    killed.kill()
    wait_for(lambda: not any(psutil.pid_exists(int(worker[2])) for worker in workers), "workers end with their job", 60)

    output = submit(head, "last", *command)
    assert int(re.findall(r"resuming run demo at step (\d+)", output)[0]) > stopped
    assert re.findall(r"cache hits (\d), misses (\d)", output) == [("4", "0")] * WORKERS
    assert f"finished: {STEPS} steps" in output
    assert_equal_runs(undisturbed, run, STEPS)
    assert [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()] == list(range(1, STEPS + 1))


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.1)


def wait_for_workers(jobs: JobSubmissionClient, name: str, starts: int) -> list[tuple[str, ...]]:
    """What the workers of start number `starts` say of themselves in a job's output, by `launch.WORKER`, the whole line first."""
    wait_for(lambda: len(WORKER.findall(jobs.get_job_logs(name))) >= WORKERS * starts, f"workers of start {starts}")
    lines = [(line[0], *line.groups()) for line in WORKER.finditer(jobs.get_job_logs(name))]
    return lines[WORKERS * (starts - 1) : WORKERS * starts]
