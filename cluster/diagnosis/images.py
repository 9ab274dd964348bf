"""The images of a training: whether there are any, and whether every node can read them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.config import SYNTHETIC, Config
from cluster.diagnosis.finding import Figure, Finding, Verdict
from cluster.diagnosis.nodes import Budget, NoAnswer, Nodes, ask, bounded, failed
from cluster.diagnosis.storage_verdicts import SHARED
from cluster.driver.shard_compatibility import check_identity, check_shards
from cluster.job import images_by_settings, images_of
from cyclegan.config import ImageFormat
from preprocess.building.shard_folder import finished_shards
from preprocess.shards.manifest import NAME, Manifest
from preprocess.sources.layouts import Source, find_images, opener, source_of
from ringcycle.domains import TRAIN_SPLITS
from ringcycle.errors import UserError
from ringcycle.storage.location import Location, is_remote, reason, redacted
from ringcycle.storage.store import Store

CHECK = "images"
LIST_SECONDS, READ_SECONDS = 20.0, 15.0


@dataclass(frozen=True)
class Images:
    """What is known of a training's images. largest: images of the larger domain; None if none were named or listed.

    shards: finished ones that are the source. samples: names of one image of each domain otherwise.
    """

    format: ImageFormat
    largest: int | None = None
    counts: tuple[int, int] | None = None
    shards: Location | None = None
    samples: tuple[str, ...] = ()


def inspect(config: Config) -> tuple[Images, list[Finding]]:
    """The images that the configuration names. Where they cannot be used, the finding says why, and the format is as set."""
    data = config.data
    by_settings = Images(images_by_settings(data))
    try:
        if not (data.source or data.source_a or data.source_list):
            return by_settings, [Finding(CHECK, Verdict.OK, "none named: with --data.source they are looked for on all nodes")]
        if data.source == SYNTHETIC:
            return by_settings, [_synthetic(config)]
        found = bounded(lambda: _found(config), LIST_SECONDS)
    except UserError as error:
        return by_settings, [Finding.of_message(CHECK, error)]
    except TimeoutError:
        fact = f"{source_of(data)} could not be listed in {LIST_SECONDS:.0f} s, and is not looked for on the nodes"
        return by_settings, [Finding(CHECK, Verdict.WARNING, fact, "wait longer with `python -m preprocess.build`, which lists it too")]
    except Exception as error:
        return by_settings, [failed(CHECK, error)]
    return found, []


def visible(config: Config, images: Images, nodes: Nodes, budget: Budget) -> Iterator[Finding]:
    """Whether every node can read the images that were found here."""
    if images.counts is None:
        return
    source = source_of(config.data).absolute()
    answers = ask(nodes, unreadable, budget.at_most(READ_SECONDS), source, images.samples, images.shards)
    a, b = images.counts
    figures = {"a": Figure.of(a), "b": Figure.of(b)}
    for node, answer in answers.items():
        if isinstance(answer, NoAnswer):
            finding = Finding(CHECK, Verdict.PROBLEM, f"{source}: {answer.reason}", "see whether its storage hangs there (`ls`, `df`)")
        elif answer:
            finding = Finding(CHECK, Verdict.PROBLEM, f"{source} cannot be read ({answer})", SHARED)
        else:
            what = "finished shards" if images.shards else "readable"
            finding = Finding(CHECK, Verdict.OK, f"{source}: {{a}} of A and {{b}} of B, {what}", figures=figures)
        yield finding.on(node.name)


def unreadable(source: Source, names: Sequence[str], shards: Location | None) -> str:
    """Why the node that this runs on cannot read these images of a source, or the manifest of finished shards; empty if it can."""
    try:
        if shards is not None:
            Store(shards).read(NAME)
        read = opener(source)
        for name in names:
            read(name)
    except OSError as error:
        return reason(error)
    return ""


def _found(config: Config) -> Images:
    shards = finished_shards(config.data.source)
    if shards:
        manifest = Manifest.load(shards)
        images = images_of(manifest)
        check_shards(config, manifest, images, shards)
        a, b = (manifest.splits[split].count for split in TRAIN_SPLITS)
        return Images(images, max(a, b), (a, b), shards)
    images = images_by_settings(config.data)
    check_identity(config.train, images)
    files = find_images(source_of(config.data))
    a, b = (len(files[split]) for split in TRAIN_SPLITS)
    return Images(images, max(a, b), (a, b), None, tuple(files[split][0].name for split in TRAIN_SPLITS))


def _synthetic(config: Config) -> Finding:
    if is_remote(config.run.storage):
        storage = redacted(config.run.storage)
        fact = f"data.source = {SYNTHETIC} draws its images into run.storage = {storage}, which is not a local folder"
        return Finding(CHECK, Verdict.PROBLEM, fact, "give a folder of images, or a local run.storage")
    return Finding(CHECK, Verdict.OK, f"the embedded ones, drawn below {Path(redacted(config.run.storage))} when a training starts")
