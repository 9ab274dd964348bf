"""Finds what a user can get wrong before any worker starts."""

import contextlib
import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import ray

from cluster.checkpointing.resume import check_any_valid, check_resumable
from cluster.config import Config
from cluster.driver.run_lease import RunLease
from cluster.hardware.capacity import ask_nodes, cpus_for_each, room, usable_nodes
from cluster.load_config import as_toml
from cluster.paths import CONFIG, checkpoints_of
from cyclegan.checkpoint_files.folders import find_newest
from cyclegan.checkpoint_files.index import read_index
from cyclegan.checkpoint_files.names import INDEX
from cyclegan.evaluation.inception_weights import read_inception_weights
from preprocess.feed.pairs import Pairs
from preprocess.shards.manifest import NAME as MANIFEST
from preprocess.shards.manifest import Manifest
from ringcycle.errors import UserError
from ringcycle.storage.location import Location, is_remote, reason
from ringcycle.storage.store import Store, reading, writing

POLL_SECONDS = 0.5


def storage_location(config: Config, environment: Mapping[str, str], working_directory: Path) -> Location:
    """run.storage as an absolute path, or as an object store's URI.

    Raises UserError if it cannot be written to, is a file, or lies below the working directory of a submitted job.
    """
    given = config.run.storage
    if is_remote(given):
        return _object_store(given)
    path = Store(given).local if "://" in given else None
    storage = (working_directory / (path or Path(given).expanduser())).resolve()
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" in environment and storage.is_relative_to(working_directory.resolve()):
        raise UserError(
            f"run.storage = {config.run.storage} lies in the job's working directory, an unpacked copy that vanishes with the job: "
            "give an absolute path that all nodes see"
        )
    try:
        storage.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"run.storage = {config.run.storage}: cannot create this folder ({error.strerror}): give one that you may write to"
        ) from error
    if not os.access(storage, os.W_OK):
        raise UserError(f"run.storage = {config.run.storage}: no permission to write there: give another folder, or fix its permissions")
    return storage


def _object_store(uri: str) -> Location:
    store, marker = Store(uri), _marker()
    try:
        store.write(marker, b"")
        store.delete(marker)
    except OSError as error:
        raise UserError(f"run.storage = {store.label()} is not writable ({reason(error)}): fix this, or give another location") from error
    return uri


def _marker() -> str:
    return f".seen-{uuid.uuid4().hex[:8]}"


def cpus_of_workers(config: Config, joined: bool, gpu: bool) -> int:
    """CPUs that each worker gets. In a cluster that we joined, waits up to `cluster.start_timeout` for enough nodes.

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
    """Whether the workers use GPUs; with cluster.device = auto, if Ray has one for each of the fewest workers."""
    if config.cluster.device == "auto":
        return bool(ray.cluster_resources().get("GPU", 0) >= config.cluster.least)
    return config.cluster.device == "gpu"


def check_weights(config: Config) -> Path | None:
    """The absolute path of `evaluate.weights`, None if it is empty. Raises UserError if it is no file of Inception weights."""
    if not config.evaluate.weights:
        return None
    path = Path(config.evaluate.weights).expanduser().absolute()
    read_inception_weights(path)
    return path


def check_nodes(storage: Location, shards: Location, start: Location | None, weights: Path | None, joined: bool) -> None:
    """Raises UserError for a storage that cannot be written, and for the first node of a joined cluster that does not see the same storage
    as the driver, the shards, the checkpoint `start`, or the file `weights`.
    """
    store, marker = Store(storage), _marker()
    with writing(storage, marker):
        store.write(marker, b"")
    wanted = [("run.storage", storage, marker), ("data.shards", shards, MANIFEST)]
    if start:
        wanted.append(("run.start_from", start, INDEX))
    if weights:
        wanted.append(("evaluate.weights", weights.parent, weights.name))
    try:
        for node, (field, path) in ask_nodes(_sees, usable_nodes() if joined else [], wanted):
            if field:
                raise UserError(f"{field} = {path} is not visible on node {node['NodeManagerAddress']}: give a folder that all nodes share")
    finally:
        with contextlib.suppress(OSError):
            store.delete(marker)


def check_run(config: Config, run: Location, manifest: Manifest, pairs: Pairs) -> tuple[int, str]:
    """Check that a run, whose configuration fits its shards, can be started or resumed with these known pairs.

    Returns the step it resumes from and the checkpoint's name for the user, or 0 and "" for a new run.
    """
    root = checkpoints_of(run)
    with reading(root, "run.storage"):
        newest = find_newest(root, quiet=True)
        if newest is None:
            check_any_valid(root, newest, config.run.name)
            return 0, ""
        index = read_index(newest)
    check_resumable(index, newest, config, manifest.fingerprint, pairs.fingerprint())
    return index.step, Store(newest).label()


@contextlib.contextmanager
def held_run(config: Config, run: Location) -> Iterator[RunLease]:
    """Create a run's folders, hold its lease, and write its configuration there.

    Raises UserError if that fails, or if another process trains the run.
    """
    with contextlib.ExitStack() as stack:
        try:
            if isinstance(folder := checkpoints_of(run), Path):
                folder.mkdir(parents=True, exist_ok=True)
            lease = stack.enter_context(RunLease(run, config.run.name))
            Store(run).write(CONFIG, as_toml(config).encode())
        except OSError as error:
            raise UserError(
                f"run.name = {config.run.name}: cannot write {error.filename or Store(run).label()} ({reason(error)}): "
                "give another name, or fix its permissions"
            ) from error
        yield lease


@ray.remote(num_cpus=0)
def _sees(wanted: Sequence[tuple[str, Location, str]]) -> tuple[str, str]:
    """Field and value of what this node does not see of (field, folder, file), or empty texts if it sees everything."""
    for field, location, name in wanted:
        try:
            seen = Store(location).size(name) is not None
        except OSError:
            seen = False
        if not seen:
            return field, Store(location).label()
    return "", ""
