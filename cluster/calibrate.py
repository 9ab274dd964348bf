"""`python -m cluster.calibrate`: times real steps with several settings on this node, and writes the best settings as TOML."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cluster.calibration.record import ASSUMED_EPOCH, remember
from cluster.calibration.scale_report import DEFAULT_GBITS, exchange_costs, fleet_of, scale_table, scaled_steps
from cluster.calibration.search import NETWORKS, Candidate, Trial, best, search, worker_counts
from cluster.calibration.trial_group import cpus_of, run_trial, with_settings
from cluster.config import SYNTHETIC, Config
from cluster.driver.console import Screen
from cluster.driver.shard_compatibility import check_identity, check_shards
from cluster.hardware.cgroup import cpu_quota
from cluster.hardware.cpu_features import CPUINFO, emulated, has_bfloat16
from cluster.hardware.cpu_tree import read_cores
from cluster.hardware.topology import largest_share, workers_of_node
from cluster.job import images_by_settings, images_of
from cluster.load_config import load_config
from cyclegan.config import ImageFormat
from cyclegan.training.schedule import make_schedule
from preprocess.building.shard_folder import finished_shards
from preprocess.shards.manifest import Manifest
from preprocess.sources.layouts import find_images, source_of
from ringcycle.cli import ExitCode, Parser, duration, fail, run
from ringcycle.domains import TRAIN_SPLITS
from ringcycle.errors import UserError
from ringcycle.memory import available_memory
from ringcycle.tables import table_lines

GIB = 2**30


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write the fragment. Also takes the options of `cluster.train`. Returns the exit code."""
    parser = Parser(
        prog="python -m cluster.calibrate",
        usage="%(prog)s [--output FILE] [--nodes N [--gbits G]] [--config FILE] [--section.field VALUE …]",
        description="Time a few steps with several settings on this node's processors; write the best, and predict the training time.",
        epilog="Takes the fields of `python -m cluster.train`, whose --help lists them.",
        allow_abbrev=False,
    )
    parser.add_argument("--output", default="calibrated.toml", help="file for the best settings (default: calibrated.toml)")
    parser.add_argument(
        "--nodes", type=int, default=1, help="predict a training on so many nodes like this one, and choose train.accumulate"
    )
    parser.add_argument("--gbits", type=float, help=f"Gbit/s between the nodes, as cluster.doctor measures it (default: {DEFAULT_GBITS:g})")
    given, rest = parser.parse_known_args(arguments)
    screen = Screen()
    try:
        output, fleet = _writable(Path(given.output)), fleet_of(given.nodes, given.gbits)
        config = load_config(rest, os.environ)
        images, epoch = of_source(config)
        costs = {}
        if fleet.nodes > 1:
            screen.line("measuring the exchange of two workers")
            costs = exchange_costs(config, images)
        trials = _measure_all(config, images, screen)
        chosen = best(trials)
        if chosen.figures is None:
            raise UserError(f"no setting could be measured; the first one failed: {trials[0].reason}")
        lines = [*table(trials), "", *prediction(config, chosen, epoch)]
        batch, parts = chosen.candidate.batch, 1
        if fleet.nodes > 1:
            steps = scaled_steps(config, images, chosen, fleet, costs)
            lines += ["", *scale_table(config, chosen, fleet, steps, epoch)]
            factor = steps[-1].accumulate
            batch, parts = factor * batch, factor * with_settings(config, chosen.candidate).train.accumulate
        for line in lines:
            screen.line(line)
        _write(output, fragment(chosen, cpus_of(chosen.candidate.workers), lines, fleet.nodes, batch, parts))
        screen.line(f"written: {given.output}")
    except UserError as error:
        fail(error)
        return ExitCode.USAGE
    except KeyboardInterrupt:
        fail("interrupted before everything was measured; compiled programs are kept: the same command will reuse them")
        return ExitCode.INTERRUPTED
    return ExitCode.OK


def _measure_all(config: Config, images: ImageFormat, screen: Screen) -> list[Trial]:
    cores, quota = read_cores(os.sched_getaffinity(0)), cpu_quota()
    usable = len(cores) if quota is None else max(1, min(len(cores), int(quota)))
    counts = worker_counts(usable, workers_of_node(cores, quota))
    arrangements = [(workers, len(largest_share(cores, quota, workers)[0].compute)) for workers in counts]
    model, native = config.model, has_bfloat16(CPUINFO.read_text())
    if model.precision == "bfloat16" and not native:
        raise UserError(emulated("this machine's processor"))
    networks = [(convolution, precision) for convolution, precision in NETWORKS if precision != "bfloat16" or native]
    first = Candidate(*arrangements[0], model.convolution, model.precision, config.train.batch, config.cluster.allreduce_dtype)

    def measure(candidate: Candidate) -> Trial:
        screen.line(f"measuring {describe(candidate)}")
        trial = run_trial(config, images, candidate)
        remember(trial, config, images)
        return trial

    return search(first, networks, arrangements, available_memory(), measure)


