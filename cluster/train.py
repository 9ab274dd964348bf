"""`python -m cluster.train`: from a configuration to a trained CycleGAN."""

import contextlib
import os
import shlex
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import ray

from cluster.config import SYNTHETIC, Config
from cluster.config_summary import summary
from cluster.driver.attempt import Attempt
from cluster.driver.checks import check_nodes, check_run, check_weights, cpus_of_workers, gpu_wanted, held_run, storage_location
from cluster.driver.console import Screen
from cluster.driver.interfaces import Display
from cluster.driver.node_request import requested_nodes
from cluster.driver.nodes import Nodes
from cluster.driver.observed_display import ObservedDisplay
from cluster.driver.policy import GroupSize
from cluster.driver.run_lease import RunLease
from cluster.driver.run_metrics import RunMetrics
from cluster.driver.run_reporter import RunReporter
from cluster.driver.shard_compatibility import check_shards
from cluster.driver.signals import StopSignals, import_trainer_early
from cluster.driver.start_from import start_weights
from cluster.driver.supervise import Report, Supervisor, timeouts_of
from cluster.hardware.cpu_features import check_precision
from cluster.hardware.default_workers import default_workers
from cluster.held_out.evaluator import Evaluate, HeldOutEvaluator
from cluster.held_out.seed_race import decided_seed, race, with_seed
from cluster.held_out.task import HeldOutSettings, evaluate_on_spare_cpus
from cluster.job import Job, images_of, plan_of
from cluster.load_config import PRINT_CONFIG, as_toml, load_config, log_level
from cluster.monitoring.status import Outcome, RunStatus
from cluster.paths import REPORT, SAMPLES
from cluster.tracking.process import TrackerProcess, check_tracker
from cyclegan.training.schedule import make_schedule
from preprocess.building.shard_folder import check_source, ensure_shards
from preprocess.config import DataConfig
from preprocess.feed.find_pairs import find_pairs
from preprocess.feed.pairs import NO_PAIRS, Pairs
from preprocess.images.size import sides_of
from preprocess.shards.cache import cache_settings
from preprocess.shards.manifest import Manifest
from preprocess.sources.layouts import absolute
from preprocess.sources.pair_list import NamedPair, field_of, read_pairs
from preprocess.synthetic import write_dataset
from ringcycle.cli import ExitCode, duration, fail, run
from ringcycle.domains import TEST_SPLITS, TRAIN_SPLITS
from ringcycle.errors import UserError
from ringcycle.logs import send_lines
from ringcycle.ray_start import start_ray
from ringcycle.storage.location import Location, child, redacted
from ringcycle.storage.store import Store
from ringcycle.user_cache import compile_cache


def main(arguments: Sequence[str] | None = None) -> int:
    """Load the configuration, check what a user can get wrong, build or find shards, train, report the outcome. Returns the exit code."""
    try:
        words = sys.argv[1:] if arguments is None else arguments
        screen = Screen(log_level(words))
        send_lines(screen.log_line, screen.level)
        try:
            config = load_config(words, os.environ, trains=True)
            if PRINT_CONFIG in words:
                sys.stdout.write(as_toml(config))
                return ExitCode.OK
            with contextlib.ExitStack() as stack:
                return _train(config, screen, stack)
        finally:
            screen.close()
    except UserError as error:
        fail(error)
        return ExitCode.USAGE
    except KeyboardInterrupt:
        fail("interrupted before training began; finished shards are kept: run the same command to continue")
        return ExitCode.INTERRUPTED
    finally:
        ray.shutdown()


