"""What a user can get wrong, found before any worker starts."""

import os
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

import ray

from cluster.ask_nodes import ask_nodes
from cluster.capacity import cpus_for_each, room, usable_nodes
from cluster.config import Config, as_toml
from cluster.paths import RunPaths
from cluster.resume import check_any_whole, check_resumable
from cyclegan.checkpoint_files import read_index
from cyclegan.trained import find_newest
from preprocess.errors import UserError
from preprocess.manifest import NAME as MANIFEST
from preprocess.manifest import Manifest
from preprocess.storage import Place, Store

POLL_SECONDS = 0.5


def storage_folder(config: Config, environment: Mapping[str, str], working_directory: Path) -> Path:
    """run.storage as an absolute path.

    Raises UserError if it is an object store, a file, or below the working directory of a submitted job.
    """
    if "://" in config.run.storage:
        raise UserError(
            f"run.storage = {config.run.storage} is an object store, which has no atomic rename: "
            "give a folder of a file system that all nodes see, or mount it as one"
        )
    storage = (working_directory / Path(config.run.storage).expanduser()).resolve()
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" in environment and storage.is_relative_to(working_directory.resolve()):
        raise UserError(
            f"run.storage = {config.run.storage} lies in the job's working directory, an unpacked copy that vanishes with the job: "
            "give an absolute path that all nodes see"
        )
    try:
        storage.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"run.storage = {config.run.storage}: cannot make this folder ({error.strerror}): give one that you may write to"
        ) from error
    if not os.access(storage, os.W_OK):
        raise UserError(f"run.storage = {config.run.storage}: no permission to write there: give another folder, or mend its permissions")
    return storage


def cpus_of_workers(config: Config, joined: bool, gpu: bool) -> int:
    """CPUs that each worker gets. In a cluster that we joined, waits `cluster.start_timeout` for nodes for the most workers.

    Raises UserError if the workers do not fit.
    """
    deadline = time.monotonic() + (config.cluster.start_timeout if joined else 0)
    wanted = config.cluster.cpus_per_worker
    while True:
        late = time.monotonic() > deadline
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        for workers in config.valid_workers if late else [config.cluster.most]:
            each = cpus_for_each(nodes, workers, gpu)
            if each >= max(wanted, 1):
                return wanted or each
        if late:
            kind = f"{wanted or 1} CPU{'s' if wanted > 1 else ''}{' and a GPU' if gpu else ''} each"
            cpus, gpus = ([int(node.get(name, 0)) for node in nodes] for name in ("CPU", "GPU"))
            where = f"the cluster has {len(nodes)} node(s) with {cpus} CPUs" if joined else f"this machine has {sum(cpus)} CPUs"
            fact = f"{where} and {gpus if joined else sum(gpus)} GPUs" if gpu else where
            fitting = room(nodes, max(wanted, 1), gpu)
            fewer = "set cluster.device = cpu" if gpu else "lower cluster.cpus_per_worker"
            cure = f"use {fitting} or fewer" if fitting else fewer
            raise UserError(f"cluster.workers = {config.cluster.workers} with {kind}, but {fact}: {cure}, or add nodes")
        time.sleep(POLL_SECONDS)


def gpu_wanted(config: Config) -> bool:
    """Whether workers compute on GPUs. auto: if Ray has one for each of them."""
    if config.cluster.device == "auto":
        return bool(ray.cluster_resources().get("GPU", 0) >= config.cluster.least)
    return config.cluster.device == "gpu"


def check_nodes(storage: Path, shards: Place) -> None:
    """Raises UserError naming the first node that does not see the storage as the driver does, or not the shards."""
    marker = storage / f".seen-{uuid.uuid4().hex[:8]}"
    marker.touch()
    try:
        for node, (field, path) in ask_nodes(_sees, usable_nodes(), storage, marker.name, shards):
            if field:
                raise UserError(f"{field} = {path} is not seen by node {node['NodeManagerAddress']}: give a folder that all nodes share")
    finally:
        marker.unlink()


def check_run(config: Config, run: Path, manifest: Manifest) -> tuple[int, str]:
    """Check that the run, with a configuration that fits its shards, can be started or resumed.

    Returns the step at which it goes on and its checkpoint, empty for a new run.
    """
    newest = find_newest(RunPaths(run).checkpoints, lambda _: None)
    if newest is None:
        check_any_whole(RunPaths(run).checkpoints, newest, config.run.name)
        return 0, ""
    index = read_index(newest)
    check_resumable(index, newest, config, manifest.fingerprint)
    return index.step, str(newest)


def make_run(config: Config, run: Path) -> None:
    """Make the folders of a run and write its configuration there. Raises UserError if its place cannot be written to."""
    try:
        RunPaths(run).checkpoints.mkdir(parents=True, exist_ok=True)
        RunPaths(run).config.write_text(as_toml(config))
    except OSError as error:
        raise UserError(
            f"run.name = {config.run.name}: cannot write {error.filename or run} ({error.strerror}): "
            "give another name, or mend its permissions"
        ) from error


@ray.remote(num_cpus=0)
def _sees(storage: Path, marker: str, shards: Place) -> tuple[str, str]:
    """Field and value of what this node does not see, empty if it sees all."""
    if not (storage / marker).exists():
        return "run.storage", str(storage)
    try:
        seen = Store(shards).size(MANIFEST) is not None
    except OSError:
        seen = False
    return ("", "") if seen else ("data.shards", Store(shards).label())
