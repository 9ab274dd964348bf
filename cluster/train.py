"""`python -m cluster.train`: from a configuration to a trained CycleGAN."""

import os
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import ray

from cluster.config import Config, load_config, one_line
from cluster.driver.checks import check_nodes, check_run, cpus_of_workers, gpu_wanted, make_run, storage_place
from cluster.driver.console import Screen, duration, fail
from cluster.driver.shard_compatibility import fitted
from cluster.driver.signals import Interrupts, Preload
from cluster.driver.supervise import Supervisor
from cluster.hardware.cpu_features import check_form
from cluster.hardware.default_workers import with_workers
from cluster.job import Job, plan_of
from cluster.monitoring.status import RunStatus
from cluster.paths import own_temporary
from cyclegan.training.schedule import make_schedule
from preprocess.build import check_source, ensure_shards
from preprocess.config import DataConfig
from preprocess.shards.manifest import Manifest
from preprocess.sources.layouts import absolute
from preprocess.synthetic import write_dataset
from ringcycle.errors import UserError
from ringcycle.ray_start import start_ray
from ringcycle.storage.location import Location, child
from ringcycle.storage.store import Store

SYNTHETIC = "synthetic"  # as data.source: the embedded data set
FAILED, MISTAKEN, INTERRUPTED, STOPPED = 1, 2, 130, 75  # 75: EX_TEMPFAIL of sysexits.h, start again to go on


def main(arguments: Sequence[str] | None = None) -> int:
    """Load the configuration, check what a user can get wrong, have shards, run the group, say what came out. Returns the exit code."""
    screen, preload = Screen(), Preload()
    try:
        try:
            config = load_config(sys.argv[1:] if arguments is None else arguments, os.environ)
            return _train(config, screen, preload)
        finally:
            screen.close()
            preload.wait()  # so that whatever error comes now appears
    except UserError as error:
        fail(error)
        return MISTAKEN
    except KeyboardInterrupt:
        fail("interrupted before training began; finished shards are kept, the same command goes on")
        return INTERRUPTED
    finally:
        ray.shutdown()


def _train(config: Config, screen: Screen, preload: Preload) -> int:
    started = time.monotonic()
    storage = storage_place(config, os.environ, Path.cwd())
    data = _data(config, storage, screen)
    check_source(data)
    for section in one_line(config):
        screen.line(section)
    preload.start()
    screen.phase("starting Ray")
    joined = start_ray()
    gpu = gpu_wanted(config)
    config = with_workers(config, joined, gpu)
    cpus = cpus_of_workers(config, joined, gpu)
    check_form(config, gpu)
    screen.phase("looking for shards")
    shards = ensure_shards(data, data.shards or child(storage, "shards"), screen.build)
    check_nodes(storage, shards)
    run = child(storage, config.run.name)
    manifest = Manifest.load(shards)
    config = fitted(config, manifest, shards)
    screen.line(manifest.describe())
    step, checkpoint = check_run(config, run, manifest)
    plan = plan_of(config, manifest)
    schedule = make_schedule(config.train, config.global_batch, plan.epoch_length)
    if step >= schedule.steps:
        screen.line(
            f"run {config.run.name} is already finished at step {step:,}: {checkpoint}; to go on, raise train.steps or train.epochs"
        )
        return 0
    screen.line(
        f"resuming run {config.run.name} at step {step:,} from {checkpoint}"
        if step
        else f"starting run {config.run.name} in {Store(run).label()}"
    )
    screen.line(schedule.describe())
    make_run(config, run)
    with Interrupts() as interrupts:
        job = Job(config, run, shards, compile_cache(config), gpu, None)
        report = Supervisor(job, cpus, preload, interrupts, screen.line, screen.phase, screen.show).run()
    screen.close()
    code = _conclude(report.news, config, run, screen)
    screen.line(_times(report.news, time.monotonic() - started))
    screen.line(report.goodput.describe())
    return STOPPED if report.temporary else code


def _data(config: Config, storage: Location, screen: Screen) -> DataConfig:
    """The `data` section with absolute paths; the embedded data set is drawn below the storage when it is asked for."""
    data = config.data
    if data.source == SYNTHETIC:
        if not isinstance(storage, Path):
            raise UserError(
                f"data.source = {SYNTHETIC} draws its images into run.storage = {Store(storage).label()}, which is no folder: "
                "give images, or a folder as run.storage"
            )
        source = storage / SYNTHETIC
        screen.phase("drawing the embedded images")
        write_dataset(source)
        return data.model_copy(update={"source": str(source), "shards": absolute(data.shards)})
    return data.model_copy(update={"source": absolute(data.source), "shards": absolute(data.shards)})


def compile_cache(config: Config) -> Path:
    """One folder per user and TensorFlow: entries of another version never fit."""
    given = config.cluster.compile_cache
    folder = Path(given) if given else own_temporary()
    return folder.expanduser().absolute() / f"tensorflow-{version('tensorflow')}"


def _conclude(news: RunStatus, config: Config, run: Location, screen: Screen) -> int:
    """Say how it ended, what was compiled and how to go on; the exit code."""
    outcome = news.outcome
    assert outcome is not None
    for rank, worker in sorted(news.workers.items()):
        screen.line(
            f"worker {rank}: {worker.programs} programs compiled in {worker.compile_seconds:.1f} s, "
            f"cache hits {worker.hits}, misses {worker.programs - worker.hits}"
        )
    newest = f"the newest checkpoint is {outcome.checkpoint}" if outcome.checkpoint else "there is no checkpoint yet"
    if outcome.kind == "finished":
        screen.line(f"finished: {outcome.step:,} steps; checkpoint {outcome.checkpoint}; images in {Store(child(run, 'samples')).label()}")
        return 0
    if outcome.kind == "stopped":
        screen.line(f"stopped at step {outcome.step:,}; {newest}; the same command goes on from there")
        return STOPPED
    if outcome.kind == "diverged":
        fail(
            f"the losses are not finite since step {outcome.diverged_at:,} ({outcome.reason}), at lower rates too; {newest}: "
            f"start again with a train.learning_rate below {config.train.learning_rate:g}"
        )
        return FAILED
    fail(f"{outcome.reason}; {newest}")
    return FAILED


def _times(news: RunStatus, total: float) -> str:
    """Where the time went."""
    spent = {"compile": 0.0, "train": 0.0, **news.seconds}
    parts = ", ".join(f"{name} {duration(seconds)}" for name, seconds in {"start": total - sum(spent.values()), **spent}.items())
    return f"time {duration(total)}: {parts}"


if __name__ == "__main__":
    sys.exit(main())