def _train(config: Config, screen: Screen, stack: contextlib.ExitStack) -> int:
    """stack: for what is undone once the outcome is reported."""
    started = time.monotonic()
    check_tracker(config.run.tracker, os.environ)
    storage = storage_location(config, os.environ, Path.cwd())
    data = _data(config, storage, screen)
    check_source(data)
    named = read_pairs(data.pairs) if data.pairs else []
    weights = check_weights(config)
    compile_cache(config.cluster.compile_cache)  # refused here, before anything starts, if others can write to it
    for line in summary(config):
        screen.line(line)
    import_trainer_early()
    screen.phase("starting Ray")
    joined = start_ray()
    gpu = gpu_wanted(config)
    if not config.cluster.workers:
        config = config.with_workers(default_workers(joined, gpu))
    if joined:
        stack.enter_context(requested_nodes(config.cluster, gpu))
    cpus = cpus_of_workers(config, joined, gpu)
    check_precision(config.model.precision, gpu)
    screen.phase("looking for shards")
    shards = ensure_shards(data, data.shards or child(storage, "shards"), screen.build)
    run = child(storage, config.run.name)
    seed = decided_seed(run)
    config = config if seed is None else with_seed(config, seed)
    manifest = Manifest.load(shards)
    images = images_of(manifest)
    check_shards(config, manifest, images, shards)
    if weights and not {images.channels_a, images.channels_b} <= {1, 3}:
        fact = f"the images have {images.channels_a} and {images.channels_b} channels"
        raise UserError(f"evaluate.weights is set, but {fact}, and KID and FID are defined for 1 and 3: leave it empty")
    screen.line(manifest.describe())
    pairs = _pairs(named, data, shards, manifest, screen) if named else NO_PAIRS
    step, checkpoint = check_run(config, run, manifest, pairs)
    start = start_weights(config, images, needed=step == 0)
    check_nodes(storage, shards, start, weights, joined)
    plan = plan_of(config, manifest, pairs)
    schedule = make_schedule(config.train, config.global_batch, plan.epoch_length)
    if config.train.seeds > 1 and config.race.steps >= schedule.steps:
        raise UserError(f"race.steps = {config.race.steps:,} is not below the {schedule.steps:,} steps of the run: lower it")
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
    with held_run(config, run) as lease, TrackerProcess(config.run.tracker, run, config.run.name) as tracker:
        cache = absolute(config.cluster.compile_cache)
        job = Job(config, images, run, shards, cache, gpu, None, start, pairs=pairs, log_level=screen.level)
        evaluate = _evaluate(job, data, manifest, weights)
        report = None
        if config.train.seeds > 1 and not step:
            job, report = race(job, partial(_train_heat, cpus=cpus, screen=screen), _needed(evaluate))
            screen.begin()
        report = report or _train_evaluated(job, cpus, screen, lease, evaluate)
        assert report.status.outcome is not None
        if config.run.tracker != "none":
            screen.phase(f"sending the rest to {config.run.tracker}")
        tracker.finish("" if lease.lost.is_set() else report.status.outcome.kind)
    screen.close()
    report_outcome(report, job.config, run, screen)
    screen.line(_times(report.status, time.monotonic() - started))
    screen.line(report.goodput.describe())
    return exit_code(report)


def _train_evaluated(job: Job, cpus: int, screen: Screen, lease: RunLease, evaluate: Evaluate | None) -> Report:
    """Train to the end, evaluating checkpoints meanwhile if the user wants it and there are images."""
    every, reporter = job.config.evaluate.every, RunReporter(job.run, lease.lost.is_set)
    if not every or not evaluate:
        if every:
            screen.line("checkpoints are not evaluated: there are no held-out images of both domains (testA, testB)")
        report = _supervise(job, cpus, screen, lease, reporter)
    else:
        evaluator = HeldOutEvaluator(job.run, every, evaluate, lease.lost.is_set)
        report = _supervise(job, cpus, ObservedDisplay(screen, evaluator.update), lease, reporter)
        finished = report.status.outcome is not None and report.status.outcome.kind == "finished"
        if finished:
            screen.phase("evaluating the last checkpoint")
        report.status.seconds["evaluate"] = evaluator.finish(finished)
    reporter.finish(report.status.outcome)
    return report


def _train_heat(job: Job, cpus: int, screen: Screen) -> Report:
    screen.begin()
    with held_run(job.config, job.run) as lease:
        reporter = RunReporter(job.run, lease.lost.is_set)
        report = _supervise(job, cpus, screen, lease, reporter)
        reporter.finish(report.status.outcome)
        return report