def of_source(config: Config) -> tuple[ImageFormat, int | None]:
    """The format of the images, and the number of images in an epoch: that of the larger domain.

    The format is that of finished shards, otherwise what the settings ask for. The number is None if the length is given in steps, or if
    there is no source to count. Raises UserError for a source that cannot be trained on.
    """
    data = config.data
    if shards := finished_shards(data.source):
        manifest = Manifest.load(shards)
        images = images_of(manifest)
        check_shards(config, manifest, images, shards)
        return images, max(manifest.splits[split].count for split in TRAIN_SPLITS)
    images = images_by_settings(data)
    check_identity(config.train, images)
    if config.train.steps or data.source == SYNTHETIC or not (data.source or data.source_a or data.source_list):
        return images, None
    files = find_images(source_of(data))
    return images, max(len(files[split]) for split in TRAIN_SPLITS)


def describe(candidate: Candidate) -> str:
    """A candidate in words."""
    c = candidate
    return (
        f"{c.workers} worker{'s' * (c.workers > 1)} with {c.threads} core{'s' * (c.threads > 1)} each, convolution {c.convolution}, "
        f"precision {c.precision}, batch {c.batch}, all-reduce in {c.allreduce_dtype}"
    )


def table(trials: Sequence[Trial]) -> list[str]:
    """All trials as lines of text, the best one marked."""
    headings = ("workers", "cores", "convolution", "precision", "batch", "allreduce", "s/step", "images/s", "GiB/worker", "")
    records = []
    for trial in trials:
        c, f = trial.candidate, trial.figures
        figures = (f"{f.seconds:.3f}", f"{trial.speed:.3f}", f"{f.memory / GIB:.2f}") if f else ("", "", "")
        note = "best" if trial is best(trials) else trial.reason
        records.append((str(c.workers), str(c.threads), c.convolution, c.precision, str(c.batch), c.allreduce_dtype, *figures, note))
    return table_lines(headings, records, len(headings) - 1)


def prediction(config: Config, chosen: Trial, epoch: int | None) -> list[str]:
    """Time and memory of a complete training on this node with the chosen settings, not counting waits for images and storage."""
    figures, candidate = chosen.figures, chosen.candidate
    assert figures is not None
    schedule = make_schedule(config.train, candidate.workers * candidate.batch, epoch or ASSUMED_EPOCH)
    assumed = "" if epoch or config.train.steps else f" (assuming {ASSUMED_EPOCH:,} images per epoch)"
    total = figures.compile_seconds + schedule.steps * figures.seconds
    node = (candidate.workers - 1) * figures.memory + figures.peak
    return [
        f"a training of {schedule.steps:,} steps of {schedule.global_batch} images{assumed}: {duration(total)}",
        f"memory: {figures.memory / GIB:.2f} GiB per worker between steps, {node / GIB:.2f} GiB on the node while one worker compiles",
    ]


def fragment(chosen: Trial, cpus: int, lines: Sequence[str], nodes: int, batch: int, accumulate: int) -> str:
    """The chosen settings for so many nodes as TOML, preceded by `lines` as a comment. batch, accumulate: of each worker."""
    c = chosen.candidate
    more = "" if nodes > 1 else "  # for one node: multiply by the number of nodes"
    parts = f"accumulate = {accumulate}\n" if accumulate > 1 else ""
    head = "".join(f"# {line}".rstrip() + "\n" for line in ("python -m cluster.calibrate, on one node:", *lines))
    return (
        f'{head}\n[model]\nconvolution = "{c.convolution}"\nprecision = "{c.precision}"\n\n[train]\nbatch = {batch}\n{parts}\n'
        f"[cluster]\nworkers = {nodes * c.workers}{more}\n"
        f'cpus_per_worker = {cpus}\nallreduce_dtype = "{c.allreduce_dtype}"\n'
    )


def _writable(path: Path) -> Path:
    """`path`, if a file can be created there: a mistake is reported before the measurements, not after."""
    if path.is_dir() or not path.parent.is_dir():
        fact = "is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        raise UserError(f"--output {path}: {fact}: name a file in an existing folder")
    return path


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise UserError(f"--output {path}: cannot be written: {error.strerror}") from error


if __name__ == "__main__":
    sys.exit(run(main))
