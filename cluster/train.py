"""`python -m cluster.train`: from a configuration to a trained CycleGAN."""

import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import ray

from cluster.config import SYNTHETIC, Config, load_config, one_line
from cluster.driver.attempt import Attempt
from cluster.driver.checks import check_nodes, check_run, cpus_of_workers, gpu_wanted, held_run, storage_location
from cluster.driver.console import Screen
from cluster.driver.interfaces import Display
from cluster.driver.nodes import Nodes
from cluster.driver.policy import GroupSize
from cluster.driver.run_lease import RunLease
from cluster.driver.shard_compatibility import check_shards
from cluster.driver.signals import Preload, StopSignals
from cluster.driver.start_from import start_weights
from cluster.driver.supervise import Report, Supervisor, timeouts_of
from cluster.hardware.cpu_features import check_precision
from cluster.hardware.default_workers import default_workers
from cluster.held_out.evaluator import EvaluatedDisplay, HeldOutEvaluator
from cluster.held_out.task import HeldOutSettings, evaluate_on_spare_cpus
from cluster.job import Job, images_of, plan_of
from cluster.monitoring.status import Outcome, RunStatus
from cyclegan.training.schedule import make_schedule
from preprocess.building.shard_folder import check_source, ensure_shards
from preprocess.config import DataConfig
from preprocess.shards.manifest import Manifest
from preprocess.sources.layouts import absolute
from preprocess.synthetic import write_dataset
from ringcycle.cli import ExitCode, duration, fail, run
from ringcycle.errors import UserError
from ringcycle.logs import send_lines
from ringcycle.ray_start import start_ray
from ringcycle.storage.location import Location, child
from ringcycle.storage.store import Store
from ringcycle.user_cache import compile_cache


def main(arguments: Sequence[str] | None = None) -> int:
    """Load the configuration, check what a user can get wrong, build or find shards, train, report the outcome. Returns the exit code."""
    screen, preload = Screen(), Preload()
    send_lines(screen.line)
    try:
        try:
            config = load_config(sys.argv[1:] if arguments is None else arguments, os.environ)
            return _train(config, screen, preload)
        finally:
            screen.close()
            preload.wait()  # until then, nothing printed on standard error appears
    except UserError as error:
        fail(error)
        return ExitCode.USAGE
    except KeyboardInterrupt:
        fail("interrupted before training began; finished shards are kept: run the same command to continue")
        return ExitCode.INTERRUPTED
    finally:
        ray.shutdown()


def _train(config: Config, screen: Screen, preload: Preload) -> int:
    started = time.monotonic()
    storage = storage_location(config, os.environ, Path.cwd())
    data = _data(config, storage, screen)
    check_source(data)
    compile_cache(config.cluster.compile_cache)  # refused here, before anything starts, if others can write to it
    for section in one_line(config):
        screen.line(section)
    preload.start()
    screen.phase("starting Ray")
    joined = start_ray()
    gpu = gpu_wanted(config)
    if not config.cluster.workers:
        config = config.with_workers(default_workers(joined, gpu))
    cpus = cpus_of_workers(config, joined, gpu)
    check_precision(config.model.precision, gpu)
    screen.phase("looking for shards")
    shards = ensure_shards(data, data.shards or child(storage, "shards"), screen.build)
    run = child(storage, config.run.name)
    manifest = Manifest.load(shards)
    images = images_of(manifest)
    check_shards(config, manifest, images, shards)
    screen.line(manifest.describe())
    step, checkpoint = check_run(config, run, manifest)
    start = start_weights(config, images, needed=step == 0)
    check_nodes(storage, shards, start)
    plan = plan_of(config, manifest)
    schedule = make_schedule(config.train, config.global_batch, plan.epoch_length)
    if step >= schedule.steps:
        screen.line(
            f"run {config.run.name} is already finished at step {step:,}: {checkpoint}; raise train.steps or train.epochs to continue"
        )
        return ExitCode.OK
    screen.line(
        f"resuming run {config.run.name} at step {step:,} from {checkpoint}"
        if step
        else f"starting run {config.run.name} in {Store(run).label()}" + (f" with the weights of {Store(start).label()}" if start else "")
    )
    screen.line(schedule.describe())
    with held_run(config, run) as lease:
        job = Job(config, images, run, shards, absolute(config.cluster.compile_cache), gpu, None, start)
        evaluator = _evaluator(job, data, manifest, lease, screen)
        report = _supervise(job, cpus, EvaluatedDisplay(screen, evaluator) if evaluator else screen, preload, lease)
        outcome = report.status.outcome
        if evaluator:
            screen.phase("evaluating the last checkpoint")
            report.status.seconds["evaluate"] = evaluator.finish(outcome is not None and outcome.kind == "finished")
    screen.close()
    report_outcome(report, config, run, screen)
    screen.line(_times(report.status, time.monotonic() - started))
    screen.line(report.goodput.describe())
    return exit_code(report)


