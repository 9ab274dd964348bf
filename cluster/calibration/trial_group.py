"""A trial: the workers of one candidate on this node, each in a process of its own, take a few steps together."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from cluster.calibration.search import Candidate, Figures, Trial
from cluster.calibration.trial_worker import TrialOrder
from cluster.config import Config
from cluster.hardware.cgroup import cpu_quota
from cluster.hardware.cpu_tree import read_cores
from cluster.hardware.topology import largest_share
from cyclegan.config import ImageFormat

TRIAL_SECONDS = 1200  # after which a trial counts as stuck


class TrialFailed(Exception):
    """A trial's processes did not do what they should. Says why."""


def run_trial(config: Config, images: ImageFormat, candidate: Candidate) -> Trial:
    """Run a candidate's workers in processes of their own. The slowest worker's times count, and the most memory of any."""
    config, cpus = with_settings(config, candidate), cpus_of(candidate.workers)
    orders = [TrialOrder(config=config, images=images, index=index, cpus=cpus) for index in range(candidate.workers)]
    try:
        found = [Figures(**answer) for answer in answers("cluster.calibration.trial_worker", orders, TRIAL_SECONDS)]
    except TrialFailed as failed:
        return Trial(candidate, None, str(failed))
    slowest = max(found, key=lambda figures: figures.seconds)
    return Trial(candidate, replace(slowest, memory=max(f.memory for f in found), peak=max(f.peak for f in found)))


def with_settings(config: Config, candidate: Candidate) -> Config:
    """The configuration with a candidate's settings."""
    accumulate = config.train.accumulate if candidate.batch % config.train.accumulate == 0 else 1
    return config.model_copy(
        update={
            "model": config.model.model_copy(update={"convolution": candidate.convolution, "precision": candidate.precision}),
            "train": config.train.model_copy(update={"batch": candidate.batch, "accumulate": accumulate}),
            "cluster": config.cluster.model_copy(update={"workers": candidate.workers, "allreduce_dtype": candidate.allreduce_dtype}),
        }
    )


def cpus_of(workers: int) -> int:
    """The CPUs that each of so many workers here must request from Ray to get its threads."""
    return largest_share(read_cores(os.sched_getaffinity(0)), cpu_quota(), workers)[1]


def answers(module: str, orders: Sequence[BaseModel], seconds: float) -> list[Any]:
    """Run one process of `module` for each order, as workers of one group, and return the JSON that each prints.

    Raises TrialFailed if one fails, or if they are not finished after so many seconds.
    """
    addresses, deadline = _free_addresses(len(orders)), time.monotonic() + seconds
    with ExitStack() as stack:
        processes = []
        for index, order in enumerate(orders):
            process = _start(module, index, addresses)
            stack.callback(process.wait)
            stack.callback(process.kill)
            _send(process, order)
            processes.append(process)
        found = []
        for process in processes:
            try:
                output, errors = process.communicate(timeout=max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise TrialFailed(f"not finished after {seconds:.0f} s") from None
            if process.returncode:
                raise TrialFailed((errors.strip().splitlines() or [f"exited with {process.returncode}"])[-1])
            found.append(json.loads(output))
    return found


def _start(module: str, index: int, addresses: list[str]) -> subprocess.Popen[str]:
    task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    group = {"TF_CONFIG": json.dumps(task)} if len(addresses) > 1 else {}
    return subprocess.Popen(
        [sys.executable, "-m", module],
        env={**os.environ, **group, "CUDA_VISIBLE_DEVICES": "-1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _send(process: subprocess.Popen[str], order: BaseModel) -> None:
    assert process.stdin is not None
    process.stdin.write(order.model_dump_json())
    process.stdin.close()
    process.stdin = None  # or communicate would close it again


def _free_addresses(count: int) -> list[str]:
    """Addresses that are free now; held together, so that all differ."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