def _supervise(job: Job, cpus: int, display: Display, lease: RunLease, reporter: RunReporter) -> Report:
    """Train with workers of `cpus` CPUs each, through restarts, until there is an outcome."""
    shown = ObservedDisplay(display, reporter.update, RunMetrics(job.config.run.name).update)
    nodes, ended = Nodes(job.config, cpus, job.gpu), reporter.attempt_ended

    def new_attempt(job: Job, workers: int, number: int) -> Attempt:
        return Attempt(job, GroupSize(workers, cpus, job.gpu), timeouts_of(job.config.cluster), number)

    with StopSignals() as signals:
        return Supervisor(job, nodes, new_attempt, signals, shown, lease.lost.is_set, attempt_ended=ended).run()


def _evaluate(job: Job, data: DataConfig, manifest: Manifest, weights: Path | None) -> Evaluate | None:
    """What evaluates a checkpoint; None without held-out images."""
    if not all(split in manifest.splits and manifest.splits[split].count for split in TEST_SPLITS):
        return None
    folder = Path(data.source) / "truth" if data.source and "://" not in data.source else None
    truths = folder if folder and folder.is_dir() else None
    settings = HeldOutSettings(job.shards, job.config.evaluate.images, sides_of(data.crop_size), truths, weights)
    return partial(evaluate_on_spare_cpus, settings=settings)


def _needed(evaluate: Evaluate | None) -> Evaluate:
    if evaluate is None:
        raise UserError(
            "train.seeds is above 1, but no held-out images (testA, testB) can tell which seed is best: add some, or set it to 1"
        )
    return evaluate


def _data(config: Config, storage: Location, screen: Screen) -> DataConfig:
    """The `data` section with absolute paths. If its source is the embedded data set, that is drawn below the storage."""
    data = config.data
    absolutes = {"shards": absolute(data.shards), "pairs": absolute(data.pairs)}
    if data.source == SYNTHETIC:
        if not isinstance(storage, Path):
            raise UserError(
                f"data.source = {SYNTHETIC} draws its images into run.storage = {Store(storage).label()}, which is not a local folder: "
                "give a folder of images, or a local run.storage"
            )
        source = storage / SYNTHETIC
        screen.phase("drawing the embedded images")
        write_dataset(source)
        return data.model_copy(update={"source": str(source), **absolutes})
    return data.model_copy(update={"source": absolute(data.source), **absolutes})


def _pairs(named: Sequence[NamedPair], data: DataConfig, shards: Location, manifest: Manifest, screen: Screen) -> Pairs:
    """The images of the shards that the user names as pairs."""
    pairs = find_pairs(field_of(data.pairs), named, shards, manifest, cache_settings(data.cache, data.cache_gb))
    screen.line(f"{len(pairs):,} known pairs, {len(pairs) / manifest.splits[TRAIN_SPLITS[0]].count:.1%} of the images of A")
    return pairs


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
    lowered, page = lowered if report.rollbacks else "", Store(run).label(REPORT)
    if outcome.kind == "finished":
        images = Store(run).label(SAMPLES)
        screen.line(f"finished: {outcome.step:,} steps{lowered}; checkpoint {outcome.checkpoint}; images in {images}")
        place = shlex.quote(redacted(run))
        screen.line(f"report: {page}")
        screen.line(f"next: python -m cyclegan.translate --checkpoint {place} --direction AtoB IMAGES translated")
    elif outcome.kind == "stopped" and _nothing_saved(outcome):
        why = f" ({outcome.reason})" if outcome.reason else ""
        fail(f"stopped at step {outcome.step:,} without a checkpoint{why}: a rerun starts over")
    elif outcome.kind == "stopped":
        screen.line(f"stopped at step {outcome.step:,}{lowered}; {newest}; run the same command to continue")
        screen.line(f"report: {page}")
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