def _supervise(job: Job, cpus: int, display: Display, preload: Preload, lease: RunLease) -> Report:
    """Train with workers of `cpus` CPUs each, through restarts, until there is an outcome."""

    def new_attempt(job: Job, workers: int, number: int) -> Attempt:
        preload.wait()
        return Attempt(job, GroupSize(workers, cpus, job.gpu), timeouts_of(job.config.cluster), number)

    with StopSignals() as signals:
        report = Supervisor(job, Nodes(job.config, cpus, job.gpu), new_attempt, signals, display, lease.lost.is_set).run()
    preload.wait()
    return report


def _evaluator(job: Job, data: DataConfig, manifest: Manifest, lease: RunLease, screen: Screen) -> HeldOutEvaluator | None:
    """What evaluates checkpoints while they are trained; None without held-out images, or if the user wants none."""
    every = job.config.evaluate.every
    if not every:
        return None
    if not all(manifest.splits[split].count for split in ("testA", "testB")):
        screen.line("checkpoints are not evaluated: there are no held-out images of both domains (testA, testB)")
        return None
    truths = Path(data.source) / "truth" if data.source and "://" not in data.source else None
    settings = HeldOutSettings(job.shards, job.config.evaluate.images, data.crop_size, truths if truths and truths.is_dir() else None)
    return HeldOutEvaluator(job.run, every, partial(evaluate_on_spare_cpus, settings=settings), lease.lost.is_set)


def _data(config: Config, storage: Location, screen: Screen) -> DataConfig:
    """The `data` section with absolute paths. If its source is the embedded data set, that is drawn below the storage."""
    data = config.data
    if data.source == SYNTHETIC:
        if not isinstance(storage, Path):
            raise UserError(
                f"data.source = {SYNTHETIC} draws its images into run.storage = {Store(storage).label()}, which is not a local folder: "
                "give a folder of images, or a local run.storage"
            )
        source = storage / SYNTHETIC
        screen.phase("drawing the embedded images")
        write_dataset(source)
        return data.model_copy(update={"source": str(source), "shards": absolute(data.shards)})
    return data.model_copy(update={"source": absolute(data.source), "shards": absolute(data.shards)})


def report_outcome(report: Report, config: Config, run: Location, screen: Screen) -> None:
    """Report how it ended, at which rate if it was lowered, what was compiled and how to continue."""
    status, outcome = report.status, report.status.outcome
    assert outcome is not None
    for rank, worker in sorted(status.workers.items()):
        screen.line(
            f"worker {rank}: {worker.programs} programs compiled in {worker.compile_seconds:.1f} s, "
            f"cache hits {worker.hits}, misses {worker.programs - worker.hits}"
        )
    newest = f"the newest checkpoint is {outcome.checkpoint}" if outcome.checkpoint else "there is no checkpoint yet"
    lowered = f" with train.learning_rate × {report.rate:g} after {report.rollbacks} rollback{'s' * (report.rollbacks > 1)}"
    lowered = lowered if report.rollbacks else ""
    if outcome.kind == "finished":
        images = Store(child(run, "samples")).label()
        screen.line(f"finished: {outcome.step:,} steps{lowered}; checkpoint {outcome.checkpoint}; images in {images}")
    elif outcome.kind == "stopped" and _nothing_saved(outcome):
        why = f" ({outcome.reason})" if outcome.reason else ""
        fail(f"stopped at step {outcome.step:,} without a checkpoint{why}: a rerun starts over")
    elif outcome.kind == "stopped":
        screen.line(f"stopped at step {outcome.step:,}{lowered}; {newest}; run the same command to continue")
    elif outcome.kind == "diverged":
        fail(
            f"the losses have not been finite since step {outcome.diverged_at:,} ({outcome.reason}), even at lower learning rates; "
            f"{newest}: run again with a train.learning_rate below {config.train.learning_rate:g}"
        )
    else:
        fail(f"{outcome.reason}; {newest}")


def exit_code(report: Report) -> ExitCode:
    """The exit code of a launch. STOPPED promises a checkpoint, unless no step was trained."""
    outcome = report.status.outcome
    assert outcome is not None
    if outcome.kind == "finished":
        return ExitCode.OK
    again = outcome.kind == "stopped" or report.temporary
    return ExitCode.STOPPED if again and not _nothing_saved(outcome) else ExitCode.FAILED


def _nothing_saved(outcome: Outcome) -> bool:
    """Whether steps were trained and no checkpoint is left of them."""
    return outcome.step > 0 and not outcome.checkpoint


def _times(status: RunStatus, total: float) -> str:
    """Where the time went, in one line."""
    spent = {"compile": 0.0, "train": 0.0, **status.seconds}
    parts = ", ".join(f"{name} {duration(seconds)}" for name, seconds in {"start": total - sum(spent.values()), **spent}.items())
    return f"time {duration(total)}: {parts}"


if __name__ == "__main__":
    sys.exit(run(main))
